"""States that share a parameter: where a gate holds a policy that the plain gradient leaves ([CE]).

One logit for the first of two actions in every state; in some states it gains, in others it loses.
Drifts are enumerated through the core's `policy_gradient`, rest points found by their sign changes;
the claims are closed forms.
"""

from typing import Any

import numpy as np

from kondo_ref.checks import FloatArray
from kondo_ref.claims.register import Boundary, Claim, Number, Sides, Step
from kondo_ref.claims.sentences import says
from kondo_ref.exact.drift import pair_probabilities
from kondo_ref.exact.shared import (
    CORNER_ESCAPE,
    SharedLogit,
    gain_and_loss,
    hard_drift,
    plain_drift,
    shared_drift,
    shared_rest_points,
)
from kondo_ref.gate import Gate
from kondo_ref.price import Fixed

EXACT = "the baseline is the exact value of the state"
HARD = "the temperature is 0"
FREE = "the price is 0"
WHOLE = "every decision is kept"
HARD_GATE, DG, PG = Gate.named("zero-price"), Gate.named("dg"), Gate.named("pg")
PRICED = Gate(price=Fixed(9.0), temperature=0.0)
LOW, HIGH, CELLS = -30.0, 30.0, 240
ROOT = 512.0  # Brent stops within 1e-14 + 4 eps abs(logit), up to 590 eps at a logit of 30


def shared_hard_drift(case: SharedLogit, logit: float, gate: Gate = HARD_GATE) -> Sides:
    """State the drift of the hard gate: p (1 - p) (G (1 - p) - L p).

    G and L are the means over states of d^+ and d^-, d = r_1 - r_2. For +10 and -100 it is
    5 p (1 - p)(1 - 11 p).

    Hypotheses: exact baseline, temperature 0, price 0. Source: [CE], shared-parameter
    counterexample; the general form ours.
    """
    rest, p, _, _ = pair_probabilities(logit)
    gain, loss = gain_and_loss(case)
    actual = shared_drift(case, logit, gate)
    size = p * rest * (gain * rest + loss * p)
    return Sides(actual, hard_drift(case, logit), scale=size, numbers={"p": p})


def shared_plain_drift(case: SharedLogit, logit: float, gate: Gate = PG) -> Sides:
    """State the ungated drift: p (1 - p) times the mean of d, whatever the baseline.

    For +10 and -100 it is -45 p (1 - p).

    Hypotheses: every decision is kept. Source: [CE].
    """
    rest, p, _, _ = pair_probabilities(logit)
    gain, loss = gain_and_loss(case)
    reward = float(np.abs(case.rewards).max())
    size = p * rest * (gain + loss + (0.0 if case.exact_baseline else reward))
    return Sides(shared_drift(case, logit, gate), plain_drift(case, logit), scale=size)


def shared_rest_point(case: SharedLogit, gate: Gate = HARD_GATE) -> Sides:
    """State where the hard gate comes to rest: p = G / (G + L), from every policy.

    Both sides have two numbers: the end from p near 0, and the end from p near 1.

    Hypotheses: exact baseline, temperature 0, price 0. Source: [CE]; the general form ours.
    """
    gain, loss = gain_and_loss(case)
    found = gain / (gain + loss)
    return Sides(ends(case, gate), np.array([found, found]), tolerance=ROOT)


def ends(case: SharedLogit, gate: Gate) -> FloatArray:
    """Return where p ends when it starts near 0, and when it starts near 1; (2,) float."""
    points = shared_rest_points(case, gate, low=LOW, high=HIGH, cells=CELLS)
    stable = [point.probability for point in points if point.stable]
    rises, falls = shared_drift(case, LOW, gate) > 0.0, shared_drift(case, HIGH, gate) < 0.0
    from_low = (stable or [1.0])[0] if rises else 0.0
    from_high = (stable or [0.0])[-1] if falls else 1.0
    return np.array([from_low, from_high])


_ZERO = SharedLogit(CORNER_ESCAPE.rewards, exact_baseline=False)


def _case() -> dict[str, Any]:
    return {"case": CORNER_ESCAPE}


def _at(logit: float = -1.0) -> dict[str, Any]:
    return {**_case(), "logit": logit}


def _steps() -> list[Step]:
    p = {f"p = {q:g}": 5.0 * q * (1.0 - q) * (1.0 - 11.0 * q) for q in (0.05, 0.5)}
    soft = {
        f"temperature {t:g}": float(ends(CORNER_ESCAPE, Gate.named("dg", temperature=t))[0])
        for t in (0.1, 1.0, 5.0, 100.0)
    }
    return [
        Step(
            "Action 1 pays +10 in one state, -100 in the other; action 2 pays 0.", {"mean": -45.0}
        ),
        Step("Exact value: U_1 = (1 - p) d and U_2 = -p d, with d = 10 or -100."),
        Step("PG: p (1 - p) E d = -45 p (1 - p) < 0, so p -> 0, which is best for one logit."),
        Step("The hard gate keeps action 1 where d > 0, and action 2 where d < 0."),
        Step("They add p (1 - p)^2 G and -p^2 (1 - p) L, G = 5 and L = 50.", p),
        Step("The sum is 5 p (1 - p)(1 - 11 p): 0 and falling at p = 1/11.", {"p*": 1.0 / 11.0}),
        Step("Under DG the zero moves with the temperature, and to 0 as it grows.", soft),
    ]


CLAIMS = (
    Claim(
        id="shared-hard-drift",
        group="contexts",
        section="10",
        statement=(
            "With rewards +10 and -100 for one shared action the hard gate drifts by "
            "5 p (1 - p)(1 - 11 p)."
        ),
        hypotheses=(EXACT, HARD, FREE),
        source="[CE]",
        function=shared_hard_drift,
        instance=_at,
        value="expected update of the logit",
        boundaries=(
            Boundary(
                EXACT,
                "baseline 0",
                lambda: {**_at(), "case": _ZERO},
                says("With b = 0 no loss is kept and it drifts up"),
            ),
            Boundary(
                HARD, "temperature 1 (DG)", lambda: {**_at(), "gate": DG}, says("DG drifts by")
            ),
            Boundary(
                FREE,
                "price 9",
                lambda: {**_at(), "gate": PRICED},
                says("At price 9 no loss is avoided yet, and it drifts up"),
            ),
        ),
        steps=_steps,
    ),
    Claim(
        id="shared-plain-drift",
        group="contexts",
        section="10",
        statement="The plain gradient drifts by -45 p (1 - p), and so to p = 0.",
        hypotheses=(WHOLE,),
        source="[CE]",
        function=shared_plain_drift,
        instance=_at,
        value="expected update of the logit",
        boundaries=(
            Boundary(
                WHOLE,
                "the hard gate",
                lambda: {**_at(-3.0), "gate": HARD_GATE},
                says("At p = .047 the hard gate drifts the other way"),
            ),
        ),
        steps=_steps,
        numbers=(
            Number(
                "where PG ends",
                0.0,
                0.0,
                lambda: float(ends(CORNER_ESCAPE, PG)[1]),
            ),
        ),
    ),
    Claim(
        id="shared-rest-point",
        group="contexts",
        section="10",
        statement="The hard gate comes to rest at p = 1/11, where plain gradient ascent goes to 0.",
        hypotheses=(EXACT, HARD, FREE),
        source="[CE]",
        function=shared_rest_point,
        instance=_case,
        value="p at rest, from either side",
        boundaries=(
            Boundary(
                EXACT,
                "baseline 0",
                lambda: {"case": _ZERO},
                says("With b = 0 p ends at"),
            ),
            Boundary(
                HARD, "temperature 1 (DG)", lambda: {**_case(), "gate": DG}, says("DG ends at p =")
            ),
            Boundary(
                FREE,
                "price 9",
                lambda: {**_case(), "gate": PRICED},
                says("At price 9 p ends at"),
            ),
        ),
        steps=_steps,
        numbers=(
            Number(
                "p* of the hard gate",
                0.0909,
                0.00005,
                lambda: float(ends(CORNER_ESCAPE, HARD_GATE)[0]),
            ),
            Number(
                "p* of DG, temperature 1",
                0.1161,
                0.00005,
                lambda: float(ends(CORNER_ESCAPE, DG)[0]),
            ),
        ),
    ),
)
