"""Whether a drawn gate decides each decision by itself: the spread of how many are kept.

For independent decisions the number kept has the variance sum w (1 - w). A fixed count has none, a
shared random number far too much. Told by the exact moments, with a stated error rate.
"""

from collections.abc import Sequence

import numpy as np
from scipy.stats import chi2

from kondo_ref.audit.identify_evidence import Draws

ERROR = 1e-7


def dependence(draws: Sequence[Draws]) -> str:
    """Return fixed-count, shared-uniform, or nothing where decisions look independent.

    Parameters
    ----------
    draws : sequence of Draws
    """
    for drawn in draws:
        if len(drawn.probe.batch.shape) > 1 and drawn.probe.batch.shape[1] > 1:
            continue
        n = int(drawn.probe.batch.actions.size)
        if n < 40 or "masked" in drawn.probe.tags:
            continue
        gates = drawn.gates.reshape(len(drawn.gates), -1)
        totals = gates.sum(axis=1)
        share = _smoothed(drawn, gates)
        expected = float((share * (1.0 - share)).sum())
        if expected < 1.0:
            continue
        repeats = len(totals)
        statistic = float(((totals - totals.mean()) ** 2).sum()) / expected
        if chi2.cdf(statistic, repeats - 1) < ERROR:
            return "fixed-count"
        # Keep probabilities are estimated from the same draws: allow for twice the variance.
        if chi2.sf(statistic / 2.0, repeats - 1) < ERROR:
            return "shared-uniform"
    return ""


def _smoothed(drawn: Draws, gates: np.ndarray) -> np.ndarray:
    """Return the keep share of each decision, equal decisions taken together."""
    batch = drawn.probe.batch
    key = np.round(batch.advantages.ravel() * 1e6 + batch.surprisal.ravel(), 9)
    _, which = np.unique(key, return_inverse=True)
    total = np.bincount(which, weights=gates.mean(axis=0))
    return np.asarray((total / np.bincount(which))[which])
