"""MNIST as a bandit: error by forward and by backward passes ([K], Fig. 1)."""

from kondo_ref.reproduce.statistics import At, Crossing
from kondo_ref.reproduce.study import Comparison, Panel, Part, Read, Study

METHODS = ("pg", "dg", "kondo-top-k")
SETTINGS = {"data": "full", "steps": 10_000}
QUICK = {"data": "embedded", "steps": 300, "seeds": 2}

# Read off Fig. 1 by pixel: the error at millions of forward samples, 30 seeds.
POINTS = (0.01e6, 0.02e6, 0.05e6, 0.1e6, 0.2e6, 0.5e6, 1e6)
ERRORS = {
    "pg": (0.30, 0.25, 0.20, 0.15, 0.12, 0.083, 0.0362),
    "dg": (0.25, 0.165, 0.109, 0.077, 0.054, 0.029, 0.0161),
    "kondo-top-k": (0.72, 0.53, 0.286, 0.158, 0.086, 0.039, 0.0234),
}
# Forward samples to an error, off the same curves.
TIMES = {
    0.10: {"pg": 0.32e6, "dg": 0.062e6, "kondo-top-k": 0.173e6},
    0.05: {"pg": 0.829e6, "dg": 0.229e6, "kondo-top-k": 0.381e6},
    0.03: {"dg": 0.488e6, "kondo-top-k": 0.689e6},
}

ONLINE = Read("online_error", "online error", "curve", "online_error", "forward_samples",
              "forward samples")  # fmt: skip
BACKWARD = Read("backward_samples", "backward samples executed", "curve", "backward_samples",
                "forward_samples", "forward samples")  # fmt: skip
TEST = Read("test_error", "test error", "curve", "test_error", "forward_samples",
            "forward samples")  # fmt: skip

STUDY = Study(
    name="mnist",
    summary="MNIST as a bandit: error by forward and backward samples; PG, DG, the gate at 3 %",
    source="[K] Fig. 1, read off by pixel; 30 seeds; its error is the online error (by "
    "replication)",
    parts=(Part("published", "mnist", {**SETTINGS, "methods": METHODS, "seeds": 10}),),
    reads=(ONLINE, BACKWARD, TEST),
    comparisons=(
        *(
            Comparison(At(method, "online_error", at), error)
            for method, errors in ERRORS.items()
            for at, error in zip(POINTS, errors, strict=True)
        ),
        *(
            Comparison(Crossing(method, "online_error", threshold), at)
            for threshold, times in TIMES.items()
            for method, at in times.items()
        ),
        *(Comparison(At(method, "test_error", 1e6)) for method in METHODS),
    ),
    panels=(
        Panel("online_error", "what was looked at"),
        Panel("online_error", "what was learned from", against="backward_samples"),
    ),
    quick=QUICK,
    places=("data_dir",),
)
