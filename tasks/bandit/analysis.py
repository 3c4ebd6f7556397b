"""Results of a bandit run -> the comparison, the budget over easy and hard contexts, figures."""

from pathlib import Path
from typing import Any

from kondo_ref.tasks import comparison
from kondo_ref.tasks.bandit import figures
from kondo_ref.tasks.comparison import Panel
from kondo_ref.tasks.grid import grid_text

FIGURES = ("figure", "direction", "allocation")
TABLES = ("budget",)
THRESHOLD = 0.5

LEGEND = (
    "1 - p: the chance of a wrong arm, from the policy itself. Learning: while its mean is above\n"
    "one half. Kept: decisions with a backward pass, for exact gradients the expected share; a\n"
    "soft gate (dg) weighs every decision and skips none. There is no network behind the logits,\n"
    "so backward passes are counted and no FLOP. ce is told the right arms: an oracle, with one\n"
    "decision a context and step. Budget: the update of a context is its coefficient along its\n"
    "cross-entropy gradient."
)
LINES = (
    ("error", "error (1 - p)", "{:.2g}"),
    ("steps_to_half", "steps to error 1/2", "{:,.0f}"),
    ("backward_to_half", "backward passes to error 1/2", "{:,.0f}"),
    ("backward_decisions", "backward passes in all", "{:,.0f}"),
    ("target_rate", "target rate", "{:.3f}"),
    ("learning_kept_share", "kept, learning", "{:.3f}"),
    ("kept_share", "kept in all", "{:.3f}"),
    ("learning_kept_right_share", "kept decisions right, learning", "{:.1%}"),
    ("learning_cosine_gradient", "cosine to grad J, learning", "{:.3f}"),
    ("learning_cosine_cross_entropy", "cosine to CE's, learning", "{:.3f}"),
)
PANELS = (
    Panel("step", "steps of fixed length", "how far it went"),
    Panel("backward_decisions", "backward passes", "what it paid"),
)
COLUMNS = (
    *("step", "backward_decisions", "error", "kept_share", "kept_right_share"),
    *("cosine_gradient", "cosine_cross_entropy"),
)
BUDGET = (
    ("update_first", "update, first step"),
    ("update_learning", "update, learning"),
    ("backward_learning", "backward, learning"),
    ("error", "error at the end"),
)

Row = dict[str, Any]


def headline(configuration: Row) -> str:
    """Return what was run."""
    c = configuration
    how = f"{c['batch']} decisions a context" if c["gradients"] == "sampled" else "exact gradients"
    at = f" {c['baseline_value']:g}" if c["baseline"] == "constant" else ""
    return (
        f"bandit ({c['contexts']} context(s) of {c['arms']} arms), {c['steps']:,} steps, {how}, "
        f"baseline {c['baseline']}{at}; at the end"
    )


def summarize(units: list[Row]) -> list[Row]:
    """Return one row a method: means over its seeds, standard errors where there are two seeds.

    Parameters
    ----------
    units : list of dict
        Results of `train`.
    """
    rows = []
    for method, own in comparison.by_method(units).items():
        row = comparison.summary_row(method, own, ("error",))
        curve = comparison.mean_curve(own, ("step", "backward_decisions", "error"))
        for key, at in (("steps_to_half", "step"), ("backward_to_half", "backward_decisions")):
            row[key] = comparison.crossing(curve, at, "error", THRESHOLD)
        rows.append(row)
    return rows


def table(rows: list[Row]) -> str:
    """Return the comparison as text: a column a method."""
    return comparison.text_table(rows, LINES)


def budget(units: list[Row]) -> list[Row]:
    """Return one row a method and bin of contexts, means over the seeds; none for one context.

    Parameters
    ----------
    units : list of dict
        Results of `train`.
    """
    rows: list[Row] = []
    for method, own in comparison.by_method(units).items():
        for same in zip(*(unit["budget"] for unit in own), strict=True):
            if len(own[0]["budget"]) == 1:
                continue
            keys = [key for key in same[0] if key not in ("method", "seed", "bin", "contexts")]
            rows.append(
                {
                    "method": method,
                    "bin": same[0]["bin"],
                    "contexts": same[0]["contexts"],
                    **{key: comparison.mean_of_known(row[key] for row in same) for key in keys},
                }
            )
    return rows


def show_budget(rows: list[Row]) -> str:
    """Return the budget as text: a column a bin, hardest contexts first."""
    methods = list(dict.fromkeys(row["method"] for row in rows))
    own = {method: [row for row in rows if row["method"] == method] for method in methods}
    first = own[methods[0]]
    lines = [["initial p", *(f"{row['initial_p']:.3f}" for row in first)]]
    for method in methods:
        for key, name in BUDGET:
            values = (row[key] for row in own[method])
            form = "{:.2g}" if key == "error" else "{:.3f}"
            cells = ["-" if v is None else form.format(v) for v in values]
            lines.append([f"{method}: {name}", *cells])
    heads = [f"{row['contexts']} contexts" for row in first]
    heads[0], heads[-1] = f"{heads[0]}, hardest", f"{heads[-1]}, easiest"
    title = "how the update and the backward passes are divided: shares of all contexts"
    return grid_text([title, *heads], lines)


def mean_curves(units: list[Row]) -> dict[str, list[dict[str, float]]]:
    """Return the curve of every method: means over its seeds, a log point without a number none."""
    return {
        method: comparison.mean_curve(_known(own), COLUMNS)
        for method, own in comparison.by_method(units).items()
    }


def _known(units: list[Row]) -> list[Row]:
    """Return the units with NaN where nothing was known, which a figure leaves out."""
    nan = float("nan")
    return [
        {"curve": [{k: nan if v is None else v for k, v in p.items()} for p in unit["curve"]]}
        for unit in units
    ]


def figure(units: list[Row], path: Path) -> None:
    """Draw the error against steps and against backward passes."""
    comparison.error_figure(mean_curves(units), "error", "error, 1 - p", PANELS, path)


def direction(units: list[Row], path: Path) -> None:
    """Draw how far the update is from the two true gradients."""
    figures.direction(mean_curves(units), path)


def allocation(units: list[Row], path: Path) -> None:
    """Draw where the budget goes: over contexts, or with one context over decisions."""
    rows = budget(units)
    if not rows:
        figures.decisions(mean_curves(units), path)
        return
    first = {method: own[0] for method, own in comparison.by_method(units).items()}
    figures.budget(rows, {method: unit["weights"] for method, unit in first.items()}, path)
