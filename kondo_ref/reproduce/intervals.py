"""Bootstrap intervals over seeds, by SciPy, with a fixed key.

BCa (bias-corrected and accelerated) at the level of the study. With five or ten seeds it is a rough
interval, and usually too narrow; it says how much our seeds differ, and nothing of the other side.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from scipy import stats

from kondo_ref.checks import FloatArray, IntArray
from kondo_ref.reproduce.statistics import Statistic
from kondo_ref.reproduce.study import LEVEL
from kondo_ref.reproduce.tidy import Table

KEY = 20260327
RESAMPLES = 4999


@dataclass(frozen=True)
class Estimate:
    """A statistic and its interval.

    Parameters
    ----------
    value : float
        inf where a threshold is never met.
    low, high : float or None
        None with a single seed, without a finite value, or where resamples give no number. `high`
        is inf where too many of the resamples never meet the threshold.
    seeds : int
    """

    value: float
    low: float | None
    high: float | None
    seeds: int


def estimate(statistic: Statistic, table: Table, resamples: int = RESAMPLES) -> Estimate:
    """Return a statistic with its interval at `LEVEL`.

    Parameters
    ----------
    statistic : Statistic
    table : mapping
        Of `kondo_ref.reproduce.tidy.table_of`.
    resamples : int

    Raises
    ------
    KeyError
        A label or a quantity is not in the table.
    LookupError
        The curve is too short for the statistic.
    ValueError
        The labels that it uses have other seeds.
    """
    sets = {table[label, statistic.quantity].seeds for label in statistic.labels}
    if len(sets) > 1:
        raise ValueError(f"{' and '.join(statistic.labels)}: expected the same seeds, got {sets}")
    (seeds,) = sets
    value = float(statistic(table, np.arange(len(seeds))[None])[0])
    if len(seeds) < 2 or not np.isfinite(value):
        return Estimate(value, None, None, len(seeds))

    def of_positions(positions: IntArray, axis: int = -1) -> FloatArray:
        flat = np.moveaxis(positions, axis, -1)
        found = statistic(table, flat.reshape(-1, flat.shape[-1]))
        return found.reshape(flat.shape[:-1])

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        # Seeds that agree in every digit: the interval is the value, and SciPy warns.
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        found = stats.bootstrap(
            (np.arange(len(seeds)),),
            of_positions,
            vectorized=True,
            n_resamples=resamples,
            confidence_level=LEVEL,
            method="BCa",
            random_state=np.random.Generator(np.random.Philox(key=KEY)),
        )
    low, high = (float(end) for end in found.confidence_interval)
    if not (np.isfinite(low) and np.isfinite(high)):
        # A jackknife of one value, or a resample that never meets the threshold: percentiles.
        ends = [(1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0]
        spread = found.bootstrap_distribution
        low, high = (float(e) for e in np.quantile(spread, ends, method="inverted_cdf"))
    if np.isnan(low) or np.isnan(high):
        return Estimate(value, None, None, len(seeds))
    return Estimate(value, low, high, len(seeds))
