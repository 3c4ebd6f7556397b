"""Ours beside the published: one row a comparison, and a verdict that says no more than it may."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from kondo_ref.reproduce.intervals import RESAMPLES, Estimate, estimate
from kondo_ref.reproduce.statistics import At, Statistic
from kondo_ref.reproduce.study import LEVEL, Study
from kondo_ref.reproduce.tidy import Table

Row = dict[str, Any]
INSIDE, LOWER, HIGHER = "inside", "ours lower", "ours higher"
NOT_THE_STUDY = "not the study"
QUICK_RESAMPLES = 199
HEAD = ("method", "quantity", "ours", f"{LEVEL:.0%} interval", "published", "verdict")


def verdict(found: Estimate, published: float | None) -> str:
    """Return whether the published value is in our interval, and else on which side we are.

    The published value is taken as exact: its own seeds and its reading off a figure are not in it.
    """
    if published is None:
        return "none known"
    if not math.isfinite(found.value):
        return "not reached"
    if found.low is None or found.high is None:
        return "no interval"
    if found.low <= published <= found.high:
        return INSIDE
    return LOWER if found.high < published else HIGHER


def compared(study: Study, table: Table, *, quick: bool = False) -> list[Row]:
    """Return the rows of a study's table; a quick run has no published numbers beside it.

    Raises
    ------
    LookupError
        The results are not those of the whole study, though they should be.
    """
    rows = []
    for statistic, published in _asked(study, table, quick=quick):
        found = estimate(statistic, table, QUICK_RESAMPLES if quick else RESAMPLES)
        read = study.read(statistic.quantity)
        other = statistic.against
        x_title = read.x_title if other is None else study.read(other).title
        rows.append(
            {
                "label": statistic.label,
                "quantity": statistic.quantity,
                "what": statistic.describe(read.title, x_title),
                "at": statistic.at,
                "seeds": found.seeds,
                "ours": found.value,
                "low": found.low,
                "high": found.high,
                "published": published,
                "verdict": NOT_THE_STUDY if quick else verdict(found, published),
            }
        )
    return rows


def _asked(study: Study, table: Table, *, quick: bool) -> Iterator[tuple[Statistic, float | None]]:
    """Yield what is compared; of a quick run its end, where the study's x is beyond it."""
    ends = {comparison.statistic for comparison in study.comparisons}
    for comparison in study.comparisons:
        statistic = comparison.statistic
        if quick and isinstance(statistic, At) and statistic.at is not None:
            end = float(table[statistic.label, statistic.quantity].x[-1])
            if statistic.at > end:
                statistic = replace(statistic, at=end)
                if statistic in ends:
                    continue
                ends.add(statistic)
        yield statistic, None if quick else comparison.published


def cells(row: Row) -> tuple[str, ...]:
    """Return a row as text, under `HEAD`."""
    ends = [row["low"], row["high"]]
    interval = "-" if None in ends else f"[{shown(ends[0])}, {shown(ends[1])}]"
    published = "-" if row["published"] is None else shown(row["published"])
    return (
        row["label"],
        row["what"],
        shown(row["ours"]),
        interval,
        published,
        row["verdict"],
    )


def shown(value: float | str) -> str:
    """Return a number for people: three digits, or whole from a thousand on.

    A number that is not finite may be the word that stands for it in JSON.
    """
    value = float(value)
    if not math.isfinite(value):
        return "never" if math.isinf(value) else "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
