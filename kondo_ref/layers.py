"""Layers: each a forward and its hand-written backward, side by side.

N rows, I inputs, O outputs, D the width that is normalized. In a backward only the kept rows are
present: K of them. `out` arguments receive the result, so that a training loop allocates nothing.
Every forward takes complex numbers too, for complex-step differentiation. Attention, the one layer
that mixes rows, is in `attention`.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

Array = NDArray[Any]

# Added to the variance under the root, as in flax.linen.LayerNorm; the papers print none.
NORM_EPSILON = 1e-6


def linear_forward(x: Array, weight: Array, bias: Array | None, out: Array | None = None) -> Array:
    """Return x @ weight + bias.

    Parameters
    ----------
    x : (N, I) float
    weight : (I, O) float
    bias : (O,) float or None
    out : (N, O) float, optional

    Returns
    -------
    (N, O) float

    Notes
    -----
    Cost: matmul 2 N I O, add N O with a bias.
    """
    result: Array = np.matmul(x, weight, out=out)
    if bias is not None:
        result += bias
    return result


def linear_backward(
    dout: Array, x: Array, weight: Array, dweight: Array, dbias: Array | None, *, need_dx: bool
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
    dbias : (O,) float or None
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
    if dbias is not None:
        np.add.reduce(dout, axis=0, out=dbias)
    return np.matmul(dout, weight.T) if need_dx else None


def relu_forward(x: Array) -> Array:
    """Return max(x, 0) of `x` (N, O), in place. Cost: cmp, one an entry."""
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


def gelu_forward(x: Array) -> tuple[Array, Array]:
    """Return x * cdf(x) with the standard normal cdf, exact, not by tanh; and the cdf.

    Parameters
    ----------
    x : (N, O) float

    Returns
    -------
    out, cdf : (N, O) float

    Notes
    -----
    Cost an entry: 3 mul, 1 add, 1 erf (counted as exp).
    """
    cdf: Array = 0.5 * (1.0 + erf(x * x.real.dtype.type(0.5**0.5)))
    return x * cdf, cdf


def gelu_backward(dout: Array, x: Array, cdf: Array) -> Array:
    """Return dx = dout * (cdf(x) + x * pdf(x)).

    Parameters
    ----------
    dout, x, cdf : (K, O) float

    Notes
    -----
    Cost an entry: 5 mul, 1 add, 1 exp.
    """
    pdf = np.exp(-0.5 * x * x)
    pdf *= x.dtype.type((2.0 * np.pi) ** -0.5)
    result: Array = dout * (cdf + x * pdf)
    return result


def norm_forward(x: Array, gain: Array, offset: Array | None) -> tuple[Array, Array, Array]:
    """Return LayerNorm: (x - mean) / sqrt(variance + epsilon) * gain + offset, row by row.

    Parameters
    ----------
    x : (N, D) float
    gain : (D,) float
    offset : (D,) float or None

    Returns
    -------
    out, normed : (N, D) float
        `normed` is what the gain multiplies.
    inverse : (N, 1) float
        1 / sqrt(variance + epsilon).

    Notes
    -----
    Cost a row: 3 D mul, 3 D + 1 add (4 D + 1 with an offset), 1 sqrt, 3 div.
    """
    width = x.shape[1]
    normed = x - np.einsum("nd->n", x)[:, None] / width
    variance = np.einsum("nd,nd->n", normed, normed)[:, None] / width
    inverse = 1.0 / np.sqrt(variance + NORM_EPSILON)
    normed *= inverse
    out = normed * gain
    if offset is not None:
        out += offset
    return out, normed, inverse


def norm_backward(
    dout: Array,
    normed: Array,
    inverse: Array,
    gain: Array,
    dgain: Array,
    doffset: Array | None,
) -> Array:
    """Fill `dgain` and `doffset`; return dx.

    With dnormed = dout * gain: dx = (dnormed - its mean - normed * mean(dnormed * normed)) *
    inverse, the means over a row: what moves a row's mean or length moves nothing.

    Parameters
    ----------
    dout, normed : (K, D) float
    inverse : (K, 1) float
    gain, dgain : (D,) float
    doffset : (D,) float or None

    Returns
    -------
    (K, D) float

    Notes
    -----
    Cost a row: 5 D mul, 5 D add (6 D with an offset), 2 div.
    """
    width = normed.shape[1]
    np.einsum("nd,nd->d", dout, normed, out=dgain)
    if doffset is not None:
        np.add.reduce(dout, axis=0, out=doffset)
    dx: Array = dout * gain
    along = np.einsum("nd,nd->n", dx, normed)[:, None] / width
    dx -= np.einsum("nd->n", dx)[:, None] / width
    dx -= normed * along
    dx *= inverse
    return dx


def embedding_forward(table: Array, indices: NDArray[np.integer[Any]]) -> Array:
    """Return the rows (N, D) of `table` (V, D) at `indices` (N,). Cost: none, a gather."""
    result: Array = np.take(table, indices, axis=0)
    return result


def embedding_backward(dout: Array, indices: NDArray[np.integer[Any]], dtable: Array) -> None:
    """Fill `dtable` with the sum of `dout` over the rows of each index, 0 where there are none.

    Parameters
    ----------
    dout : (K, D) float
    indices : (K,) int
        At least one.
    dtable : (V, D) float

    Notes
    -----
    Cost: add K D.
    """
    order = np.argsort(indices, kind="stable")
    ordered = indices[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    dtable[...] = 0
    dtable[ordered[starts]] = np.add.reduceat(dout[order], starts, axis=0)
