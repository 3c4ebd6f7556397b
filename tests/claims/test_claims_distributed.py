"""The statements of [DD] over their hypothesis spaces; wrong versions are seen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutants import Mutant

from kondo_ref import Gate
from kondo_ref.claims import distributed as laws
from kondo_ref.exact.arms import every_arm
from kondo_ref.price import Fixed

TEMPERATURES = st.floats(0.02, 50.0)


@st.composite
def policies(draw, arms=None):
    """Draw probabilities, from even to nearly deterministic."""
    arms = draw(st.integers(2, 8)) if arms is None else arms
    logits = np.array(draw(st.lists(st.floats(-25.0, 25.0), min_size=arms, max_size=arms)))
    pi = np.exp(logits - logits.max())
    return pi / pi.sum()


@given(policies(), TEMPERATURES, st.floats(-4.0, -0.5))
def test_a_failures_gate(pi, temperature, failure):
    gate = Gate(temperature=temperature)
    assert laws.failure_gate(pi, failure=failure, gate=gate).holds


@given(st.data(), TEMPERATURES)
def test_the_overlap_of_failures(data, temperature):
    pi = data.draw(policies())
    nu = data.draw(policies(pi.size))
    assert laws.failure_overlap(pi, nu, gate=Gate(temperature=temperature)).holds


@given(st.floats(1e-6, 0.45), st.floats(-1.0, 20.0), st.floats(0.0, 10.0))
def test_a_gate_of_the_probability_is_blind(p, price, temperature):
    gate = Gate(signal="surprisal", price=Fixed(price), temperature=temperature)
    assert laws.blind_gate((p, p, 1 - 2 * p), gate=gate).holds


@given(st.integers(2, 50), st.floats(1e-3, 0.999), st.floats(0.0, 1.0))
def test_even_failures_leave_the_direction(arms, delta, added):
    nu = laws.solved(added, arms)
    assert laws.contaminated_cosine(laws.solved(delta, arms), nu).holds


def test_one_contaminating_arm_has_a_limit():
    nu = np.zeros(9)
    nu[:2] = 0.5
    limit = np.sqrt(0.5 + 0.5 / 8)
    for delta, near in ((1e-3, 1e-2), (1e-6, 1e-5)):
        found = laws.contaminated_cosine(laws.solved(delta, 9), nu).actual
        assert found == pytest.approx(limit, abs=near)


def test_arms_are_refused():
    with pytest.raises(ValueError, match=r"^gate: expected the draw soft, got bernoulli"):
        every_arm(np.array([0.5, 0.5]), np.ones(2), Gate(draw="bernoulli"))
    with pytest.raises(ValueError, match=r"^pi: expected one row of probabilities > 0"):
        every_arm(np.array([1.0, 0.0]), np.ones(2), Gate())


MUTANTS = [
    ("no half", "claims.distributed.failure_gate", "0.5 / gate.temperature",
     "1.0 / gate.temperature", "failure-gate"),
    ("squared overlap", "claims.distributed.failure_overlap", "pi[1:] ** (1.0 / ",
     "pi[1:] ** (3.0 / ", "failure-overlap"),
    ("weights of PG", "claims.distributed.failure_overlap", " * w[1:, None]", "",
     "failure-overlap"),
    ("success ignored", "claims.distributed.contaminated_cosine", "direction[0] = pi[1:].sum()",
     "direction[0] = 0.0", "contaminated-direction"),
    ("another failure", "claims.distributed.blind_gate", "float(w[1])", "float(w[2])",
     "sign-blind-gate"),
]  # fmt: skip


@pytest.mark.parametrize("row", MUTANTS, ids=lambda row: row[0])
def test_a_wrong_statement_is_seen(row):
    *edit, claim_id = row
    claim = next(claim for claim in laws.CLAIMS if claim.id == claim_id)
    assert claim.check().holds
    with Mutant(*edit, "").alive():
        assert not claim.check().holds
