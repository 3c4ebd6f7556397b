"""JAX, the crossing: 64-bit types for the time of a call, and arrays that come in from NumPy.

JAX has 64-bit types only where they are switched on, and turns float64 into float32 elsewhere. The
switch belongs to the user: nothing is set when this is imported. Each public call of the backend
enters the switch for itself and leaves it as it was.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import jax
import numpy as np
from jax import Array
from numpy.typing import NDArray

try:
    from jax import enable_x64
except ImportError:  # JAX before 0.8
    from jax.experimental import enable_x64  # type: ignore[attr-defined,no-redef]

P = ParamSpec("P")
R = TypeVar("R")


def in_double(function: Callable[P, R]) -> Callable[P, R]:
    """Return the function, run where JAX has 64-bit types; float32 arrays stay float32 there."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        with enable_x64(True):
            return function(*args, **kwargs)

    return call


def own(given: Any, checked: NDArray[Any]) -> Array:
    """Return the JAX array of an argument that was checked: itself, or a copy.

    A copy, since JAX may share memory with a NumPy array that its owner changes later.

    Parameters
    ----------
    given : array_like
        What the caller handed in; used as it is if it is a JAX array of the right dtype.
    checked : array
        The same as NumPy array, in the dtype that the result must have.

    Raises
    ------
    TypeError
        The device has no such dtype; a float64 never becomes a float32 unseen.
    """
    if isinstance(given, Array) and given.dtype == checked.dtype:
        return given
    array: Array = jax.device_put(np.array(checked))
    if array.dtype != checked.dtype:
        raise TypeError(
            f"array: expected dtype {checked.dtype}, JAX made {array.dtype} of it on this device"
        )
    return array
