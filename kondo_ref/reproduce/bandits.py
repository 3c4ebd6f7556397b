"""One context and many, without a network ([DG], Prop. 1 and 2): error by steps and by backwards.

The papers' curves are not known to us; what they say of the directions is in the claims.
"""

from typing import Any

from kondo_ref.reproduce.statistics import At, Crossing
from kondo_ref.reproduce.study import Comparison, Panel, Part, Read, Study

METHODS = ("pg", "dg", "kondo", "kondo-top-k", "ce")
ERROR = Read("error", "mean 1 - p", "curve", "error", "step", "steps")
PASSES = Read("backward_decisions", "backward passes", "curve", "backward_decisions", "step",
              "steps")  # fmt: skip
QUICK = {"steps": 60, "seeds": 2}


def _study(name: str, summary: str, source: str, settings: dict[str, Any], end: float) -> Study:
    return Study(
        name=name,
        summary=summary,
        source=source,
        parts=(Part(name, "bandit", {"experiment": name, "methods": METHODS, **settings}),),
        reads=(ERROR, PASSES),
        comparisons=(
            *(Comparison(At(method, "error", end)) for method in METHODS),
            *(Comparison(Crossing(method, "error", 0.5)) for method in METHODS),
            *(
                Comparison(Crossing(method, "error", 0.5, "backward_decisions"))
                for method in METHODS
            ),
        ),
        panels=(
            Panel("error", "steps of fixed length", "linear"),
            Panel("error", "what it paid", against="backward_decisions"),
        ),
        quick=QUICK,
    )


SINGLE = _study(
    "single-context",
    "one context of 100 arms, 100 decisions a step, baseline 1/2: error by steps",
    "[DG] Prop. 1; the curves are not known to us",
    {"seeds": 20, "steps": 200},
    200.0,
)
MANY = _study(
    "many-contexts",
    "100 contexts of ten arms, exact gradients, no baseline: error by steps",
    "[DG] Prop. 2; the curves are not known to us",
    {"seeds": 5, "steps": 1000},
    1000.0,
)
