"""Sampling token by token with a key-value memory, as `kondo_ref.models.decoding` defines it.

Different prompts run once, then each new token alone, a row a sequence, through the same blocks and
the same attention: the memory of a block is the rows of all its sequences, with room for those to
come. B sequences of P prompt and S sampled tokens, U different prompts; D wide.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kondo_ref import checks
from kondo_ref.backends.numba_activations import Room, Stream
from kondo_ref.backends.numba_buffers import RowBuffers
from kondo_ref.backends.numba_compile import for_kernel, kernel
from kondo_ref.backends.numba_packing import Asking
from kondo_ref.backends.numba_policy import NumbaPolicy
from kondo_ref.backends.numba_transformer import TransformerNetwork
from kondo_ref.checks import IntArray
from kondo_ref.models.decoding import check_rollout

Array = NDArray[Any]


class Sampler:
    """A sampler of a transformer, with buffers of its own.

    Parameters
    ----------
    network : TransformerNetwork
        Whose parameters it reads.
    """

    def __init__(self, network: TransformerNetwork) -> None:
        model, dtype = network.model, network.dtype
        self._network = network
        self._stream, self._room = Stream(model, dtype), Room(model, dtype)
        self._top = RowBuffers((model.width, 1), dtype)
        self._memory = [RowBuffers((3 * model.width,), dtype) for _ in network.blocks]

    def generate(self, prompts: Any, uniforms: Any) -> IntArray:
        """Return sampled continuations (B, S) of prompts (B, P), for uniforms (B, S).

        Raises
        ------
        TypeError, ValueError
            As `kondo_ref.models.decoding.generate`.
        """
        grid, steps = check_rollout(self._network.model, prompts, uniforms)
        count, length = grid.shape
        memory = [room.of(count * (length + steps - 1))[0] for room in self._memory]
        logits, sound = self._start(for_kernel(grid.astype(np.int64, copy=False)), memory)
        draws, actions = np.asarray(uniforms), np.empty((count, steps), np.int64)
        for step in range(steps):
            if not sound:
                checks.logits_array(logits)
            drawn = NumbaPolicy(logits, None, None).sample(draws[:, step])
            actions[:, step] = drawn
            if step + 1 < steps:
                logits, sound = self._extend(drawn, length + step, memory)
        return actions

    def _start(self, prompts: IntArray, memory: list[Array]) -> tuple[Array, bool]:
        """Run the prompts (B, P), each different one once.

        Return the logits (B, A) after them, and whether all are finite.
        """
        count, length = prompts.shape
        which, chosen = np.empty((2, count), np.int64)
        chosen = chosen[: find_different(prompts, which, chosen)]
        offsets = np.arange(chosen.size + 1) * length
        every = Asking.some(offsets, offsets, np.arange(offsets[-1]))
        last = Asking.some(offsets, np.arange(chosen.size + 1), offsets[1:] - 1)
        tokens, positions = prompts[chosen].reshape(-1), every.queries % length
        self._network.embed(self._stream, tokens, positions)
        for block, rows in zip(self._network.blocks, memory, strict=True):
            asking = last if block is self._network.blocks[-1] else every
            left = self._room.of(tokens.size, asking)
            block.forward(self._stream, left)
            spread(left.rows.reshape(chosen.size, -1), which, rows.reshape(count, -1))
        logits, sound = self._network.read(self._stream, self._top)
        return logits[which], sound

    def _extend(self, tokens: IntArray, place: int, memory: list[Array]) -> tuple[Array, bool]:
        """Read one more token (B,) of every sequence, at `place`; return as `_start`.

        Notes
        -----
        Cost a sequence: the products of one row, and matmul 4 (place + 1) D a block for attention.
        """
        count = tokens.size
        starts = np.arange(count + 1)
        offsets = starts * (memory[0].shape[0] // count)
        asking = Asking(offsets, starts, offsets[:-1] + place, starts * (place + 1))
        self._network.embed(self._stream, tokens, np.full(count, place))
        for block, rows in zip(self._network.blocks, memory, strict=True):
            left = self._room.of(count, asking)
            block.norm(self._stream, left)
            block.attend(self._stream.normed, left.rows)
            rows.reshape(count, -1, rows.shape[1])[:, place] = left.rows
            block.rest(self._stream, replace(left, rows=rows))
        return self._network.read(self._stream, self._top)


@kernel
def find_different(prompts: Array, which: Array, chosen: Array) -> int:
    """Return how many prompts are different, each found by its hash in a table of open addresses.

    Parameters
    ----------
    prompts : (B, P) int64
    which : (B,) int64
        Receives the number of each prompt among the different ones.
    chosen : (B,) int64
        Receives the first row of each different one.

    Notes
    -----
    Cost: about 2 B P cmp.
    """
    size = 2
    while size < 2 * prompts.shape[0]:
        size *= 2
    table = np.full(size, -1)
    count = 0
    for b in range(prompts.shape[0]):
        key = 0
        for t in range(prompts.shape[1]):
            key = (key ^ prompts[b, t]) * 1099511628211  # FNV-1a; it may overflow
        slot = (key ^ (key >> 32)) & (size - 1)
        while table[slot] >= 0 and (prompts[chosen[table[slot]]] != prompts[b]).any():
            slot = (slot + 1) & (size - 1)
        if table[slot] < 0:
            table[slot] = count
            chosen[count] = b
            count += 1
        which[b] = table[slot]
    return count


@kernel
def spread(rows: Array, which: Array, memory: Array) -> None:
    """Fill the beginning of each sequence's memory (B, M) from the rows (U, m) of its prompt."""
    for b in range(which.size):
        memory[b, : rows.shape[1]] = rows[which[b]]
