"""Moments over the gate's draws: enumerated by the core, closed, and both against plain sums."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from dying import dies
from hypothesis import given
from hypothesis import strategies as st
from properties.register import EPS
from strategies import cases, gates

from kondo_ref.exact.draws import GivenBatch, closed, enumerated, enumerated_weights, kept_law
from kondo_ref.gate import Gate
from kondo_ref.price import Calibrated, Fixed, Quantile, Rolling

SMALL = st.integers(0, 2)


@st.composite
def given_batches(draw, **options):
    """Batches of every gate, price, unit, mask and normalizer of the core, over shared logits."""
    case = draw(cases(gate=gates(**options), most=6, families=("moderate", "equal")))
    batch = case.batch
    contexts = np.array([draw(SMALL) for _ in range(batch.actions.size)]).reshape(batch.shape)
    return GivenBatch(
        batch.logits, batch.actions, batch.advantages, case.gate, case.normalizer, batch.mask,
        contexts=draw(st.sampled_from((None, contexts))),
    )  # fmt: skip


def sizes(batch):
    """The summed norms of the units' gradients, and whether Z can be 1."""
    return float(np.linalg.norm(batch.unit_gradients(), axis=1).sum())


def agree(batch):
    """Assert that the closed form gives what the core gives over all gates."""
    one, other = closed(batch), enumerated(batch)
    reach = sizes(batch)  # of an update at the most, whatever Z is
    error = float(np.linalg.norm(one.mean - other.mean))
    assert error <= 32 * EPS * reach, (one.mean, other.mean)
    error = float(np.linalg.norm(one.covariance - other.covariance))
    assert error <= 32 * EPS * reach**2, (one.covariance, other.covariance)


@given(given_batches())
def test_closed_is_enumerated(batch):
    agree(batch)


def per_kept(batch):
    """The mean of the update per kept decision, spelled out for a batch of single decisions."""
    w = batch.screening().keep_probability
    rows = (np.eye(batch.logits.shape[1])[batch.actions] - np.exp(log_pi(batch))) * (
        batch.advantages[:, None]
    )
    total = np.zeros_like(rows)
    for gate in itertools.product((0.0, 1.0), repeat=w.size):
        g = np.array(gate)
        chance = float(np.prod(np.where(g == 1.0, w, 1.0 - w)))
        total += chance * g[:, None] * rows / max(1.0, g.sum())
    return total.ravel()


def log_pi(batch):
    shifted = batch.logits - batch.logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


@given(given_batches(draws=("bernoulli",), units=("token",)))
def test_the_mean_per_kept_is_the_plain_sum(batch):
    if batch.logits.ndim == 3 or batch.mask is not None or batch.contexts is not None:
        return
    batch = replace(batch, normalizer="kept")
    expected = per_kept(batch)
    assert np.linalg.norm(closed(batch).mean - expected) <= 32 * EPS * sizes(batch)


def a_batch(normalizer="kept", **changes):
    logits = np.array([[0.5, 0.0, -1.0], [0.0, 0.25, 1.0], [2.0, 0.0, 0.0], [0.0, 0.0, 0.5]])
    chosen = {
        "logits": logits,
        "actions": np.array([0, 2, 1, 1]),
        "advantages": np.array([1.0, -0.5, 0.75, 2.0]),
        "gate": Gate(price=Quantile(0.5), draw="bernoulli"),
        "normalizer": normalizer,
        **changes,
    }
    return GivenBatch(**chosen)


@pytest.mark.parametrize(
    "gate",
    [
        Gate(price=price, draw="bernoulli", temperature=0.5)
        for price in (Fixed(0.2), Quantile(0.3), Calibrated(0.3), Rolling(0.5, 3, 2))
    ],
)
@pytest.mark.parametrize("normalizer", ["decisions", "kept", "none"])
def test_every_price_and_normalizer(gate, normalizer):
    agree(a_batch(normalizer, gate=gate))


def test_twelve_units_are_enumerated_and_thirteen_refused():
    for n, wrong in ((12, False), (13, True)):
        batch = GivenBatch(
            np.zeros((n, 2)), np.zeros(n, int), np.ones(n), Gate(draw="bernoulli"), "kept"
        )
        if wrong:
            with pytest.raises(ValueError, match=r"^keep_probability: expected at most 12 .* 13$"):
                enumerated(batch)
        else:
            agree(batch)


def test_units_that_are_certain_cost_nothing():
    n = 30
    batch = GivenBatch(
        np.zeros((n, 2)), np.zeros(n, int), np.ones(n),
        Gate(draw="bernoulli", temperature=0.0, price=Fixed(-1.0)),
    )  # fmt: skip
    assert enumerated(batch).covariance.any() == np.False_


def test_a_mask_counts_no_invalid_decision():
    mask = np.array([True, False, True, True])
    whole = a_batch(mask=mask)
    rest = np.array([0, 2, 3])
    part = a_batch(
        logits=whole.logits[rest], actions=whole.actions[rest], advantages=whole.advantages[rest]
    )
    moments, expected = closed(whole), closed(part)
    wide = moments.mean.reshape(4, 3)
    assert not wide[1].any()
    np.testing.assert_allclose(wide[rest].ravel(), expected.mean, rtol=1e-13, atol=1e-15)


def test_kept_law_is_the_convolution():
    counts, law = kept_law(np.array([0.25, 0.5]), np.array([1, 2]))
    assert counts.tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(law, [0.375, 0.125, 0.375, 0.125], rtol=1e-15)


def test_weights_of_one_are_the_core():
    batch = a_batch("decisions")
    one, other = enumerated_weights(batch, np.ones(4)), enumerated(batch)
    np.testing.assert_allclose(one.mean, other.mean, rtol=1e-13, atol=1e-16)
    np.testing.assert_allclose(one.covariance, other.covariance, rtol=1e-13, atol=1e-16)


def test_a_shared_uniform_keeps_the_mean_alone():
    batch = a_batch("decisions", contexts=np.zeros(4, int))
    shared = enumerated_weights(batch, np.ones(4), shared_uniform=True)
    other = enumerated(batch)
    np.testing.assert_allclose(shared.mean, other.mean, rtol=1e-13, atol=1e-16)
    assert abs(shared.total_variance - other.total_variance) > 1e-3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"normalizer": "mean"}, "normalizer: expected one of"),
        ({"contexts": np.zeros(3, int)}, "contexts: expected shape (4,), got (3,)"),
        ({"contexts": np.full(4, -1)}, "contexts: expected 0 or more, got -1"),
    ],
)
def test_bad_batches_are_refused(changes, message):
    with pytest.raises(ValueError, match="^" + message.replace("(", r"\(").replace(")", r"\)")):
        a_batch(**changes)


@pytest.mark.parametrize(
    ("target", "old", "new"),
    [
        ("exact.draws._per_kept", "sizes[i] + counts)", "counts)"),
        ("exact.draws._per_kept", "second[i, i] = w[i]", "second[i, i] = w[i] ** 2"),
        ("exact.draws._per_kept", "w[i] * w[j] *", "w[i] *"),
        ("exact.draws.closed", "w * (1.0 - w)", "w"),
        ("exact.draws.kept_law", "(1.0 - chance) * law +", "law +"),
        ("exact.draws.drawable", "1.0 - w[random]", "w[random]"),
        ("exact.moments.moments_of", "deviation = vectors - mean", "deviation = vectors"),
    ],
)
def test_a_wrong_version_is_seen(target, old, new):
    def check():
        try:
            agree(a_batch("kept"))
            agree(a_batch("decisions"))
        except ValueError as refused:  # probabilities that do not sum to 1
            raise AssertionError(str(refused)) from None

    dies(target, old, new, check)
