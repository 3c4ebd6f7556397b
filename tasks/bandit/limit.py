"""The keep probability of a gate at the limit of a large batch: what an exact gradient needs.

A quantile price, a calibrated one and top-k look at a batch. With ever more decisions the batch
becomes the distribution of decisions itself, a finite one here: a context, then an arm of its
policy. Fixed prices need no limit. Ours; no source has exact gradients behind such a gate.
"""

import numpy as np
from scipy.optimize import brentq

from kondo_ref.checks import FloatArray
from kondo_ref.gate import Gate, keep_probability
from kondo_ref.price import Calibrated, Fixed, Quantile


def limit_keep_probability(gate: Gate, signal: FloatArray, mass: FloatArray) -> FloatArray:
    """Return w of every kind of decision.

    Parameters
    ----------
    gate : Gate
        With any price but a rolling one.
    signal : (M,) float
        Of every kind of decision.
    mass : (M,) float
        Their probabilities, of sum 1.

    Returns
    -------
    (M,) float
        In [0, 1]. For top_k the rate is met exactly: 1 above the threshold, 0 below, and one
        number between them for the decisions on it.

    Raises
    ------
    ValueError
        A rolling price.
    """
    if gate.draw == "top_k":
        assert gate.rate is not None
        price = upper_quantile(signal, mass, gate.rate)
        above, on = signal > price, signal == price
        share = (gate.rate - mass[above].sum()) / mass[on].sum()
        w: FloatArray = np.where(on, np.clip(share, 0.0, 1.0), above.astype(np.float64))
        return w
    if isinstance(gate.price, Quantile):
        price = upper_quantile(signal, mass, gate.price.rate)
    elif isinstance(gate.price, Calibrated):
        price = calibrated(signal, mass, gate.price.rate, gate.temperature)
    elif isinstance(gate.price, Fixed):
        price = gate.price.value
    else:
        raise ValueError(f"gate: a rolling price has no limit, got {gate.price}")
    return keep_probability(signal, price, gate.temperature)


def upper_quantile(signal: FloatArray, mass: FloatArray, rate: float) -> float:
    """Return the smallest signal (M,) above which there is at most `rate` of the mass (M,)."""
    order = np.argsort(-signal, kind="stable")
    reached = np.cumsum(mass[order])
    # The first decision with which the rate is reached, all above it included. Sums that differ
    # from the rate by rounding alone have reached it.
    at = int(np.searchsorted(reached, rate * (1.0 - 1e-12)))
    return float(signal[order[min(at, signal.size - 1)]])


def calibrated(signal: FloatArray, mass: FloatArray, rate: float, temperature: float) -> float:
    """Return the price at which signals (M,) of mass (M,) keep the rate; temperature > 0."""
    if rate == 1.0:
        return -np.inf
    shift = temperature * float(np.log(rate) - np.log1p(-rate))
    low, high = float(signal.min()) - shift, float(signal.max()) - shift

    def surplus(price: float) -> float:
        return float(mass @ keep_probability(signal, price, temperature)) - rate

    if low >= high or surplus(low) <= 0.0:
        return low
    if surplus(high) >= 0.0:
        return high
    root: float = brentq(surplus, low, high, xtol=1e-14, rtol=8.9e-16)
    return root
