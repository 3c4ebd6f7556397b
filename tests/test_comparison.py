"""Means, standard errors, thresholds, table and figure of finished units."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dying import dies

from kondo_ref.tasks import comparison


def unit(method: str, values: list[float], **totals: Any) -> dict[str, Any]:
    curve = [{"method": method, "at": 10.0**i, "error": v} for i, v in enumerate(values)]
    return {"curve": curve, "totals": totals}


def test_units_by_method_keep_their_order() -> None:
    units = [unit("b", [1]), unit("a", [2]), unit("b", [3])]
    found = comparison.by_method(units)
    assert list(found) == ["b", "a"]
    assert found["b"] == [units[0], units[2]]


def test_mean_and_standard_error() -> None:
    assert comparison.mean_and_error([3.0]) == (3.0, None)
    # Deviations -2, 0, 2: variance 4 by n - 1, over three.
    assert comparison.mean_and_error([1.0, 3.0, 5.0]) == (3.0, pytest.approx((4 / 3) ** 0.5))


def test_a_mean_of_what_is_known() -> None:
    assert comparison.mean_of_known([0.0, None, 5.0]) == 2.5
    assert comparison.mean_of_known([None]) is None


def test_a_mean_curve_and_a_row() -> None:
    units = [unit("a", [0.5, 0.1], x=1.0, y=None), unit("a", [0.7, 0.3], x=2.0, y=None)]
    curve = comparison.mean_curve(units, ("at", "error"))
    assert [row["error"] for row in curve] == [pytest.approx(0.6), pytest.approx(0.2)]
    assert [row["error_se"] for row in curve] == [pytest.approx(0.1)] * 2
    assert comparison.mean_curve(units[:1], ("error",))[0] == {"error": 0.5, "error_se": 0.0}
    row = comparison.summary_row("a", units, ("error",))
    assert row == {
        "method": "a", "seeds": 2, "error": pytest.approx(0.2), "error_se": pytest.approx(0.1),
        "x": 1.5, "y": None,
    }  # fmt: skip


def test_where_an_error_first_falls_to_a_threshold() -> None:
    cases: list[tuple[list[float], float | None]] = [
        ([0.9, 0.5, 0.1], 10**1.75),
        ([0.9, 0.2, 0.9], 10**1.0),
        ([0.9, 0.8], None),
        ([0.2, 0.1], None),
    ]
    for values, expected in cases:
        curve = comparison.mean_curve([unit("a", values)], ("at", "error"))
        found = comparison.crossing(curve, "at", "error", 0.2)
        assert found == (None if expected is None else pytest.approx(expected))


def test_a_step_ratio_needs_times() -> None:
    assert comparison.step_ratio({"step_seconds": 3.0, "forward_seconds": 2.0}) == 1.5
    assert comparison.step_ratio({"step_seconds": None, "forward_seconds": None}) is None


def test_a_table() -> None:
    rows = [
        {"method": "long-name", "x": 1234.0, "x_se": 5.0, "y": None},
        {"method": "b", "x": 1.0, "x_se": None, "y": 0.25},
    ]
    lines = (("x", "first", "{:,.0f}"), ("y", "second", "{:.0%}"))
    assert comparison.text_table(rows, lines).splitlines() == [
        "        long-name    b",
        "----------------------",
        "first   1,234 ± 5    1",
        "second          -  25%",
    ]


def test_a_figure_of_every_panel(tmp_path: Path) -> None:
    curves = {"a": comparison.mean_curve([unit("a", [0.5, 0.0])], ("at", "error"))}
    panels = [comparison.Panel("at", "x", "title")] * 2
    comparison.error_figure(curves, "error", "error", panels, tmp_path / "f.png")
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("function", "old", "new", "check"),
    [
        ("by_method", 'unit["curve"][0]["method"]', '"b"', test_units_by_method_keep_their_order),
        ("mean_and_error", "ddof=1", "ddof=0", test_mean_and_standard_error),
        ("mean_and_error", "/ np.sqrt(len(values))", "", test_mean_and_standard_error),
        ("mean_of_known", "if value is not None", "if value", test_a_mean_of_what_is_known),
        ("mean_curve", "0.0 if error is None else error", "error or 1.0",
         test_a_mean_curve_and_a_row),
        ("summary_row", "[-1]", "[0]", test_a_mean_curve_and_a_row),
        ("crossing", "np.exp(a + share * (b - a))", "np.exp(b)",
         test_where_an_error_first_falls_to_a_threshold),
        ("crossing", "before[error] > threshold >= after[error]", "after[error] <= threshold",
         test_where_an_error_first_falls_to_a_threshold),
        ("step_ratio", 'row["step_seconds"] / row', 'row["step_seconds"] - row',
         test_a_step_ratio_needs_times),
        ("text_table", "cell.rjust(w)", "cell.ljust(w)", test_a_table),
    ],
)  # fmt: skip
def test_wrong_comparisons_are_seen(
    function: str, old: str, new: str, check: Callable[[], None]
) -> None:
    dies(f"tasks.comparison.{function}", old, new, check)
