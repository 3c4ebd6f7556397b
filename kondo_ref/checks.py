"""Checks of what callers hand in: every refusal names the argument, what came, what was expected.

Arrays are never broadcast or repaired here. Advantages are converted to the dtype of the logits,
in which a batch is computed; nothing else is. The checks stand at the doors (`screen`,
`policy_gradient`, the models); the stations behind them trust their arguments.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.integer[Any]]
BoolArray = NDArray[np.bool_]

FLOAT_DTYPES = (np.dtype(np.float32), np.dtype(np.float64))


def real_array(name: str, values: ArrayLike, dtype: np.dtype[Any] | None = None) -> FloatArray:
    """Return `values` as a finite float32 or float64 array.

    Parameters
    ----------
    name : str
        The argument's name, for the error.
    values : array_like
        Real numbers. Integers become float64; float32 and float64 stay as they are.
    dtype : dtype, optional
        Convert to this dtype (the dtype of the logits, in which a batch is computed).

    Raises
    ------
    TypeError
        Not a real numeric array, or a dtype other than integer, float32, float64.
    ValueError
        A value is not finite; the message has its index. Ragged nesting.
    """
    array = any_array(name, values)
    if array.dtype.kind in "iu":
        array = array.astype(np.float64)
    if array.dtype not in FLOAT_DTYPES:
        raise TypeError(f"{name}: expected float32 or float64, got dtype {array.dtype}")
    finite = np.isfinite(array)
    if not finite.all():
        index = first_index(~finite)
        raise ValueError(f"{name}: not finite at index {index} ({array[index]})")
    if dtype is not None and array.dtype != dtype:
        with np.errstate(over="ignore"):
            converted = array.astype(dtype)
        if not np.isfinite(converted).all():
            index = first_index(~np.isfinite(converted))
            raise ValueError(f"{name}: {array[index]} at index {index} does not fit into {dtype}")
        array = converted
    return array


def any_array(name: str, values: ArrayLike) -> NDArray[Any]:
    """Return `values` as an array; ragged nesting is refused by name."""
    if isinstance(values, np.ma.MaskedArray):
        raise TypeError(f"{name}: expected a plain array, got a masked one; pass mask= instead")
    try:
        return np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{name}: expected a rectangular array ({reason})") from None


def shown(value: object) -> str:
    """Return a value for an error message: one line, not endless."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else text[:77] + "..."


def logits_array(logits: ArrayLike) -> FloatArray:
    """Return logits as a finite, contiguous (N, K) or (B, T, K) array of at least one decision.

    In another memory layout equal rows could be summed in another order, and no longer tie.
    """
    array = np.ascontiguousarray(real_array("logits", logits))
    if array.ndim not in (2, 3):
        raise ValueError(f"logits: expected shape (N, K) or (B, T, K), got {array.shape}")
    if array.size == 0:
        raise ValueError(
            f"logits: expected at least one decision and one action, got shape {array.shape}"
        )
    return array


def action_array(actions: ArrayLike, shape: tuple[int, ...], k: int) -> IntArray:
    """Return actions as an integer array of `shape` with values in 0..k-1."""
    array = any_array("actions", actions)
    if array.dtype.kind not in "iu":
        raise TypeError(f"actions: expected integers, got dtype {array.dtype}")
    require_shape("actions", array, shape)
    outside = (array < 0) | (array >= k)
    if outside.any():
        index = first_index(outside)
        raise ValueError(f"actions: {array[index]} at index {index} is not in 0..{k - 1}")
    return array


def decision_array(
    name: str, values: ArrayLike, shape: tuple[int, ...], dtype: np.dtype[Any] | None = None
) -> FloatArray:
    """Return one finite float a decision; a shape that fits only by broadcasting is refused."""
    array = real_array(name, values, dtype)
    require_shape(name, array, shape)
    return array


def mask_array(mask: ArrayLike | None, shape: tuple[int, ...]) -> BoolArray | None:
    """Return a boolean mask of valid decisions, or None if every decision is valid."""
    if mask is None:
        return None
    array = any_array("mask", mask)
    if array.dtype != np.bool_:
        raise TypeError(f"mask: expected booleans, got dtype {array.dtype}; pass mask.astype(bool)")
    require_shape("mask", array, shape)
    if not array.any():
        raise ValueError(f"mask: no valid decision in a batch of shape {shape}")
    return None if array.all() else array


def uniform_array(uniforms: ArrayLike, shape: tuple[int, ...]) -> FloatArray:
    """Return one uniform in [0, 1) for each unit of the gate."""
    array = real_array("uniforms", uniforms)
    require_shape("uniforms", array, shape)
    outside = (array < 0) | (array >= 1)
    if outside.any():
        index = first_index(outside)
        raise ValueError(f"uniforms: {array[index]} at index {index} is not in [0, 1)")
    return array


def number(name: str, value: object) -> float:
    """Return `value` as a float; booleans, strings and NaN are refused."""
    if isinstance(value, bool | np.bool_) or not isinstance(
        value, int | float | np.integer | np.floating
    ):
        raise TypeError(f"{name}: expected a number, got {shown(value)}")
    try:
        result = float(value)
    except OverflowError:
        raise ValueError(f"{name}: {shown(value)} is too large for a float") from None
    if np.isnan(result):
        raise ValueError(f"{name}: expected a number, got nan")
    return result


def rate_number(name: str, value: object) -> float:
    """Return a rate, a number in (0, 1]."""
    result = number(name, value)
    if not 0.0 < result <= 1.0:
        raise ValueError(f"{name}: expected a number in (0, 1], got {value!r}")
    return result


def count(name: str, value: object, least: int) -> int:
    """Return an integer that is at least `least`."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name}: expected an integer, got {shown(value)}")
    if value < least:
        raise ValueError(f"{name}: expected at least {least}, got {value}")
    return int(value)


def one_of(name: str, value: object, names: tuple[str, ...]) -> None:
    """Refuse a word that is not among `names`."""
    if not isinstance(value, str) or value not in names:
        raise ValueError(f"{name}: expected one of {', '.join(names)}; got {shown(value)}")


def require_shape(name: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    """Refuse an array of any other shape, also one that would broadcast."""
    if array.shape != shape:
        raise ValueError(f"{name}: expected shape {shape}, got {array.shape}")


def first_index(where: BoolArray) -> tuple[int, ...]:
    """Return the first index at which `where` is true, in C order."""
    return tuple(int(i) for i in np.argwhere(where)[0])
