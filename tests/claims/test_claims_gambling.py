"""The claims on gambling over their whole hypothesis spaces, and the wrong versions they see."""

import mpmath
import numpy as np
import pytest
from dying import dies
from hypothesis import example, given
from hypothesis import strategies as st

from kondo_ref.claims import gambling, gambling_corners, gambling_drift
from kondo_ref.claims.gambling_laws import by_nodes, closed_rest_point
from kondo_ref.claims.register import EPS
from kondo_ref.exact.drift import fixed_points, logit_drift, pair_probabilities, probability_drift
from kondo_ref.exact.gambling import (
    HARD,
    Gambling,
    advantages,
    arm_moments,
    drift,
    false_breakthrough,
    hard_preference,
    least_reserve,
    preference,
    rest_points,
)
from kondo_ref.exact.gaussian import gated_moments, positive_part
from kondo_ref.gate import Gate
from kondo_ref.price import Fixed, Quantile

GAPS = st.floats(-6, 6).map(lambda e: 2.0**e)
RATIOS = st.floats(np.log(0.04), np.log(50.0)).map(lambda e: float(np.exp(e)))  # sigma / D
LOGITS = st.floats(-300, 300)
TEMPERATURES = st.just(0.0) | st.floats(-8, 5).map(lambda e: 10.0**e)
PRICES = st.just(0.0) | st.floats(-5, 5)


@st.composite
def bandits(draw):
    gap = draw(GAPS)
    return Gambling(gap, gap * draw(RATIOS))


@st.composite
def noisier_first(draw):
    """Noise on arm 1 at least that on arm 2, any baseline of both that leaves luck a float64."""
    gap = draw(GAPS)
    sigma = gap * draw(st.floats(0.04, 1000.0))
    b = draw(st.none() | st.floats(-20.0, 20.0).map(lambda t: t * sigma))
    return Gambling(gap, sigma, sigma * draw(st.just(1.0) | st.floats(1.0, 10.0)), b)


def gates(signals=("delight",)):
    return st.builds(
        lambda signal, price, temperature: Gate(
            signal=signal,
            price=Fixed(price),
            temperature=temperature,
            alpha=0.5 if signal == "additive" else None,
        ),
        st.sampled_from(signals),
        PRICES,
        TEMPERATURES,
    )


@given(bandits(), LOGITS)
def test_false_breakthroughs_are_the_gaussian_tail(bandit, logit):
    sides = gambling.breakthrough(bandit, logit)
    assert sides.holds
    assert gambling.breakthrough_bound(bandit, logit).holds
    assert false_breakthrough(bandit, logit) == pytest.approx(sides.claimed, rel=1e-12)


@given(bandits(), LOGITS)
def test_the_drift_of_the_hard_gate(bandit, logit):
    assert gambling_drift.hard_drift(bandit, logit).holds


@given(GAPS, st.floats(0.14, 20.0))
def test_the_rest_point_is_the_root_of_its_equation(gap, ratio):
    bandit = Gambling(gap, gap * ratio)
    assert gambling_drift.rest_point(bandit).holds
    found = rest_points(bandit)
    assert len(found) == (ratio < np.sqrt(2.0 * np.pi))
    for point in found:
        assert point.stable
        assert not point.jump
        assert drift(bandit, point.logit - 0.01) > 0.0 > drift(bandit, point.logit + 0.01)


@given(noisier_first(), st.floats(-300, 300))
def test_noise_on_the_better_arm_never_turns_the_hard_gate(bandit, logit):
    assert gambling_drift.never_turned(bandit, logit).holds
    assert hard_preference(bandit, logit) < 0.0


@given(bandits(), gates())
def test_the_better_corner_repels(bandit, gate):
    assert gambling_corners.better_corner(bandit, gate).holds


@given(bandits())
def test_the_worse_corner_of_the_hard_gate(bandit):
    assert gambling_corners.worse_corner(bandit).holds


@given(bandits(), gates())
def test_the_reserve_that_turns_the_corner(bandit, gate):
    assert gambling_corners.reserve_threshold(bandit, gate).holds


@given(st.floats(0.2, 2.4), st.floats(0.05, 0.95))
def test_less_reserve_leaves_a_rest_point_and_more_leaves_none(ratio, share):
    bandit = Gambling(1.0, ratio)
    least = least_reserve(bandit)
    (below,) = rest_points(bandit, HARD, share * least, cells=120)
    assert below.stable
    assert below.probability < closed_rest_point(ratio)
    assert rest_points(bandit, HARD, least + share * (1.0 - least), cells=120) == ()


@given(
    st.floats(0.01, 10.0),
    st.floats(0.01, 10.0),
    st.floats(0.0, 1.0),
    st.floats(-5.0, 5.0),
    st.floats(1e-6, 100.0),
    st.floats(0.0, 20.0),
)
def test_a_lucky_draw_is_a_good_arm(above, below, chance, baseline, surprisal, price):
    gate = Gate.named("dg", price=Fixed(price), temperature=0.0)
    sides = gambling.indistinguishable(
        baseline + above, baseline - below, chance, baseline, surprisal, gate
    )
    assert sides.holds
    assert sides.actual >= 0.0


@given(
    GAPS,
    RATIOS,
    st.floats(0.0, 3.0),
    st.none() | st.floats(-3, 3),
    st.floats(-50, 50),
    gates(("delight", "advantage", "additive")),
)
def test_closed_moments_are_the_integrated_ones(gap, ratio, more, b, logit, gate):
    close_to_nodes(Gambling(gap, gap * ratio, gap * ratio * more, b), logit, gate)


def close_to_nodes(bandit, logit, gate):
    """The threshold in Z, up to 39, rounds by a few eps of (cut - mean)/sigma's terms.

    A tail moves by z <= 39 times that, relatively, and exp(-z^2 / 2) by z^2 / 2 eps; tails that
    are subnormal numbers have fewer digits.
    """
    pairs = zip(arm_moments(bandit, logit, gate), by_nodes(bandit, logit, gate), strict=True)
    arms = zip(pairs, advantages(bandit, logit), (bandit.sigma_1, bandit.sigma), strict=True)
    for (closed, nodes), mean, sigma in arms:
        terms = 39.0 + (abs(mean) / sigma if sigma else 0.0)
        limit = 4 * 39.0 * terms * EPS
        assert abs(closed.keep - nodes.keep) <= limit * closed.keep + 1e-290
        assert abs(closed.gain - nodes.gain) <= limit * closed.magnitude + 1e-290


@pytest.mark.parametrize("t", [-30.0, -1.0, 0.0, 0.5, 1.99, 2.0, 2.01, 5.0, 20.0, 37.0])
def test_the_positive_part_keeps_its_digits_in_the_tail(t):
    with mpmath.workdps(60):
        m = mpmath.mpf(t)
        exact = mpmath.npdf(m) - m * mpmath.erfc(m / mpmath.sqrt(2)) / 2
    assert abs(positive_part(-t, 1.0) - float(exact)) <= 8 * (1 + t * t / 2) * EPS * float(exact)


@pytest.mark.parametrize(
    ("mean", "sigma", "slope", "price", "temperature"),
    [
        (-0.9, 0.5, 3.0, 0.0, 1.0),
        (-0.9, 0.5, 30.0, 0.0, 1e-3),
        (0.4, 2.0, 1e-6, 0.3, 0.01),
        (-1.0, 0.2, 12.0, -0.5, 0.7),
        (0.13, 0.76, 0.0326, 0.614, 0.0053),
    ],
)
def test_soft_moments_agree_with_more_digits(mean, sigma, slope, price, temperature):
    found = gated_moments(mean, sigma, slope, price, temperature)
    with mpmath.workdps(25):
        cut = (price / slope - mean) / sigma
        width = temperature / slope / sigma
        near = [cut + s * width * 2.0**k for k in range(12) for s in (-1, 1)]
        line = sorted({*np.arange(-38.0, 39.0), *(x for x in (cut, *near) if abs(x) < 38)})

        def weight(z):
            return mpmath.npdf(z) / (
                1 + mpmath.exp(-(slope * (mean + sigma * z) - price) / temperature)
            )

        keep = mpmath.quad(weight, line, method="gauss-legendre", maxdegree=4)
        gain = mpmath.quad(
            lambda z: weight(z) * (mean + sigma * z), line, method="gauss-legendre", maxdegree=4
        )
    assert abs(found.keep - float(keep)) <= 400 * EPS * found.keep
    assert abs(found.gain - float(gain)) <= 400 * EPS * found.magnitude


def rounding(scale):
    """64 roundings of numbers up to `scale`: relative, and absolute below the smallest normal."""
    return 64 * (EPS * scale + float(np.finfo(np.float64).smallest_subnormal))


@st.composite
def logits_and_gains(draw):
    logits = draw(st.lists(st.floats(-30, 30), min_size=2, max_size=5))
    return logits, draw(st.lists(st.floats(-5, 5), min_size=len(logits), max_size=len(logits)))


@given(logits_and_gains())
@example(([0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 2.225073858507e-311]))  # a subnormal gain
def test_the_drift_is_the_gradient_of_the_expected_gain(pair):
    z, m = (np.array(part) for part in pair)
    pi = np.exp(z - np.logaddexp.reduce(z))
    desired = pi * m - pi * (pi @ m)
    scale = float(np.abs(m).max()) * np.sqrt(z.size)
    assert np.linalg.norm(logit_drift(z, lambda _: m) - desired) <= rounding(scale)
    assert abs(probability_drift(z, lambda _: m).sum()) <= rounding(scale)


@given(bandits(), st.floats(-20, 20), gates())
def test_the_drift_of_pi_2_is_that_of_two_logits(bandit, logit, gate):
    gains = np.array([m.gain for m in arm_moments(bandit, logit, gate)])
    flow = probability_drift(np.array([0.0, logit]), lambda _: gains)
    scale = float(np.abs(gains).max())
    assert abs(flow[1] - drift(bandit, logit, gate)) <= rounding(scale)


@given(st.floats(0.2, 50.0), st.floats(-3, 3).map(np.exp))
def test_a_soft_gate_has_a_rest_point_at_every_noise(ratio, temperature):
    bandit, gate = Gambling(1.0, ratio), Gate.named("dg", temperature=temperature)
    assert preference(bandit, -1e18, gate) > 0.0 > preference(bandit, 700.0, gate)
    assert preference(bandit, 700.0, gate) == pytest.approx(-1.0)


def test_equal_noise_of_two_points_does_not_turn_the_hard_gate():
    rng = np.random.default_rng(0)
    for pi_2, size in rng.uniform((0.0, 0.0), (1.0, 5.0), (200, 2)):
        first, second = (
            np.maximum(mean + size * np.array([-1.0, 1.0]), 0.0).mean()
            for mean in (pi_2, pi_2 - 1.0)
        )
        assert first > second


def test_plain_policy_gradient_leaves_arm_2_everywhere():
    for sigma in (0.5, 5.0):
        assert rest_points(Gambling(1.0, sigma), Gate.named("pg")) == ()
        assert preference(Gambling(1.0, sigma), 3.0, Gate.named("pg")) == pytest.approx(-1.0)


def test_a_price_holds_the_policy_at_a_jump():
    (point,) = rest_points(Gambling(1.0, 1.0), Gate(price=Fixed(0.2), temperature=0.0))
    assert point.jump
    _, pi_2, level, _ = pair_probabilities(point.logit)
    assert pi_2 * level == pytest.approx(0.2, rel=1e-12)  # the delight of arm 1 is the price


def test_fixed_points_of_a_cubic():
    found = fixed_points(lambda x: (x - 1.0) * (x + 2.0) * (x - 3.0) * -1.0)
    assert [p.stable for p in found] == [True, False, True]
    assert [p.logit for p in found] == pytest.approx([-2.0, 1.0, 3.0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Gambling(-1.0), r"^gap: expected a finite number >= 0, got -1.0"),
        (lambda: Gambling(1.0, np.inf), r"^sigma: expected a finite number >= 0, got inf"),
        (
            lambda: arm_moments(Gambling(), 0.0, Gate(price=Quantile(0.1))),
            r"^gate: expected a Gate",
        ),
        (lambda: arm_moments(Gambling(), 0.0, Gate(signal="abs_advantage")), r"^gate: its signal"),
        (lambda: arm_moments(Gambling(), 0.0, HARD, 1.5), r"^reserve: expected .* got 1.5"),
        (lambda: least_reserve(Gambling(1.0, 1.0, 1.0)), r"^bandit: expected a gap"),
        (lambda: fixed_points(lambda x: x, 1.0, 0.0), r"^low: expected finite low < high"),
        (lambda: fixed_points(lambda _: np.nan), r"^drift: not finite \(nan\) at the logit -60"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def small(sides):
    assert sides.holds, sides.error


UNIT = Gambling(1.0, 1.0)


@pytest.mark.parametrize(
    ("target", "old", "new", "check"),
    [
        (
            "claims.gambling.breakthrough",
            "ndtr(-t)",
            "ndtr(-t * t)",
            lambda: small(gambling.breakthrough(UNIT, -1.0)),
        ),
        (
            "gate.keep_probability",
            "return (signal > price).astype",
            "return (signal > price - 0.1).astype",
            lambda: small(gambling.breakthrough(UNIT, -1.0)),
        ),
        (
            "claims.gambling.breakthrough_bound",
            "0.5 * float",
            "0.25 * float",
            lambda: small(gambling.breakthrough_bound(UNIT, -1.0)),
        ),
        (
            "exact.gambling.advantages",
            "-pi_1 * bandit.gap",
            "-bandit.gap",
            lambda: small(gambling_drift.hard_drift(UNIT, 0.0)),
        ),
        (
            "exact.drift.logit_drift",
            "pi * ((m[:, None]",
            "pi * pi * ((m[:, None]",
            lambda: small(gambling_drift.hard_drift(UNIT, 0.0)),
        ),
        (
            "exact.gaussian.positive_part",
            "tail = t + j / tail",
            "tail = t + 1 / tail",
            lambda: small(gambling_drift.hard_drift(Gambling(1.0, 0.3), -2.0)),
        ),
        (
            "exact.gaussian.gaussian_nodes",
            "np.array([threshold])",
            "np.array([0.0])",
            lambda: close_to_nodes(UNIT, -1.0, Gate(price=Fixed(0.2), temperature=0.0)),
        ),
        (
            "claims.gambling_laws.closed_rest_point",
            "positive_part(q - 1.0, ratio) - q",
            "positive_part(-1.0, ratio) - q",
            lambda: small(gambling_drift.rest_point(UNIT)),
        ),
        (
            "exact.drift.fixed_points",
            "stable = bool(values[left] > 0.0)",
            "stable = bool(values[left] < 0.0)",
            lambda: small(gambling_drift.rest_point(UNIT)),
        ),
        (
            "exact.gambling.least_reserve",
            "c / (1.0 + c)",
            "c",
            lambda: small(gambling_corners.reserve_threshold(UNIT)),
        ),
        (
            "claims.gambling_corners.worse_corner",
            "np.sqrt(2.0 * np.pi)",
            "np.sqrt(np.pi)",
            lambda: small(gambling_corners.worse_corner(UNIT)),
        ),
        (
            "claims.gambling_corners.better_corner",
            "positive_part(-bandit.gap, bandit.sigma)",
            "positive_part(-0.5 * bandit.gap, bandit.sigma)",
            lambda: small(gambling_corners.better_corner(UNIT)),
        ),
        (
            "claims.gambling.indistinguishable",
            "chance * float(kept[0] * certain[0])",
            "float(kept[0] * certain[0])",
            lambda: small(gambling.indistinguishable(1.0, -1.0, 0.1, 0.5, 3.0)),
        ),
        (
            "exact.gaussian._soft",
            "price / slope - mean",
            "price - mean",
            lambda: test_soft_moments_agree_with_more_digits(-0.9, 0.5, 30.0, 0.3, 1e-3),
        ),
    ],
)
def test_a_wrong_version_is_seen(target, old, new, check):
    dies(target, old, new, check)


def test_the_direction_claim_sees_an_exchanged_arm():
    def check():
        assert gambling_drift.never_turned(Gambling(1.0, 1.0, 1.0), -2.0).holds

    dies(
        "exact.gambling.advantages",
        "return pi_2 * bandit.gap, -pi_1 * bandit.gap",
        "return -pi_1 * bandit.gap, pi_2 * bandit.gap",
        check,
    )
