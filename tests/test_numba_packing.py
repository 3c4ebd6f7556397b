"""Packed batches of the Numba backend: the arrays of the reference's packing, filled faster."""

from functools import partial
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba")

from hypothesis import given
from hypothesis import strategies as st
from numba_sequences import PLAIN, Case, batch, cases

from kondo_ref.backends import numba_packing
from kondo_ref.backends.numba_packing import Asking, Reach, dense_rows, pack
from kondo_ref.models.packing import Packing

PARAMETERS = PLAIN.initialize(0)
KEPT = st.floats(0.01, 1.0)


def some_rows(case: Case, rows: int, share: float) -> np.ndarray:
    """Return some rows, at least one, ascending."""
    draws = np.abs(case.draw(30, rows)) % 1.0
    return np.flatnonzero(draws <= max(share, draws.min()))


@given(case=cases())
def test_a_packing_is_that_of_the_reference(case: Case) -> None:
    expected = Packing.of(case.tokens, case.model.vocabulary)
    found = pack(case.model, case.state().parameters, case.tokens)
    assert found.shape == expected.shape
    for name in ("tokens", "cells", "positions", "offsets"):
        ours, theirs = getattr(found, name), getattr(expected, name)
        assert ours.dtype == theirs.dtype == np.int64
        assert ours.flags.carray
        assert np.array_equal(ours, theirs), name
    assert pack(case.model, case.state().parameters, expected) is expected


@given(grid=st.lists(st.lists(st.integers(-2, 5), min_size=3, max_size=3), min_size=1, max_size=4))
def test_what_is_no_batch_is_refused_in_the_words_of_the_reference(grid: Any) -> None:
    tokens, answers = np.array(grid, np.int64), []
    for way in (PLAIN.pack, partial(pack, PLAIN)):
        try:
            answers.append(way(PARAMETERS, tokens).cells.tolist())
        except ValueError as error:
            answers.append(str(error))
    assert answers[0] == answers[1]


def test_a_good_batch_takes_the_fast_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Packing, "of", None)
    case = batch(PLAIN, 0, 4, 9)
    assert pack(PLAIN, PARAMETERS, case.tokens).rows == np.count_nonzero(case.tokens >= 0)
    with pytest.raises(TypeError):
        pack(PLAIN, PARAMETERS, case.tokens.astype(np.int32))


@given(case=cases(), share=KEPT)
def test_a_reach_is_the_prefixes_of_the_reference(case: Case, share: float) -> None:
    packing = Packing.of(case.tokens, case.model.vocabulary)
    kept = some_rows(case, packing.rows, share)
    prefixes, reach = packing.prefixes(kept), Reach.of(packing, kept)
    for name in ("rows", "offsets", "queries"):
        assert np.array_equal(getattr(reach, name), getattr(prefixes, name)), name
    assert np.array_equal(reach.asked, kept)
    assert np.array_equal(np.diff(reach.starts), prefixes.counts)
    assert np.array_equal(reach.begins, packing.offsets[prefixes.sequences])
    below = reach.below
    for name in ("rows", "offsets", "begins"):
        assert np.array_equal(getattr(below, name), getattr(reach, name)), name
    assert np.array_equal(below.starts, reach.offsets)
    assert np.array_equal(below.queries, np.arange(reach.rows.size))
    assert np.array_equal(below.asked, reach.rows)
    assert (below is reach) == (kept.size == reach.rows.size)


@given(case=cases(), share=KEPT)
def test_queries_look_at_the_keys_up_to_their_own(case: Case, share: float) -> None:
    packing = Packing.of(case.tokens, case.model.vocabulary)
    rows = some_rows(case, packing.rows, share)
    starts = np.searchsorted(rows, packing.offsets)
    for asking, places in (
        (Asking.some(packing.offsets, starts, rows), packing.positions[rows]),
        (Asking.all(packing), packing.positions),
    ):
        assert np.array_equal(np.diff(asking.first), places + 1)
        assert asking.first[0] == 0


@given(case=cases())
def test_dense_rows_are_those_of_the_reference(case: Case) -> None:
    packing = Packing.of(case.tokens, case.model.vocabulary)
    for mask in (None, case.mask, np.asfortranarray(case.mask), np.zeros_like(case.mask)):
        assert dense_rows(packing, mask) == packing.dense_rows(mask)
    assert isinstance(dense_rows(packing, case.mask), int)


def test_a_vocabulary_of_one_and_a_length_of_one() -> None:
    arrays = np.empty((3, 2), np.int64)
    found = numba_packing.pack_rows(np.zeros((2, 1), np.int64), 1, *arrays, np.empty(3, np.int64))
    assert found == (2, 1)
    found = numba_packing.pack_rows(np.ones((2, 1), np.int64), 1, *arrays, np.empty(3, np.int64))
    assert found[1] == 0
