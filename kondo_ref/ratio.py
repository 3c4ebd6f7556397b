"""The test ratio: how far two tensors are apart, in rounding errors.

An elementwise distance in units of the last place means nothing after a cancellation; the norm of
the whole difference does. Honest arithmetic measures below 4, the limit is 32.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

LIMIT = 32.0


def error_ratio(
    actual: Any, expected: NDArray[np.float64] | None, eps: float = float(np.finfo(np.float64).eps)
) -> float:
    """Return norm(actual - expected) / (eps * norm(expected)).

    Infinity where the two cannot be compared: another shape, one of them None, a value that is not
    a finite real number, or an expected zero that is not met exactly.

    Parameters
    ----------
    actual : array_like or None
    expected : float64 array or None
        Finite.
    eps : float
        Of the dtype under test.

    Returns
    -------
    float
        A count of rounding errors, >= 0.
    """
    if actual is None or expected is None:
        return 0.0 if actual is expected else math.inf
    values = np.asarray(actual)
    if values.dtype.kind not in "biuf" or values.shape != expected.shape:
        return math.inf
    if not expected.any():
        return math.inf if values.any() else 0.0
    # Scaled by a power of two that brings the largest expected value near 1: this rounds nothing,
    # and no square that matters in a norm can overflow or underflow afterwards.
    exponent = -int(np.frexp(np.max(np.abs(expected)))[1])
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        scaled = np.ldexp(expected, exponent)
        error = np.linalg.norm(np.ldexp(values.astype(np.float64), exponent) - scaled)
        ratio = float(error / (eps * np.linalg.norm(scaled)))
    return ratio if math.isfinite(ratio) else math.inf
