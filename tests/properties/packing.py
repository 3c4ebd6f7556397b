"""Laws of the packing of sequences: each against a walk through the grid, cell by cell."""

import numpy as np
from hypothesis import strategies as st
from strategies import Sequences, choice, kept_tokens, sequences, whole_numbers

from kondo_ref.models.packing import Packing, Spans
from properties.register import assert_same, holds

Token = tuple[int, int]


def packed(case: Sequences) -> Packing:
    return Packing.of(case.tokens, case.model.vocabulary)


def tokens_in_order(valid: np.ndarray) -> list[Token]:
    return [(int(b), int(t)) for b, t in np.argwhere(valid)]


def prefix_tokens(kept: np.ndarray, width: int) -> list[Token]:
    """Return (sequence, place) of every token at or before a kept one of its sequence."""
    ends: dict[int, int] = {}
    for b, t in (divmod(int(cell), width) for cell in kept):
        ends[b] = max(ends.get(b, 0), t)
    return [(b, t) for b, end in sorted(ends.items()) for t in range(end + 1)]


@holds(case=sequences())
def packing_is_the_grid_row_by_row(case: Sequences) -> None:
    packing, tokens = packed(case), tokens_in_order(case.valid)
    assert packing.rows == len(tokens)
    assert packing.whole == (len(tokens) == case.tokens.size)
    assert packing.shape == case.tokens.shape
    assert_same(packing.valid, case.valid)
    width = case.tokens.shape[1]
    for row, (b, t) in enumerate(tokens):
        assert packing.tokens[row] == case.tokens[b, t]
        assert packing.cells[row] == b * width + t
        assert packing.positions[row] == t
        assert packing.offsets[b] <= row < packing.offsets[b + 1]
    assert_same(packing.row_of(packing.cells), np.arange(len(tokens)))
    values = np.arange(1.0, 1 + 2 * len(tokens)).reshape(-1, 2)
    grid = packing.grid(values)
    assert_same(grid[case.valid], values)
    assert not grid[~case.valid].any()


@holds(case=sequences(), data=st.data())
def prefixes_end_with_the_last_kept_token(case: Sequences, data: st.DataObject) -> None:
    packing, width = packed(case), case.tokens.shape[1]
    kept = data.draw(kept_tokens(case.valid), label="kept")
    prefixes = packing.prefixes(packing.row_of(kept))
    everything = tokens_in_order(case.valid)
    wanted = prefix_tokens(kept, width)
    assert [everything[row] for row in prefixes.rows] == wanted
    assert [wanted[i] for i in prefixes.queries] == [divmod(int(c), width) for c in kept]
    assert sorted({b for b, _ in wanted}) == prefixes.sequences.tolist()
    for s, b in enumerate(prefixes.sequences):
        inside = wanted[prefixes.offsets[s] : prefixes.offsets[s + 1]]
        assert inside == [token for token in wanted if token[0] == b]
        assert prefixes.counts[s] == sum(int(cell) // width == b for cell in kept)
    smaller = packing.take(prefixes)
    assert [divmod(int(cell), width) for cell in smaller.cells] == wanted
    assert_same(smaller.tokens, case.tokens.ravel()[smaller.cells])
    assert_same(smaller.positions, smaller.cells % width)
    assert smaller.shape == packing.shape


@holds(case=sequences(), everyone=st.booleans(), data=st.data())
def groups_are_queries_with_the_keys_before_them(
    case: Sequences, everyone: bool, data: st.DataObject
) -> None:
    packing = packed(case)
    asking = np.arange(packing.rows)
    if everyone:
        spans = Spans(packing.offsets)
    else:
        # Every sequence asks once at least: its last token does, and others with it.
        others = data.draw(whole_numbers((packing.rows,), 2)) == 1
        others[packing.offsets[1:] - 1] = True
        asking = np.flatnonzero(others)
        spans = packing.spans(asking)
    asked: list[int] = []
    answered: list[int] = []
    for group in spans.groups:
        assert group.sequences.size == len(group.queries) == len(group.keys)
        for i, b in enumerate(group.sequences):
            keys = group.keys[i].tolist()
            assert keys == list(range(packing.offsets[b], packing.offsets[b + 1]))
            allowed = group.allowed[i % len(group.allowed), 0]
            assert allowed.shape == (group.queries.shape[1], len(keys))
            for query, may in zip(group.queries[i], allowed, strict=True):
                assert may.tolist() == [key <= asking[query] for key in keys]
            asked += group.queries[i].tolist()
            answered += keys
        if group.in_order:
            assert len(spans.groups) == 1
            assert_same(group.queries.ravel(), np.arange(asking.size))
            assert_same(group.keys.ravel(), np.arange(packing.rows))
    assert sorted(asked) == list(range(asking.size))
    assert sorted(answered) == list(range(packing.rows))


@holds(case=sequences(ragged=True), how=choice(("less", "all", "more", "none")), data=st.data())
def a_mask_past_the_end_is_refused(case: Sequences, how: str, data: st.DataObject) -> None:
    packing, mask = packed(case), case.valid.copy()
    if how == "less":
        mask.flat[:] = False
        mask.flat[data.draw(kept_tokens(case.valid))] = True
    elif how == "more" and not mask.all():
        past = np.flatnonzero(~mask)
        mask.flat[past[data.draw(st.integers(0, past.size - 1))]] = True
    elif how == "all":
        mask[...] = True
    wrong = how == "none" or bool((mask & ~case.valid).any())
    refused = ""
    try:
        packing.check_mask(None if how == "none" else mask)
    except ValueError as error:
        refused = str(error)
    assert refused.startswith("mask: ") == (wrong and not packing.whole), refused


@holds(case=sequences(), data=st.data())
def dense_rows_end_with_the_last_valid_decision(case: Sequences, data: st.DataObject) -> None:
    packing = packed(case)
    assert packing.dense_rows(None) == np.count_nonzero(case.valid)
    kept = data.draw(kept_tokens(case.valid))
    mask = np.zeros_like(case.valid)
    mask.flat[kept] = True
    assert packing.dense_rows(mask) == len(prefix_tokens(kept, case.tokens.shape[1]))
