"""Layers between the products of a transformer, each a forward and a backward, one pass each.

R rows in the forward, K rows in the backward, D the width that is normalized, O outputs of a
product. `kondo_ref.layers` says what each layer is. Biases and offsets that a model does not have
are zeros here, and their gradients go nowhere: to add a zero costs less than to ask.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kondo_ref.backends.numba_compile import reordered
from kondo_ref.layers import NORM_EPSILON

Array = NDArray[Any]

ROOT_HALF = 0.5**0.5
PDF_SCALE = (2.0 * math.pi) ** -0.5


@reordered
def add_rows(x: Array, delta: Array, bias: Array) -> None:
    """Add delta (R, O) and bias (O,) to x (R, O), in place. Cost: 2 R O add."""
    for i in range(delta.shape[0]):
        row, more = x[i], delta[i]
        for j in range(bias.size):
            row[j] += more[j] + bias[j]


@reordered
def norm_forward(
    x: Array,
    delta: Array,
    bias: Array,
    gain: Array,
    offset: Array,
    normed: Array,
    inverse: Array,
    out: Array,
) -> None:
    """Add what the product before gave to the stream, and normalize it row by row.

    Parameters
    ----------
    x : (R, D) float
        The stream; receives x + delta + bias.
    delta : (R, D) or (0, D) float
    bias, gain, offset : (D,) float
    normed : (R, D) float
        Receives what the gain multiplies, (x - mean) / sqrt(variance + epsilon).
    inverse : (R, 1) float
        Receives 1 / sqrt(variance + epsilon).
    out : (R, D) float
        Receives normed * gain + offset.

    Notes
    -----
    Cost a row: 3 D mul, 7 D add, 1 sqrt, 1 div, and 2 mul and 1 add besides.
    """
    zero, one = x.dtype.type(0), x.dtype.type(1)
    epsilon, scale = x.dtype.type(NORM_EPSILON), x.dtype.type(1.0 / gain.size)
    if delta.shape[0]:
        add_rows(x, delta, bias)
    for i in range(x.shape[0]):
        row, scaled, result = x[i], normed[i], out[i]
        total = zero
        for j in range(gain.size):
            total += row[j]
        mean = total * scale
        total = zero
        for j in range(gain.size):
            total += (row[j] - mean) * (row[j] - mean)
        root = one / np.sqrt(total * scale + epsilon)
        inverse[i, 0] = root
        for j in range(gain.size):
            value = (row[j] - mean) * root
            scaled[j] = value
            result[j] = value * gain[j] + offset[j]


@reordered
def scaled_rows(normed: Array, rows: Array, gain: Array, offset: Array, out: Array) -> None:
    """Fill `out` with what a normalization gave in some rows: cheaper than to keep it.

    Parameters
    ----------
    normed : (R, D) float
    rows : (K,) int64
    gain, offset : (D,) float
    out : (K, D) float

    Notes
    -----
    Cost: K D mul, K D add.
    """
    for i in range(rows.size):
        source, result = normed[rows[i]], out[i]
        for j in range(gain.size):
            result[j] = source[j] * gain[j] + offset[j]


@reordered
def norm_backward(
    dout: Array,
    normed: Array,
    inverse: Array,
    rows: Array,
    gain: Array,
    dgain: Array,
    doffset: Array,
    dx: Array,
) -> None:
    """Fill `dgain` and `doffset`, and add to dx what the normalization passes on.

    With dnormed = dout * gain: (dnormed - its mean - normed * mean(dnormed * normed)) * inverse,
    the means over a row.

    Parameters
    ----------
    dout : (K, D) float
    normed : (R, D) float
    inverse : (R, 1) float
    rows : (K,) int64
        The forward's row of each.
    gain, dgain, doffset : (D,) float
    dx : (K, D) float
        Holds what the stream passes on; changed in place.

    Notes
    -----
    Cost a row: 6 D mul, 8 D add.
    """
    zero, scale = dout.dtype.type(0), dout.dtype.type(1.0 / gain.size)
    dgain[:] = zero
    doffset[:] = zero
    for i in range(rows.size):
        row, source, result = dout[i], normed[rows[i]], dx[i]
        mean, along = zero, zero
        for j in range(gain.size):
            value = row[j] * gain[j]
            mean += value
            along += value * source[j]
        for j in range(gain.size):
            dgain[j] += row[j] * source[j]
            doffset[j] += row[j]
        mean *= scale
        along *= scale
        root = inverse[rows[i], 0]
        for j in range(gain.size):
            result[j] += (row[j] * gain[j] - mean - source[j] * along) * root


@reordered
def gelu_forward(x: Array, bias: Array, cdf: Array, out: Array) -> None:
    """Add the bias to x in place; fill the normal cdf of x, and `out` with x * cdf.

    Parameters
    ----------
    x, cdf, out : (R, O) float
    bias : (O,) float

    Notes
    -----
    Cost an entry: 3 mul, 2 add, 1 erf (counted as exp).
    """
    half, one, root = x.dtype.type(0.5), x.dtype.type(1), x.dtype.type(ROOT_HALF)
    for i in range(x.shape[0]):
        for j in range(bias.size):
            value = x[i, j] + bias[j]
            share = half * (one + math.erf(value * root))
            x[i, j], cdf[i, j], out[i, j] = value, share, value * share


@reordered
def gelu_backward(dout: Array, x: Array, cdf: Array, rows: Array, dbias: Array) -> None:
    """Multiply dout by cdf(x) + x * pdf(x), in place; fill `dbias` with its sum over rows.

    Parameters
    ----------
    dout : (K, O) float
    x, cdf : (R, O) float
    rows : (K,) int64
        The forward's row of each.
    dbias : (O,) float

    Notes
    -----
    Cost an entry: 5 mul, 2 add, 1 exp.
    """
    half, scale = x.dtype.type(0.5), x.dtype.type(PDF_SCALE)
    dbias[:] = 0
    for i in range(rows.size):
        for j in range(dbias.size):
            value = x[rows[i], j]
            slope = cdf[rows[i], j] + value * (np.exp(-half * value * value) * scale)
            dout[i, j] *= slope
            dbias[j] += dout[i, j]


@reordered
def column_sums(x: Array, out: Array) -> None:
    """Fill `out` (O,) with the sum of x (K, O) over rows: the gradient of a bias. Cost: K O add."""
    out[:] = 0
    for i in range(x.shape[0]):
        row = x[i]
        for j in range(out.size):
            out[j] += row[j]


@reordered
def add_at(x: Array, rows: Array, out: Array) -> None:
    """Add x (K, O) to the rows (K,) of out (R, O or more), all different. Cost: K O add."""
    for i in range(rows.size):
        row, result = x[i], out[rows[i]]
        for j in range(row.size):
            result[j] += row[j]


@reordered
def embedding_forward(
    table: Array, places: Array, tokens: Array, positions: Array, out: Array
) -> None:
    """Fill `out` with the sum of the embeddings of each row's token and position.

    Parameters
    ----------
    table : (V, D) float
    places : (T, D) float
    tokens, positions : (R,) int64
    out : (R, D) float

    Notes
    -----
    Cost: R D add.
    """
    for i in range(tokens.size):
        one, other, row = table[tokens[i]], places[positions[i]], out[i]
        for j in range(row.size):
            row[j] = one[j] + other[j]


@reordered
def embedding_backward(
    dout: Array, rows: Array, tokens: Array, positions: Array, dtable: Array, dplaces: Array
) -> None:
    """Fill the gradients of both tables with the sums of dout over the rows of each index.

    Parameters
    ----------
    dout : (K, D) float
    rows : (K,) int64
        The forward's row of each.
    tokens, positions : (R,) int64
    dtable : (V, D) float
    dplaces : (T, D) float

    Notes
    -----
    Cost: 2 K D add.
    """
    dtable[:] = 0
    dplaces[:] = 0
    for i in range(rows.size):
        row, one, other = dout[i], dtable[tokens[rows[i]]], dplaces[positions[rows[i]]]
        for j in range(row.size):
            one[j] += row[j]
            other[j] += row[j]
