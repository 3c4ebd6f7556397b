"""Token reversal with more tokens to choose from ([K], the scaling in M; no numbers known)."""

from kondo_ref.reproduce.statistics import At
from kondo_ref.reproduce.study import Comparison, Panel, Part, Read, Study

METHODS = ("pg", "dg", "kondo-top-k", "zero-price")
SIZES = (2, 4, 8, 16)
ERROR_END = Read("error", "error at the end", "last", "error", None, "different tokens")

STUDY = Study(
    name="vocabulary",
    summary="token reversal of 2 to 16 different tokens: error after .1 M sequences",
    source="[K], the scaling in M; its numbers are not known to us",
    parts=tuple(
        Part(
            f"tokens-{size}",
            "token-reversal",
            {"methods": METHODS, "seeds": 3, "steps": 1000, "vocabulary": size},
            x=size,
        )
        for size in SIZES
    ),
    reads=(ERROR_END,),
    comparisons=tuple(
        Comparison(At(method, "error", size)) for method in METHODS for size in SIZES
    ),
    panels=(Panel("error", "after .1 M sequences", "log", "log"),),
    quick={"steps": 10, "seeds": 2},
    quick_parts=("tokens-2", "tokens-4"),
)
