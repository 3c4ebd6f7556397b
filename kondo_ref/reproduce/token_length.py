"""The longest sequence that is reversed with reward above .75 ([K], Fig. 10).

Two sizes: one that a machine with two cores can run, whose numbers have nothing published beside
them, and that of the figure, for a cluster.
"""

from kondo_ref.reproduce.statistics import Longest
from kondo_ref.reproduce.study import Comparison, Panel, Part, Read, Study

METHODS = ("pg", "pmpo", "dg", "zero-price", "kondo-top-k")
# Longest H at 1 M sequences, read off the figure.
LONGEST = {"pg": 16.9, "pmpo": 18.3, "dg": 26.5, "zero-price": 28.2, "kondo-top-k": 29.2}
ERROR = 0.25
ERROR_END = Read("error", "error at the end", "last", "error", None, "length")


def _study(
    name: str, summary: str, lengths: tuple[int, ...], steps: int, seeds: int, *, published: bool
) -> Study:
    return Study(
        name=name,
        summary=summary,
        source="[K] Fig. 10, read off by pixel, at 1 M sequences"
        if published
        else "[K] Fig. 10, in small: nothing published has this size",
        parts=tuple(
            Part(
                f"length-{length}",
                "token-reversal",
                {"methods": METHODS, "seeds": seeds, "steps": steps, "length": length},
                x=length,
            )
            for length in lengths
        ),
        reads=(ERROR_END,),
        comparisons=tuple(
            Comparison(Longest(method, "error", ERROR), LONGEST[method] if published else None)
            for method in METHODS
        ),
        panels=(Panel("error", f"after {steps / 1e4:g} M sequences", "linear", "log"),),
        quick={"steps": 10, "seeds": 2},
        quick_parts=tuple(f"length-{length}" for length in lengths[:2]),
    )


SMALL = _study(
    "token-length",
    "the longest sequence reversed after .05 M sequences: lengths 4 to 16, for two cores",
    (4, 6, 8, 10, 12, 16),
    500,
    3,
    published=False,
)
FULL = _study(
    "token-length-full",
    "the longest sequence reversed after 1 M sequences: lengths 5 to 40, for a cluster",
    (5, 8, 11, 14, 17, 20, 23, 26, 29, 32, 36, 40),
    10_000,
    10,
    published=True,
)
