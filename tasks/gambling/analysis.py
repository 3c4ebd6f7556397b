"""Results of a gambling run -> pi_2 by method and noise, false breakthroughs, figures."""

from pathlib import Path
from typing import Any

import numpy as np

from kondo_ref.tasks import comparison
from kondo_ref.tasks.gambling import figures
from kondo_ref.tasks.gambling.settings import Settings
from kondo_ref.tasks.gambling.theory import settles
from kondo_ref.tasks.grid import grid_text

FIGURES = ("breakthrough", "sweep", "remedies")
TABLES = ("breakthroughs",)

LEGEND = (
    "pi_2: probability of the worse arm, mean over the last quarter of the steps; fixed point:\n"
    "where the exact drift leads from the start (- where it has none; for kondo at a quantile\n"
    "price, that of a large batch). A drift slows down with pi_2: what is far below .01 is still\n"
    "on its way. Kept: decisions with a backward pass, in the same steps; a soft gate (dg) skips\n"
    "none. There is no network behind the logits, so backward passes are counted and no FLOP.\n"
    "softer: the gate at price 0 with a temperature; priced: the hard gate at a price; reserve:\n"
    "the hard gate, with a share of the decisions kept unseen (ours)."
)

Row = dict[str, Any]


def headline(configuration: Row) -> str:
    """Return what was run."""
    c = configuration
    at = f" {c['baseline_value']:g}" if c["baseline"] == "constant" else ""
    arms = "both arms" if c["noise"] == "both" else "the worse arm"
    return (
        f"gambling (noise on {arms}), {c['steps']:,} steps of {c['batch']}, "
        f"baseline {c['baseline']}{at}; over the last quarter of the steps"
    )


def summarize(units: list[Row]) -> list[Row]:
    """Return one row a method and sigma: means over the seeds, with standard errors.

    Parameters
    ----------
    units : list of dict
        Results of `train`.
    """
    settings = Settings.from_dict(units[0]["settings"])
    rows = []
    for method, own in comparison.by_method(units).items():
        for i, sigma in enumerate(settings.sigma):
            row: Row = {"method": method, "sigma": sigma, "seeds": len(own)}
            for key in ("mean_pi_2", "kept_share"):
                row[key], row[f"{key}_se"] = comparison.mean_and_error(
                    [unit["totals"][key][i] for unit in own]
                )
            row["fixed_point"] = settles(settings, method, sigma)
            for key in ("arm_2", "false_breakthroughs", "expected_breakthroughs"):
                row[key] = sum(unit["totals"][key][i] for unit in own)
            rows.append(row)
    return rows


def table(rows: list[Row]) -> str:
    """Return the comparison as text: a column a sigma, two or three lines a method."""
    sigmas = list(dict.fromkeys(row["sigma"] for row in rows))
    lines = []
    for method in dict.fromkeys(row["method"] for row in rows):
        own = [row for row in rows if row["method"] == method]
        lines += [
            [f"{method}: pi_2", *(_measured(row) for row in own)],
            ["  fixed point", *(_number(row["fixed_point"]) for row in own)],
            ["  kept", *(f"{row['kept_share']:.3f}" for row in own)],
        ]
    return grid_text(["noise / gap", *(f"{sigma:g}" for sigma in sigmas)], lines)


def _measured(row: Row) -> str:
    error = row["mean_pi_2_se"]
    return _number(row["mean_pi_2"]) + ("" if error is None else f" ± {_number(error)}")


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    if value in (0.0, 1.0):
        return f"{value:.0f}"
    return f"{value:.4f}" if value >= 5e-5 else f"{value:.0e}"


def breakthroughs(units: list[Row]) -> list[Row]:
    """Return one row a sigma and pi_1: the measured rate, its standard error, and the formula.

    The standard error is that of a binomial of the formula's probability.

    Parameters
    ----------
    units : list of dict
        Results of `train`.
    """
    rows = []
    for same in zip(*(u["breakthroughs"] for u in units if u["breakthroughs"]), strict=True):
        draws, count = (sum(row[key] for row in same) for key in ("draws", "count"))
        formula = same[0]["formula"]
        rows.append(
            {
                "sigma": same[0]["sigma"],
                "pi_1": same[0]["pi_1"],
                "draws": draws,
                "rate": count / draws,
                "formula": formula,
                "formula_se": float(np.sqrt(formula * (1.0 - formula) / draws)),
            }
        )
    return rows


def show_breakthroughs(rows: list[Row]) -> str:
    """Return the rates as text: a column a sigma, two lines a policy."""
    sigmas = list(dict.fromkeys(row["sigma"] for row in rows))
    lines = []
    for pi_1 in dict.fromkeys(row["pi_1"] for row in rows):
        own = [row for row in rows if row["pi_1"] == pi_1]
        lines += [
            [f"pi_1 = {pi_1:g}: measured", *(f"{row['rate']:.5f}" for row in own)],
            ["  formula", *(f"{row['formula']:.5f} ± {row['formula_se']:.5f}" for row in own)],
        ]
    title = "false breakthroughs: how often a draw of the worse arm has U > 0"
    return grid_text([title, *(f"{sigma:g}" for sigma in sigmas)], lines)


def breakthrough(units: list[Row], path: Path) -> None:
    """Draw the measured false-breakthrough rates on their formula."""
    figures.breakthrough(Settings.from_dict(units[0]["settings"]), breakthroughs(units), path)


def sweep(units: list[Row], path: Path) -> None:
    """Draw pi_2 and the kept share against the noise, by method."""
    figures.sweep(Settings.from_dict(units[0]["settings"]), summarize(units), path)


def remedies(units: list[Row], path: Path) -> None:
    """Draw what each remedy does, by its strength."""
    figures.remedies(Settings.from_dict(units[0]["settings"]), summarize(units), path)
