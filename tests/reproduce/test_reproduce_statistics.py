"""The statistics of the studies, against other routes to the same numbers."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from reproduce_tables import COST, SEEDS, A, B, X, table

from kondo_ref.checks import FloatArray, IntArray
from kondo_ref.flops.study_time import time_ratio
from kondo_ref.reproduce.statistics import At, Crossing, Longest, Statistic, TimeRatio, means
from kondo_ref.reproduce.tidy import Series, Table
from kondo_ref.tasks.comparison import crossing

# Every seed once, one seed alone, and one twice.
DRAWS = np.array([[0, 1, 2], [1, 1, 1], [2, 0, 2]])
Call = Callable[[Table, IntArray], FloatArray]


def plain_crossing(curve: FloatArray, threshold: float, x: FloatArray = X) -> float:
    points = [{"x": a, "error": b} for a, b in zip(x.tolist(), curve.tolist(), strict=True)]
    found = crossing(points, "x", "error", threshold)
    return np.inf if found is None else found


def check_at(call: Call) -> None:
    """At 100 and, linear in log x, half way between 10 and 100."""
    found = call(table(), DRAWS)
    between = 0.5 * (A[:, 1] + A[:, 2])
    assert found == pytest.approx([between[draw].mean() for draw in DRAWS], rel=1e-12)


def check_crossing(call: Call) -> None:
    expected = [plain_crossing(A[draw].mean(axis=0), 0.35) for draw in DRAWS]
    assert call(table(), DRAWS) == pytest.approx(expected, rel=1e-12)


def check_crossing_against(call: Call) -> None:
    expected = [
        plain_crossing(A[draw].mean(axis=0), 0.35, COST[draw].mean(axis=0)) for draw in DRAWS
    ]
    assert call(table(), DRAWS) == pytest.approx(expected, rel=1e-12)


def check_ratio(call: Call) -> None:
    expected = [
        time_ratio(
            plain_crossing(B[draw].mean(axis=0), 0.35),
            plain_crossing(A[draw].mean(axis=0), 0.35),
            0.03,
            2.0,
        )
        for draw in DRAWS
    ]
    assert call(table(), DRAWS) == pytest.approx(expected, rel=1e-12)


def check_ratio_each(call: Call) -> None:
    own = np.array([plain_crossing(curve, 0.35) for curve in A])
    base = np.array([plain_crossing(curve, 0.35) for curve in B])
    expected = [base[draw].mean() / own[draw].mean() for draw in DRAWS]
    assert call(table(), DRAWS) == pytest.approx(expected, rel=1e-12)


def check_longest(call: Call) -> None:
    """Below .25 at most at 1000 each, and at 1 for nobody once the errors are turned around."""
    turned = np.array([[0.1, 0.2, 0.5, 0.9], [0.1, 0.5, 0.9, 0.9], [0.9, 0.9, 0.9, 0.9]])
    found = call(table(a=turned), DRAWS)
    assert found == pytest.approx([11.0 / 3.0, 1.0, 10.0 / 3.0], rel=1e-12)


HALF = float(np.sqrt(1000.0))
CHECKS: dict[str, tuple[Callable[[Call], None], Statistic]] = {
    "at": (check_at, At("a", "error", HALF)),
    "crossing": (check_crossing, Crossing("a", "error", 0.35)),
    "crossing against": (check_crossing_against, Crossing("a", "error", 0.35, "cost")),
    "ratio": (check_ratio, TimeRatio("a", "b", "error", 0.35, 0.03, 2.0)),
    "ratio each": (check_ratio_each, TimeRatio("a", "b", "error", 0.35, 0.03, None, each=True)),
    "longest": (check_longest, Longest("a", "error", 0.25)),
}


@pytest.mark.parametrize("name", CHECKS)
def test_the_statistic_is_the_other_route(name: str) -> None:
    check, statistic = CHECKS[name]
    check(statistic)


def seedwise(call: Call) -> Call:
    """The mean over seeds of every seed's own number."""

    def wrong(own: Table, draws: IntArray) -> FloatArray:
        alone = call(own, np.arange(len(SEEDS))[:, None])
        mean: FloatArray = alone[draws].mean(axis=1)
        return mean

    return wrong


def undrawn(call: Call) -> Call:
    """All seeds, whatever was drawn."""

    def wrong(own: Table, draws: IntArray) -> FloatArray:
        return call(own, np.broadcast_to(np.arange(len(SEEDS)), draws.shape))

    return wrong


def linear_in_x(own: Table, draws: IntArray) -> FloatArray:
    curve = own["a", "error"].values[draws].mean(axis=1)
    return np.array([np.interp(HALF, X, row) for row in curve])


def first_log_point(own: Table, draws: IntArray) -> FloatArray:
    curve = own["a", "error"].values[draws].mean(axis=1)
    return np.array([X[np.argmax(row <= 0.35)] for row in curve])


def median_longest(own: Table, draws: IntArray) -> FloatArray:
    series = own["a", "error"]
    largest = np.where(series.values < 0.25, series.x, 0.0).max(axis=1)
    found: FloatArray = np.median(largest[draws], axis=1)
    return found


RATIO = TimeRatio("a", "b", "error", 0.35, 0.03, 2.0)
MUTANTS: dict[str, tuple[str, Call]] = {
    "at, linear in x": ("at", linear_in_x),
    "at, seeds not drawn": ("at", undrawn(At("a", "error", HALF))),
    "at, next label": ("at", At("b", "error", HALF)),
    "crossing of every seed": ("crossing", seedwise(Crossing("a", "error", 0.35))),
    "crossing at the next point": ("crossing", first_log_point),
    "crossing of another threshold": ("crossing", Crossing("a", "error", 0.36)),
    "crossing on the rows' x": ("crossing against", Crossing("a", "error", 0.35)),
    "ratio upside down": ("ratio", replace(RATIO, label="b", base="a")),
    "ratio, backward free": ("ratio", replace(RATIO, at=0.0)),
    "ratio, gate pays all": ("ratio", replace(RATIO, rate=1.0)),
    "ratio, seeds not drawn": ("ratio", undrawn(RATIO)),
    "ratio each, of the mean curve": ("ratio each", replace(RATIO, at=None)),
    "ratio each, mean of ratios": ("ratio each", seedwise(replace(RATIO, at=None))),
    "longest, median": ("longest", median_longest),
    "longest, any error": ("longest", Longest("a", "error", 1.0)),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_the_check_sees(name: str) -> None:
    of, wrong = MUTANTS[name]
    with pytest.raises(AssertionError):
        CHECKS[of][0](wrong)


def test_at_a_point_of_the_rows_is_that_point() -> None:
    assert At("a", "error", 100.0)(table(), DRAWS[:1]) == pytest.approx([A[:, 2].mean()])


def test_at_without_an_x() -> None:
    alone = {("a", "error"): Series(SEEDS, np.array([np.nan]), A[:, :1])}
    assert At("a", "error")(alone, DRAWS[:1]) == pytest.approx([0.8])


@pytest.mark.parametrize("at", [0.5, 1001.0])
def test_at_refuses_what_was_not_reached(at: float) -> None:
    with pytest.raises(LookupError, match="a: no error at"):
        At("a", "error", at)(table(), DRAWS)


def test_a_threshold_that_is_never_met() -> None:
    never = Crossing("a", "error", 0.001)(table(), DRAWS)
    assert np.isinf(never).all()
    ratio = TimeRatio("a", "b", "error", 0.05, 0.03, 0.0)
    assert np.isinf(ratio(table(), DRAWS)).all(), "the base does not get there"
    turned = TimeRatio("b", "a", "error", 0.05, 0.03, 0.0)
    assert np.isnan(turned(table(), DRAWS)).all(), "the label does not get there"


def check_never(of: Callable[[Series, IntArray], FloatArray]) -> None:
    """A seed that never gets there makes a mean infinite, but only where it is drawn."""
    late = Series(SEEDS, np.array([5.0]), np.array([[np.inf], [20.0], [40.0]]))
    found = of(late, np.array([[0, 1, 2], [1, 1, 1], [2, 1, 2], [0, 0, 0]]))
    np.testing.assert_array_equal(found[[0, 1, 3], 0], [np.inf, 20.0, np.inf])
    assert found[2, 0] == pytest.approx(100.0 / 3.0)


def test_a_seed_that_never_gets_there() -> None:
    check_never(means)


def by_counts(series: Series, draws: IntArray) -> FloatArray:
    """The route for finite values: how often each seed was drawn, times its value."""
    counts = (draws[:, :, None] == np.arange(len(series.seeds))).sum(axis=1)
    with np.errstate(invalid="ignore"):
        mean: FloatArray = counts @ series.values / draws.shape[1]
    return mean


def known_alone(series: Series, draws: IntArray) -> FloatArray:
    kept = np.where(np.isfinite(series.values), series.values, 0.0)
    return means(Series(series.seeds, series.x, kept), draws)


@pytest.mark.parametrize("wrong", [by_counts, known_alone])
def test_the_check_of_never_sees(wrong: Callable[..., FloatArray]) -> None:
    with pytest.raises(AssertionError):
        check_never(wrong)
