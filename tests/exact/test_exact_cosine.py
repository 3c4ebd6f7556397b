"""The expected cosine of a sampled gradient, against enumeration, limits, and one sampled run."""

import math

import numpy as np
import pytest
from dying import dies
from hypothesis import given
from hypothesis import strategies as st

from kondo_ref.exact.atoms import Bandit, FiniteRewards
from kondo_ref.exact.bandit import bandit_cosine
from kondo_ref.exact.batches import Baseline
from kondo_ref.exact.cosine import (
    batch_for_cosine,
    expected_cosine,
    limiting_batch,
    success_batch,
)
from kondo_ref.gate import Gate

SIZES = [(2, 7), (3, 4), (4, 4), (6, 2)]
PROBABILITIES = st.floats(-6.0, -0.001).map(lambda e: 10.0**e)


def enumerated(p, arms, b, batch):
    bandit = Bandit.single(FiniteRewards.certain(np.eye(arms)[0]))
    pi = np.full((1, arms), (1.0 - p) / (arms - 1))
    pi[0, 0] = p
    baseline = Baseline("constant", b)
    return bandit_cosine(bandit, np.log(pi), Gate.named("pg"), baseline=baseline, batch=batch)


@given(PROBABILITIES, st.sampled_from(SIZES), st.sampled_from((0.0, 0.01, 0.5, 0.9, 0.999)))
def test_it_is_the_mean_over_all_batches(p, size, b):
    arms, batch = size
    if b > 0.0 and (1.0 - b) * p < 1e-3:
        # The enumeration loses digits where grad J is a small difference of its terms.
        p = 1e-3 / (1.0 - b) if 1e-3 / (1.0 - b) < 1.0 else 0.999
    assert abs(expected_cosine(p, arms, b, batch) - enumerated(p, arms, b, batch)) <= 1e-11


def test_a_large_batch_against_one_sampled_run():
    """Key fixed; six standard errors, error rate 2e-9."""
    p, arms, b, batch, runs = 0.05, 40, 0.5, 300, 4000
    rng = np.random.Generator(np.random.Philox(5))
    pi = np.full(arms, (1.0 - p) / (arms - 1))
    pi[0] = p
    counts = rng.multinomial(batch, pi, size=runs).astype(float)
    gains = np.where(np.arange(arms) == 0, 1.0 - b, -b)
    updates = counts * gains - (counts @ gains)[:, None] * pi
    direction = p * (np.eye(arms)[0] - pi)
    cosines = updates @ direction / np.linalg.norm(updates, axis=1) / np.linalg.norm(direction)
    error = cosines.std() / math.sqrt(runs)
    assert abs(cosines.mean() - expected_cosine(p, arms, b, batch)) <= 6 * error


@pytest.mark.parametrize(("p", "arms", "b"), [(0.1, 10, 0.5), (0.05, 300, 0.9), (0.3, 3, 0.05)])
def test_it_is_a_cosine_and_tends_to_one(p, arms, b):
    found = [expected_cosine(p, arms, b, batch) for batch in (20, 200, 2000, 20000)]
    assert found == sorted(found)
    assert 0.0 < found[0] < found[-1] < 1.0
    # 1 - cosine is half the perpendicular variance over the squared mean, over B, in the limit
    gap = b * b * (1.0 - p) * (arms - 2) / (arms - 1) / (2.0 * p * p)
    gap /= 20000 * (1.0 - p) ** 2 * arms / (arms - 1)
    assert 1.0 - found[-1] == pytest.approx(gap, rel=0.05)


@pytest.mark.parametrize(("p", "arms"), [(0.2, 5), (0.05, 1000)])
def test_without_a_baseline_the_first_success_decides(p, arms):
    assert expected_cosine(p, arms, 0.0, 7) == pytest.approx(1.0 - (1.0 - p) ** 7, rel=1e-14)
    assert batch_for_cosine(p, arms, 0.0, 0.9) == math.ceil(success_batch(p, 0.9))


def test_two_arms_have_no_perpendicular_part():
    assert expected_cosine(0.1, 2, 0.5, 1) == 1.0


@pytest.mark.parametrize(("p", "arms", "b"), [(0.1, 100, 0.5), (0.03, 20, 0.03)])
def test_the_least_batch(p, arms, b):
    batch = batch_for_cosine(p, arms, b, 0.9)
    assert expected_cosine(p, arms, b, batch) >= 0.9 > expected_cosine(p, arms, b, batch - 1)
    on_grid = batch_for_cosine(p, arms, b, 0.9, grid=1.25)
    assert batch <= on_grid < 1.25 * batch + 1
    assert on_grid in {int(1.25**k) for k in range(60)}


@pytest.mark.parametrize(("arms", "b", "cosine"), [(5, 0.5, 0.9), (100, 0.5, 0.9), (30, 0.2, 0.97)])
def test_the_limit_of_rare_successes(arms, b, cosine):
    limit = limiting_batch(arms, b, cosine)
    found = [batch_for_cosine(p, arms, b, cosine) * p * p / limit for p in (0.1, 0.03, 0.01)]
    assert found == sorted(found, reverse=True)
    assert 1.0 <= found[-1] < 1.06


def test_the_limit_of_many_arms():
    assert limiting_batch(10**5, 0.5, 0.9) == pytest.approx(0.25 * 0.81 / 0.19, rel=1e-4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: expected_cosine(0.0, 3, 0.5, 1), r"p: expected a number in \(0, 1\), got 0.0"),
        (lambda: expected_cosine(0.5, 1, 0.5, 1), "arms: expected at least 2, got 1"),
        (lambda: expected_cosine(0.5, 3, 1.0, 1), r"b: expected a number in \[0, 1\), got 1.0"),
        (lambda: expected_cosine(0.5, 3, 0.5, 0), "batch: expected at least 1, got 0"),
        (lambda: batch_for_cosine(0.5, 3, 0.5, 1.0), r"cosine: expected a number in \(0, 1\)"),
        (lambda: batch_for_cosine(0.5, 3, 0.5, 0.9, grid=1.0), "grid: expected a finite number"),
        (lambda: limiting_batch(2, 0.5, 0.9), "arms: expected at least 3, got 2"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        call()


@pytest.mark.parametrize(
    ("target", "old", "new"),
    [
        ("exact.cosine.expected_cosine", "m * p / (1.0 - p)", "m * p"),
        ("exact.cosine._least_spread", "over * (cells - over) / cells", "over + 1e3"),
        ("exact.cosine._integral", "math.exp(first) / math.expm1(STEP)", "0.0 * first"),
        ("exact.cosine._integral", "STEP * 2.0 / math", "STEP / math"),
        ("exact.cosine._Spread.laplace", "** self.cells", "** (self.cells - 1)"),
        ("exact.cosine._Spread.laplace", "c * self.spread + ", ""),
    ],
)
def test_a_wrong_version_is_seen(target, old, new):
    dies(
        target, old, new,
        lambda: test_it_is_the_mean_over_all_batches.hypothesis.inner_test(0.3, (4, 4), 0.5),
    )  # fmt: skip
