"""Out of a wrong corner on MNIST: a policy that was trained toward a wrong digit recovers ([CE]).

The network, Adam, the batches, the depths and the 10,000 steps are [CE]'s; its numbers are not
known to us, only that DG is flat in the depth and PG degrades. The wrong digit and the fresh Adam
are `kondo_ref.tasks.mnist.corner`'s, and so ours.
"""

from kondo_ref.reproduce.mnist import QUICK, SETTINGS
from kondo_ref.reproduce.statistics import At
from kondo_ref.reproduce.study import Comparison, Panel, Part, Read, Study

METHODS = ("pg", "dg", "kondo-top-k", "zero-price")
DEPTHS = (0, 10, 100, 1000, 10_000)
RECOVERED = 0.1
X = "steps toward a wrong digit"
ONLINE_END = Read("online_error", "online error at the end", "last", "online_error", None, X)
TEST_END = Read("test_error", "test error at the end", "last", "test_error", None, X)
RECOVERY = Read("recovery", f"steps to {RECOVERED:g} online error, seed by seed", "crossing",
                "online_error", "step", X, RECOVERED)  # fmt: skip
# Of the policy that the run begins with, which is the same for every method.
WRONG = Read("corner_probability", "probability of the wrong digit at the start", "total",
             "corner_probability", None, X, needs="corner")  # fmt: skip
SURPRISAL = Read("corner_surprisal", "surprisal of the right digit at the start, nats", "total",
                 "corner_surprisal", None, X, needs="corner")  # fmt: skip

STUDY = Study(
    name="corner-escape",
    summary="MNIST after 0 to 10,000 steps toward a wrong digit: error at the end, time to recover",
    source="[CE], the recovery on MNIST, 100 runs; its numbers are not known to us, nor which "
    "wrong digit it is",
    parts=tuple(
        Part(
            f"depth-{depth}",
            "mnist",
            {**SETTINGS, "methods": METHODS, "seeds": 3, "corner": depth},
            x=depth,
        )
        for depth in DEPTHS
    ),
    reads=(ONLINE_END, TEST_END, RECOVERY, WRONG, SURPRISAL),
    comparisons=(
        *(
            Comparison(At(method, read.quantity, depth))
            for read in (ONLINE_END, TEST_END, RECOVERY)
            for method in METHODS
            for depth in DEPTHS
        ),
        *(
            Comparison(At(METHODS[0], read.quantity, depth))
            for read in (WRONG, SURPRISAL)
            for depth in DEPTHS[1:]
        ),
    ),
    panels=(
        Panel("online_error", "online error at the end", "symlog", "log"),
        Panel("recovery", f"steps to {RECOVERED:g} online error", "symlog", "log"),
        Panel("corner_surprisal", "how deep every method begins", "symlog", "linear", METHODS[:1]),
    ),
    quick={**QUICK, "steps": 200},
    quick_parts=tuple(f"depth-{depth}" for depth in DEPTHS[:3]),
    places=("data_dir",),
)
