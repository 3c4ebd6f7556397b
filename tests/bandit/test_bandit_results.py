"""The committed bandit runs: what a person gets without options, and what the page shows."""

import csv
from pathlib import Path

import pytest
from committed import require_settings

from kondo_ref.tasks.bandit.settings import METHODS, Settings
from kondo_ref.tasks.bandit.train import train

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "results" / "bandit"
PAGE = (ROOT / "docs" / "bandits.md").read_text()
RUNS = {
    "many": Settings(),
    "single": Settings.of(
        {
            "experiment": "single-context",
            "methods": ("pg", "dg", "zero-price", "kondo", "kondo-top-k", "ce"),
        }
    ),
}

Rows = list[dict[str, str]]


def rows(run: str, name: str) -> Rows:
    with (RESULTS / run / name).open() as file:
        return list(csv.DictReader(file))


def summary(run: str) -> dict[str, dict[str, float]]:
    return {
        row["method"]: {k: float(v) for k, v in row.items() if k != "method" and v}
        for row in rows(run, "summary.csv")
    }


def page_rows() -> list[str]:
    """Return the rows of the page's tables, from the committed results alone."""
    lines = []
    for run in RUNS:
        for method, row in summary(run).items():
            lines.append(
                f"| {method} | {row['error']:.2g} ± {row['error_se']:.1g} "
                f"| {row['steps_to_half']:.0f} | {row['backward_to_half']:,.0f} "
                f"| {row['learning_kept_share']:.3f} | {row['learning_kept_right_share']:.1%} "
                f"| {row['learning_cosine_gradient']:.3f} "
                f"| {row['learning_cosine_cross_entropy']:.3f} |"
            )
    budget = rows("many", "budget.csv")
    bins = [row for row in budget if row["method"] == "pg"]
    lines.append("| initial p | " + " | ".join(f"{float(r['initial_p']):.3f}" for r in bins) + " |")
    for method in summary("many"):
        own = [row for row in budget if row["method"] == method]
        for key, name in (
            ("update_first", "update, first step"),
            ("update_learning", "update, learning"),
            ("backward_learning", "backward passes, learning"),
        ):
            cells = " | ".join(f"{float(row[key]):.3f}" for row in own)
            lines.append(f"| {method}: {name} | {cells} |")
    return lines


@pytest.mark.parametrize("line", page_rows())
def test_the_page_shows_the_committed_results(line: str) -> None:
    assert line in PAGE


@pytest.mark.parametrize("run", RUNS)
def test_the_results_are_of_these_settings(run: str) -> None:
    require_settings(RESULTS / run, "bandit", RUNS[run])


@pytest.mark.parametrize(("run", "method"), [("many", "dg"), ("single", "zero-price")])
def test_the_code_still_gives_the_committed_curves(run: str, method: str) -> None:
    """To rounding: another processor may round exp otherwise."""
    unit = train(RUNS[run].to_dict(), {}, "numpy", method, 0, lambda _: None)
    stored = [r for r in rows(run, "curves.csv") if (r["method"], r["seed"]) == (method, "0")]
    assert len(unit["curve"]) == len(stored)
    for now, then in zip(unit["curve"], stored, strict=True):
        for key in ("step", "backward_decisions", "error", "cosine_cross_entropy"):
            if not then[key]:  # where nothing was kept
                assert now[key] is None, (now["step"], key)
                continue
            assert now[key] == pytest.approx(float(then[key]), rel=1e-6), (now["step"], key)


def test_dg_is_between_pg_and_cross_entropy_at_every_log_point_while_learning() -> None:
    curves = rows("many", "curves.csv")
    for seed in range(5):
        of = {
            method: [r for r in curves if (r["method"], r["seed"]) == (method, str(seed))]
            for method in ("pg", "dg", "ce")
        }
        for pg, dg, ce in zip(*of.values(), strict=True):
            cosines = [float(row["cosine_cross_entropy"]) for row in (pg, dg, ce)]
            if float(dg["error"]) > 0.5:
                assert cosines == sorted(cosines)
    end = summary("many")
    assert end["ce"]["error"] < end["dg"]["error"] < end["pg"]["error"]


def test_the_zero_price_keeps_successes_and_points_along_the_gradient() -> None:
    """[K], Prop. 1, in a single context with b = 1/2."""
    single = summary("single")
    assert single["zero-price"]["learning_kept_right_share"] == 1.0
    assert single["zero-price"]["learning_cosine_gradient"] == pytest.approx(1.0, abs=1e-12)
    assert single["pg"]["learning_cosine_gradient"] < single["dg"]["learning_cosine_gradient"]
    assert set(single) <= set(METHODS)


def test_exact_top_k_goes_first_to_hard_contexts() -> None:
    own = [r for r in rows("many", "budget.csv") if r["method"] == "kondo-top-k"]
    shares = [float(row["backward_learning"]) for row in own]
    assert shares == sorted(shares, reverse=True)
    pg = [float(r["update_learning"]) for r in rows("many", "budget.csv") if r["method"] == "pg"]
    assert pg == sorted(pg)
