"""The exact law of the batch-quantile price, for signals that take finitely many values.

The price interpolates two neighbouring order statistics of the batch, so its law is the joint law
of these two: sums of binomial terms, for any batch size, where enumeration would need M^n batches.
Given some decisions' own signals it is the same sum over the others, which is what an expected
update needs: a decision and the price that judges it are not independent. Ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binom

from kondo_ref import checks
from kondo_ref.checks import FloatArray, IntArray

EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class FiniteSignal:
    """The law of one decision's signal, on finitely many values.

    Parameters
    ----------
    values : (M,) float
        In the signal's unit, ascending and distinct.
    probabilities : (M,) float
        > 0, of sum 1 to rounding.

    Raises
    ------
    ValueError
        Values that are not ascending, a probability that is not above 0, another sum than 1.
    """

    values: FloatArray
    probabilities: FloatArray

    def __post_init__(self) -> None:
        values = checks.real_array("values", self.values, np.dtype(np.float64))
        p = checks.decision_array(
            "probabilities", self.probabilities, values.shape, np.dtype(np.float64)
        )
        if values.ndim != 1 or values.size == 0:
            raise ValueError(f"values: expected shape (M,), M >= 1, got {values.shape}")
        if not (np.diff(values) > 0.0).all():
            raise ValueError(f"values: expected ascending numbers, got {values}")
        if not (p > 0.0).all():
            raise ValueError(f"probabilities: expected numbers above 0, got {p.min()}")
        if abs(float(p.sum()) - 1.0) > 4.0 * EPS * max(8, p.size):
            raise ValueError(f"probabilities: expected a sum of 1, got {p.sum()}")
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "probabilities", p)

    @classmethod
    def of_outcomes(cls, signals: ArrayLike, probabilities: ArrayLike) -> "FiniteSignal":
        """Merge outcomes (O,) of equal signal; those of probability 0 are left out."""
        s = np.asarray(signals, dtype=np.float64) + 0.0  # -0.0 is 0.0
        p = np.asarray(probabilities, dtype=np.float64)
        values, where = np.unique(s[p > 0.0], return_inverse=True)
        return cls(values, _summed(where, p[p > 0.0]))

    @property
    def up_to(self) -> FloatArray:
        """P(signal <= value), (M,), summed from below."""
        total: FloatArray = np.cumsum(self.probabilities)
        return total

    @property
    def from_on(self) -> FloatArray:
        """P(signal >= value), (M,), summed from above."""
        total: FloatArray = np.cumsum(self.probabilities[::-1])[::-1]
        return total


@dataclass(frozen=True, eq=False)
class PriceLaw:
    """A price that takes finitely many values.

    Parameters
    ----------
    prices : (P,) float
        Ascending, in the signal's unit.
    probabilities : (P,) float
    """

    prices: FloatArray
    probabilities: FloatArray

    def expect(self, values: FloatArray) -> FloatArray:
        """Return the expectation of `values` (P, ...), one for each price."""
        mean: FloatArray = np.tensordot(self.probabilities, values, axes=1)
        return mean

    def chance_of(self, price: float) -> float:
        """Return the probability of exactly this price."""
        return float(self.probabilities[self.prices == price].sum())


@dataclass(frozen=True)
class Place:
    """Where the (1 - rate)-quantile of n signals lies between its order statistics.

    Parameters
    ----------
    low : int
        The lower order statistic, from 0; the upper one is the next, if there is one.
    share : Fraction
        Of the way to the upper one, in [0, 1).
    """

    low: int
    share: Fraction

    def between(self, lower: float, upper: float) -> float:
        """Return the price, rounded once as the core rounds it."""
        a, b = Fraction(float(lower)), Fraction(float(upper))
        return float(a + self.share * (b - a))


def quantile_place(n: int, rate: float) -> Place:
    """Return the place (n - 1)(1 - rate) of the quantile of n signals, exactly."""
    size = checks.count("n", n, 1)
    position = (size - 1) * (1 - Fraction(checks.rate_number("rate", rate)))
    return Place(int(position), position - int(position))


def quantile_price_law(
    signal: FiniteSignal, n: int, rate: float, *, given: Sequence[float] = ()
) -> PriceLaw:
    """Return the law of the quantile price of n independent signals of one law.

    Parameters
    ----------
    signal : FiniteSignal
        Of M values.
    n : int
        Batch size, >= 1.
    rate : float
        In (0, 1].
    given : sequence of float
        Signals of the batch that are known, each a value of `signal`, at most n of them: the law is
        given these.

    Returns
    -------
    PriceLaw
        Probabilities to a relative error of order n * eps, the conditioning of an n-th power, or
        0 where they underflow. Cost O(M^2 + M n).

    Raises
    ------
    TypeError, ValueError
        n, rate or `given` out of range.
    """
    place = quantile_place(n, rate)
    known = np.searchsorted(signal.values, np.asarray(given, dtype=np.float64))
    m = signal.values.size
    for value, index in zip(given, known, strict=True):
        if index == m or signal.values[index] != value:
            raise ValueError(f"given: {value} is no value of the signal's law")
    if len(known) > n:
        raise ValueError(f"given: expected at most n = {n} signals, got {len(known)}")
    counts = np.bincount(known, minlength=m)
    if n == 1:
        chances = signal.probabilities if len(known) == 0 else counts.astype(np.float64)
        return _merged(signal.values, chances)
    joint = _neighbours(signal, n, place.low + 1, counts)
    joint[np.diag_indices(m)] = _ties(signal, n, place.low + 1, counts)
    lower, upper = np.nonzero(joint)
    prices = [
        place.between(a, b) for a, b in zip(signal.values[lower], signal.values[upper], strict=True)
    ]
    return _merged(np.array(prices), joint[lower, upper])


def _neighbours(signal: FiniteSignal, n: int, r: int, counts: IntArray) -> FloatArray:
    """Return P(X_(r) = a, X_(r+1) = b) for a < b, (M, M), order statistics from 1.

    Exactly r signals are at most a and the others at least b, with one at a and one at b: in the
    free signals C(f, l) (F_a^l - F_{a-1}^l) (S_b^h - S_{b+1}^h), l + h = f, where a bracket is its
    first term if a known signal is at that value.
    """
    m = signal.values.size
    known = int(counts.sum())
    free = n - known
    below, above = np.cumsum(counts), np.cumsum(counts[::-1])[::-1]
    p, f, s = signal.probabilities, signal.up_to, signal.from_on
    a, b = np.triu_indices(m, k=1)
    left = r - below[a]
    right = n - r - above[b]
    possible = (below[a] + above[b] == known) & (left >= 0) & (right >= 0)
    a, b, left, right = a[possible], b[possible], left[possible], right[possible]
    # F_a^l S_b^h C(f, l) as a binomial probability times (F_a + S_b)^f: no difference of logs.
    inside = np.array([p[i + 1 : j].sum() for i, j in zip(a, b, strict=True)])
    outside = f[a] + s[b]
    log_outside = np.where(inside < 0.5, np.log1p(-inside), np.log(outside))
    chance = _exactly(left, free, f[a], s[b]) * np.exp(free * log_outside)
    chance = chance * _one_at(p[a] / f[a], left, counts[a]) * _one_at(p[b] / s[b], right, counts[b])
    joint = np.zeros((m, m))
    joint[a, b] = chance
    return joint


def _one_at(share: FloatArray, among: IntArray, known: IntArray) -> FloatArray:
    """Return the chance that one of `among` signals, or a known one, is at an end's value."""
    with np.errstate(divide="ignore", invalid="ignore"):
        chance = -np.expm1(among * np.log1p(-np.minimum(share, 1.0)))
    chance = np.where(among == 0, 0.0, chance)
    return np.where(known > 0, 1.0, chance)


def _ties(signal: FiniteSignal, n: int, r: int, counts: IntArray) -> FloatArray:
    """Return P(X_(r) = X_(r+1) = a), (M,): at most r - 1 signals below a, n - r - 1 above.

    Summed over the number below, so that nothing cancels.
    """
    free = n - int(counts.sum())
    p, f, s = signal.probabilities, signal.up_to, signal.from_on
    chances = np.zeros(p.size)
    for a in range(p.size):
        most_below = min(r - 1 - int(counts[:a].sum()), free)
        most_above = n - r - 1 - int(counts[a + 1 :].sum())
        if most_below < 0 or most_above < 0:
            continue
        smaller = f[a - 1] if a > 0 else 0.0
        larger = s[a + 1] if a + 1 < p.size else 0.0
        i = np.arange(most_below + 1)
        rest = _at_most(most_above, free - i, larger, float(p[a]))
        chances[a] = float(_exactly(i, free, smaller, float(s[a])) @ rest)
    return chances


def _exactly(k: ArrayLike, n: ArrayLike, hit: ArrayLike, miss: ArrayLike) -> FloatArray:
    """Return the binomial P(k hits of n), hit and miss in proportion to their probabilities.

    By the rarer of the two: one minus a probability near 1 would lose it.
    """
    k, n, hit, miss = np.asarray(k), np.asarray(n), np.asarray(hit), np.asarray(miss)
    rare = np.minimum(hit, miss) / (hit + miss)
    chance: FloatArray = binom.pmf(np.where(hit <= miss, k, n - k), n, rare)
    return chance


def _at_most(k: int, n: IntArray, hit: float, miss: float) -> FloatArray:
    """Return the binomial P(at most k hits of n), by the rarer of hit and miss."""
    if hit <= miss:
        chance: FloatArray = binom.cdf(k, n, hit / (hit + miss))
        return chance
    missed: FloatArray = binom.sf(n - k - 1, n, miss / (hit + miss))
    return missed


def _merged(prices: FloatArray, chances: FloatArray) -> PriceLaw:
    kept = chances > 0.0
    values, where = np.unique(prices[kept], return_inverse=True)
    return PriceLaw(values, _summed(where, chances[kept]))


def _summed(where: IntArray, chances: FloatArray) -> FloatArray:
    total: FloatArray = np.bincount(where, weights=chances).astype(np.float64)
    return total


@dataclass(frozen=True)
class PopulationQuantile:
    """The (1 - rate)-quantile of a finite law: an atom, or every number of a gap.

    Parameters
    ----------
    lower, upper : float
        Its least and greatest value; equal where 1 - rate lies strictly inside an atom.
    margin : float
        Probability by which 1 - rate lies inside the atom, from the nearer end; 0 at a gap.
    """

    lower: float
    upper: float
    margin: float


def population_quantile(signal: FiniteSignal, rate: float) -> PopulationQuantile:
    """Return the quantile to which the price tends; a gap is met to the rounding of the sums."""
    wanted = float(1 - Fraction(checks.rate_number("rate", rate)))
    below = np.concatenate([[0.0], signal.up_to])
    below[-1] = 1.0
    distance = np.abs(below - wanted)
    nearest = int(np.argmin(distance))
    if distance[nearest] <= 4.0 * EPS * signal.values.size:
        lower, upper = max(nearest - 1, 0), min(nearest, signal.values.size - 1)
        return PopulationQuantile(float(signal.values[lower]), float(signal.values[upper]), 0.0)
    atom = int(np.searchsorted(below, wanted)) - 1
    value = float(signal.values[atom])
    return PopulationQuantile(value, value, float(distance[nearest]))
