"""The claims on signals and on the gate as an optimum, and the wrong versions they see."""

import mpmath
import numpy as np
import pytest
from dying import dies
from hypothesis import assume, given
from hypothesis import strategies as st

from kondo_ref.claims import gate_optimum, signals
from kondo_ref.claims.register import EPS
from kondo_ref.exact.ranking import log_odds, skewed_policy
from kondo_ref.gate import Gate, keep_probability
from kondo_ref.screening import screen

ARMS = st.integers(2, 200)
BASELINES = st.just(0.0) | st.floats(0.0, 1.0, exclude_max=True) | st.just(1.0 - 2.0**-53)
ALPHAS = st.floats(0.0, 1.0)
ODDS = st.floats(-30.0, 30.0)  # of the success against one wrong arm
LOGITS = st.lists(st.floats(-300, 300), min_size=2, max_size=12).map(np.array)
DISTANCES = st.just(0.0) | st.floats(-60.0, 60.0)  # (chi - price)/temperature
TEMPERATURES = st.floats(-12, 12).map(lambda e: 2.0**e)


def chance(gap, arms):
    return 1.0 / (1.0 + (arms - 1) * np.exp(-gap))


@given(st.floats(0.0, 30.0), ARMS, BASELINES)
def test_the_additive_threshold(gap, arms, b):
    p = chance(gap, arms)
    assume(log_odds(p, arms) >= 0.0)
    assert signals.additive_threshold(p, arms, b).holds


@given(st.floats(-0.9, 30.0), ARMS, ALPHAS, BASELINES)
def test_the_additive_ranking(gap, arms, alpha, b):
    p = chance(gap, arms)
    lead = alpha - (1.0 - alpha) * log_odds(p, arms)
    # U = 1 - b and -b, l and l + L: what their rounding can turn is not asked
    assume(abs(lead) > 64 * EPS * (1.0 + abs(np.log(p)) + abs(gap)))
    assert signals.additive_ranking(p, arms, alpha, b).holds


@given(st.floats(-30.0, -1e-9), ARMS, ALPHAS, BASELINES)
def test_every_alpha_ranks_a_rare_success_first(gap, arms, alpha, b):
    p = chance(gap, arms)
    assume(log_odds(p, arms) < -1e-9)
    threshold = signals.additive_threshold(p, arms, b)
    assert threshold.actual == 0.0
    assert signals.additive_ranking(p, arms, alpha, b).numbers["lead"] > 0.0


@given(ODDS, st.integers(3, 50), ALPHAS, st.floats(-5, 5).map(np.exp))
def test_without_symmetry_the_rarest_wrong_arm_decides(gap, arms, alpha, skew):
    logits = skewed_policy(float(chance(gap, arms)), arms, skew)
    largest = logits[0] - logits[1:].min()
    lead = alpha - (1.0 - alpha) * largest
    assume(abs(lead) > 1e-9 * (1.0 + abs(gap) + arms))
    found = signals.additive_ranking(float(chance(gap, arms)), arms, alpha, 0.0, skew)
    assert (found.actual == 1.0) == (lead > 0.0)


@given(st.floats(0.0, 1.0 - 1e-6), ARMS)
def test_no_alpha_is_safe(alpha, arms):
    sides = signals.every_alpha_fails(alpha, arms)
    assert sides.holds
    assert sides.actual == pytest.approx(alpha - 1.0, abs=1e-9)


@given(LOGITS, BASELINES, st.data())
def test_delight_ranks_the_success_first(logits, b, data):
    target = data.draw(st.integers(0, logits.size - 1))
    others = np.delete(logits, target)
    # a success that is certain to rounding, against b = 0, has delight 0 as the others have
    assume(logits[target] - others.max() < 700.0 or b > 0.0)
    assert signals.delight_ranks(logits, b, target=target).holds


@given(LOGITS, BASELINES, st.data())
def test_a_top_k_gate_by_delight_takes_the_success(logits, b, data):
    k = logits.size
    target = data.draw(st.integers(0, k - 1))
    assume(logits[target] - np.delete(logits, target).max() < 700.0)
    gate = Gate.named("kondo-top-k", rate=1.0 / k)
    u = np.eye(k)[target] - b
    assert screen(np.tile(logits, (k, 1)), np.arange(k), u, gate).kept.tolist() == [target]


@given(DISTANCES, TEMPERATURES, st.floats(-10, 10))
def test_the_gate_is_the_optimum(distance, temperature, price):
    delight = price + distance * temperature
    assume(abs(delight - price) <= 61.0 * temperature)
    assert gate_optimum.gate_optimum(delight, price, temperature).holds
    assert gate_optimum.softplus_value(delight, price, temperature).holds


@given(st.floats(40.0, 1e6), st.booleans(), TEMPERATURES, st.floats(-10, 10))
def test_a_cold_gate_is_sharp(distance, above, temperature, price):
    delight = price + (distance if above else -distance) * temperature
    assume(abs(delight - price) >= 40.0 * temperature)
    assert gate_optimum.sharp_limit(delight, price, temperature).holds


@given(st.floats(-10, 10), st.floats(-10, 10), st.floats(1.0, 2.0**200))
def test_a_hot_gate_keeps_half(delight, price, more):
    temperature = more * max(2.0**52 * abs(delight - price), 2.0**-500)
    assert gate_optimum.flat_limit(delight, price, temperature).holds


@given(st.floats(-30, 30), st.floats(-6, 6).map(lambda e: 2.0**e))
def test_the_limits_are_as_near_as_is_said(x, temperature):
    w = keep_probability(np.array([x]), 0.0, temperature)[0]
    slack = 1.0 + 8 * EPS
    assert abs(w - (x > 0)) <= np.exp(-abs(x) / temperature) * slack + EPS
    assert abs(w - 0.5) <= abs(x) / (4.0 * temperature) * slack + EPS


@pytest.mark.parametrize("x", [-3.0, 0.0, 0.25, 7.0])
def test_the_gate_is_the_slope_of_the_potential(x):
    with mpmath.workdps(50):
        slope = mpmath.diff(lambda v: mpmath.mpf("0.5") * mpmath.log1p(mpmath.exp(2 * v)), x)
    found = gate_optimum.gate_optimum(x, 0.0, 0.5)
    assert found.claimed[0] == pytest.approx(float(slope), rel=1e-14)


def test_the_tail_at_p_equal_to_one_over_k():
    # L = 0: every alpha above 0 ranks the success first, alpha = 0 ties
    sides = signals.additive_threshold(0.25, 4)
    assert abs(sides.actual) < 1e-15
    assert signals.additive_ranking(0.25, 4, 1e-6).holds


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1.0, 3), r"^p: expected a number in \(0, 1\), got 1.0"),
        ((0.5, 1), r"^arms: expected at least 2, got 1"),
        ((0.5, 3, 0.0), r"^skew: expected a finite number > 0, got 0.0"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        skewed_policy(*arguments)


def holds(sides):
    assert sides.holds, sides.error


def both_limits_hold():
    holds(gate_optimum.flat_limit(1.5, 0.5, 2.0**60))
    holds(gate_optimum.sharp_limit(-1.5, 0.5, 2.0**-8))


@pytest.mark.parametrize(
    ("target", "old", "new", "check"),
    [
        (
            "delight.priority_signal",
            "alpha * advantages + (1.0 - alpha) * surprisal",
            "alpha * surprisal + (1.0 - alpha) * advantages",
            lambda: holds(signals.additive_threshold(0.5, 10)),
        ),
        (
            "exact.ranking.log_odds",
            "math.log(arms - 1)",
            "math.log(arms)",
            lambda: holds(signals.additive_threshold(0.5, 10)),
        ),
        (
            "exact.ranking.log_odds",
            "math.log(arms - 1)",
            "0.0",
            lambda: holds(signals.additive_ranking(0.5, 10, 0.4)),
        ),
        (
            "claims.signals.additive_ranking",
            "alpha * (1.0 + gap) > gap",
            "alpha > gap",
            lambda: holds(signals.additive_ranking(0.5, 10, 0.9)),
        ),
        (
            "claims.signals.every_alpha_fails",
            "1.0 + alpha / (1.0 - alpha)",
            "alpha / (1.0 - alpha) - 1.0",
            lambda: holds(signals.every_alpha_fails(0.9, 10)),
        ),
        (
            "delight.delight",
            "return advantages * surprisal",
            "return np.abs(advantages) * surprisal",
            lambda: holds(signals.delight_ranks(np.array([3.0, 0.0, -3.0]), 0.5)),
        ),
        (
            "gate.keep_probability",
            "expit((wide - price) / temperature)",
            "expit((wide - price) * temperature)",
            lambda: holds(gate_optimum.gate_optimum(1.5, 0.5, 0.5)),
        ),
        (
            "claims.gate_optimum.objective",
            "return x * w - temperature * (w * w.ln()",
            "return x * w - temperature / 2 * (w * w.ln()",
            lambda: holds(gate_optimum.gate_optimum(1.5, 0.5, 0.5)),
        ),
        (
            "claims.gate_optimum.softplus_value",
            "np.logaddexp(0.0, x / temperature)",
            "max(0.0, x / temperature)",
            lambda: holds(gate_optimum.softplus_value(1.5, 0.5, 0.5)),
        ),
        (
            "gate.keep_probability",
            "return (signal > price).astype",
            "return (signal < price).astype",
            lambda: holds(gate_optimum.sharp_limit(1.5, 0.5, 0.01)),
        ),
        (
            "gate.keep_probability",
            "expit((wide - price) / temperature)",
            "np.clip(0.5 + (wide - price) / temperature, 1e-3, 1.0)",
            both_limits_hold,
        ),
    ],
)
def test_a_wrong_version_is_seen(target, old, new, check):
    dies(target, old, new, check)
