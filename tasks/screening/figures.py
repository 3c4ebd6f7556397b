"""The study's figure: error against executed FLOP with its frontier, and quality of the choice."""

from pathlib import Path
from typing import Any

import numpy as np

from kondo_ref.tasks.figure import panels

Curves = dict[str, list[dict[str, float]]]
MARKERS = "osD^vP*XphH<>d8"


def frontier(
    curves: Curves, rows: list[dict[str, Any]], points: list[dict[str, Any]], path: Path
) -> None:
    """Draw three panels.

    Test error against the learner's FLOP, every screener's curve and the frontier of all; the FLOP
    to the error that the frontier is asked at last; recall against the cost of a step.

    Parameters
    ----------
    curves : dict of list of dict
        The mean curve of every screener.
    rows : list of dict
        One a screener, from `analysis.summarize`.
    points : list of dict
        The frontier, from `analysis.frontier_points`.
    path : Path
    """
    style = {
        method: {"color": f"C{i % 10}", "marker": MARKERS[i % len(MARKERS)]}
        for i, method in enumerate(curves)
    }
    with panels(1, 3, path) as ((error, cost, quality),):
        _errors(error, curves, points, style)
        _end(cost, rows, style)
        _quality(quality, rows, style)
        error.legend(fontsize=7, ncols=2)


def _errors(axis: Any, curves: Curves, points: list[dict[str, Any]], style: Any) -> None:
    own = [point for point in points if point["cost"] == "step_flop"]
    axis.plot(
        [p["flop"] for p in own], [p["test_error"] for p in own],
        color="0.75", linewidth=6, label="frontier", zorder=0, solid_capstyle="round",
    )  # fmt: skip
    for method, curve in curves.items():
        axis.plot(
            [p["step_flop"] for p in curve], [p["test_error"] for p in curve],
            label=method, linewidth=1, markersize=3, markevery=4, **style[method],
        )  # fmt: skip
    axis.set(
        xscale="log", yscale="log", xlabel="executed FLOP of the learner (matmul, 2mkn)",
        ylabel="test error", title="error reached per executed FLOP",
    )  # fmt: skip


def _end(axis: Any, rows: list[dict[str, Any]], style: Any) -> None:
    """Draw the error at the end against the cost of a step, and the same by width of numbers."""
    found = []
    for row in rows:
        x, y, bar = row["step_forwards"], row["test_error"], row["test_error_se"] or 0.0
        axis.errorbar(x, y, bar, linestyle="", markersize=7, **style[row["method"]])
        found.append((x, y))
        narrow = row["width_forwards"]
        if narrow < x:
            axis.annotate("", (narrow, y), (x, y), arrowprops={"arrowstyle": "->", "color": "0.4"})
            axis.plot(narrow, y, markerfacecolor="none", markersize=7, **style[row["method"]])
    best = np.inf
    steps: list[tuple[float, float]] = []
    for x, y in sorted(found):
        if y < best:
            steps += [(x, best), (x, y)] if steps else [(x, y)]
            best = y
    if steps:
        at = np.array([*steps, (max(x for x, _ in found) * 1.15, best)])
        axis.plot(at[:, 0], at[:, 1], color="0.75", linewidth=6, zorder=0, solid_capstyle="round")
    axis.set(
        xscale="log", xlabel="executed FLOP a step / dense exact forward",
        ylabel="test error at the last step", title="same steps (hollow: look by width of numbers)",
    )  # fmt: skip


def _quality(axis: Any, rows: list[dict[str, Any]], style: Any) -> None:
    for row in rows:
        if row["estimate_error"] is not None:
            at = max(row["estimate_error"], 1e-3)
            axis.plot(at, row["recall"], linestyle="", markersize=7, **style[row["method"]])
    axis.set(
        xscale="log", xlabel="error of the estimate (rms / std; at most .001: at .001)",
        ylabel="recall of the exact top-k", title="quality of the choice", ylim=(-0.03, 1.03),
    )  # fmt: skip
