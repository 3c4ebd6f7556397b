"""A Gaussian advantage through a gate: what is kept of it, and what it then adds on average.

U = mean + sigma Z, and the gate keeps it with probability w = sigmoid((slope U - price) /
temperature), where slope is what the signal multiplies the advantage by (the surprisal, for
delight). At temperature 0 everything is closed; above it the integral is taken by Gauss-Legendre
on panels that end at the threshold and are as narrow there as the sigmoid, so that the error is
rounding. Weights come from the core's own `keep_probability`.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx, ndtr

from kondo_ref import checks
from kondo_ref.delight import priority_signal
from kondo_ref.gate import Gate, keep_probability
from kondo_ref.price import Fixed

REACH = 39.0  # exp(-39^2 / 2) is no float64 any more
NODES = 20
TERMS = 160  # of the continued fraction; at t = 2 it is then right to 1e-18


@dataclass(frozen=True)
class GatedMoments:
    """What a gate leaves of one advantage.

    Parameters
    ----------
    keep : float
        E[w], in [0, 1].
    gain : float
        E[w U], in reward.
    magnitude : float
        E[w abs(U)], in reward: what rounding of `gain` is measured against.
    """

    keep: float
    gain: float
    magnitude: float


def positive_part(mean: float, sigma: float) -> float:
    """Return E(mean + sigma Z)^+ = mean Phi(mean/sigma) + sigma phi(mean/sigma).

    Parameters
    ----------
    mean, sigma : float
        sigma >= 0; both in one unit, which is that of the result.

    Returns
    -------
    float
        Right to a few roundings also far below 0, where the two terms of the formula cancel.

    Notes
    -----
    With t = -mean/sigma and the Mills ratio R = Phi(-t)/phi(t) it is sigma phi(t) (1 - t R). From
    t = 2 on, 1 - t R is R times the tail 1/(t + 2/(t + 3/(t + ...))) of the continued fraction of
    1/R (Laplace), all of whose terms are positive. Ours.
    """
    sigma = require_sigma("sigma", sigma)
    if sigma == 0.0 or mean >= REACH * sigma:
        return max(float(mean), 0.0)
    t = -mean / sigma
    if t > REACH:
        return 0.0
    density = float(np.exp(-0.5 * t * t) / np.sqrt(2.0 * np.pi))
    if t < 2.0:
        return float(mean * ndtr(-t) + sigma * density)
    tail = t
    for j in range(TERMS, 1, -1):
        tail = t + j / tail
    mills = float(np.sqrt(0.5 * np.pi) * erfcx(t / np.sqrt(2.0)))
    return sigma * density * mills / tail


def gated_moments(
    mean: float, sigma: float, slope: float, price: float, temperature: float
) -> GatedMoments:
    """Return E[w], E[w U] and E[w abs(U)] of U = mean + sigma Z.

    Parameters
    ----------
    mean, sigma : float
        Of the advantage, in reward; sigma >= 0.
    slope : float
        The signal is slope * U; >= 0. For delight the surprisal, in nat.
    price : float
        In the signal's unit; -inf keeps everything, inf nothing.
    temperature : float
        >= 0, in the signal's unit; 0 keeps where slope * U > price, strictly.

    Returns
    -------
    GatedMoments

    Raises
    ------
    ValueError
        A negative sigma, slope or temperature, a mean that is not finite, or NaN for the price.
    """
    sigma = require_sigma("sigma", sigma)
    slope = require_sigma("slope", slope)
    temperature = require_sigma("temperature", temperature)
    mean, price = checks.number("mean", mean), checks.number("price", price)
    if np.isinf(mean):
        raise ValueError(f"mean: expected a finite number, got {mean}")
    if np.isinf(price) or sigma == 0.0 or slope == 0.0:
        # The weight is the same for every U, or U for every weight.
        at = float(np.inf if price == -np.inf else -np.inf if price == np.inf else slope * mean)
        cost = 0.0 if np.isinf(price) else price
        keep = float(keep_probability(np.array([at]), cost, temperature)[0])
        size = 2.0 * positive_part(mean, sigma) - mean
        return GatedMoments(keep, keep * mean, keep * size)
    if temperature == 0.0:
        return _hard(mean, sigma, price / slope)
    return _soft(mean, sigma, slope, price, temperature)


def _hard(mean: float, sigma: float, cut: float) -> GatedMoments:
    """Return the moments of the gate that keeps U > cut."""
    if np.isinf(cut):  # a price that no float64 advantage reaches at so flat a signal
        size = 2.0 * positive_part(mean, sigma) - mean
        return GatedMoments(0.0, 0.0, 0.0) if cut > 0.0 else GatedMoments(1.0, mean, size)
    keep = float(ndtr((mean - cut) / sigma))
    if cut >= 0.0 or mean <= cut:
        gain = cut * keep + positive_part(mean - cut, sigma)
    else:
        # The sum above cancels here; of what is dropped, both terms have one sign.
        gain = mean - cut * float(ndtr((cut - mean) / sigma)) + positive_part(cut - mean, sigma)
    size = gain if cut >= 0.0 else 2.0 * positive_part(mean, sigma) - gain
    return GatedMoments(keep, gain, size)


def _soft(
    mean: float, sigma: float, slope: float, price: float, temperature: float
) -> GatedMoments:
    """Return the moments of the sigmoid by quadrature."""
    z, weight = gaussian_nodes(
        (price / slope - mean) / sigma, temperature / slope / sigma, -mean / sigma
    )
    u = mean + sigma * z
    kept = weight * keep_probability(slope * u, price, temperature)
    return GatedMoments(float(kept.sum()), float(kept @ u), float(kept @ np.abs(u)))


def numerical_moments(mean: float, sigma: float, surprisal: float, gate: Gate) -> GatedMoments:
    """Return the moments by quadrature at every temperature, through the core's own stations.

    The route beside `gated_moments` that shares no closed form with it.

    Parameters
    ----------
    mean, sigma : float
        Of the advantage, in reward; sigma > 0.
    surprisal : float
        In nat, > 0.
    gate : Gate
        soft or bernoulli, at a fixed price, with a signal that grows with the advantage.
    """
    assert isinstance(gate.price, Fixed)
    level = np.array([surprisal, surprisal])
    low, high = priority_signal(gate.signal, np.array([0.0, 1.0]), level, gate.alpha)
    slope = max(float(high - low), 1e-300)
    cut = (gate.price.value - float(low)) / slope
    z, weight = gaussian_nodes(
        (cut - mean) / sigma, gate.temperature / slope / sigma, -mean / sigma
    )
    u = mean + sigma * z
    signal = priority_signal(gate.signal, u, np.full(u.shape, surprisal), gate.alpha)
    kept = weight * keep_probability(signal, gate.price.value, gate.temperature)
    return GatedMoments(float(kept.sum()), float(kept @ u), float(kept @ np.abs(u)))


def gaussian_nodes(
    threshold: float, width: float, *kinks: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return nodes and weights for E f(Z), with f steep around a threshold.

    Parameters
    ----------
    threshold : float
        In units of Z.
    width : float
        Over which f changes there, >= 0; panels double in length from it on. 0 for a jump.
    *kinks : float
        Further places where panels have to end.

    Returns
    -------
    z, weight : (n,) float
        The weights hold the Gaussian density and sum to 1.
    """
    edges = [np.arange(-REACH, REACH + 1.0), np.array(kinks), np.array([threshold])]
    if 0.0 < width < 1.0:
        # Doubling stops at the plain panels' length; below 2^-60 the sigmoid is a jump in Z.
        steps = width * 2.0 ** np.arange(0, min(1100, int(np.ceil(-np.log2(width))) + 1))
        edges += [threshold - steps, threshold + steps]
    line = np.unique(np.concatenate(edges))
    line = line[np.abs(line) <= REACH]
    x, share = _legendre()
    half = 0.5 * np.diff(line)[:, None]
    z = (0.5 * (line[1:] + line[:-1])[:, None] + half * x).ravel()
    density = np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
    return z, (half * share).ravel() * density


@cache
def _legendre() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, share = np.polynomial.legendre.leggauss(NODES)
    return x, share


def require_sigma(name: str, value: object) -> float:
    """Return a finite number >= 0, or refuse it by name."""
    number = checks.number(name, value)
    if not 0.0 <= number < np.inf:
        raise ValueError(f"{name}: expected a finite number >= 0, got {number}")
    return number
