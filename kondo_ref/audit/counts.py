"""Kept counts against keep probabilities: exact intervals, and all groups of decisions together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr, bdtrc
from scipy.stats import beta

from kondo_ref.checks import FloatArray, IntArray

ERROR_RATE = 1e-6  # of all intervals of one audit together
INSIDE = (0.01, 0.99)  # what lies beyond counts as these where cells are weighed by their logit


def interval(kept: ArrayLike, trials: int, error: float) -> tuple[FloatArray, FloatArray]:
    """Return the exact (Clopper-Pearson) intervals of keep probabilities.

    Parameters
    ----------
    kept : (...) int
    trials : int
    error : float
        How often an interval misses, at most.
    """
    k = np.asarray(kept)
    low = beta.ppf(error / 2, k, trials - k + 1)
    high = beta.ppf(1 - error / 2, k + 1, trials - k)
    return np.where(k == 0, 0.0, low), np.where(k == trials, 1.0, high)


@dataclass(frozen=True, eq=False)
class Cells:
    """Groups of decisions that a member cannot tell apart, counted over all draws.

    Parameters
    ----------
    index : (m,) int
        Flat index of one of each.
    expected : (m,) float
        Keep probability by the member.
    kept, trials : (m,) int
    """

    index: IntArray
    expected: FloatArray
    kept: IntArray
    trials: IntArray

    @property
    def p_values(self) -> FloatArray:
        """Exact binomial, two-sided (twice the smaller tail), (m,)."""
        k, n, p = self.kept, self.trials, np.clip(self.expected, 0.0, 1.0)
        below = bdtr(k, n, p)
        above = np.where(k > 0, bdtrc(np.maximum(k - 1, 0), n, p), 1.0)
        return np.asarray(np.minimum(1.0, 2.0 * np.minimum(below, above)))


def pooled(found: Sequence[Cells]) -> bool:
    """Whether keep probabilities are right on the whole: too high, too low, too steep, too curved.

    Each cell alone may be within its interval where all of them together are not. For independent
    draws the sums of v(p) (kept - n p), v = 1, logit p and its square, are held to Bernstein's
    inequality at a quarter of `ERROR_RATE` for one audit, whatever the number of trials: 3 sums,
    2 sides, at most 8 trials. Ours.

    Parameters
    ----------
    found : sequence of Cells
        Of draws that are independent.
    """
    if not any(one.trials.size for one in found):
        return True
    p = np.concatenate([one.expected for one in found])
    kept = np.concatenate([one.kept for one in found])
    n = np.concatenate([one.trials for one in found])
    inside = np.clip(p, *INSIDE)
    steep = np.log(inside) - np.log1p(-inside)
    length = np.log(2 * 3 * 8 / (ERROR_RATE / 4))
    for v in (np.ones_like(p), steep, steep**2):
        third = float(np.abs(v).max()) * length / 3.0
        variance = float((v**2 * n * p * (1.0 - p)).sum())
        if abs(float((v * (kept - n * p)).sum())) > third + np.sqrt(
            third**2 + 2.0 * variance * length
        ):
            return False
    return True


def log_likelihood(found: Cells) -> float:
    """Return the log-likelihood of kept against expected, binomial coefficients left out."""
    p = np.clip(found.expected, 1e-12, 1 - 1e-12)
    dropped = found.trials - found.kept
    return float((found.kept * np.log(p) + dropped * np.log1p(-p)).sum())
