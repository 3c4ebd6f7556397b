"""Causal attention on packed rows in torch: which rows go together, and the products.

The rows are grouped on the host, as `kondo_ref.models.packing.Spans` groups them: sequences with
equal numbers of queries and of keys share one batched product, so nothing is padded. The products
are written out and not fused, so that a counter of operations sees every one of them.
"""

from dataclasses import dataclass

import numpy as np
import torch

from kondo_ref.backends.torch_checks import Tensor, tensor_of
from kondo_ref.checks import IntArray
from kondo_ref.models.packing import Spans


@dataclass(frozen=True, eq=False)
class Layout:
    """Which rows ask and which answer, as tensors of the device.

    Parameters
    ----------
    queries : (Q,) int64 tensor or None
        Key rows that ask, ascending; None if all do.
    query_order, key_order : (Q,) and (R,) int64 tensor, or None
        The rows group by group; None if they lie so already.
    back : (Q,) int64 tensor or None
        From that order to the order of the queries.
    sizes : tuple of (int, int, int)
        Of each group: sequences, queries and keys of each.
    later : tuple of (n, 1, q, k) or (1, 1, q, k) bool tensor
        Of each group: whether a key is later than a query, which then must not look at it.
    """

    queries: Tensor | None
    query_order: Tensor | None
    key_order: Tensor | None
    back: Tensor | None
    sizes: tuple[tuple[int, int, int], ...]
    later: tuple[Tensor, ...]

    @classmethod
    def of(cls, spans: Spans, device: torch.device) -> "Layout":
        """Return the layout of some spans."""
        groups = spans.groups

        def put(rows: IntArray) -> Tensor:
            return tensor_of(rows, device)

        query_order = key_order = back = None
        if len(groups) > 1:
            queries = np.concatenate([group.queries.ravel() for group in groups])
            keys = np.concatenate([group.keys.ravel() for group in groups])
            query_order, key_order, back = put(queries), put(keys), put(np.argsort(queries))
        return cls(
            None if spans.queries is None else put(spans.queries),
            query_order,
            key_order,
            back,
            tuple((len(g.queries), g.queries.shape[1], g.keys.shape[1]) for g in groups),
            tuple(tensor_of(~group.allowed, device) for group in groups),
        )


def attention(query: Tensor, key: Tensor, value: Tensor, layout: Layout, heads: int) -> Tensor:
    """Return softmax(query key^T / sqrt(W)) value, each query over the keys at or before it.

    Parameters
    ----------
    query : (Q, D) tensor
    key, value : (R, D) tensor
    layout : Layout
    heads : int

    Returns
    -------
    (Q, D) tensor

    Notes
    -----
    Cost a sequence of q queries and k keys: matmul 4 q k D; backward 8 q k D.
    """
    asked = [n * q for n, q, _ in layout.sizes]
    answered = [n * k for n, _, k in layout.sizes]
    groups = zip(
        layout.sizes,
        layout.later,
        _split(query, layout.query_order, asked),
        _split(key, layout.key_order, answered),
        _split(value, layout.key_order, answered),
        strict=True,
    )
    pieces = []
    for (n, _, _), later, *rows in groups:
        q, k, v = (split_heads(part, n, heads) for part in rows)
        pieces.append(merge_heads(attend(q, k, v, later)).flatten(0, 1))
    if layout.back is None:
        return pieces[0]
    return torch.cat(pieces).index_select(0, layout.back)


def attend(query: Tensor, key: Tensor, value: Tensor, later: Tensor) -> Tensor:
    """Return the context (n, H, q, W) of queries (n, H, q, W) over keys and values (n, H, k, W)."""
    scores = (query @ key.transpose(2, 3)) * query.shape[3] ** -0.5
    context: Tensor = scores.masked_fill(later, -torch.inf).softmax(-1) @ value
    return context


def split_heads(rows: Tensor, sequences: int, heads: int) -> Tensor:
    """Return rows (n t, D) as (n, heads, t, W)."""
    total, width = rows.shape
    split = rows.view(sequences, total // sequences, heads, width // heads)
    return split.transpose(1, 2)


def merge_heads(split: Tensor) -> Tensor:
    """Return (n, heads, t, W) as (n, t, D)."""
    return split.transpose(1, 2).flatten(2)


def _split(rows: Tensor, order: Tensor | None, sizes: list[int]) -> tuple[Tensor, ...]:
    """Return the rows of each group: one gather for all of them, and so one scatter backward."""
    return torch.split(rows if order is None else rows.index_select(0, order), sizes)
