"""The drift of a softmax policy under an expected gated update, and where it comes to rest.

expected gain of every arm -> drift in the logits -> sign changes on a grid of logits -> roots ->
stability. The gain E[G U given arm] is a callable of the policy, so that every gate, baseline and
reward law goes in the same way. Public: `logit_drift`, `probability_drift`, `fixed_points`,
`FixedPoint`, `pair_probabilities`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from kondo_ref import checks
from kondo_ref.checks import FloatArray
from kondo_ref.delight import log_softmax

Gain = Callable[[FloatArray], FloatArray]
"""From log-probabilities (K,) to E[G U given arm] (K,), in reward."""


def logit_drift(logits: FloatArray, gain: Gain) -> FloatArray:
    """Return the expected update of the logits, E[G U grad log pi(a)] at Z = 1 decision.

    Parameters
    ----------
    logits : (K,) float
    gain : callable
        From log pi (K,) to m_a = E[G U given arm a] (K,), in reward.

    Returns
    -------
    (K,) float
        Of arm a it is pi_a (m_a - sum_j pi_j m_j).

    Notes
    -----
    As sum_j pi_j (m_a - m_j), so that equal gains give exactly 0. For two arms it is
    pi_1 pi_2 (m_1 - m_2) (e_1 - e_2).
    """
    z = checks.real_array("logits", logits)
    if z.ndim != 1:
        raise ValueError(f"logits: expected shape (K,), got {z.shape}")
    log_probabilities = log_softmax(z)
    m = checks.decision_array("gain", gain(log_probabilities), z.shape)
    pi = np.exp(log_probabilities)
    drift: FloatArray = pi * ((m[:, None] - m[None, :]) @ pi)
    return drift


def probability_drift(logits: FloatArray, gain: Gain) -> FloatArray:
    """Return d pi_a/dt = pi_a (d_a - sum_j pi_j d_j) along the logit drift d, (K,) float."""
    d = logit_drift(logits, gain)
    pi = np.exp(log_softmax(np.asarray(logits, dtype=np.float64)))
    flow: FloatArray = pi * ((d[:, None] - d[None, :]) @ pi)
    return flow


def pair_probabilities(logit: float) -> tuple[float, float, float, float]:
    """Return pi_1, pi_2, and the surprisals l_1, l_2 at logit = log(pi_2 / pi_1).

    Each to a few roundings, however near a corner.
    """
    x = checks.number("logit", logit)
    return (
        float(expit(-x)),
        float(expit(x)),
        float(np.logaddexp(0.0, x)),
        float(np.logaddexp(0.0, -x)),
    )


@dataclass(frozen=True)
class FixedPoint:
    """Where a drift along one logit changes its sign.

    Parameters
    ----------
    logit : float
        log(p / (1 - p)) of the probability p that the logit stands for.
    probability : float
        p.
    stable : bool
        Whether the drift leads to it from both sides.
    jump : bool
        Whether the drift jumps over 0 there instead of being 0: the policy is held at the edge.
    """

    logit: float
    probability: float
    stable: bool
    jump: bool = False


def fixed_points(
    drift: Callable[[float], float], low: float = -60.0, high: float = 60.0, cells: int = 480
) -> tuple[FixedPoint, ...]:
    """Return the fixed points of a drift along one logit, by sign changes and Brent's method.

    Parameters
    ----------
    drift : callable
        From a logit to a number with the sign of the logit's drift. A positive factor changes
        nothing, so leave out what only makes it small, such as pi_1 pi_2.
    low, high : float
        Ends of the grid of logits. Probabilities at 60 are within 1e-26 of the corners.
    cells : int
        Of the grid. Two sign changes within one cell, and a zero without a sign change, are not
        seen.

    Returns
    -------
    tuple of FixedPoint
        In ascending order. The corners p = 0 and p = 1 are always fixed and not among them.

    Raises
    ------
    ValueError
        low >= high, no cell, or a drift that is not a number.
    """
    checks.count("cells", cells, 1)
    low, high = checks.number("low", low), checks.number("high", high)
    if not -np.inf < low < high < np.inf:
        raise ValueError(f"low: expected finite low < high, got {low} and {high}")
    grid = np.linspace(low, high, cells + 1)
    values = np.array([drift(float(x)) for x in grid])
    if not np.isfinite(values).all():
        index = checks.first_index(~np.isfinite(values))[0]
        raise ValueError(f"drift: not finite ({values[index]}) at the logit {grid[index]}")
    signed = np.flatnonzero(values)
    found = []
    for left, right in pairwise(signed):
        if (values[left] > 0.0) == (values[right] > 0.0):
            continue
        x = float(brentq(drift, grid[left], grid[right], xtol=1e-14, rtol=8.9e-16, maxiter=500))
        stable = bool(values[left] > 0.0)
        found.append(FixedPoint(x, float(expit(x)), stable, _jumps(drift, x)))
    return tuple(found)


def _jumps(drift: Callable[[float], float], x: float) -> bool:
    """Tell a jump from a zero: across a jump the difference does not shrink with the distance."""
    size = max(1.0, abs(x))
    wide, narrow = (abs(drift(x + h * size) - drift(x - h * size)) for h in (1e-5, 1e-10))
    return bool(narrow > 0.5 * wide)
