"""From logits to gate, on batches with every awkward corner, against the closed form."""

from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from strategies import cases

import kondo_ref.price
from kondo_ref import Calibrated, Gate, Quantile, Rolling, screen
from kondo_ref.flops import gate
from kondo_ref.flops.counts import Counts
from kondo_ref.flops.executed import Tally
from kondo_ref.flops.executed_stations import counting


@given(cases())
def test_a_screening_is_the_closed_form(case) -> None:
    batch = case.batch
    tally, calls, expit = Tally(), [], kondo_ref.price.expit

    def spy(x: Any) -> Any:
        calls.append(x)
        return expit(x)

    with counting(tally), tally.stage("screen"), patch.object(kondo_ref.price, "expit", spy):
        screening = screen(
            batch.logits,
            batch.actions,
            batch.advantages,
            case.gate,
            uniforms=case.uniforms,
            mask=batch.mask,
        )
    assert tally.step["screen"] == gate.screen(
        case.gate,
        batch.actions.size,
        batch.logits.shape[-1],
        sequences=batch.shape[0] if len(batch.shape) == 2 else None,
        valid=screening.valid_units,
        uniforms=True,
        evaluations=len(calls) // 2,
    )
    assert tally.step.total == tally.step["screen"]


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        (Gate.named("pg"), Counts(cmp=6)),
        (Gate.named("dg"), Counts(mul=6, add=12, div=12, exp=6)),
        (Gate.named("zero-price"), Counts(mul=6, cmp=6)),
        (Gate.named("kondo", rate=0.5), Counts(mul=6, cmp=6 + 6, add=12, div=12, exp=6)),
        (Gate.named("kondo-top-k", rate=0.5), Counts(mul=6, cmp=18)),
        (
            Gate.named("kondo-top-k", rate=0.5, unit="sequence"),
            Counts(mul=6, add=6, div=2, cmp=6),
        ),
        (Gate("additive", Quantile(0.5), 0.0, alpha=0.5), Counts(mul=12, add=6, cmp=12)),
        (
            Gate("advantage", Rolling(0.5, history=4, warmup=2), 0.0),
            Counts(cmp=6 + 2 + 3 + 4 + 4),
        ),
        (
            Gate("surprisal", Calibrated(0.5), 1.0),
            Counts(cmp=18 + 2 * 3, add=12 + 2 * 18, div=12 + 2 * 12, exp=6 + 2 * 6),
        ),
        (Gate("surprisal", Calibrated(1.0), 1.0), Counts(add=12, div=12, exp=6)),
    ],
)
def test_gates_by_hand(subject: Gate, expected: Counts) -> None:
    """6 decisions of 3 actions in 2 sequences; with log-softmax and surprisal besides."""
    before = Counts(cmp=18, add=54 + 6, exp=18, log=6)
    found = gate.screen(subject, 6, 3, sequences=2, evaluations=2)
    assert found - before == expected


def test_what_a_gate_needs_is_asked_for() -> None:
    with pytest.raises(ValueError, match="sequences: needed by the unit sequence, got None"):
        gate.screen(Gate.named("kondo-top-k", rate=0.1, unit="sequence"), 12, 3)
    with pytest.raises(ValueError, match="evaluations: needed by a calibrated price, got None"):
        gate.screen(Gate("delight", Calibrated(0.5)), 12, 3)


def test_the_checks_are_counted_apart() -> None:
    tally = Tally()
    n, k = 5, 3
    with counting(tally), tally.stage("screen"):
        screen(np.zeros((n, k)), np.zeros(n, int), np.ones(n), Gate.named("dg"))
    finite = n * k + n + n + n  # logits, surprisal, advantages, signal
    assert tally.checks == Counts(cmp=finite)
