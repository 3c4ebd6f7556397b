"""The committed screening studies: what the page shows, and what it says of them."""

import csv
from pathlib import Path

import pytest
from committed import require_settings

from kondo_ref.tasks.comparison import mean_and_error
from kondo_ref.tasks.screening.settings import Settings
from kondo_ref.tasks.screening.train import train

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "results" / "screening"
PAGE = (ROOT / "docs" / "screening.md").read_text()
RUNS = {
    "frontier": Settings(
        methods=(
            "exact", "additive:0.5", "additive:1", "multiplicative:0.5", "stale:10", "stale:100",
            "cached:4", "cached-signal:4", "int8", "bfloat16", "draft:16", "draft:16@0.1",
            "draft:4@0.1",
        ),
        seeds=2,
        steps=5000,
        data="full",
    ),
    "acting": Settings(
        methods=("stale:10", "cached:4", "int8", "draft:16@0.1"),
        seeds=2,
        steps=3155,
        data="full",
        actor="screener",
    ),
    "dg": Settings(
        methods=("exact", "additive:0.5", "additive:1", "multiplicative:0.5"),
        seeds=2,
        steps=2506,
        data="full",
        gate="dg",
    ),
}  # fmt: skip

# Replicated elsewhere at 1 M forward samples: online error. [K] is reported to say that DG
# tolerates about 50 % of noise and the Kondo gate less, by a definition that is not known.
REPLICATED = {
    "dg": {"exact": 0.016, "additive:0.5": 0.0151, "additive:1": 0.0153,
           "multiplicative:0.5": 0.0163},
    "frontier": {"exact": 0.022, "additive:0.5": 0.0307, "additive:1": 0.0389,
                 "multiplicative:0.5": 0.0244},
}  # fmt: skip

Rows = list[dict[str, str]]


def rows(run: str, name: str) -> Rows:
    with (RESULTS / run / name).open() as file:
        return list(csv.DictReader(file))


def summary(run: str) -> dict[str, dict[str, float]]:
    return {
        row["method"]: {k: float(v) for k, v in row.items() if k != "method" and v}
        for row in rows(run, "summary.csv")
    }


def at_step(run: str, step: int) -> dict[str, dict[str, float]]:
    """Return mean and standard error of the errors at a log point, by screener."""
    found: dict[str, dict[str, float]] = {}
    points = [row for row in rows(run, "curves.csv") if int(row["step"]) == step]
    for method in dict.fromkeys(row["method"] for row in points):
        found[method] = {}
        for key in ("online_error", "test_error"):
            own = [float(row[key]) for row in points if row["method"] == method]
            found[method][key], error = mean_and_error(own)
            found[method][f"{key}_se"] = error or 0.0
    return found


def percent(row: dict[str, float], key: str) -> str:
    return f"{row[key]:.2%} ± {row[key + '_se']:.2%}"


def to_threshold(row: dict[str, float], cost: str) -> str:
    at = row.get(f"{cost}_to_threshold")
    return "-" if at is None else f"{at / 1e9:.1f}"


def page_rows() -> list[str]:
    """Return the rows of the page's tables, from the committed results alone."""
    lines = []
    for method, row in summary("frontier").items():
        lines.append(
            f"| `{method}` | {row['estimate_error']:.3f} | {row['recall']:.3f} "
            f"| {percent(row, 'online_error')} | {percent(row, 'test_error')} "
            f"| {to_threshold(row, 'step_flop')} |"
        )
    for method, row in summary("frontier").items():
        parts = ("look", "exact", "backward", "learn", "step", "width", "loop")
        cells = " | ".join(f"{row[f'{part}_forwards']:.3f}" for part in parts)
        lines.append(f"| `{method}` | {cells} |")
    exact = summary("frontier")["exact"] | at_step("frontier", RUNS["acting"].steps)["exact"]
    for method, row in {"exact": exact, **summary("acting")}.items():
        lines.append(
            f"| `{method}` | {row['estimate_error']:.3f} | {row['recall']:.3f} "
            f"| {percent(row, 'online_error')} | {percent(row, 'test_error')} "
            f"| {row['loop_forwards']:.3f} | {to_threshold(row, 'loop_flop')} |"
        )
    for run, gate in (("dg", "DG"), ("frontier", "top-k, 3 %")):
        own, theirs = at_step(run, RUNS["dg"].steps), REPLICATED[run]
        for method, replicated in theirs.items():
            ratio = own[method]["online_error"] / own["exact"]["online_error"]
            lines.append(
                f"| {gate} | `{method}` | {replicated:.4f} | {replicated / theirs['exact']:.2f} "
                f"| {percent(own[method], 'online_error')} | {ratio:.2f} |"
            )
    return lines


@pytest.mark.parametrize("line", page_rows())
def test_the_page_shows_the_committed_results(line: str) -> None:
    assert line in PAGE


@pytest.mark.parametrize("run", RUNS)
def test_the_results_are_of_these_settings(run: str) -> None:
    require_settings(RESULTS / run, "screening", RUNS[run])


def test_the_code_still_counts_the_committed_costs() -> None:
    """On a set of the same width: costs hang on rows alone, and with top-k not on the data."""
    for method in ("int8", "draft:16@0.1"):
        settings = Settings(methods=(method,), steps=20)
        now = train(settings.to_dict(), {"data_dir": None}, "numpy", method, 0, lambda _: None)
        then = summary("frontier")[method]
        for part in ("look", "backward", "width"):
            tolerance = 0.02 if (part, method) == ("width", "draft:16@0.1") else 1e-12
            assert now["totals"][f"{part}_forwards"] == pytest.approx(
                then[f"{part}_forwards"], rel=tolerance
            )
