"""The statements of [CE] over their hypothesis spaces; wrong versions are seen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutants import Mutant

from kondo_ref import Gate
from kondo_ref.claims import corner_laws as laws
from kondo_ref.claims.corner import CLAIMS, PG
from kondo_ref.exact.batches import Baseline
from kondo_ref.price import Fixed

GATES = st.one_of(
    st.just(PG),
    st.just(laws.HARD),
    st.builds(
        lambda t, p: Gate(temperature=t, price=Fixed(p)),
        st.floats(0.01, 100.0),
        st.floats(-3.0, 3.0),
    ),
)
UNIT = st.floats(0.0, 1.0)


@st.composite
def policies(draw, least=2, most=8):
    """Draw probabilities, from even to nearly deterministic."""
    arms = draw(st.integers(least, most))
    logits = np.array(draw(st.lists(st.floats(-25.0, 25.0), min_size=arms, max_size=arms)))
    pi = np.exp(logits - logits.max())
    return pi / pi.sum()


def rewards_of(arms, low=0.0, high=1.0):
    return st.lists(st.floats(low, high), min_size=arms, max_size=arms).map(np.array)


@given(st.data(), GATES)
def test_the_gap_of_two_logits(data, gate):
    pi = data.draw(policies())
    rewards = data.draw(rewards_of(pi.size, -2.0, 2.0))
    kinds = ("zero", "oracle", "expected-confidence", "constant")
    baseline = Baseline(data.draw(st.sampled_from(kinds)), data.draw(st.floats(-1.0, 1.0)))
    sides = laws.logit_gap(
        pi,
        rewards[:, None],
        np.ones((pi.size, 1)),
        gate=gate,
        baseline=baseline,
        batch=data.draw(st.integers(1, 9)),
    )
    # A signal within rounding of a hard price is kept by one route and dropped by the other.
    u = rewards - baseline.of_policy(pi[None], rewards[None])[0]
    near = gate.temperature == 0.0 and gate.signal == "delight"
    if not (near and (np.abs(u) < 1e-12).any()):
        assert sides.holds, sides


@given(st.data(), st.floats(0.02, 50.0))
def test_a_harmful_arm(data, temperature):
    pi = data.draw(policies())
    rewards = data.draw(rewards_of(pi.size, -2.0, 2.0))
    u = rewards - pi @ rewards
    arm = int(np.argmin(u))
    gap = -2.0 * float(u[arm]) * data.draw(st.floats(0.01, 1.0))
    if gap > 1e-9:
        assert laws.harmful_arm(pi, rewards, arm, gap, gate=Gate(temperature=temperature)).holds


@st.composite
def sectors(draw):
    """Draw a policy near the corner of arm j, within the hypotheses and up to their edges."""
    arms = draw(st.integers(2, 9))
    rewards = np.sort(draw(rewards_of(arms)))[::-1]
    corner = draw(st.integers(1, arms - 1))
    gap = rewards[0] - rewards[corner]
    eps = gap / arms * draw(st.one_of(st.just(1.0), st.floats(-9.0, 0.0).map(lambda x: 10**x)))
    least = eps / arms
    first = least + (eps - least) * draw(st.one_of(st.just(0.0), UNIT))
    others = [i for i in range(1, arms) if i != corner]
    shares = np.array([draw(st.floats(1e-6, 1.0)) for _ in others])
    pi = np.empty(arms)
    pi[0] = first if others else eps
    if others:
        pi[others] = np.maximum((eps - first) * shares / shares.sum(), 1e-300)
    pi[corner] = 1.0 - np.delete(pi, corner).sum()
    return pi, rewards, corner, gap


@given(sectors())
def test_the_optimal_arm_gains_on_the_corner(drawn):
    pi, rewards, corner, gap = drawn
    if gap > 1e-9:
        assert laws.sector_gap(pi, rewards, corner).holds


@given(st.data(), GATES, st.floats(0.01, 3.0))
def test_the_value_never_falls(data, gate, step):
    pi = data.draw(policies())
    rewards = data.draw(rewards_of(pi.size))
    u = rewards - pi @ rewards
    if gate.temperature == 0.0 and gate.signal == "delight" and (np.abs(u) < 1e-12).any():
        return
    sides = laws.multiplicative_value(pi, rewards, step, gate=gate)
    assert sides.holds
    # The terms of the formula have no sign but one; what is below 0 is rounding.
    assert sides.claimed >= -32 * np.finfo(float).eps * sides.scale


@given(st.data(), st.floats(0.05, 50.0))
def test_the_advantage_alone_keeps_harmful_arms(data, temperature):
    pi = data.draw(policies())
    rewards = data.draw(rewards_of(pi.size))
    arm = data.draw(st.integers(0, pi.size - 1))
    gate = Gate(signal="advantage", temperature=temperature)
    assert laws.advantage_gate(pi, rewards, arm, gate=gate).holds


LAWS = "claims.corner_laws."
MUTANTS = [
    ("no third term", "logit_gap", " + (pi[1] - pi[0]) * total", "", "logit-gap"),
    ("third term turned", "logit_gap", "(pi[1] - pi[0])", "(pi[0] - pi[1])", "logit-gap"),
    ("no half", "harmful_arm", "2.0 * gate.temperature", "gate.temperature", "harmful-arm"),
    ("squared", "harmful_arm", "1.0 + gap", "2.0 + gap", "harmful-arm"),
    ("no factor 4 K", "sector_gap", "/ (4.0 * pi.size)", "", "corner-sector"),
    ("gap of the wrong arms", "sector_gap", "update[0] - update[corner]",
     "update[corner] - update[0]", "corner-sector"),
    ("no Z", "multiplicative_value", "terms.sum() / grown.sum()", "terms.sum()", "monotone-value"),
    ("to first order", "multiplicative_value", "np.expm1(step * w * u)", "(step * w * u)",
     "monotone-value"),
    ("bound of a half", "advantage_gate", "float(expit(-1.0 / gate.temperature))", "0.5",
     "surprisal-needed"),
    ("strict gate at any sign", "formula_weights", "(signal > gate.price.value)",
     "(signal < gate.price.value)", "monotone-value"),
]  # fmt: skip


@pytest.mark.parametrize("row", MUTANTS, ids=lambda row: row[0])
def test_a_wrong_statement_is_seen(row):
    name, target, old, new, claim_id = row
    claim = next(claim for claim in CLAIMS if claim.id == claim_id)
    assert claim.check().holds
    with Mutant(name, LAWS + target, old, new, "").alive():
        assert not claim.check().holds
