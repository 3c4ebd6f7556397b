"""The study's figure: error against executed FLOP with its frontier, and quality of the choice."""

from pathlib import Path
from typing import Any

import numpy as np

from kondo_ref.tasks.figure import panels

Curves = dict[str, list[dict[str, float]]]
Style = dict[str, dict[str, Any]]

# A colour a kind of screener, markers within a kind.
COLORS = {
    "exact": "black",
    "additive": "C1",
    "multiplicative": "C1",
    "stale": "C4",
    "cached": "C2",
    "cached-signal": "C2",
    "int8": "C0",
    "bfloat16": "C0",
    "draft": "C3",
}
MARKERS = "osD^vP"
BAND = {"color": "0.8", "linewidth": 7, "zorder": 0, "solid_capstyle": "round"}
SHOWN_ERROR = 0.5


def frontier(
    curves: Curves, rows: list[dict[str, Any]], points: list[dict[str, Any]], path: Path
) -> None:
    """Draw three panels.

    Test error against the learner's FLOP, every screener's curve and the frontier of all; the error
    at the end against the cost of a step, with what nothing beats; the recall of the choice against
    the error of the estimate.

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
    style = styles(curves)
    with panels(1, 3, path) as ((error, cost, quality),):
        _errors(error, curves, points, style)
        _end(cost, rows, style)
        _quality(quality, rows, style)
        handles, labels = error.get_legend_handles_labels()
        error.figure.legend(handles, labels, loc="outside lower center", ncols=7, fontsize=9)


def styles(methods: Any) -> Style:
    """Return color and marker of every screener."""
    found: Style = {}
    for method in methods:
        color = COLORS[method.partition("@")[0].partition(":")[0]]
        before = sum(own["color"] == color for own in found.values())
        found[method] = {"color": color, "marker": MARKERS[before % len(MARKERS)]}
    return found


def _errors(axis: Any, curves: Curves, points: list[dict[str, Any]], style: Style) -> None:
    own = [point for point in points if point["cost"] == "step_flop"]
    axis.plot([p["flop"] for p in own], [p["test_error"] for p in own], label="frontier", **BAND)
    seen = []
    for method, curve in curves.items():
        shown = [p for p in curve if p["test_error"] <= SHOWN_ERROR]
        seen += shown
        axis.plot(
            [p["step_flop"] for p in shown], [p["test_error"] for p in shown],
            label=method, linewidth=1, markersize=4, markevery=0.15, **style[method],
        )  # fmt: skip
    axis.set(
        xscale="log", yscale="log", xlabel="executed FLOP of the learner (matmul, 2mkn)",
        ylabel="test error", title="error reached per executed FLOP",
    )  # fmt: skip
    if seen:
        axis.set(xlim=(0.7 * min(p["step_flop"] for p in seen), None), ylim=(None, SHOWN_ERROR))
    _in_percent(axis)


def _end(axis: Any, rows: list[dict[str, Any]], style: Style) -> None:
    """Draw the error at the end against the cost of a step, and the same by width of numbers."""
    found = []
    for row in rows:
        x, y, bar = row["step_forwards"], row["test_error"], row["test_error_se"] or 0.0
        axis.errorbar(x, y, bar, linestyle="", markersize=7, **style[row["method"]])
        found.append((x, y))
        narrow = row["width_forwards"]
        if narrow < x:
            arrow = {"arrowstyle": "->", "color": "0.6"}
            axis.annotate("", (narrow, y), (x, y), arrowprops=arrow)
            axis.plot(narrow, y, markerfacecolor="none", markersize=7, **style[row["method"]])
    best = np.inf
    steps: list[tuple[float, float]] = []
    for x, y in sorted(found):
        if y < best:
            steps += [(x, best), (x, y)] if steps else [(x, y)]
            best = y
    at = np.array([*steps, (max(x for x, _ in found) * 1.1, best)])
    axis.plot(at[:, 0], at[:, 1], **BAND)
    axis.set(
        yscale="log", xlabel="executed FLOP a step / dense exact forward", xlim=(0.0, None),
        ylabel="test error at the last step", title="after equal steps (hollow: look by width)",
    )  # fmt: skip
    _in_percent(axis)


def _in_percent(axis: Any) -> None:
    low, high = axis.get_ylim()
    coarse = [t for t in (0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0) if low <= t <= high]
    fine = [t / 100 for t in range(1, 100) if low <= t / 100 <= high]
    ticks = coarse if len(coarse) > 2 else fine
    axis.set_yticks(ticks, [f"{100 * t:.0f} %" for t in ticks])
    axis.minorticks_off()


def _quality(axis: Any, rows: list[dict[str, Any]], style: Style) -> None:
    for row in rows:
        if row["estimate_error"] is not None:
            at = max(row["estimate_error"], 1e-3)
            axis.plot(at, row["recall"], linestyle="", markersize=7, **style[row["method"]])
    axis.set(
        xscale="log", xlabel="error of the estimate, rms / std (below .001: at .001)",
        ylabel="recall of the exact choice", title="quality of the choice", ylim=(-0.03, 1.03),
    )  # fmt: skip
