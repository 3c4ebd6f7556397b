"""Laws of what a transformer's backward runs and reads: the least that the kept tokens need.

What they need is found by walking back from the kept logits, quantity by quantity; what ran is
recorded. Dense attention: a query is multiplied with all keys of its prefix.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from unittest import mock

import numpy as np
from hypothesis import strategies as st
from strategies import Sequences, generic, kept_tokens, sequences

import kondo_ref.models.transformer
from kondo_ref.flops.transformer import backward_flop
from kondo_ref.models.block import BlockCache
from kondo_ref.models.transformer import Cache, Transformer
from properties.recorded import Call, product_flop, recorded_parameters, recording
from properties.register import assert_same, holds

Node = tuple[str, int, int, int]
HEAD = 0


def sources(node: Node, layers: int) -> Iterator[Node]:
    """Yield what a quantity of (block, sequence, place) is computed from, in one product or sum.

    Block l reads `x` of l - 1, which for the first is the embedding.
    """
    name, block, b, t = node
    if name == "logits":
        yield "x", layers, b, t
    elif name == "x" and block > 0:
        yield "hidden", block, b, t
        yield "middle", block, b, t
    elif name == "hidden":
        yield "middle", block, b, t
    elif name == "middle":
        yield "context", block, b, t
        yield "x", block - 1, b, t
    elif name == "context":
        yield "query", block, b, t
        for s in range(t + 1):
            yield "key", block, b, s
            yield "value", block, b, s
    elif name in {"query", "key", "value"}:
        yield "x", block - 1, b, t


def needed(layers: int, kept: list[tuple[int, int]]) -> set[Node]:
    """Return every quantity that some kept logits depend on."""
    seen: set[Node] = set()
    waiting: list[Node] = [("logits", HEAD, b, t) for b, t in kept]
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            waiting += sources(node, layers)
    return seen


@dataclass(frozen=True)
class Least:
    """What must run at least: rows of every product by block, and scores by block."""

    rows: Counter[tuple[str, int]]
    pairs: Counter[int]

    @classmethod
    def of(cls, layers: int, kept: list[tuple[int, int]]) -> "Least":
        nodes = needed(layers, kept)
        rows = Counter((name, block) for name, block, _, _ in nodes)
        asked = Counter((block, b) for name, block, b, _ in nodes if name == "query")
        answered = Counter((block, b) for name, block, b, _ in nodes if name == "key")
        pairs: Counter[int] = Counter()
        for (block, b), queries in asked.items():
            pairs[block] += queries * answered[block, b]
        return cls(rows, pairs)

    def forward_flop(self, model: Transformer, block: int) -> int:
        """Return the FLOP of the forward's products in a block, or in the head."""
        d, f, rows = model.width, model.feed_forward, self.rows
        if block == HEAD:
            return 2 * rows["logits", HEAD] * d * model.actions
        attention_rows = sum(rows[name, block] for name in ("query", "key", "value", "context"))
        return (
            2 * attention_rows * d * d
            + 4 * rows["hidden", block] * d * f
            + (4 * self.pairs[block] * d)
        )


def by_block(calls: list[Any]) -> dict[int, list[Call]]:
    """Return the operations of the head and of every block, cut where a block's number stands."""
    parts: dict[int, list[Call]] = {HEAD: []}
    current = parts[HEAD]
    for call in calls:
        if isinstance(call, int):
            current = parts[call] = []
        else:
            current.append(call)
    return parts


def recorded_backward(
    model: Transformer, parameters: Any, cache: Cache, dlogits: Any, kept: Any
) -> list[Any]:
    """Return what a backward runs, with a block's number before what runs in it."""
    honest = kondo_ref.models.transformer.block_backward
    left = list(range(model.layers, 0, -1))
    with recording() as calls:

        def marked(*arguments: Any) -> Any:
            calls.append(left.pop(0))
            return honest(*arguments)

        with mock.patch.object(kondo_ref.models.transformer, "block_backward", marked):
            model.backward(parameters, cache, dlogits, kept)
    return calls


def assert_structural(model: Transformer, calls: list[Any], least: Least, total: int) -> None:
    """Assert that the products of a backward are twice the forward's of what is needed."""
    parts = by_block(calls)
    assert sorted(parts) == list(range(model.layers + 1))
    for block, run in parts.items():
        assert product_flop(run) == 2 * least.forward_flop(model, block), f"block {block}"
    assert sum(product_flop(run) for run in parts.values()) == total


def shortened(case: Sequences, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the tokens with all but the prefixes of the kept ones cut off, and where these are."""
    width = case.tokens.shape[1]
    ends = dict(divmod(int(cell), width) for cell in kept)
    tokens = np.full((len(ends), width), -1)
    for row, (b, end) in zip(tokens, ends.items(), strict=True):
        row[: end + 1] = case.tokens[b, : end + 1]
    place = {b: i for i, b in enumerate(ends)}
    cells = [place[int(cell) // width] * width + int(cell) % width for cell in kept]
    return tokens, np.array(cells)


@holds(case=sequences(), data=st.data())
def backward_runs_the_structural_minimum(case: Sequences, data: st.DataObject) -> None:
    model, parameters = case.model, recorded_parameters(case.parameters)
    kept = data.draw(kept_tokens(case.valid), label="kept")
    dlogits = generic(4, kept.size, model.actions)
    least = Least.of(model.layers, [divmod(int(c), case.tokens.shape[1]) for c in kept])
    _, cache = model.forward(parameters, case.tokens)
    total = backward_flop(model, cache.packing.prefixes(cache.packing.row_of(kept)))

    with recording() as gathering:
        model.select(cache, kept)
    assert gathering == []
    ran = recorded_backward(model, parameters, cache, dlogits, kept)
    assert_structural(model, ran, least, total)

    with recording() as recomputing:
        again = model.recompute(parameters, cache.packing, kept)
    forward_flop = sum(least.forward_flop(model, block) for block in range(model.layers + 1))
    assert product_flop(recomputing) == forward_flop

    # Not only the products: after a recomputation, and on a batch that never had the other tokens,
    # the same runs, call for call. Where every token is kept, queries, keys and values may share
    # a product.
    tokens, cells = shortened(case, kept)
    _, smaller = model.forward(parameters, tokens)
    for left, where in ((again, kept), (smaller, cells)):
        alone = recorded_backward(model, parameters, left, dlogits, where)
        if kept.size < np.count_nonzero(tokens >= 0):
            assert alone == ran
        else:
            assert_structural(model, alone, least, total)


@holds(case=sequences(), data=st.data())
def what_was_dropped_is_not_read(case: Sequences, data: st.DataObject) -> None:
    model, width = case.model, case.tokens.shape[1]
    kept = data.draw(kept_tokens(case.valid), label="kept")
    dlogits = generic(4, kept.size, model.actions)
    nodes = needed(model.layers, [divmod(int(c), width) for c in kept])
    _, cache = model.forward(case.parameters, case.tokens)
    expected = model.backward(case.parameters, cache, dlogits, kept)
    poison(cache, nodes)
    assert_same(model.backward(case.parameters, cache, dlogits, kept).flat, expected.flat)


def poison(cache: Cache, nodes: set[Node]) -> None:
    """Make everything NaN in a cache that belongs to none of the nodes."""
    width = cache.packing.shape[1]
    tokens = [divmod(int(cell), width) for cell in cache.packing.cells]

    def dropped(name: str, block: int) -> np.ndarray:
        return np.array([(name, block, b, t) not in nodes for b, t in tokens])

    for array in (cache.top, *cache.final):
        array[dropped("logits", HEAD)] = np.nan
    for block, left in enumerate(cache.blocks, start=1):
        for array in (left.context, left.normed2, left.inverse2, *left.activation):
            array[dropped("middle", block)] = np.nan
        left.query[dropped("query", block)] = np.nan
        for array in (left.key, left.value, left.normed1, left.inverse1):
            array[dropped("key", block)] = np.nan
        poison_probabilities(left, dropped("query", block), dropped("key", block))


def poison_probabilities(left: BlockCache, queries: np.ndarray, keys: np.ndarray) -> None:
    for group, p in zip(left.spans.groups, left.probabilities, strict=True):
        np.copyto(p, np.nan, where=queries[group.queries][:, None, :, None])
        np.copyto(p, np.nan, where=keys[group.keys][:, None, None, :])
