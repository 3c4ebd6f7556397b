"""The claims on many contexts and on shared states, and the wrong versions they see."""

import mpmath
import numpy as np
import pytest
from dying import dies
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kondo_ref.claims import contexts, contexts_cosine, shared_states
from kondo_ref.claims.register import EPS
from kondo_ref.delight import log_softmax
from kondo_ref.exact.contexts import (
    baseline_weight,
    baselines_of,
    block_update,
    context_weight,
    cosine_gap,
    cross_entropy_update,
    right_rewards,
    symmetric_logits,
    weight_slope,
    weighted_gap,
)
from kondo_ref.exact.shared import (
    CORNER_ESCAPE,
    SharedLogit,
    gain_and_loss,
    shared_drift,
    shared_rest_points,
    soft_balance,
)
from kondo_ref.gate import Gate

TEMPERATURES = st.floats(np.log(0.02), np.log(1e6)).map(lambda e: float(np.exp(e)))
LOGITS = st.floats(-20, 20)


@st.composite
def many(draw):
    c, k = draw(st.integers(1, 6)), draw(st.integers(2, 8))
    logits = draw(hnp.arrays(np.float64, (c, k), elements=LOGITS))
    return logits, draw(hnp.arrays(np.int64, (c,), elements=st.integers(0, k - 1)))


@st.composite
def shared(draw):
    n = draw(st.integers(1, 6))
    rewards = draw(hnp.arrays(np.float64, (n, 2), elements=st.floats(-100, 100, width=32)))
    share = draw(hnp.arrays(np.float64, (n,), elements=st.floats(0.01, 1.0)))
    return SharedLogit(rewards, share / share.sum())


@given(many(), TEMPERATURES)
def test_the_weights_of_contexts(case, temperature):
    assert contexts.weights_of_contexts(*case, temperature).holds


@given(
    st.floats(-30, 15),
    st.floats(1e-3, 30),
    st.just(0.5) | st.floats(0.5, 100.0),
    st.integers(2, 50),
)
def test_the_weight_increases_with_p(odds, more, temperature, arms):
    p, q = (1.0 / (1.0 + np.exp(-x)) for x in (odds, odds + more))
    assume(q < 1.0)
    low, high = context_weight([p, q], temperature)
    # near p = 1 at temperature 1/2 the weight is flat to rounding
    assume(high - low > 1e-12 * high)
    sides = contexts.weight_increases(float(p), float(q), temperature, arms)
    assert sides.holds


@given(many(), st.just(0.25) | TEMPERATURES.filter(lambda t: t >= 0.25))
def test_dg_is_nearer_to_cross_entropy_from_a_quarter_on(case, temperature):
    logits, targets = case
    p = np.exp(log_softmax(logits)[np.arange(targets.size), targets])
    squares = np.square(cross_entropy_update(logits, targets)).sum(axis=1)
    assume(squares.sum() > 0.0)
    dg = weighted_gap(context_weight(p, temperature), squares)
    pg = weighted_gap(p, squares)
    # what is nearer by less than the angle's rounding cannot be seen to be
    assume(pg - dg > 1e4 * EPS * np.sqrt(2.0 * pg))
    assert contexts_cosine.nearer_to_cross_entropy(logits, targets, temperature).holds


@given(
    st.lists(st.floats(1e-6, 1.0), min_size=2, max_size=12),
    st.just(0.25) | st.floats(0.25, 3.0),
    st.data(),
)
def test_no_norms_of_the_scores_make_dg_farther(p, temperature, data):
    sizes = st.lists(st.floats(1e-8, 1.0), min_size=len(p), max_size=len(p))
    squares = np.array(data.draw(sizes))
    chance = np.array(p)
    pg = weighted_gap(chance, squares)
    dg = weighted_gap(context_weight(chance, temperature), squares)
    assert dg <= pg * (1.0 + 1e-9) + 64 * EPS * np.sqrt(pg) + 64 * EPS**2


@given(st.floats(1e-9, 1.0), st.floats(1e-9, 1.0), st.just(0.25) | st.floats(0.25, 3.0))
def test_the_step_of_the_proof(p, m, temperature):
    a, b = context_weight([p, m], temperature)
    assert abs(a / b - 1.0) <= abs(p / m - 1.0) + 16 * EPS * (1.0 + a / b + p / m)


@given(st.floats(0.02, 0.249), st.integers(2, 100))
def test_below_a_quarter_some_contexts_turn_it(temperature, arms):
    assert contexts_cosine.farther_when_cold(temperature, arms).holds


@pytest.mark.parametrize("temperature", [0.1, 0.15, 0.2, 0.24, 0.26, 0.5, 1.0])
def test_the_ratio_of_gaps_near_certainty(temperature):
    with mpmath.workdps(60):
        p = [1 - mpmath.mpf("1e-20"), 1 - mpmath.mpf("2e-20")]
        a = [x / (1 + x ** (1 / mpmath.mpf(temperature))) for x in p]

        def gap(v):
            return 1 - sum(v) / mpmath.sqrt(2 * sum(x * x for x in v))

        ratio = float(gap(a) / gap(p))
    assert ratio == pytest.approx((1.0 - 0.5 / temperature) ** 2, abs=1e-12)


def test_the_slope_is_the_derivative():
    with mpmath.workdps(40):
        for t in (0.2, 0.5, 3.0):
            for p in (0.01, 0.5, 0.999):
                slope = mpmath.diff(
                    lambda x, t=t: x - mpmath.log1p(mpmath.exp(x / t)), mpmath.log(p)
                )
                assert float(weight_slope(p, t)) == pytest.approx(float(slope), abs=1e-13)


@given(st.floats(1e-6, 1 - 1e-6), st.integers(2, 20), st.floats(0.0, 1.0), TEMPERATURES)
def test_weights_under_a_baseline(p, arms, b, temperature):
    logits, targets = symmetric_logits([p], arms), np.zeros(1, dtype=int)
    gate = Gate.named("dg", temperature=temperature)
    update = block_update(logits, right_rewards(logits, targets), np.array([b]), gate)
    score = cross_entropy_update(logits, targets)
    weight = float(baseline_weight(p, arms, b, temperature))
    size = (abs(np.log(p)) + abs(np.log1p(-p)) + np.log(arms)) / temperature + 8.0
    assert np.linalg.norm(update - weight * score) <= 32 * EPS * size * (p + b)


def test_half_is_where_p_997_is():
    # slope -1 in log p, K = 100: the page of reference says "p > .997"
    edge = contexts_cosine.steep_from(100)
    for p, farther in ((edge - 3e-4, False), (edge + 3e-4, True)):
        pair = np.array([p, p + 1e-6])
        squares = np.ones(2)
        gaps = [
            weighted_gap(baseline_weight(pair, 100, 0.5, 1.0), squares),
            weighted_gap(pair, squares),
        ]
        assert (gaps[0] > gaps[1]) is farther


@given(many())
def test_a_gap_of_weights_is_that_of_vectors(case):
    logits, targets = case
    score = cross_entropy_update(logits, targets)
    assume(np.linalg.norm(score) > 1e-6)
    p = np.exp(log_softmax(logits)[np.arange(targets.size), targets])
    squares = np.square(score).sum(axis=1)
    found = cosine_gap(p[:, None] * score, score)
    assert abs(found - weighted_gap(p, squares)) <= 1e-13 * np.sqrt(found) + 1e-30


@given(shared(), st.floats(-30, 30))
def test_drifts_of_shared_states(case, logit):
    assert shared_states.shared_hard_drift(case, logit).holds
    assert shared_states.shared_plain_drift(case, logit).holds
    zero = SharedLogit(case.rewards, case.weights, exact_baseline=False)
    assert shared_states.shared_plain_drift(zero, logit).holds


@given(shared())
def test_the_rest_point_of_shared_states(case):
    gain, loss = gain_and_loss(case)
    assume(min(gain, loss) > 1e-9 * max(gain, loss))
    assert shared_states.shared_rest_point(case).holds


@given(st.floats(0.1, 100), st.floats(0.1, 100), st.floats(-30, 30), st.floats(1e-2, 1e3))
def test_the_balance_of_dg(gain, loss, logit, temperature):
    case = SharedLogit(np.array([[2.0 * gain, 0.0], [-2.0 * loss, 0.0]]))
    p, rest = 1.0 / (1.0 + np.exp(-logit)), 1.0 / (1.0 + np.exp(logit))
    actual = shared_drift(case, logit, Gate.named("dg", temperature=temperature))
    claimed = p * rest * soft_balance(gain, loss, temperature, logit)
    size = p * rest * (gain + loss) * (1.0 + 60.0 * max(gain, loss) / temperature)
    assert abs(actual - claimed) <= 32 * EPS * size


def test_dg_rests_where_its_balance_is_zero():
    (point,) = shared_rest_points(CORNER_ESCAPE, Gate.named("dg"))
    assert point.stable
    assert abs(soft_balance(5.0, 50.0, 1.0, point.logit)) < 1e-12


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SharedLogit(np.ones((2, 3))), r"^rewards: expected shape \(S, 2\), got \(2, 3\)"),
        (lambda: SharedLogit(np.ones((1, 2)), np.array([0.5])), r"^weights: expected a distrib"),
        (lambda: context_weight(0.5, 0.0), r"^temperature: expected a number > 0, got 0.0"),
        (lambda: symmetric_logits([1.0], 3), r"^p: expected numbers in \(0, 1\), got \[1.0\]"),
        (lambda: baselines_of(np.zeros((1, 2)), np.array([0]), "none"), r"^kind: expected one of"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def holds(sides):
    assert sides.holds, sides.error


THREE = contexts_cosine.three_contexts()


@pytest.mark.parametrize(
    ("target", "old", "new", "check"),
    [
        (
            "exact.contexts.context_weight",
            "expit(-np.log(p) / ",
            "expit(-np.log(p) * ",
            lambda: holds(contexts.weights_of_contexts(**{**THREE, "temperature": 0.5})),
        ),
        (
            "gradient.kept_coefficients",
            "screening.weight.ravel()[rows] *",
            "1.0 *",
            lambda: holds(contexts.weights_of_contexts(**THREE)),
        ),
        (
            "exact.contexts.block_update",
            '"ca,caj->cj"',
            '"cj,caj->cj"',
            lambda: holds(contexts.weights_of_contexts(**THREE)),
        ),
        (
            "exact.contexts.symmetric_logits",
            "np.log(chance) - np.log1p(-chance)",
            "np.log1p(-chance) - np.log(chance)",
            lambda: holds(contexts.weight_increases(0.9, 0.99, 1.0)),
        ),
        (
            "claims.contexts_cosine._gaps",
            '(Gate.named("dg", temperature=temperature), Gate.named("pg"))',
            '(Gate.named("pg"), Gate.named("dg", temperature=temperature))',
            lambda: holds(contexts_cosine.nearer_to_cross_entropy(**THREE)),
        ),
        (
            "claims.contexts_cosine._gaps",
            '(Gate.named("dg", temperature=temperature), Gate.named("pg"))',
            '(Gate.named("pg"), Gate.named("dg", temperature=temperature))',
            lambda: holds(contexts_cosine.farther_when_cold(0.2)),
        ),
        (
            "exact.shared.hard_drift",
            "gain * rest - loss * p",
            "gain * rest - loss * rest",
            lambda: holds(shared_states.shared_hard_drift(CORNER_ESCAPE, -1.0)),
        ),
        (
            "exact.shared.shared_advantages",
            "np.array([[rest, -p]])",
            "np.array([[rest, p]])",
            lambda: holds(shared_states.shared_plain_drift(CORNER_ESCAPE, -1.0)),
        ),
        (
            "claims.shared_states.shared_rest_point",
            "gain / (gain + loss)",
            "loss / (gain + loss)",
            lambda: holds(shared_states.shared_rest_point(CORNER_ESCAPE)),
        ),
        (
            "exact.shared.soft_balance",
            "expit(-up * p * level_rest)",
            "expit(up * p * level_rest)",
            test_dg_rests_where_its_balance_is_zero,
        ),
    ],
)
def test_a_wrong_version_is_seen(target, old, new, check):
    dies(target, old, new, check)
