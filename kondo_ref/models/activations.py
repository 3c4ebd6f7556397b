"""What a transformer's forward leaves, and the part of it that the kept tokens need.

The forward keeps R rows of every block; a backward from some kept tokens reads the rows of their
prefixes, and in the last block, but for keys and values, those of the kept tokens alone. `select`
gathers them: what it leaves out is never read again.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kondo_ref.checks import IntArray
from kondo_ref.models.block import BlockCache
from kondo_ref.models.mlp import check_kept
from kondo_ref.models.packing import Packing, Prefixes, Spans

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Cache:
    """What the forward leaves for the backward.

    Parameters
    ----------
    packing : Packing
    asking : (Q,) int64 or None
        The rows that went through the whole last block, and have logits; None if all did.
    blocks : tuple of BlockCache
    final : tuple of (Q, D) and (Q, 1) float
        What the final normalization left; empty without one.
    top : (Q, D) float
        What the head was given.
    """

    packing: Packing
    asking: IntArray | None
    blocks: tuple[BlockCache, ...]
    final: tuple[Array, ...]
    top: Array

    @property
    def nbytes(self) -> int:
        """Memory of the activations, in bytes."""
        own = sum(array.nbytes for array in (*self.final, self.top))
        return own + sum(block.nbytes for block in self.blocks)

    def select(self, kept: IntArray) -> "Cache":
        """Return the part that a backward from the kept tokens needs.

        Parameters
        ----------
        kept : (K,) int
            Flat indices in the (B, T) batch, ascending, at least one.

        Raises
        ------
        TypeError, ValueError
            `kept` is not ascending, names no token, or is not what a recomputed cache is of; the
            cache holds no activations.
        """
        packing = self.packing
        if not self.blocks:
            raise ValueError("cache: it holds no activations; recompute them first")
        if self.asking is not None:
            if not np.array_equal(packing.cells[self.asking], kept):
                raise ValueError("kept: expected the tokens that the recomputed forward is of")
            return self
        prefixes = prefixes_of(packing, kept)
        if prefixes.queries.size == packing.rows:
            return self
        every = prefixes.rows.size == packing.rows
        rows, below = prefixes.rows, self.blocks[:-1]
        if not every:
            spans = Spans(prefixes.offsets)
            below = tuple(b.select(spans, prefixes.sequences, rows, rows) for b in below)
        asking, kept_rows = prefixes.queries, rows[prefixes.queries]
        spans = Spans(prefixes.offsets, asking, prefixes.counts)
        last = self.blocks[-1].select(spans, prefixes.sequences, rows, kept_rows)
        final = tuple(array[kept_rows] for array in self.final)
        smaller = packing if every else packing.take(prefixes)
        return Cache(smaller, asking, (*below, last), final, self.top[kept_rows])


def prefixes_of(packing: Packing, kept: IntArray) -> Prefixes:
    """Return what a backward from the kept tokens has to touch.

    Parameters
    ----------
    packing : Packing
    kept : (K,) int
        Flat indices in the (B, T) batch, ascending.

    Raises
    ------
    TypeError, ValueError
        `kept` is not ascending, names no token, or is empty.
    """
    check_kept(kept, packing.shape[0] * packing.shape[1])
    if kept.size == 0:
        raise ValueError("kept: expected at least one token, got none")
    return packing.prefixes(packing.row_of(kept))
