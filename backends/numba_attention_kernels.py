"""Kernels of causal attention on packed rows: scores, contexts, and the gradients of all rows.

R key rows, Q of them ask; H heads of width W, D = H W. A row is 3 H pieces of W numbers: the query
of each head, then the keys, then the values. The query at place t of its sequence looks at
n = t + 1 keys and at no later one; `n` in a cost is that of all queries together. Each query has H
rows of n scores, all behind one another: those of query i begin at H first[i].

Keys are taken four at a time: in sequences this short, to set up a loop costs more than to run it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kondo_ref.backends.numba_compile import reordered

Array = NDArray[Any]


@reordered
def score_rows(
    pieces: Array,
    offsets: Array,
    starts: Array,
    queries: Array,
    first: Array,
    scores: Array,
    scale: Array,
) -> None:
    """Fill `scores` with query key^T / sqrt(W), less the largest of each query and head.

    Parameters
    ----------
    pieces : (3 R H, W) float
    offsets, starts, queries, first
        As in `Asking`.
    scores : (n H,) float
    scale : (Q, H) float
        Tells H.

    Notes
    -----
    Cost: matmul 2 n D, Q D mul, n H cmp, n H add.
    """
    heads, width = scale.shape[1], pieces.shape[1]
    step = 3 * heads
    zero, low = pieces.dtype.type(0), pieces.dtype.type(-np.inf)
    root = pieces.dtype.type(width**-0.5)
    for s in range(starts.size - 1):
        begin = offsets[s]
        for h in range(heads):
            for i in range(starts[s], starts[s + 1]):
                n = queries[i] - begin + 1
                at = first[i] * heads + h * n
                out = scores[at : at + n]
                query, piece = pieces[queries[i] * step + h], begin * step + heads + h
                top0 = top1 = top2 = top3 = low
                for k in range(0, n - 3, 4):
                    key0, key1 = pieces[piece], pieces[piece + step]
                    key2, key3 = pieces[piece + 2 * step], pieces[piece + 3 * step]
                    piece += 4 * step
                    sum0 = sum1 = sum2 = sum3 = zero
                    for j in range(width):
                        scaled = query[j] * root
                        sum0 += scaled * key0[j]
                        sum1 += scaled * key1[j]
                        sum2 += scaled * key2[j]
                        sum3 += scaled * key3[j]
                    out[k], out[k + 1], out[k + 2], out[k + 3] = sum0, sum1, sum2, sum3
                    top0, top1 = max(top0, sum0), max(top1, sum1)
                    top2, top3 = max(top2, sum2), max(top3, sum3)
                for k in range(n - n % 4, n):
                    key0, sum0 = pieces[piece], zero
                    piece += step
                    for j in range(width):
                        sum0 += query[j] * root * key0[j]
                    out[k] = sum0
                    top0 = max(top0, sum0)
                top0 = max(top0, top1, top2, top3)
                for k in range(n):
                    out[k] -= top0


@reordered
def context_rows(
    pieces: Array,
    offsets: Array,
    starts: Array,
    queries: Array,
    first: Array,
    powers: Array,
    scale: Array,
    context: Array,
) -> None:
    """Fill `context` with the mean of the values by the powers, and `scale`.

    Parameters
    ----------
    pieces : (3 R H, W) float
    offsets, starts, queries, first
        As in `Asking`.
    powers : (n H,) float
    scale : (Q, H) float
        Receives 1 / the sum of the powers.
    context : (Q H, W) float

    Notes
    -----
    Cost: matmul 2 n D, n H add, Q D mul, Q H div.
    """
    heads, width = scale.shape[1], pieces.shape[1]
    step = 3 * heads
    zero, one = pieces.dtype.type(0), pieces.dtype.type(1)
    for s in range(starts.size - 1):
        for h in range(heads):
            for i in range(starts[s], starts[s + 1]):
                n = queries[i] - offsets[s] + 1
                at = first[i] * heads + h * n
                power = powers[at : at + n]
                out, piece = context[i * heads + h], offsets[s] * step + 2 * heads + h
                out[:] = zero
                total0 = total1 = zero
                for k in range(0, n - 3, 4):
                    p0, p1, p2, p3 = power[k], power[k + 1], power[k + 2], power[k + 3]
                    value0, value1 = pieces[piece], pieces[piece + step]
                    value2, value3 = pieces[piece + 2 * step], pieces[piece + 3 * step]
                    piece += 4 * step
                    total0 += p0 + p1
                    total1 += p2 + p3
                    for j in range(width):
                        out[j] += (p0 * value0[j] + p1 * value1[j]) + (
                            p2 * value2[j] + p3 * value3[j]
                        )
                for k in range(n - n % 4, n):
                    p0, value0 = power[k], pieces[piece]
                    piece += step
                    total0 += p0
                    for j in range(width):
                        out[j] += p0 * value0[j]
                inverse = one / (total0 + total1)
                scale[i, h] = inverse
                for j in range(width):
                    out[j] *= inverse


@reordered
def backward_rows(
    dcontext: Array,
    pieces: Array,
    powers: Array,
    scale: Array,
    first: Array,
    begins: Array,
    offsets: Array,
    starts: Array,
    queries: Array,
    asked: Array,
    dquery: Array,
    drows: Array,
) -> None:
    """Fill the pieces of dquery and, in `drows`, of dkey and dvalue.

    From context = p value, p = softmax(scores): dp = dcontext value^T, dscores = p (dp - sum over
    keys of p dp), dquery = dscores key / sqrt(W), dkey = dscores^T query / sqrt(W) and
    dvalue = p^T dcontext.

    Parameters
    ----------
    dcontext : (K H, W) float
    pieces : (3 R' H, W) float
        Of the forward's R' rows.
    powers : (n H,) float
    scale : (Q, H) float
    first : (Q + 1,) int64
        Of the forward's Q queries.
    begins, offsets, starts, queries, asked
        As in `Reach`.
    dquery : (K H or more, W) float
    drows : (3 R H, W) float

    Notes
    -----
    Cost: matmul 8 n D; 4 n H mul, 2 n H add; K H mul.
    """
    heads, width = scale.shape[1], pieces.shape[1]
    step, query_step = 3 * heads, dquery.shape[0] // asked.size
    zero, root = pieces.dtype.type(0), pieces.dtype.type(width**-0.5)
    longest = 0
    for s in range(begins.size):
        longest = max(longest, offsets[s + 1] - offsets[s])
    dscores = np.empty(longest, pieces.dtype)
    for row in range(offsets[-1]):
        drows[row * step + heads : (row + 1) * step] = zero
    for s in range(begins.size):
        for h in range(heads):
            for i in range(starts[s], starts[s + 1]):
                place = queries[i] - offsets[s]
                n = place + 1
                at = first[asked[i]] * heads + h * n
                power, inverse = powers[at : at + n], scale[asked[i], h]
                query, dout = pieces[(begins[s] + place) * step + h], dcontext[i * heads + h]
                mean = zero
                piece = begins[s] * step + 2 * heads + h
                for k in range(0, n - 3, 4):
                    value0, value1 = pieces[piece], pieces[piece + step]
                    value2, value3 = pieces[piece + 2 * step], pieces[piece + 3 * step]
                    piece += 4 * step
                    sum0 = sum1 = sum2 = sum3 = zero
                    for j in range(width):
                        sum0 += dout[j] * value0[j]
                        sum1 += dout[j] * value1[j]
                        sum2 += dout[j] * value2[j]
                        sum3 += dout[j] * value3[j]
                    dscores[k], dscores[k + 1] = sum0, sum1
                    dscores[k + 2], dscores[k + 3] = sum2, sum3
                    mean += (sum0 * power[k] + sum1 * power[k + 1]) + (
                        sum2 * power[k + 2] + sum3 * power[k + 3]
                    )
                for k in range(n - n % 4, n):
                    value0, sum0 = pieces[piece], zero
                    piece += step
                    for j in range(width):
                        sum0 += dout[j] * value0[j]
                    dscores[k] = sum0
                    mean += sum0 * power[k]
                mean *= inverse
                dq, piece = dquery[i * query_step + h], begins[s] * step + heads + h
                dpiece = offsets[s] * step + heads + h
                dq[:] = zero
                for k in range(n):
                    p = power[k] * inverse
                    dscore = p * (dscores[k] - mean) * root
                    key0, dkey, dvalue = pieces[piece], drows[dpiece], drows[dpiece + heads]
                    piece += step
                    dpiece += step
                    for j in range(width):
                        dq[j] += dscore * key0[j]
                        dkey[j] += dscore * query[j]
                        dvalue[j] += p * dout[j]
