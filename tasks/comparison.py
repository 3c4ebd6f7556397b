"""Finished units of several methods and seeds -> means with standard errors, a table, a figure.

A unit is what a task's `train` returns: ``curve``, one row a log point with ``method`` and
``seed``, and ``totals``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

Unit = dict[str, Any]
Row = dict[str, Any]

RATE_LINES = (
    ("target_rate", "target rate", "{:.3f}"),
    ("expected_rate", "expected rate (mean keep probability)", "{:.3f}"),
    ("realised_rate", "realised rate (mean gate)", "{:.3f}"),
    ("executed_rate", "executed rate (rows in a backward)", "{:.3f}"),
    ("recall", "recall of the exact top-k", "{:.3f}"),
    ("step_ratio", "CPU time of a step / forward only", "{:.2f}"),
)


def by_method(units: Iterable[Unit]) -> dict[str, list[Unit]]:
    """Return the units of every method, in the order in which the methods first come."""
    found: dict[str, list[Unit]] = {}
    for unit in units:
        found.setdefault(unit["curve"][0]["method"], []).append(unit)
    return found


def mean_and_error(values: Sequence[float]) -> tuple[float, float | None]:
    """Return the mean over seeds and its standard error, None for a single seed."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, None
    return mean, float(np.std(values, ddof=1) / np.sqrt(len(values)))


def mean_of_known(values: Iterable[float | None]) -> float | None:
    """Return the mean of those that are not None, None if all are."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def mean_curve(units: list[Unit], keys: Sequence[str]) -> list[dict[str, float]]:
    """Return the curve of one method: the columns' means over its seeds, and standard errors.

    Parameters
    ----------
    units : list of dict
        Of one method.
    keys : sequence of str
        Columns; the standard error of ``key`` is ``key_se``, 0 for a single seed.
    """
    curve = []
    for points in zip(*(unit["curve"] for unit in units), strict=True):
        row = {}
        for key in keys:
            row[key], error = mean_and_error([point[key] for point in points])
            row[f"{key}_se"] = 0.0 if error is None else error
        curve.append(row)
    return curve


def summary_row(method: str, units: list[Unit], errors: Sequence[str]) -> Row:
    """Return the row of one method: final errors with standard errors, mean totals, time ratio.

    Parameters
    ----------
    method : str
    units : list of dict
        Of this method.
    errors : sequence of str
        Columns of the curve, taken at the last log point.
    """
    last = [unit["curve"][-1] for unit in units]
    row: Row = {"method": method, "seeds": len(units)}
    for key in errors:
        row[key], row[f"{key}_se"] = mean_and_error([point[key] for point in last])
    for key in units[0]["totals"]:
        row[key] = mean_of_known(unit["totals"][key] for unit in units)
    return row


def step_ratio(row: Row) -> float | None:
    """Return the time of a step over that of a forward, None where nothing was timed."""
    timed = row["step_seconds"] and row["forward_seconds"]
    return row["step_seconds"] / row["forward_seconds"] if timed else None


def crossing(curve: list[dict[str, float]], at: str, error: str, threshold: float) -> float | None:
    """Return where on `at` the mean error first falls to the threshold, None where it never does.

    Between two log points the error is taken as linear in the logarithm of `at`.
    """
    for before, after in pairwise(curve):
        if before[error] > threshold >= after[error]:
            share = (before[error] - threshold) / (before[error] - after[error])
            a, b = np.log(before[at]), np.log(after[at])
            return float(np.exp(a + share * (b - a)))
    return None


def text_table(rows: list[Row], lines: Sequence[tuple[str, str, str]]) -> str:
    """Return the comparison as text: a column a method, mean and standard error over seeds.

    Parameters
    ----------
    rows : list of dict
        One a method.
    lines : sequence of (key, title, format)
        None is shown as a hyphen; a standard error is looked for at ``key_se``.
    """
    grid = [["", *(row["method"] for row in rows)]]
    for key, title, form in lines:
        cells = []
        for row in rows:
            cell = "-" if row[key] is None else form.format(row[key])
            error = row.get(f"{key}_se")
            cells.append(cell if error is None else f"{cell} ± {form.format(error)}")
        grid.append([title, *cells])
    widths = [max(len(line[i]) for line in grid) for i in range(len(rows) + 1)]
    text = []
    for title, *cells in grid:
        right = (cell.rjust(w) for cell, w in zip(cells, widths[1:], strict=True))
        text.append("  ".join([title.ljust(widths[0]), *right]))
    return "\n".join([text[0], "-" * len(text[0]), *text[1:]])


@dataclass(frozen=True)
class Panel:
    """One panel of a figure: the error against column `key`."""

    key: str
    label: str
    title: str


def error_figure(
    curves: dict[str, list[dict[str, float]]],
    error: str,
    label: str,
    panels: Sequence[Panel],
    path: Path,
) -> None:
    """Draw an error against several columns, side by side, both axes logarithmic.

    Parameters
    ----------
    curves : dict of list of dict
        The `mean_curve` of every method.
    error : str
        Column of the error; the band is its standard error.
    label : str
        Of the common axis.
    panels : sequence of Panel
    path : Path
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    canvas = Figure(figsize=(5 * len(panels), 4.2), layout="constrained")
    FigureCanvasAgg(canvas)
    axes = canvas.subplots(1, len(panels), sharey=True)
    for color, (method, curve) in enumerate(curves.items()):
        value = np.array([point[error] for point in curve])
        spread = np.array([point[f"{error}_se"] for point in curve])
        for axis, panel in zip(axes, panels, strict=True):
            at = np.array([point[panel.key] for point in curve])
            shown = (at > 0) & (value > 0)
            axis.plot(at[shown], value[shown], color=f"C{color}", label=method)
            low = np.maximum(value - spread, value / 10)
            axis.fill_between(
                at[shown], low[shown], (value + spread)[shown], color=f"C{color}", alpha=0.2
            )
    for axis, panel in zip(axes, panels, strict=True):
        scale = "log" if any(len(line.get_xdata()) for line in axis.lines) else "linear"
        axis.set(xscale=scale, yscale=scale, xlabel=panel.label, title=panel.title)
        axis.grid(visible=True, which="both", alpha=0.2)
    axes[0].set(ylabel=label)
    axes[0].legend()
    canvas.savefig(path, dpi=120)
