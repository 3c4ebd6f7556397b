"""Units -> tidy rows -> series."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kondo_ref.reproduce import tidy
from kondo_ref.reproduce.study import Part, Read
from kondo_ref.runs import csv_text

PART = Part("p", "mnist", {"methods": ("dg",), "price": "0"}, "{method}, b", 0.5)
READS = (
    Read("error", "", "curve", "online_error", "samples"),
    Read("end", "", "last", "online_error"),
    Read("rate", "", "total", "rate"),
    Read("unknown", "", "total", "missing"),
    Read("left", "", "listed", "pi", "sigma"),
    Read("half", "", "crossing", "online_error", "samples", threshold=0.4),
    Read("never", "", "crossing", "online_error", "samples", threshold=0.1),
    Read("of the price", "", "total", "rate", needs="price"),
    Read("of no corner", "", "total", "rate", needs="corner"),
)
UNIT: dict[str, Any] = {
    "curve": [{"samples": 100, "online_error": 0.5}, {"samples": 200, "online_error": 1 / 3}],
    "totals": {"rate": 0.03, "missing": None, "pi": [0.25, 0.75]},
    "settings": {"sigma": [1.0, 2.0]},
}


def check_rows(rows_of: Callable[..., list[dict[str, Any]]], path: Path) -> None:
    rows = [row for seed in (1, 0) for row in rows_of(PART, READS, UNIT, "dg", seed)]
    path.write_text(csv_text(rows))
    found = tidy.table_of(tidy.read_rows(path))
    assert {label for label, _ in found} == {"dg, b"}
    expected = {
        "error": ([100.0, 200.0], [0.5, 0.333333]),
        "end": ([0.5], [0.333333]),
        "rate": ([0.5], [0.03]),
        "unknown": ([0.5], [np.nan]),
        "left": ([1.0, 2.0], [0.25, 0.75]),
        # .1 of the .1667 that it falls within the one doubling.
        "half": ([0.5], [151.572]),
        "never": ([0.5], [np.inf]),
        "of the price": ([0.5], [0.03]),
    }
    assert {quantity for _, quantity in found} == set(expected)
    for quantity, (x, values) in expected.items():
        series = found["dg, b", quantity]
        assert series.seeds == (0, 1)
        np.testing.assert_array_equal(series.x, x)
        np.testing.assert_array_equal(series.values, [values, values])


def first_not_last(part: Part, reads: Any, unit: Any, method: str, seed: int) -> list[Any]:
    turned = {**unit, "curve": unit["curve"][::-1]}
    return [
        row
        for read in reads
        for row in tidy.rows_of(part, [read], turned if read.how == "last" else unit, method, seed)
    ]


def of_the_method(part: Part, *rest: Any) -> list[Any]:
    return tidy.rows_of(Part(part.name, part.task, part.settings, x=part.x), *rest)


def nothing_as_zero(*arguments: Any) -> list[Any]:
    rows = tidy.rows_of(*arguments)
    return [{**row, "value": row["value"] or "0"} for row in rows]


def never_as_nothing(*arguments: Any) -> list[Any]:
    rows = tidy.rows_of(*arguments)
    return [{**row, "value": None if row["value"] == "inf" else row["value"]} for row in rows]


def at_the_next_point(part: Part, reads: Any, unit: Any, method: str, seed: int) -> list[Any]:
    rows = tidy.rows_of(part, reads, unit, method, seed)
    return [{**row, "value": "200"} if row["quantity"] == "half" else row for row in rows]


def of_every_part(part: Part, reads: Any, *rest: Any) -> list[Any]:
    return tidy.rows_of(part, [replace(read, needs="") for read in reads], *rest)


def test_rows_become_series(tmp_path: Path) -> None:
    check_rows(tidy.rows_of, tmp_path / "results.csv")


@pytest.mark.parametrize(
    "wrong",
    [
        *(first_not_last, of_the_method, nothing_as_zero),
        *(never_as_nothing, at_the_next_point, of_every_part),
    ],
)
def test_the_check_sees(wrong: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        check_rows(wrong, tmp_path / "results.csv")


def row(seed: int, x: str, value: str = "1") -> dict[str, Any]:
    return {"label": "a", "seed": seed, "quantity": "q", "x": x, "value": value}


def test_seeds_with_other_x_are_refused() -> None:
    with pytest.raises(ValueError, match="q of seed 1 has other x than seed 0"):
        tidy.table_of([row(0, "1"), row(1, "2")])


def test_a_row_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="q at 1 twice in a seed"):
        tidy.table_of([row(0, "1"), row(0, "1.0")])


def test_other_columns_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_text("label,seed\na,0\n")
    with pytest.raises(ValueError, match="expected the columns label, seed, quantity, x, value"):
        tidy.read_rows(path)


@pytest.mark.parametrize(
    ("how", "x", "threshold"),
    [
        *(("curve", None, None), ("total", "sigma", None), ("else", None, None)),
        *(("crossing", "step", None), ("crossing", None, 0.1), ("curve", "step", 0.1)),
    ],
)
def test_a_read_that_is_none_is_refused(how: str, x: str | None, threshold: float | None) -> None:
    with pytest.raises(ValueError, match=r"how:|x:|threshold:"):
        Read("q", "", how, "column", x, threshold=threshold)
