"""The statistics that are compared: numbers of resampled seeds, made of series.

Each is a frozen dataclass; called with a table and positions of seeds (R, S), it returns R numbers,
one for every row of positions. A row that names every seed once gives the statistic itself, others
give what a bootstrap needs. Seeds are drawn whole, the same ones for every label that is used.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from kondo_ref.checks import FloatArray, IntArray
from kondo_ref.reproduce.tidy import Series, Table


class Statistic(Protocol):
    """A number made of the seeds of one label or two."""

    @property
    def label(self) -> str:
        """Whose number it is."""

    @property
    def quantity(self) -> str:
        """Of which quantity."""

    @property
    def at(self) -> float | None:
        """Where it stands on an axis, None where nowhere."""

    @property
    def against(self) -> str | None:
        """The quantity that stands for x, None for the x of the rows."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels whose series it needs."""

    def describe(self, title: str, x_title: str) -> str:
        """Return what it is, from the titles of the quantity and of its x."""

    def __call__(self, table: Table, draws: IntArray) -> FloatArray:
        """Return (R,) float for positions of seeds (R, S)."""


def means(series: Series, draws: IntArray) -> FloatArray:
    """Return the mean curve of every draw of seeds, (R, P) float, from positions (R, S)."""
    if not np.isfinite(series.values).all():
        # A seed that never gets there counts only where it was drawn, and 0 times inf is no 0.
        drawn: FloatArray = series.values[draws].mean(axis=1)
        return drawn
    counts = (draws[:, :, None] == np.arange(len(series.seeds))).sum(axis=1)
    mean: FloatArray = counts @ series.values / draws.shape[1]
    return mean


@dataclass(frozen=True)
class At:
    """The mean over seeds at an x, linear in log x between two points.

    Parameters
    ----------
    label, quantity : str
    at : float or None
        None where the quantity has no x.

    Raises
    ------
    LookupError
        When called: the curve does not reach the x.
    """

    label: str
    quantity: str
    at: float | None = None
    against: None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """Its own alone."""
        return (self.label,)

    def describe(self, title: str, x_title: str) -> str:
        """Return the title, and the x."""
        if self.at is None:
            return title
        at = f"{self.at:,.0f}" if self.at >= 1000 else f"{self.at:g}"
        return f"{title} at {at} {x_title}".rstrip()

    def __call__(self, table: Table, draws: IntArray) -> FloatArray:
        """Return the mean of every draw."""
        series = table[self.label, self.quantity]
        curve = means(series, draws)
        if self.at is None:
            return curve[:, 0]
        x, slack = series.x, 1e-6 * abs(self.at)
        if not x[0] - slack <= self.at <= x[-1] + slack:
            raise LookupError(f"{self.label}: no {self.quantity} at {self.at:g}")
        above = int(np.searchsorted(x, self.at - slack))
        if abs(x[above] - self.at) <= slack:
            return curve[:, above]
        share = np.log(self.at / x[above - 1]) / np.log(x[above] / x[above - 1])
        between: FloatArray = (1.0 - share) * curve[:, above - 1] + share * curve[:, above]
        return between


@dataclass(frozen=True)
class Crossing:
    """Where the mean curve first falls to a threshold, linear in log x; inf where it never does.

    Parameters
    ----------
    label, quantity : str
    threshold : float
    against : str, optional
        Take the mean of this quantity for the x.
    """

    label: str
    quantity: str
    threshold: float
    against: str | None = None
    at: None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """Its own alone."""
        return (self.label,)

    def describe(self, title: str, x_title: str) -> str:
        """Return the x's title, and the threshold."""
        return f"{x_title} to {self.threshold:g} {title}"

    def __call__(self, table: Table, draws: IntArray) -> FloatArray:
        """Return the crossing of every draw's mean curve."""
        series = table[self.label, self.quantity]
        curve, x = means(series, draws), series.x
        if self.against is not None:
            x = means(table[self.label, self.against], draws)
        with np.errstate(divide="ignore"):  # before the first backward there is none
            log_x = np.log(np.broadcast_to(x, curve.shape))
        falls = (curve[:, :-1] > self.threshold) & (curve[:, 1:] <= self.threshold)
        first, rows = falls.argmax(axis=1), np.arange(len(curve))
        before, after = curve[rows, first], curve[rows, first + 1]
        found = falls[rows, first]
        share = np.where(found, (before - self.threshold) / np.where(found, before - after, 1), 0)
        at = np.exp((1.0 - share) * log_x[rows, first] + share * log_x[rows, first + 1])
        crossing: FloatArray = np.where(found, at, np.inf)
        return crossing


@dataclass(frozen=True)
class TimeRatio:
    """How many times sooner than `base` a label is at a threshold, at a cost of a backward.

    Parameters
    ----------
    label, base : str
    quantity : str
    threshold : float
    rate : float
        Share of the samples that `label` runs backward; `base` runs all.
    at : float
        r, the cost of a backward in forwards; 0 where `against` is a cost already.
    against : str, optional
        The quantity to count in; forward samples, the x of the rows, by default.
    each : bool
        Of the mean over seeds of each seed's own crossing, in place of the mean curve's.

    Notes
    -----
    base's crossing (1 + r) / (label's crossing (1 + rate r)): the cost model of [K], Fig. 3. NaN
    where the label never gets there, inf where only the base does not.
    """

    label: str
    base: str
    quantity: str
    threshold: float
    rate: float
    at: float | None = 0.0
    against: str | None = None
    each: bool = False

    @property
    def labels(self) -> tuple[str, ...]:
        """Its own and the base's."""
        return (self.label, self.base)

    def describe(self, title: str, x_title: str) -> str:
        """Return the threshold, the currency, and r."""
        cost = "" if self.at is None else f", a backward at {self.at:g} forwards"
        how = ", seed by seed" if self.each else ""
        return f"{self.base}'s {x_title} to {self.threshold:g} {title} over its own{how}{cost}"

    def __call__(self, table: Table, draws: IntArray) -> FloatArray:
        """Return the ratio of every draw; of seeds that are drawn for both."""
        own, base = (self._crossing(label, table, draws) for label in self.labels)
        r = 0.0 if self.at is None else self.at
        with np.errstate(invalid="ignore"):
            times = base / own * (1.0 + r) / (1.0 + self.rate * r)
        ratio: FloatArray = np.where(np.isinf(own), np.nan, times)
        return ratio

    def _crossing(self, label: str, table: Table, draws: IntArray) -> FloatArray:
        crossing = Crossing(label, self.quantity, self.threshold, self.against)
        if not self.each:
            return crossing(table, draws)
        seeds = len(table[label, self.quantity].seeds)
        alone = crossing(table, np.arange(seeds)[:, None])
        mean: FloatArray = alone[draws].mean(axis=1)
        return mean


@dataclass(frozen=True)
class Longest:
    """The mean over seeds of the largest x at which a seed is below a threshold, 0 if nowhere.

    Parameters
    ----------
    label, quantity : str
    threshold : float
    """

    label: str
    quantity: str
    threshold: float
    at: None = None
    against: None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """Its own alone."""
        return (self.label,)

    def describe(self, title: str, x_title: str) -> str:
        """Return the x's title, and the threshold."""
        return f"largest {x_title} with {title} below {self.threshold:g}"

    def __call__(self, table: Table, draws: IntArray) -> FloatArray:
        """Return the mean of every draw."""
        series = table[self.label, self.quantity]
        largest = np.where(series.values < self.threshold, series.x, 0.0).max(axis=1)
        mean: FloatArray = largest[draws].mean(axis=1)
        return mean
