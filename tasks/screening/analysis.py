"""Results of a screening study -> a row a screener, the table, what the frontier is made of."""

from pathlib import Path
from typing import Any

import numpy as np

from kondo_ref.tasks import comparison
from kondo_ref.tasks.flop import CONVENTION
from kondo_ref.tasks.grid import grid_text
from kondo_ref.tasks.screening import figures

THRESHOLD = 0.05
FIGURES = ("frontier",)
TABLES = ("frontier_points",)
COSTS = ("step_flop", "loop_flop", "width_flop")
ERRORS = ("online_error", "test_error")

LEGEND = (
    "est. error: rms of estimated - exact signal, over the std of the exact; recall: share of the\n"
    f"exact top-k that was kept. Costs: FLOP ({CONVENTION}) a step, in dense exact forwards of a\n"
    "batch: the look, the exact forward after it, the backward, the lesson of the screener; step:\n"
    "their sum; width: the sum with the look by the width of its numbers; loop: with the acting."
)

COLUMNS = (
    ("estimate_error", "est. error", "{:.3f}"),
    ("recall", "recall", "{:.3f}"),
    ("online_error", "online", "{:.2%}"),
    ("test_error", "test", "{:.2%}"),
    ("look_forwards", "look", "{:.3f}"),
    ("exact_forwards", "exact", "{:.3f}"),
    ("backward_forwards", "backw.", "{:.3f}"),
    ("learn_forwards", "learn", "{:.3f}"),
    ("step_forwards", "step", "{:.3f}"),
    ("width_forwards", "width", "{:.3f}"),
    ("loop_forwards", "loop", "{:.3f}"),
)


def headline(configuration: dict[str, Any]) -> str:
    """Return what was run."""
    gate = configuration["gate"]
    rate = f" at {configuration['rate']}" if "kondo" in gate else ""
    return (
        f"mnist ({configuration['data']}), {configuration['steps']:,} steps of "
        f"{configuration['batch']}, {gate}{rate}, actor {configuration['actor']}"
    )


def summarize(units: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row a screener: means over its seeds, standard errors of the errors.

    ``COST_to_threshold`` is the cost in FLOP at which the mean test error first falls to
    `THRESHOLD`, None where it never does.

    Parameters
    ----------
    units : list of dict
        Results of `train`.
    """
    rows = []
    for method, own in comparison.by_method(units).items():
        row = comparison.summary_row(method, own, ERRORS)
        curve = mean_curve(own)
        for cost in COSTS:
            row[f"{cost}_to_threshold"] = comparison.crossing(curve, cost, "test_error", THRESHOLD)
        rows.append(row)
    return rows


def mean_curve(units: list[dict[str, Any]]) -> list[dict[str, float]]:
    """Return the curve of one screener: every column's mean over the seeds."""
    return comparison.mean_curve(units, ("step", "forward_samples", *COSTS, *ERRORS))


def table(rows: list[dict[str, Any]]) -> str:
    """Return the comparison as text: a row a screener, means over seeds."""
    lines = []
    for row in rows:
        cells = ("-" if row[key] is None else form.format(row[key]) for key, _, form in COLUMNS)
        lines.append([row["method"], *cells])
    return grid_text(["screener", *(head for _, head, _ in COLUMNS)], lines)


def frontier_points(units: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the frontier: every point of a mean curve that no other point is as good and cheap as.

    For each of the costs, in ascending order; the errors fall along it.
    """
    curves = {method: mean_curve(own) for method, own in comparison.by_method(units).items()}
    found = []
    for cost in COSTS:
        points = [(p[cost], p["test_error"], m, p["step"]) for m, c in curves.items() for p in c]
        best = np.inf
        for flop, error, method, step in sorted(points):
            if error < best:
                best = error
                found.append(
                    {"cost": cost, "flop": flop, "test_error": error, "method": method,
                     "step": int(step)}
                )  # fmt: skip
    return found


def show_frontier_points(rows: list[dict[str, Any]]) -> str:
    """Return who holds the frontier, by the learner's FLOP: stretches of one screener."""
    lines: list[list[str]] = []
    for row in rows:
        if row["cost"] != COSTS[0]:
            continue
        if not lines or lines[-1][0] != row["method"]:
            lines.append([row["method"], f"{row['flop'] / 1e9:.2f}", f"{row['test_error']:.2%}"])
    head = ["frontier, by the learner's FLOP", "from G FLOP", "test error"]
    return grid_text(head, lines)


def frontier(units: list[dict[str, Any]], path: Path) -> None:
    """Draw the test error against executed FLOP with its frontier, and the screeners' quality."""
    curves = {method: mean_curve(own) for method, own in comparison.by_method(units).items()}
    figures.frontier(curves, summarize(units), frontier_points(units), path)
