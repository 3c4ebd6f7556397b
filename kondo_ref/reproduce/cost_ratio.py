"""How much sooner the gate is at 5 % test error, by the cost of a backward ([K], Fig. 3).

In the logical currency a backward costs r forwards and the gate pays 3 % of it; in the executed one
both pay the FLOP of matrix products that ran.
"""

from kondo_ref.reproduce.mnist import METHODS, QUICK, SETTINGS, TEST
from kondo_ref.reproduce.statistics import TimeRatio
from kondo_ref.reproduce.study import Comparison, Panel, Part, Read, Study

THRESHOLD = 0.05
RATE = 0.03
# PG's time over the gate's at r = 0..8, and over DG's at every r.
KONDO = (1.41, 2.74, 3.98, 5.17, 6.28, 7.35, 8.36, 9.32, 10.22)
DG = 2.25
# DG's time over the gate's, where a backward is free: the two published numbers without PG.
BOTH = round(KONDO[0] / DG, 3)
FLOP = Read("step_flop", "executed FLOP", "curve", "step_flop", "forward_samples",
            "forward samples")  # fmt: skip


def _executed(label: str) -> TimeRatio:
    return TimeRatio(label, "pg", "test_error", THRESHOLD, 1.0, None, "step_flop")


STUDY = Study(
    name="cost-ratio",
    summary="time to 5 % test error against PG's, by the cost of a backward; logical and executed",
    source="[K] Fig. 3, read off by pixel; a count, not a time",
    parts=(Part("published", "mnist", {**SETTINGS, "methods": METHODS, "seeds": 10}),),
    reads=(TEST, FLOP),
    comparisons=(
        *(
            Comparison(TimeRatio("kondo-top-k", "pg", "test_error", THRESHOLD, RATE, r), ratio)
            for r, ratio in enumerate(KONDO)
        ),
        *(
            Comparison(TimeRatio("dg", "pg", "test_error", THRESHOLD, 1.0, r), DG)
            for r in (0.0, 8.0)
        ),
        *(
            Comparison(TimeRatio(label, "pg", "test_error", THRESHOLD, rate, None, each=True), own)
            for label, rate, own in (("kondo-top-k", RATE, KONDO[0]), ("dg", 1.0, DG))
        ),
        Comparison(TimeRatio("kondo-top-k", "dg", "test_error", THRESHOLD, RATE, None), BOTH),
        Comparison(_executed("kondo-top-k")),
        Comparison(_executed("dg")),
    ),
    panels=(
        Panel(
            "",
            "logical: PG's time to 5 % over the method's",
            "linear",
            "linear",
            xlabel="cost of a backward, in forwards",
            ylabel="times sooner than PG",
            quantities=("test_error",),
        ),
        Panel("test_error", "executed: what was computed", against="step_flop"),
    ),
    quick=QUICK,
    places=("data_dir",),
)
