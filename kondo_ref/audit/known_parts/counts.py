"""How many are kept of n, and which, where signals are tied."""

import math
from collections.abc import Callable

import numpy as np

from kondo_ref.audit.known_parts.part import Part, number
from kondo_ref.checks import BoolArray, FloatArray, IntArray

# (rate, n) -> k, before its least and largest value.
_COUNTS: dict[str, Callable[[float, int], int]] = {
    "half-even": lambda rate, n: round(rate * n),
    "ceil": lambda rate, n: math.ceil(rate * n - 1e-9 * max(1.0, rate * n)),
    "ceil-float": lambda rate, n: math.ceil(rate * n),
    "floor": lambda rate, n: math.floor(rate * n + 1e-9 * max(1.0, rate * n)),
    "floor-float": lambda rate, n: math.floor(rate * n),
    "half-up": lambda rate, n: math.floor(rate * n + 0.5),
    "plus-one": lambda rate, n: round(rate * n) + 1,
    "floor-plus-one": lambda rate, n: math.floor(rate * n) + 1,
    "minus-one": lambda rate, n: round(rate * n) - 1,
    "drop-floor": lambda rate, n: n - math.floor((1.0 - rate) * n),
    "drop-ceil": lambda rate, n: n - math.ceil((1.0 - rate) * n),
    "drop-round": lambda rate, n: n - round((1.0 - rate) * n),
}


def count_of(part: Part, rate: float, n: int) -> int:
    """Return how many of `n` are kept at `rate`, by the rule (name, least)."""
    name, least = str(part[0]), int(number(part, 1, 1.0))
    k = int(number(part, 2, 1.0)) if name == "constant" else _COUNTS[name](rate, n)
    return min(n, max(least, k))


def chosen(rule: Part, signal: FloatArray, k: int) -> BoolArray:
    """Mark about k of the largest signals (n,), by a tie rule."""
    n = signal.size
    if k <= 0:
        return np.zeros(n, dtype=np.bool_)
    name = str(rule[0])
    descending = np.sort(signal)[::-1]
    if name in ("all", "slack"):
        slack = number(rule, 1, 0.0) if name == "slack" else 0.0
        return np.asarray(signal >= descending[k - 1] - slack)
    if name == "none":
        return np.asarray(signal > descending[k]) if k < n else np.ones(n, dtype=np.bool_)
    index: IntArray = np.arange(n)
    if name == "highest":
        index = index[::-1]
    order = index[np.argsort(-signal[index], kind="stable")]
    kept = np.zeros(n, dtype=np.bool_)
    kept[order[:k]] = True
    return kept
