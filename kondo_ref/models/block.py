"""One pre-LN transformer block, forward and backward: attention and feed-forward on a residual.

R rows come in, Q rows go out: all of them, or where only some are asked for (the last block of a
backward), those alone: normalization, keys and values need all R rows, everything else only Q.
D wide, F in the feed-forward, H heads. Parameters of a block: norm1_gain (D,),
query_key_value (D, 3 D), projection (D, D), norm2_gain (D,), expand (D, F), contract (F, D), and
with biases an _offset of each norm and a _bias of each product.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kondo_ref.attention import attention_backward, attention_forward, select_probabilities
from kondo_ref.checks import IntArray
from kondo_ref.layers import (
    gelu_backward,
    gelu_forward,
    linear_backward,
    linear_forward,
    norm_backward,
    norm_forward,
    relu_backward,
    relu_forward,
)
from kondo_ref.models.packing import Spans
from kondo_ref.parameters import Parameters

Array = NDArray[Any]


@dataclass(frozen=True)
class BlockShape:
    """What a block is, beside its parameters.

    Parameters
    ----------
    heads : int
    activation : str
        relu or gelu.
    """

    heads: int
    activation: str


@dataclass(frozen=True, eq=False)
class BlockCache:
    """What a block's forward leaves for its backward.

    Parameters
    ----------
    spans : Spans
        Which rows asked.
    normed1 : (R, D) float
        First normalization, before its gain.
    inverse1 : (R, 1) float
    query : (Q, D) float
    key, value : (R, D) float
    probabilities : tuple of (n, H, q, k) float
    context : (Q, D) float
    normed2 : (Q, D) float
    inverse2 : (Q, 1) float
    activation : tuple of (Q, F) float
        After the activation; for gelu also before it, and the cdf.
    """

    spans: Spans
    normed1: Array
    inverse1: Array
    query: Array
    key: Array
    value: Array
    probabilities: tuple[Array, ...]
    context: Array
    normed2: Array
    inverse2: Array
    activation: tuple[Array, ...]

    @property
    def nbytes(self) -> int:
        """Memory of the arrays, in bytes."""
        arrays = (
            *(self.normed1, self.inverse1, self.query, self.key, self.value, self.context),
            *(self.normed2, self.inverse2, *self.activation, *self.probabilities),
        )
        return sum(array.nbytes for array in arrays)

    def select(
        self, spans: Spans, sequences: IntArray, rows: IntArray, asking: IntArray
    ) -> "BlockCache":
        """Return the cache of some prefixes, of a cache in which all rows asked.

        Parameters
        ----------
        spans : Spans
            Of the prefixes.
        sequences : (S,) int64
            Which sequences they are of.
        rows : (R,) int64
            Their rows here.
        asking : (Q,) int64
            The rows among them that ask.
        """
        return BlockCache(
            spans,
            self.normed1[rows],
            self.inverse1[rows],
            self.query[asking],
            self.key[rows],
            self.value[rows],
            select_probabilities(self.probabilities, self.spans, sequences, spans),
            self.context[asking],
            self.normed2[asking],
            self.inverse2[asking],
            tuple(array[asking] for array in self.activation),
        )


class BlockParameters:
    """The parameters of one block, or their gradients, by their short names."""

    def __init__(self, parameters: Parameters, block: int) -> None:
        self._views, self._prefix = parameters.views, f"block{block}_"

    def __getitem__(self, name: str) -> Array:
        return self._views[self._prefix + name]

    def optional(self, name: str) -> Array | None:
        """Return a bias or an offset, (O,), None where the model has none."""
        return self._views.get(self._prefix + name)

    def part(self, name: str, columns: slice) -> tuple[Array, Array | None]:
        """Return some columns of a product's weight, (I, columns), and of its bias, (columns,)."""
        bias = self.optional(f"{name}_bias")
        return self[name][:, columns], None if bias is None else bias[columns]


def block_forward(
    shape: BlockShape, p: BlockParameters, x: Array, spans: Spans
) -> tuple[Array, BlockCache]:
    """Return what a block makes of its rows, and the cache.

    Parameters
    ----------
    shape : BlockShape
    p : BlockParameters
    x : (R, D) float
    spans : Spans

    Returns
    -------
    out : (Q, D) float
    cache : BlockCache

    Notes
    -----
    Cost: matmul 2 R D 2 D for keys and values, 2 Q D D for queries, 2 Q D D for the projection,
    4 Q D F for the feed-forward, and the attention's.
    """
    width = x.shape[1]
    a, normed1, inverse1 = norm_forward(x, p["norm1_gain"], p.optional("norm1_offset"))
    if spans.queries is None:
        rows = x
        qkv = linear_forward(a, *p.part("query_key_value", slice(None)))
        query, key, value = (qkv[:, i * width : (i + 1) * width] for i in range(3))
    else:
        rows = x[spans.queries]
        query = linear_forward(a[spans.queries], *p.part("query_key_value", slice(width)))
        key_value = linear_forward(a, *p.part("query_key_value", slice(width, None)))
        key, value = key_value[:, :width], key_value[:, width:]
    context, probabilities = attention_forward(query, key, value, spans, shape.heads)
    middle = linear_forward(context, *p.part("projection", slice(None)))
    middle += rows
    b, normed2, inverse2 = norm_forward(middle, p["norm2_gain"], p.optional("norm2_offset"))
    inner = linear_forward(b, *p.part("expand", slice(None)))
    activation: tuple[Array, ...]
    if shape.activation == "relu":
        activation = (relu_forward(inner),)
    else:
        hidden, cdf = gelu_forward(inner)
        activation = (hidden, inner, cdf)
    out = linear_forward(activation[0], *p.part("contract", slice(None)))
    out += middle
    cache = BlockCache(
        *(spans, normed1, inverse1, query, key, value, probabilities),
        *(context, normed2, inverse2, activation),
    )
    return out, cache


def block_backward(
    shape: BlockShape, p: BlockParameters, d: BlockParameters, cache: BlockCache, dout: Array
) -> Array:
    """Fill the gradients `d` of the block's parameters; return dx.

    The forward, last line first: out = middle + activation(norm2(middle) @ expand) @ contract and
    middle = x + attention(norm1(x)) @ projection. A residual passes dout on as it is.

    Parameters
    ----------
    shape : BlockShape
    p, d : BlockParameters
    cache : BlockCache
    dout : (Q, D) float
        Not changed.

    Returns
    -------
    (R, D) float

    Notes
    -----
    Cost: twice the forward's products, the attention's backward, and the elementwise layers'.
    """
    queries, width = cache.spans.queries, dout.shape[1]
    dmiddle = dout + _feed_forward_backward(shape, p, d, cache, dout)
    dcontext = _linear_backward(dmiddle, cache.context, p, d, "projection")
    dqkv = np.empty((cache.key.shape[0], 3 * width), dout.dtype)
    dquery = dqkv[:, :width] if queries is None else np.empty_like(dcontext)
    attention_backward(
        dcontext,
        cache.query,
        cache.key,
        cache.value,
        cache.probabilities,
        cache.spans,
        shape.heads,
        (dquery, dqkv[:, width : 2 * width], dqkv[:, 2 * width :]),
    )
    a = _scaled(cache.normed1, p, "norm1")
    if queries is None:
        da = _linear_backward(dqkv, a, p, d, "query_key_value")
    else:
        da = _linear_backward(dqkv[:, width:], a, p, d, "query_key_value", slice(width, None))
        da[queries] += _linear_backward(dquery, a[queries], p, d, "query_key_value", slice(width))
    dx = norm_backward(
        da,
        cache.normed1,
        cache.inverse1,
        p["norm1_gain"],
        d["norm1_gain"],
        d.optional("norm1_offset"),
    )
    if queries is None:
        dx += dmiddle
    else:
        dx[queries] += dmiddle
    return dx


def _feed_forward_backward(
    shape: BlockShape, p: BlockParameters, d: BlockParameters, cache: BlockCache, dout: Array
) -> Array:
    dhidden = _linear_backward(dout, cache.activation[0], p, d, "contract")
    if shape.activation == "relu":
        dinner = relu_backward(dhidden, cache.activation[0])
    else:
        dinner = gelu_backward(dhidden, *cache.activation[1:])
    db = _linear_backward(dinner, _scaled(cache.normed2, p, "norm2"), p, d, "expand")
    return norm_backward(
        db,
        cache.normed2,
        cache.inverse2,
        p["norm2_gain"],
        d["norm2_gain"],
        d.optional("norm2_offset"),
    )


def _scaled(normed: Array, p: BlockParameters, name: str) -> Array:
    """Return what a normalization gave, from what its gain multiplied: cheaper than to keep it."""
    out: Array = normed * p[f"{name}_gain"]
    offset = p.optional(f"{name}_offset")
    if offset is not None:
        out += offset
    return out


def _linear_backward(
    dout: Array,
    x: Array,
    p: BlockParameters,
    d: BlockParameters,
    name: str,
    columns: slice = slice(None),
) -> Array:
    dx = linear_backward(dout, x, p.part(name, columns)[0], *d.part(name, columns), need_dx=True)
    assert dx is not None
    return dx
