"""Results of a run -> a table of methods and a figure."""

from pathlib import Path
from typing import Any

from kondo_ref.tasks import comparison, flop
from kondo_ref.tasks.comparison import Panel

THRESHOLD = 0.05
FIGURES = ("figure",)
TABLES: tuple[str, ...] = ()

LEGEND = (
    "online: sampled actions while learning; test: the most probable action on held-out images.\n"
    "A soft gate (dg) weighs every sample and skips none, so its executed rate is 1.\n"
    f"{flop.LEGEND}"
)

LINES = (
    ("online_error", "online error (1 - mean reward)", "{:.2%}"),
    ("test_error", "test error (greedy)", "{:.2%}"),
    ("forward_samples", "forward samples", "{:,.0f}"),
    ("backward_samples", "backward samples executed", "{:,.0f}"),
    ("forward_to_threshold", "forward samples to 5 % online error", "{:,.0f}"),
    *comparison.RATE_LINES[:-2],
    *flop.LINES,
    *comparison.RATE_LINES[-2:],
)
PANELS = (
    Panel("forward_samples", "forward samples", "what was looked at"),
    Panel("backward_samples", "backward samples", "what was learned from"),
    Panel("step_flop", f"forward and backward FLOP ({flop.CONVENTION})", "what that cost"),
)


def headline(configuration: dict[str, Any]) -> str:
    """Return what was run."""
    corner = configuration.get("corner", 0)
    return (
        f"mnist ({configuration['data']}), {configuration['steps']:,} steps of "
        f"{configuration['batch']}, baseline {configuration['baseline']}"
        + (f", after {corner:,} steps toward a wrong digit" if corner else "")
        + "; at the last log point"
    )


def summarize(units: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row a method: means over its seeds, standard errors where there are two seeds.

    Parameters
    ----------
    units : list of dict
        Results of `train`.
    """
    rows = []
    for method, own in comparison.by_method(units).items():
        row = comparison.summary_row(method, own, ("online_error", "test_error"))
        row["forward_to_threshold"] = comparison.crossing(
            mean_curve(own), "forward_samples", "online_error", THRESHOLD
        )
        rows.append({**row, "step_ratio": comparison.step_ratio(row)})
    return rows


def mean_curve(units: list[dict[str, Any]]) -> list[dict[str, float]]:
    """Return the curve of one method: every column's mean over the seeds, and standard errors."""
    return comparison.mean_curve(
        units, ("forward_samples", "backward_samples", "step_flop", "online_error", "test_error")
    )


def table(rows: list[dict[str, Any]]) -> str:
    """Return the comparison as text: a column a method, mean and standard error over seeds."""
    return comparison.text_table(rows, LINES)


def figure(units: list[dict[str, Any]], path: Path) -> None:
    """Draw online error against forward and against executed backward samples, side by side."""
    curves = {method: mean_curve(own) for method, own in comparison.by_method(units).items()}
    comparison.error_figure(curves, "online_error", "online error", PANELS, path)
