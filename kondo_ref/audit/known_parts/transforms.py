"""Transforms of U, l and the signal: of each entry by itself, or by a statistic of the batch."""

import math
from collections.abc import Callable

import numpy as np

from kondo_ref.audit.known_parts.part import Part, number
from kondo_ref.checks import BoolArray, FloatArray

# Of each entry by itself: (x, the number of the part) -> as x.
_ELEMENTWISE: dict[str, Callable[[FloatArray, float], FloatArray]] = {
    "raw": lambda x, _: x,
    "abs": lambda x, _: np.abs(x),
    "relu": lambda x, _: np.maximum(x, 0.0),
    "negative-only": lambda x, _: np.minimum(x, 0.0),
    "sign": lambda x, _: np.sign(x),
    "negate": lambda x, _: -x,
    "one": lambda x, _: np.ones_like(x),
    "clip": lambda x, bound: np.clip(x, -bound, bound),
    "clip-above": np.minimum,
    "clip-below": np.maximum,
    "add": lambda x, more: x + more,
    "times": lambda x, factor: x * factor,
    "square": lambda x, _: x * x,
    "signed-square": lambda x, _: x * np.abs(x),
    "signed-root": lambda x, _: np.sign(x) * np.sqrt(np.abs(x)),
    "cube": lambda x, _: x * x * x,
    "tanh": lambda x, _: np.tanh(x),
    "log-eps": lambda x, eps: -np.log(np.exp(-x) + eps),
    "times-probability": lambda x, _: x * np.exp(-x),
    "focal": lambda x, _: np.expm1(-x) ** 2 * x,
    "power": lambda x, power: np.sign(x) * np.abs(x) ** power,
    "log1p": lambda x, _: np.sign(x) * np.log1p(np.abs(x)),
    "expm1": lambda x, _: np.expm1(np.minimum(x, 700.0)),
    "probability": lambda x, _: -np.expm1(-x),
    "inverse-probability": lambda x, _: np.exp(np.minimum(x, 700.0)),
}


def _rank(x: FloatArray, known: FloatArray) -> FloatArray:
    order = np.searchsorted(np.sort(known), x, side="left")
    return np.asarray(order / max(1, known.size - 1), dtype=np.float64)


# By where the valid entries lie: (x, valid entries) -> as x.
_SHIFTED: dict[str, Callable[[FloatArray, FloatArray], FloatArray]] = {
    "centre": lambda x, known: x - float(known.mean()),
    "minus-median": lambda x, known: x - float(np.median(known)),
    "minus-min": lambda x, known: x - float(known.min()),
    "rank": _rank,
    "leave-one-out": lambda x, known: (
        (x - float(known.mean())) * known.size / max(1, known.size - 1)
    ),
}

# By how large the valid entries are: valid entries -> the divisor, before its epsilon.
_SIZES: dict[str, Callable[[FloatArray], float]] = {
    "scale-rms": lambda known: math.sqrt(float(np.mean(known**2))),
    "scale-max": lambda known: float(np.abs(known).max()),
    "scale-mean-abs": lambda known: float(np.abs(known).mean()),
    "scale-sum": lambda known: float(np.abs(known).sum()),
}


def transform(part: Part, x: FloatArray, valid: BoolArray) -> FloatArray:
    """Apply a transform over the valid entries of `x` (...); the shape stays.

    Parameters
    ----------
    part : tuple
        ``(name, ...)``; for the ones with a spread: (name, ddof, eps, where) with eps added to
        the standard deviation (where = 0) or to the variance (where = 1).
    x : (...) float
    valid : (...) bool

    Raises
    ------
    ValueError
        An unknown name.
    """
    name = str(part[0])
    if name in _ELEMENTWISE:
        return np.asarray(_ELEMENTWISE[name](x, number(part, 1, 1.0)), dtype=np.float64)
    known = x[valid]
    if known.size == 0:
        return x
    if name in _SHIFTED:
        return _SHIFTED[name](x, known)
    spread = _spread(part, known)
    if not name.startswith("whiten"):
        return x / spread
    mean = float(known.mean())
    return (x - mean) / spread + (mean if name == "whiten-add-mean" else 0.0)


def _spread(part: Part, known: FloatArray) -> float:
    name, eps = str(part[0]), number(part, 2, 0.0)
    if name in _SIZES:
        return _SIZES[name](known) + eps
    if name not in ("whiten", "whiten-add-mean", "scale-std"):
        raise ValueError(f"transform: unknown, {part!r}")
    ddof = int(number(part, 1, 0.0))
    if known.size <= ddof:
        return math.nan
    variance = float(known.var(ddof=ddof))
    return math.sqrt(variance + eps) if number(part, 3, 0.0) else math.sqrt(variance) + eps
