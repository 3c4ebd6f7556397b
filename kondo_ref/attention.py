"""Causal attention on packed rows, forward and backward: the one layer in which rows meet.

R key rows, Q query rows (all of them, or in the last block of a backward the kept ones), H heads of
width W, D = H W. Sequences with equal numbers of queries and keys share one batched product, so
nothing is padded. Within a product all q k scores are computed, those of later keys too: the count
named dense attention; the causal count is about half of it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kondo_ref.checks import IntArray
from kondo_ref.models.packing import Group, Spans

Array = NDArray[Any]


def attention_forward(
    query: Array, key: Array, value: Array, spans: Spans, heads: int
) -> tuple[Array, tuple[Array, ...]]:
    """Return softmax(query key^T / sqrt(W)) value, each query over the keys at or before it.

    Parameters
    ----------
    query : (Q, D) float
    key, value : (R, D) float
    spans : Spans
    heads : int

    Returns
    -------
    context : (Q, D) float
    probabilities : tuple of (n, H, q, k) float
        One a group of `spans`; 0 for later keys.

    Notes
    -----
    Cost a sequence of q queries and k keys: matmul 4 q k D; a score, of which there are q k H:
    1 mul, 1 cmp, 2 add, 1 exp, 1 div.
    """
    context = np.empty_like(query)
    probabilities = []
    for group in spans.groups:
        q = _heads_of(query, group.queries, heads, whole=group.in_order)
        k = _heads_of(key, group.keys, heads, whole=group.in_order)
        v = _heads_of(value, group.keys, heads, whole=group.in_order)
        p = _causal_softmax(np.matmul(q, k.swapaxes(2, 3)), q.shape[3], group.allowed)
        context[_rows(group.queries, group)] = _rows_of(np.matmul(p, v))
        probabilities.append(p)
    return context, tuple(probabilities)


def attention_backward(
    dcontext: Array,
    query: Array,
    key: Array,
    value: Array,
    probabilities: tuple[Array, ...],
    spans: Spans,
    heads: int,
    out: tuple[Array, Array, Array],
) -> None:
    """Fill `out`, that is dquery (Q, D), dkey and dvalue (R, D).

    From context = p value, p = softmax(scores): dvalue = p^T dcontext, dp = dcontext value^T,
    dscores = p (dp - sum over keys of p dp), dquery = dscores key / sqrt(W) and
    dkey = dscores^T query / sqrt(W). Where p is 0, so is dscores: later keys get nothing.

    Parameters
    ----------
    dcontext, query : (Q, D) float
    key, value : (R, D) float
    probabilities : tuple of (n, H, q, k) float
    spans : Spans
    heads : int
    out : tuple of (Q, D), (R, D) and (R, D) float
        Every row is written once.

    Notes
    -----
    Cost a sequence of q queries and k keys: matmul 8 q k D; a score, of which there are q k H:
    3 mul, 2 add.
    """
    dquery, dkey, dvalue = out
    scale = dcontext.dtype.type((dcontext.shape[1] // heads) ** -0.5)
    for group, p in zip(spans.groups, probabilities, strict=True):
        whole = group.in_order
        dout = _heads_of(dcontext, group.queries, heads, whole=whole)
        q = _heads_of(query, group.queries, heads, whole=whole)
        k = _heads_of(key, group.keys, heads, whole=whole)
        v = _heads_of(value, group.keys, heads, whole=whole)
        dvalue[_rows(group.keys, group)] = _rows_of(np.matmul(p.swapaxes(2, 3), dout))
        dscores = np.matmul(dout, v.swapaxes(2, 3))
        dscores -= np.einsum("nhqk,nhqk->nhq", dscores, p)[..., None]
        dscores *= p
        dscores *= scale
        dquery[_rows(group.queries, group)] = _rows_of(np.matmul(dscores, k))
        dkey[_rows(group.keys, group)] = _rows_of(np.matmul(dscores.swapaxes(2, 3), q))


def select_probabilities(
    probabilities: tuple[Array, ...], spans: Spans, sequences: IntArray, wanted: Spans
) -> tuple[Array, ...]:
    """Return the probabilities of some queries and prefixes, as `wanted` groups them.

    Parameters
    ----------
    probabilities : tuple of (n, H, q, k) float
        Of `spans`, in which all rows ask.
    spans : Spans
    sequences : (S,) int64
        Which sequences of `spans` the sequences of `wanted` are.
    wanted : Spans
    """
    where = np.empty((spans.offsets.size - 1, 2), np.int64)
    for i, group in enumerate(spans.groups):
        where[group.sequences, 0] = i
        where[group.sequences, 1] = np.arange(group.sequences.size)
    result = []
    for group in wanted.groups:
        k = group.keys.shape[1]
        rows = group.queries if wanted.queries is None else wanted.queries[group.queries]
        places = rows - group.keys[:, :1]
        pieces = [
            probabilities[source][index][:, place, :k]
            for (source, index), place in zip(
                where[sequences[group.sequences]], places, strict=True
            )
        ]
        result.append(np.stack(pieces))
    return tuple(result)


def _causal_softmax(scores: Array, width: int, allowed: Array) -> Array:
    """Return softmax(scores / sqrt(width)) over the allowed keys, in place."""
    scores *= scores.real.dtype.type(width**-0.5)
    # By the real part, which is all of it but in complex-step differentiation.
    largest = np.max(scores.real, axis=3, where=allowed, initial=-np.inf)
    scores -= largest[..., None]
    np.copyto(scores, -np.inf, where=~allowed)
    np.exp(scores, out=scores)
    scores /= np.einsum("nhqk->nhq", scores)[..., None]
    return scores


def _rows(index: IntArray, group: Group) -> Any:
    return slice(None) if group.in_order else index.ravel()


def _heads_of(rows: Array, index: IntArray, heads: int, *, whole: bool) -> Array:
    """Return the indexed rows as a contiguous (n, heads, rows, width) array."""
    n, t = index.shape
    taken = rows if whole else rows[index.ravel()]
    split = taken.reshape(n, t, heads, rows.shape[1] // heads)
    return np.ascontiguousarray(split.swapaxes(1, 2))


def _rows_of(split: Array) -> Array:
    """Return (n, heads, rows, width) as (n rows, D)."""
    n, heads, t, width = split.shape
    return split.swapaxes(1, 2).reshape(n * t, heads * width)
