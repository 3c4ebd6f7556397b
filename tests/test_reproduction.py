"""The committed run of the full MNIST that the cost study reads: inside its bands."""

import csv
import json
from pathlib import Path

import pytest

from kondo_ref.runs import configuration_hash
from kondo_ref.tasks.mnist.settings import Settings

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results" / "mnist"
METHODS = ("pg", "dg", "kondo-top-k")


def rows(name: str) -> list[dict[str, str]]:
    with (RESULTS / name).open() as file:
        return list(csv.DictReader(file))


def summary() -> dict[str, dict[str, str]]:
    return {row["method"]: row for row in rows("summary.csv")}


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
