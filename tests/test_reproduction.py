"""The committed results of the full MNIST run: inside their bands, and the ones the page shows."""

import csv
import json
from collections import defaultdict
from pathlib import Path

import pytest

from kondo_ref.runs import configuration_hash
from kondo_ref.tasks.mnist.settings import Settings

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results" / "mnist"
PAGE = (ROOT / "docs" / "reproduction.md").read_text()
METHODS = ("pg", "dg", "kondo-top-k")

# Read off Fig. 1 of arXiv 2603.20526, 30 seeds: online error at M forward samples.
PUBLISHED = {
    "pg": {0.01: 0.30, 0.02: 0.25, 0.05: 0.20, 0.1: 0.15, 0.2: 0.12, 0.5: 0.083, 1.0: 0.0362},
    "dg": {0.01: 0.25, 0.02: 0.165, 0.05: 0.109, 0.1: 0.077, 0.2: 0.054, 0.5: 0.029, 1.0: 0.0161},
    "kondo-top-k": {
        0.01: 0.72, 0.02: 0.53, 0.05: 0.286, 0.1: 0.158, 0.2: 0.086, 0.5: 0.039, 1.0: 0.0234,
    },
}  # fmt: skip
PUBLISHED_TO_5_PERCENT = {"pg": 829_000, "dg": 229_000, "kondo-top-k": 381_000}


def rows(name: str) -> list[dict[str, str]]:
    with (RESULTS / name).open() as file:
        return list(csv.DictReader(file))


def summary() -> dict[str, dict[str, str]]:
    return {row["method"]: row for row in rows("summary.csv")}


def online_errors() -> dict[str, dict[float, float]]:
    """Return the mean online error at the log point nearest to each published one."""
    seeds = defaultdict(list)
    for row in rows("curves.csv"):
        seeds[row["method"], int(row["forward_samples"])].append(float(row["online_error"]))
    result: dict[str, dict[float, float]] = {}
    for method, published in PUBLISHED.items():
        at = {n: sum(e) / len(e) for (m, n), e in seeds.items() if m == method}
        result[method] = {
            millions: at[min(at, key=lambda n: abs(n - millions * 1e6))] for millions in published
        }
    return result


def page_rows() -> list[str]:
    """Return the rows of the page's tables, from the committed results alone."""
    lines = []
    errors = online_errors()
    for millions in PUBLISHED["pg"]:
        cells = [f"{errors[m][millions]:.3f} | {PUBLISHED[m][millions]:.3f}" for m in METHODS]
        lines.append(f"| {millions:g} M | " + " | ".join(cells) + " |")
    for method, row in summary().items():
        ours, published = float(row["forward_to_threshold"]), PUBLISHED_TO_5_PERCENT[method]
        lines.append(
            f"| {method} | {float(row['test_error']):.2%} ± {float(row['test_error_se']):.2%} "
            f"| {ours / 1e6:.3f} M | {published / 1e6:.3f} M | {ours / published - 1:+.0%} "
            f"| {float(row['backward_samples']):,.0f} |"
        )
    return lines


@pytest.mark.parametrize("line", page_rows())
def test_the_page_shows_the_committed_results(line: str) -> None:
    assert line in PAGE


@pytest.mark.parametrize(
    ("method", "column", "low", "high"),
    [
        ("dg", "online_error", 0.014, 0.018),
        ("kondo-top-k", "online_error", 0.020, 0.026),
        ("pg", "test_error", 0.029, 0.038),
        ("dg", "test_error", 0.023, 0.029),
        ("kondo-top-k", "test_error", 0.027, 0.034),
        ("dg", "forward_to_threshold", 0.85 * 230e3, 1.15 * 230e3),
        ("kondo-top-k", "forward_to_threshold", 0.85 * 380e3, 1.15 * 380e3),
        ("kondo-top-k", "backward_samples", 30_000, 30_000),
    ],
)
def test_the_results_are_inside_their_bands(
    method: str, column: str, low: float, high: float
) -> None:
    assert low <= float(summary()[method][column]) <= high


def test_the_results_are_of_the_published_set_up() -> None:
    result = json.loads((RESULTS / "result.json").read_text())
    settings = Settings(data="full", steps=10_000, seeds=5)
    assert result["configuration"] == {
        "task": "mnist",
        "backend": "numpy",
        **settings.to_dict(),
    }
    assert result["hash"] == configuration_hash(result["configuration"])
    assert {row["method"]: int(row["seeds"]) for row in rows("summary.csv")} == dict.fromkeys(
        METHODS, 5
    )
