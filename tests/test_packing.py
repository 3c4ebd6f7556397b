"""Packed sequences: one batch written out, and what is refused. The laws are properties/packing."""

import re
from typing import Any

import numpy as np
import pytest

from kondo_ref.models.packing import Packing, Spans

TOKENS = np.array([[3, 1, 4, 1], [5, -1, -1, -1], [2, 6, 5, -1]])


def packing() -> Packing:
    return Packing.of(TOKENS, 7)


def test_a_batch_written_out() -> None:
    packed = packing()
    assert packed.tokens.tolist() == [3, 1, 4, 1, 5, 2, 6, 5]
    assert packed.cells.tolist() == [0, 1, 2, 3, 4, 8, 9, 10]
    assert packed.positions.tolist() == [0, 1, 2, 3, 0, 0, 1, 2]
    assert packed.offsets.tolist() == [0, 4, 5, 8]
    assert (packed.rows, packed.shape, packed.whole) == (8, (3, 4), False)
    assert packed.row_of(np.array([2, 8, 10])).tolist() == [2, 5, 7]
    assert packed.grid(np.arange(1, 9)).tolist() == [[1, 2, 3, 4], [5, 0, 0, 0], [6, 7, 8, 0]]


def test_prefixes_written_out() -> None:
    packed = packing()
    prefixes = packed.prefixes(np.array([1, 2, 6]))
    assert prefixes.sequences.tolist() == [0, 2]
    assert prefixes.rows.tolist() == [0, 1, 2, 5, 6]
    assert prefixes.offsets.tolist() == [0, 3, 5]
    assert prefixes.queries.tolist() == [1, 2, 4]
    assert prefixes.counts.tolist() == [2, 1]
    smaller = packed.take(prefixes)
    assert smaller.tokens.tolist() == [3, 1, 4, 2, 6]
    assert smaller.row_of(np.array([1, 2, 9])).tolist() == prefixes.queries.tolist()


def test_prefixes_of_nothing() -> None:
    prefixes = packing().prefixes(np.array([], np.int64))
    assert prefixes.rows.size == prefixes.queries.size == prefixes.sequences.size == 0
    assert prefixes.offsets.tolist() == [0]
    assert packing().take(prefixes).rows == 0


def test_groups_written_out() -> None:
    groups = packing().spans(np.array([1, 3, 4, 6, 7])).groups
    assert [group.sequences.tolist() for group in groups] == [[1], [2], [0]]
    assert [group.queries.tolist() for group in groups] == [[[2]], [[3, 4]], [[0, 1]]]
    assert [group.keys.tolist() for group in groups] == [[[4]], [[5, 6, 7]], [[0, 1, 2, 3]]]
    assert groups[1].allowed[0, 0].tolist() == [[True, True, False], [True, True, True]]
    assert groups[2].allowed[0, 0].tolist() == [[True, True, False, False], [True] * 4]


def test_equal_lengths_are_one_group_in_order() -> None:
    (group,) = Spans(np.array([0, 2, 4])).groups
    assert group.in_order
    assert group.keys.tolist() == [[0, 1], [2, 3]]
    assert not any(group.in_order for group in Spans(np.array([0, 2, 3])).groups)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint64])
def test_every_integer_will_do(dtype: Any) -> None:
    packed = Packing.of(TOKENS[:1].astype(dtype), 7)
    assert packed.tokens.dtype == np.int64
    assert packed.tokens.tolist() == [3, 1, 4, 1]


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ([[1.0, 2.0]], "tokens: expected integers, got dtype float64"),
        ([[True, False]], "tokens: expected integers, got dtype bool"),
        ([["a"]], "tokens: expected integers, got dtype <U1"),
        ([[1, 2], [1]], "tokens: expected a rectangular array"),
        ([1, 2], "tokens: expected shape (B, T), B and T >= 1, got (2,)"),
        ([[[1]]], "tokens: expected shape (B, T), B and T >= 1, got (1, 1, 1)"),
        (np.zeros((0, 3), int), "tokens: expected shape (B, T), B and T >= 1, got (0, 3)"),
        (np.zeros((3, 0), int), "tokens: expected shape (B, T), B and T >= 1, got (3, 0)"),
        ([[0, 1], [2, 7]], "tokens: 7 at index (1, 1) is not in 0..6, nor -1"),
        ([[0, -2]], "tokens: -2 at index (0, 1) is not in 0..6, nor -1"),
        ([[0, -1, 3]], "tokens: expected -1 only past the end of a sequence"),
        ([[0, 1], [-1, -1]], "of at least one token, got -1 at index (1, 0)"),
        (np.ma.masked_array([[1]]), "tokens: expected a plain array, got a masked one"),
    ],
)
def test_bad_tokens_are_refused(tokens: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=re.escape(message)) as caught:
        Packing.of(tokens, 7)
    assert "\n" not in str(caught.value)


def test_the_name_of_the_argument_is_the_caller_s() -> None:
    with pytest.raises(ValueError, match="prompts: 7 at index"):
        Packing.of([[7]], 7, "prompts")


PAST = TOKENS >= 0
PAST[1, 2] = True


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (None, "mask: needed, since not all sequences have the same length"),
        (PAST, "mask: (1, 2) is past the end of its sequence"),
        (np.ones((3, 4), bool), "mask: (1, 1) is past the end of its sequence"),
        (np.ones((3, 4)), "mask: expected booleans, got dtype float64"),
        (np.ones((3, 3), bool), "mask: expected shape (3, 4), got (3, 3)"),
        (np.zeros((3, 4), bool), "mask: no valid decision"),
    ],
)
def test_bad_masks_are_refused(mask: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        packing().check_mask(mask)


def test_a_whole_batch_needs_no_mask() -> None:
    Packing.of(TOKENS[:1], 7).check_mask(None)
    packing().check_mask(TOKENS >= 0)


def test_rows_of_no_token_are_refused() -> None:
    with pytest.raises(ValueError, match=r"kept: decision \(1, 2\) is past the end"):
        packing().row_of(np.array([0, 6]))
    with pytest.raises(ValueError, match=r"kept: decision \(2, 3\) is past the end"):
        packing().row_of(np.array([11]))


def test_a_sequence_in_which_no_row_asks_is_refused() -> None:
    with pytest.raises(ValueError, match="asking: no row of sequence 1"):
        packing().spans(np.array([0, 5]))
