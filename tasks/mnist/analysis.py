"""Results of a run -> a table of methods and a figure."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

THRESHOLD = 0.05

LEGEND = (
    "online: sampled actions while learning; test: the most probable action on held-out images.\n"
    "A soft gate (dg) weighs every sample and skips none, so its executed rate is 1."
)

LINES = (
    ("online_error", "online error (1 - mean reward)", "{:.2%}"),
    ("test_error", "test error (greedy)", "{:.2%}"),
    ("forward_samples", "forward samples", "{:,.0f}"),
    ("backward_samples", "backward samples executed", "{:,.0f}"),
    ("forward_to_threshold", "forward samples to 5 % online error", "{:,.0f}"),
    ("target_rate", "target rate", "{:.3f}"),
    ("expected_rate", "expected rate (mean keep probability)", "{:.3f}"),
    ("realised_rate", "realised rate (mean gate)", "{:.3f}"),
    ("executed_rate", "executed rate (rows in a backward)", "{:.3f}"),
    ("recall", "recall of the exact top-k", "{:.3f}"),
    ("step_ratio", "CPU time of a step / forward only", "{:.2f}"),
)


def summarize(units: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row a method: means over its seeds, standard errors where there are two seeds.

    Parameters
    ----------
    units : list of dict
        Results of `train`.
    """
    methods = list(dict.fromkeys(unit["curve"][0]["method"] for unit in units))
    return [_row(m, [u for u in units if u["curve"][0]["method"] == m]) for m in methods]


def _row(method: str, units: list[dict[str, Any]]) -> dict[str, Any]:
    last = [unit["curve"][-1] for unit in units]
    row: dict[str, Any] = {"method": method, "seeds": len(units)}
    for key in ("online_error", "test_error"):
        row[key], row[f"{key}_se"] = _mean_and_error([point[key] for point in last])
    for key in units[0]["totals"]:
        values = [unit["totals"][key] for unit in units if unit["totals"][key] is not None]
        row[key] = float(np.mean(values)) if values else None
    row["forward_to_threshold"] = _crossing(mean_curve(units))
    timed = row["step_seconds"] and row["forward_seconds"]
    row["step_ratio"] = row["step_seconds"] / row["forward_seconds"] if timed else None
    return row


def mean_curve(units: list[dict[str, Any]]) -> list[dict[str, float]]:
    """Return the curve of one method: every column's mean over the seeds, and standard errors."""
    curve = []
    for points in zip(*(unit["curve"] for unit in units), strict=True):
        row = {}
        for key in ("forward_samples", "backward_samples", "online_error", "test_error"):
            row[key], error = _mean_and_error([point[key] for point in points])
            row[f"{key}_se"] = 0.0 if error is None else error
        curve.append(row)
    return curve


def _mean_and_error(values: list[float]) -> tuple[float, float | None]:
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, None
    return mean, float(np.std(values, ddof=1) / np.sqrt(len(values)))


def _crossing(curve: list[dict[str, float]]) -> float | None:
    """Return the forward samples at which the mean online error first falls to `THRESHOLD`.

    Between two log points the error is taken as linear in the logarithm of the samples.
    """
    for before, after in pairwise(curve):
        if before["online_error"] > THRESHOLD >= after["online_error"]:
            share = (before["online_error"] - THRESHOLD) / (
                before["online_error"] - after["online_error"]
            )
            a, b = np.log(before["forward_samples"]), np.log(after["forward_samples"])
            return float(np.exp(a + share * (b - a)))
    return None


def table(rows: list[dict[str, Any]]) -> str:
    """Return the comparison as text: a column a method, mean and standard error over seeds."""
    lines = [["", *(row["method"] for row in rows)]]
    for key, title, form in LINES:
        cells = []
        for row in rows:
            cell = "-" if row[key] is None else form.format(row[key])
            error = row.get(f"{key}_se")
            cells.append(cell if error is None else f"{cell} ± {form.format(error)}")
        lines.append([title, *cells])
    widths = [max(len(line[i]) for line in lines) for i in range(len(rows) + 1)]
    text = []
    for title, *cells in lines:
        right = (cell.rjust(w) for cell, w in zip(cells, widths[1:], strict=True))
        text.append("  ".join([title.ljust(widths[0]), *right]))
    return "\n".join([text[0], "-" * len(text[0]), *text[1:]])


def figure(units: list[dict[str, Any]], path: Path) -> None:
    """Draw online error against forward and against executed backward samples, side by side."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    canvas = Figure(figsize=(10, 4.2), layout="constrained")
    FigureCanvasAgg(canvas)
    axes = canvas.subplots(1, 2, sharey=True)
    methods = list(dict.fromkeys(unit["curve"][0]["method"] for unit in units))
    for color, method in enumerate(methods):
        curve = mean_curve([u for u in units if u["curve"][0]["method"] == method])
        online = np.array([point["online_error"] for point in curve])
        error = np.array([point["online_error_se"] for point in curve])
        for axis, key in zip(axes, ("forward_samples", "backward_samples"), strict=True):
            at = np.array([point[key] for point in curve])
            shown = (at > 0) & (online > 0)
            axis.plot(at[shown], online[shown], color=f"C{color}", label=method)
            low = np.maximum(online - error, online / 10)
            axis.fill_between(
                at[shown], low[shown], (online + error)[shown], color=f"C{color}", alpha=0.2
            )
    for axis, name in zip(axes, ("forward", "backward"), strict=True):
        scale = "log" if any(len(line.get_xdata()) for line in axis.lines) else "linear"
        axis.set(xscale=scale, yscale=scale, xlabel=f"{name} samples")
        axis.grid(visible=True, which="both", alpha=0.2)
    axes[0].set(ylabel="online error", title="what was looked at")
    axes[1].set(title="what was learned from")
    axes[0].legend()
    canvas.savefig(path, dpi=120)
