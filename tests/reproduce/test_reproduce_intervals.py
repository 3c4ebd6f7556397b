"""The intervals: SciPy's on the raw numbers, the same twice, and a coverage that is stated."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from reproduce_tables import A, table
from scipy import stats

from kondo_ref.reproduce import compare, intervals
from kondo_ref.reproduce.intervals import Estimate, estimate
from kondo_ref.reproduce.register import load_study
from kondo_ref.reproduce.statistics import At, Crossing
from kondo_ref.reproduce.study import LEVEL, Comparison, Read
from kondo_ref.reproduce.tidy import Series, Table

Interval = Callable[[Table], Estimate]


def one_point(values: np.ndarray) -> Table:
    seeds = tuple(range(len(values)))
    return {("a", "error"): Series(seeds, np.array([1.0]), values[:, None])}


def ours(own: Table) -> Estimate:
    return estimate(At("a", "error", 1.0), own)


def check_scipy(interval: Interval) -> None:
    """SciPy's BCa interval of a mean, from the values themselves and another key."""
    values = np.random.Generator(np.random.Philox(key=7)).exponential(size=12)
    found = interval(one_point(values))
    other = stats.bootstrap(
        (values,),
        np.mean,
        confidence_level=LEVEL,
        n_resamples=20_000,
        method="BCa",
        random_state=np.random.Generator(np.random.Philox(key=8)),
    )
    # The ends are quantiles of 4,999 and 20,000 resamples: their standard errors are at most
    # sqrt(p (1 - p) / n) / density, under .012 standard deviations of the mean here; five of them.
    slack = 0.06 * float(other.standard_error)
    assert found.value == pytest.approx(values.mean(), rel=1e-12)
    assert found.low == pytest.approx(float(other.confidence_interval.low), abs=2 * slack)
    assert found.high == pytest.approx(float(other.confidence_interval.high), abs=2 * slack)


def percentile(own: Table) -> Estimate:
    values = own["a", "error"].values[:, 0]
    generator = np.random.Generator(np.random.Philox(key=9))
    drawn = values[generator.integers(0, values.size, (4999, values.size))].mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(float(values.mean()), float(low), float(high), values.size)


def narrow(own: Table) -> Estimate:
    found = ours(own)
    assert found.low is not None
    assert found.high is not None
    return Estimate(found.value, 0.5 * (found.low + found.value), found.high, found.seeds)


def of_one_seed(own: Table) -> Estimate:
    return Estimate(float(own["a", "error"].values[0, 0]), 0.0, 1.0, 1)


def test_the_interval_is_scipys() -> None:
    check_scipy(ours)


@pytest.mark.parametrize("wrong", [percentile, narrow, of_one_seed])
def test_the_check_sees(wrong: Interval) -> None:
    with pytest.raises(AssertionError):
        check_scipy(wrong)


def test_the_same_twice_and_another_key_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (
        estimate(At("a", "error", 10.0), table()),
        estimate(At("a", "error", 10.0), table()),
    )
    assert first == second
    crossing = estimate(Crossing("a", "error", 0.35), table())
    monkeypatch.setattr(intervals, "KEY", 1)
    other = estimate(Crossing("a", "error", 0.35), table(), resamples=500)
    assert (other.low, other.high) != (crossing.low, crossing.high)
    assert other.value == crossing.value


def test_one_seed_has_no_interval_and_equal_seeds_have_a_point() -> None:
    single = estimate(At("a", "error", 1.0), one_point(np.array([0.5])))
    assert single == Estimate(0.5, None, None, 1)
    equal = estimate(At("a", "error", 1.0), one_point(np.full(4, 0.5)))
    assert equal == Estimate(0.5, 0.5, 0.5, 4)


def test_a_threshold_that_some_resamples_never_meet_has_an_open_end() -> None:
    stuck = A.copy()
    stuck[2] = [0.9, 0.9, 0.9, 0.9]  # the mean of three is .32 at the end, of stuck ones .9
    found = estimate(Crossing("a", "error", 0.35), table(a=stuck))
    assert math.isfinite(found.value)
    assert found.high == math.inf
    assert found.low is not None
    assert found.low < found.value


def test_seeds_that_differ_are_refused() -> None:
    from kondo_ref.reproduce.statistics import TimeRatio

    own = dict(table())
    own["b", "error"] = Series((0, 1), own["b", "error"].x, own["b", "error"].values[:2])
    with pytest.raises(ValueError, match="expected the same seeds"):
        estimate(TimeRatio("a", "b", "error", 0.35, 0.03), own)


# What is found, the published value, and the verdict that is due.
VERDICTS = [
    (Estimate(1.0, 0.9, 1.1, 5), None, "none known"),
    (Estimate(1.0, 0.9, 1.1, 5), 0.9, "inside"),
    (Estimate(1.0, 0.9, 1.1, 5), 1.05, "inside"),
    (Estimate(1.0, 0.9, 1.1, 5), 1.2, "ours lower"),
    (Estimate(1.0, 0.9, 1.1, 5), 0.8, "ours higher"),
    (Estimate(1.0, 0.9, math.inf, 5), 50.0, "inside"),
    (Estimate(1.0, None, None, 1), 0.8, "no interval"),
    (Estimate(math.inf, None, None, 5), 0.8, "not reached"),
    (Estimate(math.nan, None, None, 5), 0.8, "not reached"),
]


def check_verdicts(verdict: Callable[[Estimate, float | None], str]) -> None:
    for found, published, due in VERDICTS:
        assert verdict(found, published) == due


def turned(found: Estimate, published: float | None) -> str:
    sides = {compare.LOWER: compare.HIGHER, compare.HIGHER: compare.LOWER}
    said = compare.verdict(found, published)
    return sides.get(said, said)


def generous(found: Estimate, published: float | None) -> str:
    wide = Estimate(
        found.value,
        None if found.low is None else found.low - 0.15,
        None if found.high is None else found.high + 0.15,
        found.seeds,
    )
    return compare.verdict(wide, published)


def test_verdicts() -> None:
    check_verdicts(compare.verdict)


@pytest.mark.parametrize("wrong", [turned, generous, lambda *_: "inside"])
def test_the_verdicts_check_sees(wrong: Callable[[Estimate, float | None], str]) -> None:
    with pytest.raises(AssertionError):
        check_verdicts(wrong)


def test_of_a_quick_run_each_statistic_is_asked_once() -> None:
    """What lies beyond the end of a quick run is asked at its end, unless it is asked already."""
    at = [At("a", "error", x) for x in (100.0, 1000.0, 5000.0, 9000.0)]
    study = replace(load_study("mnist"), comparisons=tuple(map(Comparison, at)))
    study = replace(study, reads=(Read("error", "error", "curve", "error", "x", "steps"),))
    rows = compare.compared(study, table(), quick=True)
    assert [row["at"] for row in rows] == [100.0, 1000.0]
