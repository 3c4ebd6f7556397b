"""A minimal decoder-only transformer: tokens -> logits, and the kept tokens back to gradients.

Pre-LN blocks, learned positions, causal attention, an untied head. B sequences of at most T tokens
are packed to R rows; V input tokens, A actions, D wide, F in the feed-forward, H heads, L blocks.
A kept token needs the backward of its whole prefix: `backward` runs the head, and in the last block
all but keys and values, on the kept rows alone, everything below on the prefixes, and nothing on a
sequence without a kept token.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from kondo_ref import checks
from kondo_ref.checks import IntArray
from kondo_ref.layers import (
    embedding_backward,
    embedding_forward,
    linear_backward,
    linear_forward,
    norm_backward,
    norm_forward,
)
from kondo_ref.models.activations import Cache, prefixes_of
from kondo_ref.models.block import BlockParameters, BlockShape, block_backward, block_forward
from kondo_ref.models.mlp import check_kept, lecun_normal, prepare_backward
from kondo_ref.models.packing import Packing, Spans
from kondo_ref.parameters import Parameters

__all__ = ["Cache", "Transformer"]

Array = NDArray[Any]
ACTIVATIONS = ("relu", "gelu")


@dataclass(frozen=True)
class Transformer:
    """A decoder-only transformer; the defaults are the released configuration's.

    Parameters
    ----------
    vocabulary : int
        V, the tokens that are read.
    actions : int
        A, the tokens that are chosen from.
    length : int
        The longest sequence, that is the number of learned positions.
    width : int
        D.
    layers : int
        L.
    heads : int
        H, a divisor of the width.
    feed_forward : int
        F.
    activation : str
        relu, or gelu (exact).
    biases : bool
        Whether products have biases and normalizations offsets.
    final_norm : bool
        Whether a normalization stands before the head.

    Raises
    ------
    TypeError, ValueError
        A size below 1, heads that do not divide the width, an unknown activation.
    """

    vocabulary: int
    actions: int
    length: int
    width: int = 64
    layers: int = 3
    heads: int = 4
    feed_forward: int = 128
    activation: str = "relu"
    biases: bool = False
    final_norm: bool = False

    def __post_init__(self) -> None:
        for name in ("vocabulary", "actions", "length", "width", "layers", "heads", "feed_forward"):
            checks.count(name, getattr(self, name), 1)
        checks.one_of("activation", self.activation, ACTIVATIONS)
        for name in ("biases", "final_norm"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"{name}: expected a bool, got {getattr(self, name)!r}")
        if self.width % self.heads:
            raise ValueError(
                f"heads: expected a divisor of the width {self.width}, got {self.heads}"
            )

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Parameter shapes by name: the embeddings, block1_norm1_gain, ..., the head."""
        d, f = self.width, self.feed_forward
        shapes: dict[str, tuple[int, ...]] = {"token_embedding": (self.vocabulary, d)}
        shapes["position_embedding"] = (self.length, d)

        def product(name: str, inputs: int, outputs: int) -> None:
            shapes[name] = (inputs, outputs)
            if self.biases:
                shapes[f"{name}_bias"] = (outputs,)

        def norm(name: str) -> None:
            shapes[f"{name}_gain"] = (d,)
            if self.biases:
                shapes[f"{name}_offset"] = (d,)

        for block in range(1, self.layers + 1):
            norm(f"block{block}_norm1")
            product(f"block{block}_query_key_value", d, 3 * d)
            product(f"block{block}_projection", d, d)
            norm(f"block{block}_norm2")
            product(f"block{block}_expand", d, f)
            product(f"block{block}_contract", f, d)
        if self.final_norm:
            norm("final_norm")
        product("head", d, self.actions)
        return shapes

    def initialize(self, seed: int, dtype: DTypeLike = np.float64) -> Parameters:
        """Return LeCun normal products and embeddings, gains of 1, biases and offsets of 0.

        Truncated at two standard deviations, as `MLP.initialize`; the variance is 1 over the
        inputs of a product, and 1 over the width for the embeddings.

        Raises
        ------
        TypeError
            The dtype is neither float32 nor float64.
        """
        if np.dtype(dtype) not in checks.FLOAT_DTYPES:
            raise TypeError(f"dtype: expected float32 or float64, got {np.dtype(dtype)}")
        parameters = Parameters.zeros(self.shapes, np.float64)
        for index, (name, view) in enumerate(parameters.views.items(), start=1):
            if name.endswith("_gain"):
                view[...] = 1.0
            elif view.ndim == 2:
                inputs = self.width if name.endswith("_embedding") else view.shape[0]
                view[...] = lecun_normal(seed, index, view.shape, inputs)
        return parameters.astype(dtype)

    def forward(
        self,
        parameters: Parameters,
        tokens: ArrayLike | Packing,
        *,
        asking: IntArray | None = None,
        keep: bool = True,
    ) -> tuple[Array, Cache]:
        """Return the logits and the cache.

        Parameters
        ----------
        parameters : Parameters
            Of `shapes`; complex parameters are allowed, for complex-step differentiation.
        tokens : (B, T) int or Packing
            In 0..V-1; -1 past the end of a shorter sequence.
        asking : (Q,) int64, optional
            Packed rows, ascending, at least one of every sequence: only they get logits.
        keep : bool
            Whether the cache holds activations; if not, `recompute` comes before a backward.

        Returns
        -------
        logits : (R, A) float
            Of the packed rows; (Q, A) with `asking`.
        cache : Cache

        Raises
        ------
        TypeError, ValueError
            Tokens that are not such an array, or longer than `length`.
        """
        packing = self.pack(parameters, tokens)
        x = embedding_forward(parameters["token_embedding"], packing.tokens)
        x += parameters["position_embedding"][packing.positions]
        shape = BlockShape(self.heads, self.activation)
        spans = Spans(packing.offsets)
        blocks = []
        # What overflows shows in the logits, which every screening checks; no warning besides.
        with np.errstate(over="ignore", invalid="ignore"):
            for block in range(1, self.layers + 1):
                if block == self.layers and asking is not None:
                    check_kept(asking, packing.rows, "asking")
                    spans = packing.spans(asking)
                x, cache = block_forward(shape, BlockParameters(parameters, block), x, spans)
                if keep:
                    blocks.append(cache)
            final: tuple[Array, ...] = ()
            if self.final_norm:
                offset = parameters.views.get("final_norm_offset")
                x, *left = norm_forward(x, parameters["final_norm_gain"], offset)
                final = tuple(left)
            logits = linear_forward(x, parameters["head"], parameters.views.get("head_bias"))
        if not keep:
            final, x = (), x[:0].copy()
        return logits, Cache(packing, asking, tuple(blocks), final, x)

    def backward(
        self,
        parameters: Parameters,
        cache: Cache,
        dlogits: Array,
        kept: NDArray[np.integer[Any]],
        out: Parameters | None = None,
    ) -> Parameters:
        """Return the gradient of the loss in the parameters, from the kept tokens.

        Parameters
        ----------
        parameters : Parameters
        cache : Cache
            Of the forward, or of `recompute` for the same kept tokens.
        dlogits : (K, A) float
            Of the kept tokens alone, in the order of `kept`. Not changed.
        kept : (K,) int
            Flat indices in the (B, T) batch, ascending. None gives a zero gradient.
        out : Parameters, optional
            Receives the gradient.

        Returns
        -------
        gradient : Parameters

        Raises
        ------
        TypeError
            `dlogits` has another dtype than the parameters, `kept` is not integer.
        ValueError
            The shapes do not belong together, `kept` is not ascending, or names no token.
        """
        cells = cache.packing.shape[0] * cache.packing.shape[1]
        gradient = prepare_backward(parameters, dlogits, kept, (cells, self.actions), out)
        if kept.size == 0:
            gradient.flat[...] = 0
            return gradient
        self._backward(parameters, self.select(cache, kept), dlogits, gradient)
        return gradient

    def select(self, cache: Cache, kept: IntArray) -> Cache:
        """Return the part of the cache that a backward from the tokens `kept` (K,) needs."""
        return cache.select(kept)

    def recompute(self, parameters: Parameters, packing: Packing, kept: IntArray) -> Cache:
        """Return what `select` does, by another forward of what `kept` (K,) depends on alone."""
        prefixes = prefixes_of(packing, kept)
        return self.forward(parameters, packing.take(prefixes), asking=prefixes.queries)[1]

    def _backward(
        self, parameters: Parameters, cache: Cache, dlogits: Array, gradient: Parameters
    ) -> None:
        head, dhead, dbias = parameters["head"], gradient["head"], gradient.views.get("head_bias")
        dx = linear_backward(dlogits, cache.top, head, dhead, dbias, need_dx=True)
        assert dx is not None
        if self.final_norm:
            offset = gradient.views.get("final_norm_offset")
            gain, dgain = parameters["final_norm_gain"], gradient["final_norm_gain"]
            normed, inverse = cache.final
            dx = norm_backward(dx, normed, inverse, gain, dgain, offset)
        shape = BlockShape(self.heads, self.activation)
        for block in range(self.layers, 0, -1):
            p, d = BlockParameters(parameters, block), BlockParameters(gradient, block)
            dx = block_backward(shape, p, d, cache.blocks[block - 1], dx)
        embedding_backward(dx, cache.packing.tokens, gradient["token_embedding"])
        embedding_backward(dx, cache.packing.positions, gradient["position_embedding"])

    def pack(self, parameters: Parameters, tokens: ArrayLike | Packing) -> Packing:
        """Return `tokens` (B, T) packed; refuse those, or parameters, of another model."""
        if parameters.shapes != self.shapes:
            raise ValueError(f"parameters: expected {self.shapes}, got {parameters.shapes}")
        packing = tokens if isinstance(tokens, Packing) else Packing.of(tokens, self.vocabulary)
        largest, longest = int(packing.tokens.max()), int(packing.positions.max()) + 1
        if largest >= self.vocabulary:
            raise ValueError(f"tokens: {largest} is not in 0..{self.vocabulary - 1}")
        if longest > self.length:
            raise ValueError(f"tokens: expected at most {self.length} a sequence, got {longest}")
        return packing
