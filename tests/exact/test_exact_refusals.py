"""Arguments that the exact engine refuses by name, and those it takes in another type."""

import numpy as np
import pytest

from kondo_ref.exact.atoms import Bandit, FiniteRewards
from kondo_ref.exact.bandit import bandit_cosine, bandit_update
from kondo_ref.exact.batches import Baseline
from kondo_ref.exact.contexts import context_weight, cosine_gap, weight_slope, weighted_gap
from kondo_ref.exact.cosine import limiting_batch, success_batch
from kondo_ref.exact.draws import GivenBatch, closed, enumerated, enumerated_weights
from kondo_ref.exact.gaussian import GatedMoments, gated_moments
from kondo_ref.exact.moments import moments_of
from kondo_ref.exact.realised_rate import (
    NormalMixture,
    calibrated_limit,
    rate_at_price,
    realised_rate,
    recall_at_price,
)
from kondo_ref.gate import Gate
from kondo_ref.price import Fixed

GATE = Gate(price=Fixed(0.1), draw="bernoulli")
LOGITS, ACTIONS, ADVANTAGES = [[0.1, 0.2], [1.3, -0.4]], [0, 1], [1.0, -0.5]
BANDIT = Bandit.single(FiniteRewards.certain(np.array([1.0, 0.0])))


def given(**fields: object) -> GivenBatch:
    return GivenBatch(LOGITS, ACTIONS, ADVANTAGES, GATE, **fields)  # type: ignore[arg-type]


def cosine_of(arms: int, batch: int) -> float:
    return bandit_cosine(BANDIT, np.zeros((1, arms)), GATE, baseline=Baseline(), batch=batch)


def test_lists_and_float32_are_computed_in_float64() -> None:
    assert closed(given(mask=[True, False])).mean.dtype == np.float64
    narrow = GivenBatch(
        np.array(LOGITS, np.float32), np.array(ACTIONS), np.array(ADVANTAGES, np.float32), GATE
    )
    np.testing.assert_allclose(enumerated(narrow).mean, closed(narrow).mean, rtol=0, atol=1e-15)
    assert bandit_update(BANDIT, [[0.0, 1.0]], GATE).moments.mean.shape == (2,)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("word", "call"),
    [
        ("contexts", lambda: given(contexts=np.array([0.0, 0.5]))),
        ("contexts", lambda: given(contexts=np.array([True, False]))),
        ("contexts", lambda: given(contexts=np.array([0, -1]))),
        ("weight", lambda: enumerated_weights(given(), np.ones(3))),
        ("weight", lambda: enumerated_weights(given(), np.full(2, np.nan))),
        ("batch", lambda: cosine_of(2, 0)),
        ("logits", lambda: cosine_of(3, 1)),
        ("b:", lambda: limiting_batch(5, 0.0, 0.9)),
        ("cosine", lambda: limiting_batch(5, 0.5, 1.0)),
        ("cosine", lambda: success_batch(0.1, 1.0)),
        ("mean", lambda: gated_moments(np.inf, 1.0, 1.0, 0.0, 1.0)),
        ("price", lambda: gated_moments(0.0, 1.0, 1.0, np.nan, 1.0)),
        ("spread", lambda: realised_rate(-1.0, 0.5)),
        ("rate", lambda: realised_rate(1.0, 2.0)),
        ("temperature", lambda: rate_at_price(NormalMixture.normal(1.0), 0.0, -1.0)),
        ("temperature", lambda: calibrated_limit(NormalMixture.normal(1.0), 0.5, np.inf)),
        ("temperature", lambda: recall_at_price(NormalMixture.normal(1.0), 0.0, 0.0, 0.5)),
        ("price", lambda: recall_at_price(NormalMixture.normal(1.0), -np.inf, 1.0, 0.5)),
        ("p:", lambda: context_weight([0.5, 0.0], 1.0)),
        ("p:", lambda: weight_slope(1.5, 1.0)),
        ("first", lambda: cosine_gap(np.zeros(2), np.ones(2))),
        ("second", lambda: cosine_gap(np.ones(2), np.ones(3))),
        ("weights", lambda: weighted_gap(np.array([1.0, -1.0]), np.ones(2))),
        ("direction", lambda: moments_of([1.0], [[1.0, 0.0]]).split([np.nan, 1.0])),
        ("probabilities", lambda: moments_of([0.5, 0.4], np.eye(2))),
        ("rewards", lambda: FiniteRewards.certain([])),
    ],
)  # fmt: skip
def test_refused_by_name(word, call) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises((TypeError, ValueError), match=f"^{word}"):
        call()


def test_a_threshold_beyond_float64() -> None:
    assert gated_moments(0.0, 1.0, 1e-310, 0.5, 0.0) == GatedMoments(0.0, 0.0, 0.0)
    below = gated_moments(0.3, 1.0, 1e-310, -0.5, 0.0)
    assert (below.keep, below.gain) == (1.0, 0.3)
