"""What the gate at 3 % ranks by: delight or something else ([K], ablation; no numbers known)."""

from kondo_ref.reproduce.mnist import ONLINE, QUICK, SETTINGS, TEST
from kondo_ref.reproduce.statistics import At
from kondo_ref.reproduce.study import Comparison, Panel, Part, Study

ALPHAS = (0.5, 0.9)
SIGNALS: dict[str, dict[str, object]] = {
    "delight": {},
    **{name: {"signal": name} for name in ("advantage", "abs_advantage", "surprisal", "uniform")},
    **{f"additive {alpha:g}": {"signal": "additive", "alpha": alpha} for alpha in ALPHAS},
}
GATE = {**SETTINGS, "methods": ("kondo-top-k",), "seeds": 5}

STUDY = Study(
    name="signals",
    summary="the gate at 3 % by delight, advantage, |advantage|, surprisal, chance, and their sums",
    source="[K], the ablation of signals; its numbers are not known to us",
    parts=tuple(
        Part(label.replace(" ", "-"), "mnist", {**GATE, **own}, label)
        for label, own in SIGNALS.items()
    ),
    reads=(ONLINE, TEST),
    comparisons=tuple(
        Comparison(At(label, quantity, 1e6))
        for quantity in ("online_error", "test_error")
        for label in SIGNALS
    ),
    panels=(
        Panel("online_error", "online error"),
        Panel("test_error", "test error"),
    ),
    quick=QUICK,
    places=("data_dir",),
)
