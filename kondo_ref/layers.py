"""Layers: each a forward and its hand-written backward, side by side.

N rows, I inputs, O outputs. In a backward only the kept rows are present: K of them. `out`
arguments receive the result, so that a training loop allocates nothing.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def linear_forward(x: Array, weight: Array, bias: Array, out: Array | None = None) -> Array:
    """Return x @ weight + bias.

    Parameters
    ----------
    x : (N, I) float
    weight : (I, O) float
    bias : (O,) float
    out : (N, O) float, optional

    Returns
    -------
    (N, O) float

    Notes
    -----
    Cost: matmul 2 N I O, add N O.
    """
    result: Array = np.matmul(x, weight, out=out)
    result += bias
    return result


def linear_backward(
    dout: Array, x: Array, weight: Array, dweight: Array, dbias: Array, *, need_dx: bool
) -> Array | None:
    """Fill `dweight` and `dbias`; return dx where it is needed.

    From out = x @ weight + bias: dweight = x.T @ dout, dbias = sum of dout over rows,
    dx = dout @ weight.T. The first layer of a network needs no dx.

    Parameters
    ----------
    dout : (K, O) float
        Of the kept rows.
    x : (K, I) float
        The kept rows of the forward's input.
    weight, dweight : (I, O) float
    dbias : (O,) float
    need_dx : bool

    Returns
    -------
    (K, I) float or None

    Notes
    -----
    Cost: matmul 2 K I O for dweight, add K O for dbias, matmul 2 K I O for dx if needed.
    One kept row is an outer product: as a matrix product it would leave BLAS, 9 times slower.
    """
    if dout.shape[0] == 1:
        np.multiply(x.T, dout, out=dweight)
    else:
        np.matmul(x.T, dout, out=dweight)
    np.add.reduce(dout, axis=0, out=dbias)
    return np.matmul(dout, weight.T) if need_dx else None


def relu_forward(x: Array) -> Array:
    """Return max(x, 0), in place. Cost: cmp, one an entry."""
    result: Array = np.maximum(x, 0, out=x)
    return result


def relu_backward(dout: Array, out: Array) -> Array:
    """Return dx = dout where the forward's output was positive, else 0, in place of `dout`.

    Parameters
    ----------
    dout, out : (K, O) float

    Notes
    -----
    Cost: cmp and mul, one an entry each.
    """
    dout *= out > 0
    return dout
