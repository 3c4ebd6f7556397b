"""MNIST under four baselines: PG and DG after 1 M samples ([DG], Fig. 3, one sample an image)."""

from kondo_ref.reproduce.mnist import SETTINGS
from kondo_ref.reproduce.statistics import At
from kondo_ref.reproduce.study import Comparison, Panel, Part, Read, Study

# Online error of PG and DG at the end, read off the figure.
ERRORS = {
    "zero": (0.082, 0.040),
    "constant": (0.025, 0.018),
    "expected": (0.030, 0.016),
    "oracle": (0.060, 0.022),
}
END = 1e6
ONLINE = Read("online_error", "online error", "curve", "online_error", "forward_samples",
              "forward samples")  # fmt: skip

STUDY = Study(
    name="baselines",
    summary="PG and DG on MNIST with the baselines zero, constant, expected and oracle",
    source="[DG] Fig. 3 (one sample an image), read off by pixel; 100 seeds",
    parts=tuple(
        Part(
            baseline,
            "mnist",
            {**SETTINGS, "methods": ("pg", "dg"), "seeds": 3, "baseline": baseline},
            f"{{method}}, {baseline}",
        )
        for baseline in ERRORS
    ),
    reads=(ONLINE,),
    comparisons=tuple(
        Comparison(At(f"{method}, {baseline}", "online_error", END), error)
        for baseline, errors in ERRORS.items()
        for method, error in zip(("pg", "dg"), errors, strict=True)
    ),
    panels=tuple(
        Panel("online_error", method, labels=tuple(f"{method}, {b}" for b in ERRORS))
        for method in ("pg", "dg")
    ),
    quick={"data": "embedded", "steps": 200, "seeds": 2},
    places=("data_dir",),
)
