"""Randomness as an input: Philox words -> uniforms -> actions. Nothing here holds a state.

A number is a function of (seed, purpose, step, position) alone. So a skipped backward pass shifts
nobody's numbers, and every backend that is handed the same uniforms makes the same decisions.
"""

import math
import threading
from enum import IntEnum

import numpy as np
from numpy.typing import DTypeLike

from kondo_ref import checks
from kondo_ref.checks import FloatArray, IntArray

_local = threading.local()


class Purpose(IntEnum):
    """What a stream of uniforms is for; part of the Philox key."""

    ACTIONS = 0
    GATE = 1
    INITIALIZATION = 2
    SHUFFLE = 3
    ENVIRONMENT = 4
    SCREENER = 5


def words(
    seed: int, purpose: int, step: int, n: int
) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """Return the first `n` 64-bit words of the stream of (seed, purpose, step).

    The step stands in the second word of the 256-bit counter. The first word is the one that
    Philox itself counts up, four outputs a block: with the step there, step s + 1 would repeat
    the numbers of step s from its fifth word on.

    Parameters
    ----------
    seed, purpose, step : int
        Non-negative integers below 2**64.
    n : int
        Number of words.

    Returns
    -------
    (n,) uint64

    Raises
    ------
    TypeError, ValueError
        An argument is not such an integer.
    """
    for name, value in (("seed", seed), ("purpose", purpose), ("step", step)):
        if checks.count(name, value, 0) >= 2**64:
            raise ValueError(f"{name}: expected an integer below 2**64, got {value}")
    if not hasattr(_local, "philox"):
        _local.philox = np.random.Philox(0)
        _local.state = _local.philox.state
    # The whole state is set for every call, so nothing is carried over: only the 9 us of making a
    # generator, and its draw of entropy from the system, are saved.
    _local.state["state"] = {
        "key": np.array([seed, purpose], dtype=np.uint64),
        "counter": np.array([0, step, 0, 0], dtype=np.uint64),
    }
    _local.philox.state = _local.state
    raw: np.ndarray[tuple[int], np.dtype[np.uint64]] = _local.philox.random_raw(
        checks.count("n", n, 0)
    )
    return raw


def uniforms(
    seed: int, purpose: int, step: int, shape: tuple[int, ...], dtype: DTypeLike = np.float64
) -> FloatArray:
    """Return uniforms in [0, 1), never 1.

    float64 is ``(word >> 11) * 2**-53``, float32 is ``(word >> 40) * 2**-24``: both exact, and
    the float32 number is the float64 one rounded down.

    Parameters
    ----------
    seed, purpose, step : int
        Which stream; see `words`.
    shape : tuple of int
        Shape of the result, filled in C order.
    dtype : float32 or float64

    Returns
    -------
    shape float

    Raises
    ------
    TypeError
        Another dtype.
    """
    raw = words(seed, purpose, step, math.prod(shape))
    if np.dtype(dtype) == np.float64:
        return ((raw >> np.uint64(11)) * 2.0**-53).reshape(shape)
    if np.dtype(dtype) == np.float32:
        return ((raw >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)).reshape(shape)
    raise TypeError(f"dtype: expected float32 or float64, got {np.dtype(dtype)}")


def normals(
    seed: int, purpose: int, step: int, shape: tuple[int, ...], *, bound: float = math.inf
) -> FloatArray:
    """Return standard normals (float64): the inverse CDF at the middles of 2**52 equal intervals.

    The middles are exact and lie in the open (0, 1), so no normal is infinite.

    Parameters
    ----------
    seed, purpose, step : int
        Which stream; see `words`.
    shape : tuple of int
        Shape of the result, filled in C order.
    bound : float
        > 0. Truncate to (-bound, bound); the variance is below 1 then.

    Returns
    -------
    shape float64
    """
    from scipy.special import ndtr, ndtri

    raw = words(seed, purpose, step, math.prod(shape))
    middles = (raw >> np.uint64(12)) * 2.0**-52 + 2.0**-53
    if bound < math.inf:
        middles = ndtr(-bound) + middles * (ndtr(bound) - ndtr(-bound))
    result: FloatArray = ndtri(middles.reshape(shape))
    return result


def permutation(seed: int, purpose: int, step: int, n: int) -> IntArray:
    """Return a permutation of 0..n-1, (n,) int64: the order of n words, ties by index."""
    return np.argsort(words(seed, purpose, step, n), kind="stable")


def sample_actions(probabilities: FloatArray, uniforms: FloatArray) -> IntArray:
    """Draw one action for each decision by the inverse CDF.

    Action a is drawn where cdf(a - 1) <= u < cdf(a); an action of probability 0 is never drawn.

    Parameters
    ----------
    probabilities : (..., K) float
        Non-negative; rows are scaled by their own sum, which rounding leaves near 1.
    uniforms : (...) float
        In [0, 1), one for each decision.

    Returns
    -------
    (...) int64

    Raises
    ------
    ValueError
        The shapes do not belong together, or a uniform is outside [0, 1).
    """
    checks.require_shape("uniforms", uniforms, probabilities.shape[:-1])
    if not (uniforms.min() >= 0.0 and uniforms.max() < 1.0):
        raise ValueError("uniforms: expected numbers in [0, 1)")
    cdf = np.cumsum(probabilities, axis=-1)
    total = cdf[..., -1]
    below_one = 1.0 - float(np.finfo(cdf.dtype).eps)
    threshold = np.minimum(uniforms * total, total * below_one)
    actions: IntArray = np.argmax(cdf > threshold[..., None], axis=-1)
    return actions
