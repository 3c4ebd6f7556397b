"""Prices of one batch: constants, quantiles, order statistics, means, solved for a rate."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import ndtri

from kondo_ref.audit.known_parts.counts import count_of
from kondo_ref.audit.known_parts.part import Part, number
from kondo_ref.checks import FloatArray
from kondo_ref.price import Calibrated, upper_quantile

_ROUNDINGS: dict[str, Callable[[float], int]] = {
    "floor": math.floor,
    "ceil": math.ceil,
    "round": round,
}


def price_of(part: Part, signal: FloatArray, temperature: float) -> float:
    """Return the price from the signals in its scope.

    Parameters
    ----------
    part : tuple
        (kind, rate or value, interpolation).
    signal : (n,) float
        n >= 1.
    temperature : float
        For the calibrated price.

    Returns
    -------
    price : float
        NaN where a price of the batch meets a signal that is not finite.

    Raises
    ------
    ValueError
        An unknown kind.
    """
    name, rate = str(part[0]), number(part, 1, 0.0)
    if name == "fixed":
        return rate
    if not np.isfinite(signal).all():
        return math.nan
    if name == "none":
        return -math.inf
    if name == "calibrated":
        return Calibrated(rate).solve(signal, max(temperature, 1e-300))
    if name not in _OF_BATCH:
        raise ValueError(f"price: unknown, {part!r}")
    return _OF_BATCH[name](part, rate, signal)


def _quantile(part: Part, rate: float, signal: FloatArray) -> float:
    how: Any = part[2] if len(part) > 2 else "linear"
    if how == "linear":
        return upper_quantile(signal, rate)
    return float(np.quantile(signal, min(max(1.0 - rate, 0.0), 1.0), method=how))


def _order(part: Part, rate: float, signal: FloatArray) -> float:
    k = count_of((part[2], 1.0), rate, signal.size)
    return float(np.sort(signal)[::-1][min(max(k, 1), signal.size) - 1])


def _order_next(part: Part, rate: float, signal: FloatArray) -> float:
    k = count_of((part[2], 1.0), rate, signal.size)
    return float(np.sort(signal)[::-1][k]) if k < signal.size else -math.inf


def _index(part: Part, rate: float, signal: FloatArray) -> float:
    """Of the ascending order, counted from (1 - rate) n, rounded and moved."""
    exact = (1.0 - rate) * (signal.size - number(part, 4, 0.0))
    at = int(_ROUNDINGS[str(part[2])](exact)) + int(number(part, 3, 0.0))
    return float(np.sort(signal)[min(max(at, 0), signal.size - 1)])


def _gaussian(part: Part, rate: float, signal: FloatArray) -> float:
    spread = signal.std(ddof=int(number(part, 2, 0)))
    return float(signal.mean() + ndtri(1.0 - rate) * spread)


_OF_BATCH: dict[str, Callable[[Part, float, FloatArray], float]] = {
    "quantile": _quantile,
    "abs-quantile": lambda _, rate, signal: upper_quantile(np.abs(signal), rate),
    "order": _order,
    "order-next": _order_next,
    "index": _index,
    "gaussian": _gaussian,
    "mean": lambda _, factor, signal: float(signal.mean()) * factor,
    "mean-abs": lambda _, factor, signal: float(np.abs(signal).mean()) * factor,
    "mean-positive": lambda _, factor, signal: float(np.maximum(signal, 0.0).mean()) * factor,
    "max": lambda _, factor, signal: float(signal.max()) * factor,
}
