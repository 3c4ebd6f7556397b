"""Token reversal: error by sequences, the gate deciding on whole sequences ([K], Fig. 8)."""

from kondo_ref.reproduce.statistics import At, Crossing
from kondo_ref.reproduce.study import Comparison, Panel, Part, Read, Study

METHODS = ("pg", "dg", "kondo-top-k", "zero-price")
QUICK = {"steps": 40, "seeds": 2}

# Read off Fig. 8, 10 seeds: the error at sequences. That of pg is PPO's, which with one update a
# batch is PG; the reading at .03 M and .05 M of dg, and beyond .1 M of all, is not known.
ERRORS = {
    "pg": {20_000: 0.69, 30_000: 0.60, 50_000: 0.50, 100_000: 0.38},
    "dg": {100_000: 0.0046},
    "kondo-top-k": {20_000: 0.63, 30_000: 0.41, 50_000: 0.19, 100_000: 0.008},
    "zero-price": {20_000: 0.60, 30_000: 0.46, 50_000: 0.24, 100_000: 0.019},
}

ERROR = Read("error", "error", "curve", "error", "forward_sequences", "sequences")
KEPT = Read("backward_sequences", "sequences with a backward", "curve", "backward_sequences",
            "forward_sequences", "sequences")  # fmt: skip

STUDY = Study(
    name="token-reversal",
    summary="a transformer reverses ten tokens: error by sequences; PG, DG, the gate of sequences",
    source="[K] Fig. 8, read off by pixel; 10 seeds; pg is the figure's PPO",
    parts=(Part("published", "token-reversal", {"methods": METHODS, "seeds": 5, "steps": 2000}),),
    reads=(ERROR, KEPT),
    comparisons=(
        *(
            Comparison(At(method, "error", at), error)
            for method, errors in ERRORS.items()
            for at, error in errors.items()
        ),
        *(Comparison(At(method, "error", 200_000)) for method in METHODS),
        *(Comparison(Crossing(method, "error", 0.1)) for method in METHODS),
    ),
    panels=(
        Panel("error", "what was looked at"),
        Panel("error", "what was learned from", against="backward_sequences"),
    ),
    quick=QUICK,
)
