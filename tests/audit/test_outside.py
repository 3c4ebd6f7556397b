"""What no member of the family explains is named by what leaves it as it is."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from kondo_ref import Gate
from kondo_ref.audit import check
from kondo_ref.audit.checks.invariance import (
    influence,
    keeps_ratios,
    keeps_weights,
    order_matters,
)
from kondo_ref.audit.checks.outside import core_findings, rounded_in
from kondo_ref.audit.identify import Identity, failures
from kondo_ref.audit.identify_evidence import Evidence
from kondo_ref.audit.identify_trial import Trial
from kondo_ref.audit.known_family import Member, of_claim
from kondo_ref.audit.options import Options
from kondo_ref.audit.probes import Probe, flat_probes
from kondo_ref.audit.target import subject
from kondo_ref.audit.verdict import Claim

Floats = NDArray[np.float64]
DG = Claim("dg", Gate.named("dg"))
UNEVEN = (5, 3, 7)  # no size of blocks is right for all


def sigmoid(x: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


def right(log_probs: Floats, advantages: Floats) -> Floats:
    return sigmoid(-log_probs * advantages)


def segments(n: int) -> list[slice]:
    bounds = np.cumsum([0, *UNEVEN * n])
    return [slice(a, b) for a, b in pairwise(bounds) if a < n]


def one_gate_a_segment(log_probs: Floats, advantages: Floats) -> Floats:
    chi = -log_probs * advantages
    for part in segments(chi.size):
        chi[part] = chi[part].mean() ** 3
    return sigmoid(chi)


def a_price_a_segment(log_probs: Floats, advantages: Floats) -> Floats:
    chi = -log_probs * advantages
    for part in segments(chi.size):
        chi[part] -= 0.7 * chi[part].max()
    return sigmoid(chi)


def running_mean(log_probs: Floats, advantages: Floats) -> Floats:
    chi, mean = -log_probs * advantages, 0.0
    w = np.empty_like(chi)
    for i, x in enumerate(chi):
        w[i], mean = sigmoid(x - mean), 0.9 * mean + 0.1 * x
    return w


def of_ranks(log_probs: Floats, advantages: Floats) -> Floats:
    chi = -log_probs * advantages
    return sigmoid(np.linspace(-2.0, 3.0, chi.size)[np.argsort(np.argsort(chi))])


def half_precision(log_probs: Floats, advantages: Floats) -> Floats:
    chi = (-log_probs).astype(np.float16) * advantages.astype(np.float16)
    return sigmoid(chi.astype(np.float64))


def single_precision(log_probs: Floats, advantages: Floats) -> Floats:
    chi = (-log_probs).astype(np.float32) * advantages.astype(np.float32)
    return sigmoid(chi.astype(np.float64))


def heavier_first_half(logp: Floats, advantages: Floats) -> tuple[float, Floats]:
    place = np.arange(logp.size) < logp.size // 2
    c = right(logp, advantages) * advantages * np.where(place, 1.3, 0.9) / logp.size
    return float(-(c * logp).sum()), -c


def identified(
    function: Callable[..., object], surface: str = "gate", **options: object
) -> tuple[Identity, Member, Probe]:
    evidence = Evidence(
        subject(function, surface=surface, framework="numpy", options=Options(**options))
    )
    trial = Trial(evidence, flat_probes(0, masks=False))
    origin = of_claim(DG)
    found = failures(trial, origin)
    identity = Identity(None, (), origin, False, np.inf, False, trial, found)
    return identity, origin, trial.probes[0]


@pytest.mark.parametrize(
    ("function", "which"),
    [
        (one_gate_a_segment, "shared"),
        (a_price_a_segment, "block"),
        (running_mean, "later"),
        (right, ""),
    ],
)
def test_whose_gates_one_decision_changes(function: Callable[..., object], which: str) -> None:
    identity, origin, probe = identified(function)
    assert order_matters(identity.trial.evidence, probe) == bool(which)
    assert influence(identity, origin, probe) == which


@pytest.mark.parametrize(
    ("function", "finding"),
    [
        (one_gate_a_segment, "units.shared"),
        (a_price_a_segment, "price.scope"),
        (running_mean, "price.history"),
        (of_ranks, "signal.rank"),
        (half_precision, "robustness.precision"),
        (single_precision, "robustness.precision"),
    ],
)
def test_what_is_outside_the_family_has_a_name(
    function: Callable[..., object], finding: str
) -> None:
    identity, _, _ = identified(function)
    assert finding in [one.id for one in core_findings(identity)]


def test_weights_of_ranks_stay_where_the_order_does() -> None:
    identity, origin, probe = identified(of_ranks)
    assert keeps_weights(identity.trial.evidence, origin, probe)
    identity, origin, probe = identified(right)
    assert not keeps_weights(identity.trial.evidence, origin, probe)


def test_factors_of_places_are_no_gate() -> None:
    identity, origin, _ = identified(heavier_first_half, "logprobs", returns=("loss", "gradient"))
    assert keeps_ratios(identity, origin)
    assert [one.id for one in core_findings(identity)] == ["normalizer.other"]


def test_the_dtype_of_the_rounding() -> None:
    for function, dtype in (
        (half_precision, "float16"),
        (single_precision, "float32"),
        (running_mean, ""),
        (of_ranks, ""),
    ):
        identity, origin, _ = identified(function)
        assert rounded_in(identity, origin) == dtype


def bent(logp: Floats, u: Floats) -> Floats:
    return sigmoid(-u * 8.0 * np.tanh(logp / 8.0))


def three_decimals(logp: Floats, u: Floats) -> Floats:
    return np.round(sigmoid(-u * logp), 3)


def clipped_in_the_gate(logp: Floats, u: Floats) -> Floats:
    return sigmoid(-np.clip(u, -20.0, 20.0) * logp)


def none_of_the_rare(logp: Floats, u: Floats) -> Floats:
    return (logp > -12.0) * sigmoid(-u * logp)


def safe_sigmoid(logp: Floats, u: Floats) -> Floats:
    return sigmoid(np.clip(-u * logp, -15.0, 15.0))


@pytest.mark.parametrize(
    "weight", [bent, three_decimals, clipped_in_the_gate, none_of_the_rare, safe_sigmoid]
)
def test_another_formula_is_no_narrower_dtype(weight: Callable[[Floats, Floats], Floats]) -> None:
    def target(logp: Floats, advantages: Floats) -> tuple[float, Floats]:
        c = weight(logp, advantages) * advantages / logp.size
        return float(-(c * logp).sum()), -c

    found = check(
        target, claim="dg", surface="logprobs", framework="numpy", returns=("loss", "gradient")
    )
    assert found.verdict == "deviates"
    assert not {f.id for f in found.findings} & {"robustness.precision", "robustness.dtype"}
    assert "wrong estimator" in {f.severity for f in found.findings}
