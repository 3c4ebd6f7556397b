"""Packed sequences: the rows of a ragged batch one after the other, without padding.

A batch of B sequences of at most T tokens is an integer array (B, T), -1 past the end of a shorter
one. Its R tokens are packed to rows; all products run on rows, and only attention needs to know
where a sequence begins. `Packing.prefixes` says what a backward from some kept rows has to touch:
the sequences that have one, each up to its last.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kondo_ref import checks
from kondo_ref.checks import IntArray

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Packing:
    """Where the tokens of a batch are, packed and in the (B, T) grid.

    Parameters
    ----------
    tokens : (R,) int64
    cells : (R,) int64
        The flat index of each row in the (B, T) grid, ascending.
    positions : (R,) int64
        The place of each row in its sequence, from 0.
    offsets : (B + 1,) int64
        Sequence b has the rows offsets[b]..offsets[b + 1] - 1.
    shape : (int, int)
        (B, T).
    """

    tokens: IntArray
    cells: IntArray
    positions: IntArray
    offsets: IntArray
    shape: tuple[int, int]

    @classmethod
    def of(cls, tokens: ArrayLike, vocabulary: int, name: str = "tokens") -> "Packing":
        """Pack `tokens` (B, T), in 0..vocabulary-1, or -1 past a sequence's end.

        Raises
        ------
        TypeError, ValueError
            Not such an array, an empty batch or an empty sequence.
        """
        grid = checks.any_array(name, tokens)
        if grid.dtype.kind not in "iu":
            raise TypeError(f"{name}: expected integers, got dtype {grid.dtype}")
        if grid.ndim != 2 or grid.size == 0:
            raise ValueError(f"{name}: expected shape (B, T), B and T >= 1, got {grid.shape}")
        there = grid >= 0
        outside = (grid < -1) | (grid >= vocabulary)
        if outside.any():
            index = checks.first_index(outside)
            raise ValueError(
                f"{name}: {grid[index]} at index {index} is not in 0..{vocabulary - 1}, nor -1"
            )
        lengths = np.count_nonzero(there, axis=1)
        ragged = there != (np.arange(grid.shape[1]) < lengths[:, None])
        if ragged.any() or not lengths.all():
            index = checks.first_index(ragged | (lengths[:, None] == 0))
            raise ValueError(
                f"{name}: expected -1 only past the end of a sequence of at least one token, "
                f"got {grid[index]} at index {index}"
            )
        cells = np.flatnonzero(there)
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        return cls(
            grid.ravel()[cells].astype(np.int64, copy=False),
            cells,
            cells % grid.shape[1],
            offsets,
            (grid.shape[0], grid.shape[1]),
        )

    @property
    def rows(self) -> int:
        """The number of rows R."""
        return self.tokens.size

    @property
    def whole(self) -> bool:
        """Whether every cell of the grid is a token."""
        return self.rows == self.shape[0] * self.shape[1]

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Which cells of the grid are tokens, (B, T) bool."""
        there = np.zeros(self.shape, np.bool_)
        there.reshape(-1)[self.cells] = True
        return there

    def grid(self, values: Array) -> Array:
        """Return packed values (R, ...) as (B, T, ...), zeros past the end of a sequence."""
        if self.whole:
            return values.reshape(*self.shape, *values.shape[1:])
        grid = np.zeros((self.shape[0] * self.shape[1], *values.shape[1:]), values.dtype)
        grid[self.cells] = values
        return grid.reshape(*self.shape, *values.shape[1:])

    def check_mask(self, mask: ArrayLike | None) -> None:
        """Refuse a `mask` (B, T) that calls a decision past a sequence's end valid."""
        if self.whole:
            return
        if mask is None:
            raise ValueError("mask: needed, since not all sequences have the same length")
        valid = checks.mask_array(mask, self.shape)
        beyond = ~self.valid if valid is None else valid & ~self.valid
        if beyond.any():
            raise ValueError(f"mask: {checks.first_index(beyond)} is past the end of its sequence")

    def dense_rows(self, mask: NDArray[np.bool_] | None) -> int:
        """Return the rows of the prefixes that end with the last valid one of `mask` (B, T)."""
        if mask is None:
            return self.rows
        ends = self.shape[1] - np.argmax(mask[:, ::-1], axis=1)
        return int(ends[mask.any(axis=1)].sum())

    def row_of(self, cells: IntArray) -> IntArray:
        """Return the rows (n,) of some cells of the grid, `cells` (n,).

        Raises
        ------
        ValueError
            A cell is past the end of its sequence.
        """
        if self.whole:
            return cells
        rows = np.searchsorted(self.cells, cells)
        found = self.cells[np.minimum(rows, self.rows - 1)] == cells
        if not found.all():
            cell = int(cells[np.argmin(found)])
            raise ValueError(
                f"kept: decision {divmod(cell, self.shape[1])} is past the end of its sequence"
            )
        return rows

    def prefixes(self, kept: IntArray) -> "Prefixes":
        """Return what a backward from the rows `kept` (K,), ascending, has to touch."""
        sequence = np.searchsorted(self.offsets, kept, side="right") - 1
        last = np.flatnonzero(np.diff(sequence, append=self.shape[0]))
        sequences = sequence[last]
        lengths = self.positions[kept[last]] + 1
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        shift = np.repeat(self.offsets[sequences] - offsets[:-1], lengths)
        rows = np.arange(offsets[-1]) + shift
        queries = kept - np.repeat(
            self.offsets[sequences] - offsets[:-1], np.diff(last, prepend=-1)
        )
        return Prefixes(sequences, offsets, rows, queries, np.diff(last, prepend=-1))

    def spans(self, asking: IntArray) -> "Spans":
        """Return the spans in which only the rows `asking` (Q,) ask.

        Raises
        ------
        ValueError
            A sequence in which no row asks.
        """
        counts = np.diff(np.searchsorted(asking, self.offsets))
        if not counts.all():
            raise ValueError(f"asking: no row of sequence {int(np.argmin(counts))}")
        return Spans(self.offsets, asking, counts)

    def take(self, prefixes: "Prefixes") -> "Packing":
        """Return the packing of the prefixes alone, in the same grid."""
        rows = prefixes.rows
        return Packing(
            self.tokens[rows],
            self.cells[rows],
            self.positions[rows],
            prefixes.offsets,
            self.shape,
        )


@dataclass(frozen=True, eq=False)
class Prefixes:
    """The rows that some kept rows depend on, and the kept ones among them.

    S sequences have a kept row; R of the forward's rows are at or before the last one of theirs.

    Parameters
    ----------
    sequences : (S,) int64
        Ascending.
    offsets : (S + 1,) int64
        Of the prefixes, packed.
    rows : (R,) int64
        The forward's rows, ascending.
    queries : (K,) int64
        The kept ones, as indices into `rows`.
    counts : (S,) int64
        How many kept rows each sequence has.
    """

    sequences: IntArray
    offsets: IntArray
    rows: IntArray
    queries: IntArray
    counts: IntArray


@dataclass(frozen=True, eq=False)
class Group:
    """Sequences with the same number of queries and of keys, for one batched product.

    Parameters
    ----------
    sequences : (n,) int64
        Which, among the sequences of the spans.
    queries : (n, q) int64
        Rows of the queries.
    keys : (n, k) int64
        Rows of the keys.
    allowed : (n, 1, q, k) or (1, 1, q, k) bool
        Whether a query may look at a key.
    in_order : bool
        Whether queries and keys are all the rows there are, one sequence after the other.
    """

    sequences: IntArray
    queries: IntArray
    keys: IntArray
    allowed: Array
    in_order: bool


@dataclass(frozen=True, eq=False)
class Spans:
    """Which rows ask (queries) and which answer (keys), sequence by sequence.

    Parameters
    ----------
    offsets : (S + 1,) int64
        Of the key rows.
    queries : (Q,) int64 or None
        Key rows that ask, ascending; None if all do.
    counts : (S,) int64 or None
        Queries of each sequence, at least one; None if all rows ask.
    """

    offsets: IntArray
    queries: IntArray | None = None
    counts: IntArray | None = None

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The sequences in groups of equal numbers of queries and keys."""
        lengths = np.diff(self.offsets)
        asked = lengths if self.counts is None else self.counts
        kinds, kind = np.unique(np.stack([asked, lengths]), axis=1, return_inverse=True)
        starts = np.concatenate([[0], np.cumsum(asked)])[:-1]
        result = []
        for i, (q, k) in enumerate(kinds.T):
            sequences = np.flatnonzero(kind == i)
            keys = self.offsets[sequences][:, None] + np.arange(k)
            queries = starts[sequences][:, None] + np.arange(q)
            rows = queries if self.queries is None else self.queries[queries]
            places = rows - keys[:, :1]
            if self.queries is None:
                places = places[:1]
            allowed = (np.arange(k) <= places[:, :, None])[:, None]
            in_order = self.queries is None and kinds.shape[1] == 1
            result.append(Group(sequences, queries, keys, allowed, in_order))
        return tuple(result)
