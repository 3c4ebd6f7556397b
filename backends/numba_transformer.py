"""The transformer of the Numba backend: tokens -> logits, and the kept tokens to gradients.

`kondo_ref.models.transformer` says what it computes. A batch is packed to rows; after the gate the
head, and in the last block all but keys and values, run backward on the kept rows alone, everything
below on the prefixes that end with one, and nothing on a sequence without.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kondo_ref.backends import numba_layers as layers
from kondo_ref.backends.numba_activations import Activations, Room, Scratch, Stream, taken
from kondo_ref.backends.numba_block import Block, Norm, view
from kondo_ref.backends.numba_buffers import RowBuffers
from kondo_ref.backends.numba_kernels import bias_forward
from kondo_ref.backends.numba_packing import Asking, Reach, pack
from kondo_ref.checks import IntArray
from kondo_ref.models.packing import Packing
from kondo_ref.models.transformer import Transformer
from kondo_ref.parameters import Parameters

Array = NDArray[Any]


class TransformerNetwork:
    """A transformer on a learner's parameters and gradient.

    Parameters
    ----------
    model : Transformer
    parameters, gradient : Parameters
        Views of them are kept.
    activations : str
        cache or recompute, as `kondo_ref.step.Learner` takes it.

    Attributes
    ----------
    model : Transformer
    dtype : dtype
        Of the parameters.
    blocks : list of Block
    dbias : (A,) float
        Receives the gradient of the head's bias, which comes with the gradient in the logits.
    activation_bytes : int
        Memory of what the last forward left for a backward, or the last recomputation.
    """

    def __init__(
        self, model: Transformer, parameters: Parameters, gradient: Parameters, activations: str
    ) -> None:
        self._parameters, self._gradient = parameters, gradient
        self.model, self.dtype = model, parameters.dtype
        dtype, numbers = parameters.dtype, range(1, model.layers + 1)
        self.blocks = [Block(model, parameters, gradient, number) for number in numbers]
        self._final = Norm(parameters, gradient, "final_norm") if model.final_norm else None
        self._head_bias = view(parameters, "head_bias", model.actions)
        self.dbias = view(gradient, "head_bias", model.actions)
        self._recompute = activations == "recompute"
        self._rooms = [Room(model, dtype) for _ in numbers]
        self._passing = self._rooms
        if self._recompute:  # a forward leaves nothing: one room serves all blocks
            self._passing = [Room(model, dtype)] * model.layers
        self._stream, self._scratch = Stream(model, dtype), Scratch(model, dtype)
        self._top = RowBuffers((model.width, 1), dtype)
        self._dlogits = RowBuffers((model.actions,), dtype)
        self._left: list[Activations] = []
        self.activation_bytes = 0

    def run(self, tokens: Any) -> tuple[Array, bool, Packing]:
        """Return the logits of tokens (B, T), whether all are finite, and the packed batch.

        The logits (B, T, A) are new; past the end of a sequence they are 0.
        """
        packing = pack(self.model, self._parameters, tokens)
        self._forward(packing, Asking.all(packing), self._passing)
        logits, sound = self.read(self._stream, self._top)
        self.activation_bytes = 0 if self._recompute else self._bytes()
        return packing.grid(logits), sound, packing

    def dlogits(self, count: int) -> Array:
        """Return room for the gradient in the logits of the kept tokens, (K, A) float."""
        return self._dlogits.of(count)[0]

    def backward(self, packing: Packing, dlogits: Array, kept: IntArray) -> int:
        """Fill the gradient from the kept tokens (K,); return the rows that it took."""
        rows = packing.row_of(kept)
        reach = Reach.of(packing, rows)
        if self._recompute:
            packing, reach = self._again(packing, reach)
        room, dtop, dx = self._scratch.top.of(kept.size)
        if self._final is None:
            top, dtop = taken(self._stream.x, reach.asked, room), dx
        else:
            normed, inverse = self._top.of(self._left[-1].asking.queries.size)
            top = self._final.again(normed, reach.asked, room)
        np.dot(top.T, dlogits, out=self._gradient["head"])
        np.dot(dlogits, self._parameters["head"].T, out=dtop)
        if self._final is not None:
            dx.fill(0)
            self._final.backward(dtop, normed, inverse, reach.asked, dx)
        for block, left in zip(reversed(self.blocks), reversed(self._left), strict=True):
            dx = block.backward(dx, left, reach, self._scratch)
            reach = reach.below
        tables = self._gradient["token_embedding"], self._gradient["position_embedding"]
        layers.embedding_backward(dx, reach.rows, packing.tokens, packing.positions, *tables)
        return reach.rows.size

    def embed(self, stream: Stream, tokens: IntArray, positions: IntArray) -> None:
        """Start the stream with the embeddings of tokens and positions, (R,) int64."""
        stream.start(tokens.size)
        tables = self._parameters["token_embedding"], self._parameters["position_embedding"]
        layers.embedding_forward(*tables, tokens, positions, stream.x)

    def read(self, stream: Stream, room: RowBuffers) -> tuple[Array, bool]:
        """Return new logits (Q, A) of a stream that is through all blocks; whether all are finite.

        `room` of (Q, D) and (Q, 1) is for what the final normalization leaves, if there is one.
        """
        if self._final is None:
            assert stream.bias is not None
            layers.add_rows(stream.x, stream.delta, stream.bias)
            top = stream.x
        else:
            self._final.forward(stream, *room.of(stream.x.shape[0]))
            top = stream.normed
        logits = np.dot(top, self._parameters["head"])
        return logits, bias_forward(logits, self._head_bias)

    def _forward(self, packing: Packing, last: Asking, rooms: list[Room]) -> None:
        """Run the blocks on all rows, the last one for the rows that ask in it."""
        every = last if last.queries.size == packing.rows else Asking.all(packing)
        self.embed(self._stream, packing.tokens, packing.positions)
        self._left = []
        for block, room in zip(self.blocks, rooms, strict=True):
            asking = last if block is self.blocks[-1] else every
            left = room.of(packing.rows, asking)
            block.forward(self._stream, left)
            self._left.append(left)

    def _again(self, packing: Packing, reach: Reach) -> tuple[Packing, Reach]:
        """Run the forward once more, on what is reached alone; return that packing and reach."""
        smaller = Packing(
            packing.tokens[reach.rows],
            packing.cells[reach.rows],
            packing.positions[reach.rows],
            reach.offsets,
            packing.shape,
        )
        asking = Asking.some(reach.offsets, reach.starts, reach.queries)
        self._forward(smaller, asking, self._rooms)
        self.read(self._stream, self._top)
        self.activation_bytes = self._bytes()
        return smaller, Reach.whole(asking, smaller.rows)

    def _bytes(self) -> int:
        rows = self._left[-1].asking.queries.size
        top = self._top.of(rows) if self._final is not None else (self._stream.x,)
        return sum(left.nbytes for left in self._left) + sum(array.nbytes for array in top)
