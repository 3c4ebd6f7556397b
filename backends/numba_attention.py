"""Causal attention on packed rows, forward and backward: what stands between a block's products.

R key rows, Q of them ask; H heads of width W, D = H W. A query looks at the n keys of its sequence
up to its own, and only these are computed or stored: the causal half. The powers are NumPy's, which
are SIMD code; a kernel comes before them and one after.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kondo_ref.backends.numba_attention_kernels import backward_rows, context_rows, score_rows
from kondo_ref.backends.numba_packing import Asking, Reach
from kondo_ref.checks import IntArray

Array = NDArray[Any]


def attention_forward(
    rows: Array, asking: Asking, powers: Array, scale: Array, context: Array
) -> None:
    """Fill `context` with softmax(query key^T / sqrt(W)) value, and what the backward needs.

    Parameters
    ----------
    rows : (R, 3 D) float
        Query, key and value of each row; the query only where it asks.
    asking : Asking
    powers : (n, H) float
        For the n of all queries together; receives exp(score - the largest score of the query).
    scale : (Q, H) float
        Receives 1 / the sum of those powers.
    context : (Q, D) float

    Notes
    -----
    Cost, for the n of all queries together: matmul 4 n D; n H exp, n H cmp, 2 n H add; 2 Q D mul,
    Q H div.
    """
    width = context.shape[1] // scale.shape[1]
    where = (asking.offsets, asking.starts, asking.queries, asking.first)
    pieces, flat = rows.reshape(-1, width), powers.reshape(-1)
    score_rows(pieces, *where, flat, scale)
    np.exp(flat, flat)
    context_rows(pieces, *where, flat, scale, context.reshape(-1, width))


def attention_backward(
    dcontext: Array,
    rows: Array,
    powers: Array,
    scale: Array,
    first: IntArray,
    reach: Reach,
    dquery: Array,
    drows: Array,
) -> None:
    """Fill the gradients of query, key and value, for some queries of some prefixes.

    What the forward left is read where it lies; nothing is gathered.

    Parameters
    ----------
    dcontext : (K, D) float
        Of the queries that are reached.
    rows, powers, scale, first
        As the forward left them; `first` is that of its `Asking`.
    reach : Reach
        Of R rows and K queries.
    dquery : (K, D or more) float
        Receives dquery in its first D columns.
    drows : (R, 3 D) float
        Receives dkey and dvalue in its last 2 D columns; it may be the same array.

    Notes
    -----
    Cost, for the n of the K queries together: matmul 8 n D; 4 n H mul, 2 n H add; K H mul.
    """
    width = dcontext.shape[1] // scale.shape[1]
    backward_rows(
        dcontext.reshape(-1, width),
        rows.reshape(-1, width),
        powers.reshape(-1),
        scale,
        first,
        reach.begins,
        reach.offsets,
        reach.starts,
        reach.queries,
        reach.asked,
        dquery.reshape(-1, width),
        drows.reshape(-1, width),
    )
