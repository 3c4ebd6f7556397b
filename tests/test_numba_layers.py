"""Kernels of the Numba transformer, each against the layer of the reference that it computes."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba")

from hypothesis import given
from hypothesis import strategies as st
from numba_sequences import Case, cases

from kondo_ref import attention
from kondo_ref import layers as reference
from kondo_ref.backends import numba_layers as layers
from kondo_ref.backends.numba_attention import attention_backward, attention_forward
from kondo_ref.backends.numba_packing import Asking, Reach
from kondo_ref.models.packing import Packing, Spans
from kondo_ref.ratio import LIMIT, error_ratio

SHAPES = st.tuples(st.integers(1, 9), st.integers(2, 70))
DTYPES = st.sampled_from([np.float64, np.float32])
SEEDS = st.integers(0, 100)


def numbers(seed: int, dtype: Any, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    generator = np.random.Generator(np.random.Philox(seed))
    return [generator.normal(size=shape).astype(np.float32).astype(dtype) for shape in shapes]


def assert_close(found: np.ndarray, expected: np.ndarray, limit: float = LIMIT) -> None:
    eps = float(np.finfo(found.dtype).eps)
    assert error_ratio(found, expected, eps) <= limit


@given(shape=SHAPES, dtype=DTYPES, seed=SEEDS, added=st.booleans())
def test_normalization(shape: tuple[int, int], dtype: Any, seed: int, added: bool) -> None:
    (n, d), row = shape, shape[1:]
    drawn = numbers(seed, dtype, shape, shape, row, row, row, shape, shape)
    x, delta, bias, gain, offset, dout, before = drawn
    wide = [array.astype(np.float64) for array in drawn]
    stream = wide[0] + wide[1] + wide[2] if added else wide[0]
    out, normed, inverse = reference.norm_forward(stream, wide[3], wide[4])
    found, left, root = np.empty_like(x), np.empty_like(x), np.empty((n, 1), dtype)
    given_delta = delta if added else delta[:0]
    layers.norm_forward(x, given_delta, bias, gain, offset, left, root, found)
    for ours, theirs in ((x, stream), (found, out), (left, normed), (root, inverse)):
        # A row of two numbers that are almost equal is all difference.
        assert_close(ours, theirs, LIMIT * max(1.0, float(inverse.max())))

    left, root = normed.astype(dtype), inverse.astype(dtype)
    rows = np.flatnonzero(np.arange(n) % 2 == 0)
    exact = left.astype(np.float64)[rows], root.astype(np.float64)[rows]
    dgain, doffset = np.empty((2, d))
    dx = reference.norm_backward(wide[5][rows], *exact, wide[3], dgain, doffset)
    ours, mine, sums = before[rows], np.empty(d, dtype), np.empty(d, dtype)
    layers.norm_backward(dout[rows], left, root, rows, gain, mine, sums, ours)
    assert_close(mine, dgain)
    assert_close(sums, doffset)
    assert_close(ours, wide[6][rows] + dx, LIMIT * max(1.0, float(inverse.max())))

    again = np.empty_like(dout[rows])
    layers.scaled_rows(left, rows, gain, offset, again)
    assert_close(again, exact[0] * wide[3] + wide[4])


@given(shape=SHAPES, dtype=DTYPES, seed=SEEDS)
def test_gelu(shape: tuple[int, int], dtype: Any, seed: int) -> None:
    x, bias, dout = numbers(seed, dtype, shape, shape[1:], shape)
    inner = x.astype(np.float64) + bias
    out, cdf = reference.gelu_forward(inner)
    found, share = np.empty_like(x), np.empty_like(x)
    layers.gelu_forward(x, bias, share, found)
    for ours, theirs in ((x, inner), (found, out), (share, cdf)):
        assert_close(ours, theirs)
    rows = np.arange(shape[0])[::2]
    dx = reference.gelu_backward(dout[rows].astype(np.float64), inner[rows], cdf[rows])
    ours, sums = dout[rows], np.empty_like(bias)
    layers.gelu_backward(ours, x, share, rows, sums)
    assert_close(ours, dx)
    size = float(np.abs(dx).sum())
    assert np.linalg.norm(sums - dx.sum(0)) <= LIMIT * np.finfo(dtype).eps * size


@given(shape=SHAPES, seed=SEEDS, count=st.integers(1, 4))
def test_embeddings_and_sums(shape: tuple[int, int], seed: int, count: int) -> None:
    n, d = shape
    table, places, x, more, bias = numbers(seed, np.float64, (count, d), (n, d), shape, shape, (d,))
    positions, tokens = np.arange(n), (np.arange(n) * 7 + seed) % count
    out = np.empty(shape)
    layers.embedding_forward(table, places, tokens, positions, out)
    assert np.array_equal(out, table[tokens] + places)
    rows = np.arange(0, n, 2)
    found, expected = np.ones((2, n + count, d)), np.empty((2, n + count, d))
    arrays = (tokens, positions)
    layers.embedding_backward(x[rows], rows, *arrays, found[0], found[1])
    for one, index in zip(expected, arrays, strict=True):
        reference.embedding_backward(x[rows], index[rows], one)
    assert_close(found, expected)
    sums = np.empty(d)
    layers.column_sums(x, sums)
    assert np.abs(sums - x.sum(0)).max() <= LIMIT * np.finfo(np.float64).eps * np.abs(x).sum()
    y = x.copy()
    layers.add_rows(y, more, bias)
    assert_close(y, x + more + bias)
    layers.add_at(more[rows], rows, y)
    x[rows] += more[rows]
    assert_close(y, x + more + bias)


@given(case=cases(), share=st.floats(0.01, 1.0), dtype=DTYPES)
def test_attention(case: Case, share: float, dtype: Any) -> None:
    """Of all rows, and of those that ask alone; backward from kept queries of all."""
    packing, heads = Packing.of(case.tokens, case.model.vocabulary), case.model.heads
    d = case.model.width
    rows, dcontext = numbers(case.seed, dtype, (packing.rows, 3 * d), (packing.rows, d))
    draws = np.abs(case.draw(40, packing.rows)) % 1.0
    kept = np.flatnonzero(draws <= max(share, draws.min()))
    wide = rows.astype(np.float64)
    query, key, value = (wide[:, i * d : (i + 1) * d].copy() for i in range(3))
    spans = Spans(packing.offsets)
    context, probabilities = attention.attention_forward(query, key, value, spans, heads)

    asking = Asking.all(packing)
    left = forward(rows, asking, heads)
    assert_close(left[2], context)
    reach = Reach.of(packing, kept)
    prefixes = packing.prefixes(kept)
    wanted = Spans(prefixes.offsets, prefixes.queries, prefixes.counts)
    chosen = attention.select_probabilities(probabilities, spans, prefixes.sequences, wanted)
    grads = [np.empty((n, d)) for n in (kept.size, reach.rows.size, reach.rows.size)]
    attention.attention_backward(
        dcontext.astype(np.float64)[kept],
        query[kept],
        key[reach.rows],
        value[reach.rows],
        chosen,
        wanted,
        heads,
        (grads[0], grads[1], grads[2]),
    )
    dquery, drows = (
        np.full((kept.size, d), np.nan, dtype),
        np.empty((reach.rows.size, 3 * d), dtype),
    )
    attention_backward(dcontext[kept], rows, left[0], left[1], asking.first, reach, dquery, drows)
    size = sum(float(np.linalg.norm(grad)) for grad in grads)
    eps = float(np.finfo(dtype).eps)
    for ours, theirs in zip((dquery, drows[:, d : 2 * d], drows[:, 2 * d :]), grads, strict=True):
        assert np.linalg.norm(ours - theirs) <= LIMIT * eps * size

    some = Asking.some(reach.offsets, reach.starts, reach.queries)
    only = forward(rows[reach.rows], some, heads)
    assert_close(only[2], context[kept])


def forward(rows: np.ndarray, asking: Asking, heads: int) -> tuple[np.ndarray, ...]:
    """Return powers, scale and context."""
    count, width = asking.queries.size, rows.shape[1] // 3
    powers = np.empty((asking.first[-1], heads), rows.dtype)
    scale, context = np.empty((count, heads), rows.dtype), np.empty((count, width), rows.dtype)
    attention_forward(rows, asking, powers, scale, context)
    return powers, scale, context


def test_later_tokens_and_other_sequences_are_not_looked_at() -> None:
    packing = Packing.of([[0, 0, 0], [0, 0, -1], [0, 0, 0]], 1)
    (rows,) = numbers(0, np.float64, (packing.rows, 12))
    asking = Asking.all(packing)
    expected = forward(rows, asking, 2)[2]
    changed = rows.copy()
    changed[4:] = np.nan
    assert np.array_equal(forward(changed, asking, 2)[2][:4], expected[:4])


def test_large_scores_do_not_overflow() -> None:
    packing = Packing.of([[0, 0, 0]], 1)
    rows = np.full((3, 3), 1e150)
    assert np.allclose(forward(rows, Asking.all(packing), 1)[2], 1e150)
