"""The claims on the gate's draw over their hypothesis spaces, and the wrong versions they see."""

from dataclasses import replace

import numpy as np
import pytest
from dying import dies
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import RATES, TEMPERATURES, cases, gates

from kondo_ref.claims import gate, gate_inverse, gate_rate
from kondo_ref.claims.gate_batches import EVEN, KONDO, small_batch
from kondo_ref.exact.draws import GivenBatch
from kondo_ref.gate import Gate
from kondo_ref.price import Calibrated, Fixed

CONSTANT_Z = st.sampled_from(("decisions", "none"))


@st.composite
def batches(draw, normalizers=CONSTANT_Z, **options):
    """Batches behind any Bernoulli gate, up to 6 units, decisions in up to three contexts."""
    options.setdefault("draws", ("bernoulli",))
    case = draw(cases(gate=gates(**options), most=6))
    batch = case.batch
    contexts = np.array([draw(st.integers(0, 2)) for _ in range(batch.actions.size)])
    found = GivenBatch(
        batch.logits, batch.actions, batch.advantages, case.gate, draw(normalizers), batch.mask,
        contexts=contexts.reshape(batch.shape),
    )  # fmt: skip
    w = found.screening().keep_probability
    assume(np.count_nonzero((w > 0.0) & (w < 1.0)) <= 6)  # 64 gates, each run by the core
    return found


@given(batches())
def test_the_gate_is_unbiased_for_dg(batch):
    assert gate.gate_unbiasedness(batch).holds


@given(batches())
def test_the_covariance_of_the_gate(batch):
    assert gate.gate_covariance(batch).holds


@given(batches(temperatures=TEMPERATURES[1:]))
def test_inverse_probabilities_give_the_policy_gradient(batch):
    w = batch.screening().keep_probability
    units = batch.screening().unit_mask
    assume((w > 0.0 if units is None else w[units] > 0.0).all())
    assert gate_inverse.inverse_probability(batch).holds


@given(batches(temperatures=TEMPERATURES[2:], kinds=("quantile", "calibrated", "fixed")))
def test_the_covariance_of_inverse_probabilities(batch):
    w = batch.screening().keep_probability
    units = batch.screening().unit_mask
    # Beyond, 2^N products of such chances leave the floats before their sum does.
    assume((w > 1e-12 if units is None else w[units] > 1e-12).all())
    sides = gate_inverse.inverse_probability_covariance(batch)
    assert sides.holds
    assert sides.numbers["variance"] >= sides.numbers["variance_kondo"] * (1.0 - 1e-9) - 1e-12


@given(batches(draws=("top_k",)))
def test_rate_one_of_top_k_is_the_policy_gradient(batch):
    assert gate_rate.rate_one(replace(batch, gate=replace(batch.gate, rate=1.0))).holds


@given(batches(draws=("bernoulli", "soft"), temperatures=TEMPERATURES[1:]))
def test_rate_one_of_the_calibrated_price_is_the_policy_gradient(batch):
    assert gate_rate.rate_one(replace(batch, gate=replace(batch.gate, price=Calibrated(1.0)))).holds


@given(st.sampled_from(RATES))
def test_a_lower_rate_keeps_less_of_one_decision(rate):
    gate = Gate(price=Calibrated(rate), draw="bernoulli")
    one = GivenBatch(
        np.array([[0.5, 0.0]]), np.array([0]), np.array([2.0]), gate, contexts=np.array([0])
    )
    sides = gate_rate.rate_one(one)
    assert sides.numbers["norm"] == pytest.approx(rate * sides.numbers["norm_pg"], rel=1e-12)


def test_a_bias_of_the_ratio_estimator():
    """Two decisions, w = 1/2, per kept one: (1/2)(g1 + g2)(1/4 + 1/4 + ...) by hand."""
    batch = GivenBatch(
        np.zeros((2, 2)), np.array([0, 0]), np.array([1.0, 3.0]), EVEN, "kept",
        contexts=np.array([0, 0]),
    )  # fmt: skip
    actual = gate.gate_unbiasedness(batch)
    g = np.array([0.5, -0.5])
    # kept: first alone, second alone, both, none, with probability 1/4 each
    np.testing.assert_allclose(actual.actual, (1 * g + 3 * g + 2 * g) / 4, rtol=1e-15)
    np.testing.assert_allclose(actual.claimed, (0.5 * 1 * g + 0.5 * 3 * g) / 2, rtol=1e-15)


def test_weights_of_one_keep_probability_alone_can_be_told_per_kept():
    batch = small_batch(KONDO, "kept")
    with pytest.raises(ValueError, match=r"^batch: weights 1/w per kept decision need one keep"):
        gate_inverse.inverse_probability(batch)


CLAIMED = {
    "gate_unbiasedness": gate.gate_unbiasedness,
    "gate_covariance": gate.gate_covariance,
    "inverse_probability": gate_inverse.inverse_probability,
    "inverse_probability_covariance": gate_inverse.inverse_probability_covariance,
}


@pytest.mark.parametrize(
    ("target", "old", "new", "test"),
    [
        ("claims.gate.gate_covariance", "w * (1.0 - w), v, v", "w, v, v", "gate_covariance"),
        ("claims.gate_inverse.inverse_probability", "np.divide(1.0, w", "np.divide(1.5, w",
         "inverse_probability"),
        ("claims.gate_inverse.inverse_probability_covariance", "odds = (1.0 - w)", "odds = w",
         "inverse_probability_covariance"),
        ("exact.draws.enumerated", "gates.probabilities,", "gates.probabilities**2,",
         "gate_unbiasedness"),
        ("screening.screen_surprisal", "(u < w)", "(u < w * w)", "gate_unbiasedness"),
        ("exact.draws.enumerated_weights", "gates.uniforms < w", "gates.uniforms < w / 2 + 0.5",
         "inverse_probability"),
    ],
)  # fmt: skip
def test_a_wrong_version_is_seen(target, old, new, test):
    def check():
        try:
            assert CLAIMED[test](small_batch(KONDO)).holds
        except ValueError as refused:  # probabilities that do not sum to 1
            raise AssertionError(str(refused)) from None

    dies(target, old, new, check)


def test_a_rate_that_keeps_less_is_seen():
    def check():
        batch = small_batch(Gate.named("kondo-top-k", rate=1.0))
        assert gate_rate.rate_one(batch).holds

    dies("gate.top_k_count", "round(rate * valid)", "round(0.9 * rate * valid) - 1", check)


def test_a_price_of_minus_infinity_is_rate_one():
    gate = Gate(price=Fixed(-np.inf), draw="bernoulli")
    assert gate_rate.rate_one(small_batch(gate)).holds
