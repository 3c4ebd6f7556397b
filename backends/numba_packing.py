"""Packed sequences for kernels: which rows ask, and which of them a backward reaches.

`kondo_ref.models.packing` says what rows, prefixes and queries are. This file packs the tokens of a
batch in one pass, and adds the indices that the attention kernels need beside a `Packing`.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kondo_ref.backends.numba_compile import for_kernel, kernel
from kondo_ref.checks import BoolArray, IntArray
from kondo_ref.models.packing import Packing
from kondo_ref.models.transformer import Transformer
from kondo_ref.parameters import Parameters

Array = NDArray[Any]

INT64 = np.dtype(np.int64)


@dataclass(frozen=True, eq=False)
class Asking:
    """Which rows of a forward ask (queries), sequence by sequence; every row answers (keys).

    Parameters
    ----------
    offsets : (S + 1,) int64
        Sequence s has the key rows from offsets[s] on.
    starts : (S + 1,) int64
        It has the queries starts[s]..starts[s + 1] - 1.
    queries : (Q,) int64
        The key row of each query, ascending; it looks at those of its sequence up to this one.
    first : (Q + 1,) int64
        How many keys all earlier queries look at.
    """

    offsets: IntArray
    starts: IntArray
    queries: IntArray
    first: IntArray

    @classmethod
    def some(cls, offsets: IntArray, starts: IntArray, queries: IntArray) -> "Asking":
        """Return the given queries of some sequences."""
        first = np.empty(queries.size + 1, np.int64)
        count_keys(offsets, starts, queries, first)
        return cls(offsets, starts, queries, first)

    @classmethod
    def all(cls, packing: Packing) -> "Asking":
        """Return the rows of a packing, each of which asks."""
        return cls.some(packing.offsets, packing.offsets, np.arange(packing.rows))


@dataclass(frozen=True, eq=False)
class Reach:
    """What the backward of a block reaches: R rows, the prefixes of S sequences, of which K asked.

    Parameters
    ----------
    rows : (R,) int64
        As rows of the forward.
    begins : (S,) int64
        The forward's row in which each sequence begins.
    offsets : (S + 1,) int64
        Sequence s has the rows offsets[s]..offsets[s + 1] - 1 here.
    starts : (S + 1,) int64
        It has the queries starts[s]..starts[s + 1] - 1 here.
    queries : (K,) int64
        Those that asked, as rows here.
    asked : (K,) int64
        The same as queries of the forward.
    """

    rows: IntArray
    begins: IntArray
    offsets: IntArray
    starts: IntArray
    queries: IntArray
    asked: IntArray

    @classmethod
    def of(cls, packing: Packing, kept: IntArray) -> "Reach":
        """Return what the last block's backward reaches from `kept` rows, if all rows asked.

        Its rows, offsets and queries are those of ``packing.prefixes``.
        """
        rows, queries = np.empty(packing.rows, np.int64), np.empty_like(kept)
        begins, offsets, starts = np.empty((3, kept.size + 1), np.int64)
        count = reach_rows(packing.offsets, kept, rows, begins, offsets, starts, queries)
        ends = slice(count + 1)
        rows = rows[: offsets[count]]
        return cls(rows, begins[:count], offsets[ends], starts[ends], queries, kept)

    @classmethod
    def whole(cls, asking: Asking, rows: int) -> "Reach":
        """Return what it reaches where the forward was of nothing else, of so many rows."""
        asked = np.arange(asking.queries.size)
        offsets, starts, queries = asking.offsets, asking.starts, asking.queries
        return cls(np.arange(rows), offsets[:-1], offsets, starts, queries, asked)

    @cached_property
    def below(self) -> "Reach":
        """What the blocks below the last reach: the same rows, and all of them asked."""
        if self.asked.size == self.rows.size:
            return self
        places = np.arange(self.rows.size)
        return Reach(self.rows, self.begins, self.offsets, self.offsets, places, self.rows)


def pack(model: Transformer, parameters: Parameters, tokens: Any) -> Packing:
    """Return the packing of tokens (B, T), as ``model.pack``, and refuse what it refuses."""
    if type(tokens) is np.ndarray and tokens.dtype == INT64 and tokens.ndim == 2 and tokens.size:
        read, cells, positions = np.empty((3, tokens.size), np.int64)
        offsets = np.empty(tokens.shape[0] + 1, np.int64)
        grid = for_kernel(tokens)
        n, longest = pack_rows(grid, model.vocabulary, read, cells, positions, offsets)
        if 0 < longest <= model.length:
            return Packing(read[:n], cells[:n], positions[:n], offsets, tokens.shape)
    return model.pack(parameters, tokens)


@kernel
def pack_rows(
    grid: Array, vocabulary: int, tokens: Array, cells: Array, positions: Array, offsets: Array
) -> tuple[int, int]:
    """Fill the arrays of a `Packing`; return its rows, and the longest sequence or 0 if unsound.

    Unsound are a token outside -1..vocabulary-1, one after a -1, and an empty sequence.

    Parameters
    ----------
    grid : (B, T) int64
    vocabulary : int
    tokens, cells, positions : (B T,) int64
    offsets : (B + 1,) int64

    Notes
    -----
    Cost: 3 B T cmp.
    """
    rows, longest = 0, 0
    sound = True
    offsets[0] = 0
    for b in range(grid.shape[0]):
        length = 0
        for t in range(grid.shape[1]):
            token = grid[b, t]
            if token >= 0:
                sound &= length == t and token < vocabulary
                tokens[rows], cells[rows], positions[rows] = token, b * grid.shape[1] + t, t
                rows += 1
                length += 1
            else:
                sound &= token == -1
        sound &= length > 0
        longest = max(longest, length)
        offsets[b + 1] = rows
    return rows, longest if sound else 0


@kernel
def count_keys(offsets: Array, starts: Array, queries: Array, first: Array) -> None:
    """Fill `first` (Q + 1,): how many keys the queries before each look at.

    Parameters
    ----------
    offsets, starts : (S + 1,) int64
    queries : (Q,) int64

    Notes
    -----
    Cost: 2 Q add.
    """
    total = 0
    first[0] = 0
    for s in range(starts.size - 1):
        for i in range(starts[s], starts[s + 1]):
            total += queries[i] - offsets[s] + 1
            first[i + 1] = total


@kernel
def reach_rows(
    offsets: Array,
    kept: Array,
    rows: Array,
    begins: Array,
    prefixes: Array,
    starts: Array,
    queries: Array,
) -> int:
    """Fill the arrays of a `Reach` from kept rows; return the number S of its sequences.

    Parameters
    ----------
    offsets : (B + 1,) int64
        Of the forward.
    kept : (K,) int64
        Ascending.
    rows : (R,) int64
        With room for all rows of the forward.
    begins, prefixes, starts : (K + 1,) int64
        With room for a sequence of each kept row; `prefixes` receives the offsets.
    queries : (K,) int64

    Notes
    -----
    Cost: 2 K cmp, B cmp, R add.
    """
    b, count, total, i = 0, 0, 0, 0
    while i < kept.size:
        while offsets[b + 1] <= kept[i]:
            b += 1
        begins[count], prefixes[count], starts[count] = offsets[b], total, i
        count += 1
        shift = total - offsets[b]
        while i < kept.size and kept[i] < offsets[b + 1]:
            queries[i] = kept[i] + shift
            i += 1
        end = queries[i - 1] + 1
        for row in range(total, end):
            rows[row] = row - shift
        total = end
    prefixes[count], starts[count] = total, i
    return count


def dense_rows(packing: Packing, mask: BoolArray | None) -> int:
    """Return the rows of the prefixes that end with the last valid decision (B, T)."""
    return packing.rows if mask is None else int(last_places(for_kernel(mask)))


@kernel
def last_places(mask: Array) -> int:
    """Return the sum over the rows of (B, T) of the place, from 1, of the last that is true.

    Parameters
    ----------
    mask : (B, T) bool

    Notes
    -----
    Cost: at most B T cmp.
    """
    total = 0
    for b in range(mask.shape[0]):
        t = mask.shape[1]
        while t > 0 and not mask[b, t - 1]:
            t -= 1
        total += t
    return total
