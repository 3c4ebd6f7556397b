"""What of a forward a backward needs: what runs for the kept tokens, counted, and what is kept.

The same over random kept tokens, against a search for what they depend on, is in
properties/skipping.
"""

import re
from typing import Any

import numpy as np
import pytest
from properties.recorded import product_flop, recorded_parameters, recording
from properties.skipping import Least, assert_structural, recorded_backward
from strategies import generic, generic_parameters

from kondo_ref.flops.transformer import backward_flop
from kondo_ref.models.transformer import Cache, Transformer
from kondo_ref.ratio import error_ratio

MIDDLE = Transformer(6, 5, 7, width=16, layers=3, heads=4, feed_forward=24)
RAGGED = np.array([[1, 0, 2, 1], [2, -1, -1, -1], [0, 1, 1, -1]])
FIVE = np.arange(5 * 7).reshape(5, 7) % 6


def recorded_run(tokens: np.ndarray, kept: list[int]) -> tuple[list[Any], Cache]:
    """Return what the backward of MIDDLE runs, and the cache of the forward."""
    parameters = recorded_parameters(generic_parameters(MIDDLE, 0))
    _, cache = MIDDLE.forward(parameters, tokens)
    cells = np.array(kept, np.int64)
    dlogits = generic(1, cells.size, MIDDLE.actions)
    return recorded_backward(MIDDLE, parameters, cache, dlogits, cells), cache


def flop(calls: list[Any]) -> int:
    return product_flop([call for call in calls if not isinstance(call, int)])


def test_a_masked_backward_would_be_seen() -> None:
    kept = [4, 16]
    skipping, cache = recorded_run(FIVE, kept)
    masked, _ = recorded_run(FIVE, list(range(35)))
    least = Least.of(MIDDLE.layers, [divmod(cell, 7) for cell in kept])
    total = backward_flop(MIDDLE, cache.packing.prefixes(np.array(kept)))
    assert_structural(MIDDLE, skipping, least, total)
    with pytest.raises(AssertionError, match="block 0"):
        assert_structural(MIDDLE, masked, least, total)


def test_sequences_without_a_kept_token_cost_nothing() -> None:
    among_five, _ = recorded_run(FIVE, [9, 12])
    alone, _ = recorded_run(FIVE[1:2], [2, 5])
    assert among_five == alone


def test_nothing_kept_runs_nothing() -> None:
    calls, _ = recorded_run(FIVE, [])
    assert calls == []


def test_the_count_of_one_kept_token_written_out() -> None:
    """The third token of one sequence: three rows everywhere, but one in the last block's top."""
    d, f, a = MIDDLE.width, MIDDLE.feed_forward, MIDDLE.actions
    calls, _ = recorded_run(FIVE, [2])
    head = 4 * 1 * d * a
    feed_forward = 4 * (2 * d * f)
    one_query = 8 * 1 * 3 * d
    last = 1 * feed_forward + 4 * (3 * 2 * d * d + 1 * 2 * d * d) + one_query
    below = 3 * feed_forward + 4 * 3 * 4 * d * d + 8 * 3 * 3 * d
    assert flop(calls) == head + last + 2 * below


def test_attention_is_counted_dense() -> None:
    """Kept are the third and the fifth of one sequence, and the second of two: 2 x 5 and 1 x 2."""
    calls, _ = recorded_run(FIVE, [2, 4, 8, 29])
    w = MIDDLE.width // MIDDLE.heads
    products = [c for c in calls if not isinstance(c, int) and c.name == "matmul"]
    products = [call for call in products if len(call.result) == 4]
    last, below = products[:8], products[8:]
    # Scores (n, H, q, k) or what has them as an operand: four products a group.
    for group, (n, q, k) in ((last[:4], (2, 1, 2)), (last[4:], (1, 2, 5))):
        assert [call.product_flop for call in group] == [2 * n * MIDDLE.heads * q * k * w] * 4
        assert (n, MIDDLE.heads, q, k) in {call.result for call in group}
    for group, (n, k) in ((below[:4], (2, 2)), (below[4:8], (1, 5))):
        assert [call.product_flop for call in group] == [2 * n * MIDDLE.heads * k * k * w] * 4
    assert len(below) == 16


def test_a_recomputed_cache_is_smaller_and_gives_the_same() -> None:
    model = Transformer(4, 4, 20)
    parameters = generic_parameters(model, 0)
    tokens = np.arange(8 * 20).reshape(8, 20) % 4
    kept = np.array([13, 65, 70])
    _, cache = model.forward(parameters, tokens)
    _, nothing = model.forward(parameters, tokens, keep=False)
    assert nothing.nbytes == 0
    again = model.recompute(parameters, nothing.packing, kept)
    assert again.nbytes == cache.select(kept).nbytes < cache.nbytes / 4
    dlogits = generic(1, 3, 4)
    expected = model.backward(parameters, cache, dlogits, kept)
    found = model.backward(parameters, again, dlogits, kept)
    for name, block in expected.views.items():
        assert error_ratio(found[name], block) <= 64, name


def test_the_memory_of_a_cache_written_out() -> None:
    model = Transformer(4, 4, 20, activation="gelu", final_norm=True)
    _, cache = model.forward(model.initialize(0, np.float32), np.zeros((2, 5), np.int64))
    rows, d, f = 10, model.width, model.feed_forward
    scores = 2 * model.heads * 5 * 5
    # normed, query, key, value, context, normed: six of the width; two inverses.
    block = rows * (6 * d + 2 + 3 * f) + scores
    assert cache.nbytes == 4 * (model.layers * block + rows * (2 * d + 1))


def test_bad_recomputations_are_refused() -> None:
    parameters = generic_parameters(MIDDLE, 0)
    _, cache = MIDDLE.forward(parameters, RAGGED)
    for kept, message in (
        ([], "kept: expected at least one token, got none"),
        ([12], "kept: expected ascending rows in 0..11"),
        ([7], "kept: decision (1, 3) is past the end of its sequence"),
    ):
        cells = np.array(kept, np.int64)
        with pytest.raises(ValueError, match=re.escape(message)):
            MIDDLE.recompute(parameters, cache.packing, cells)
        with pytest.raises(ValueError, match=re.escape(message)):
            MIDDLE.select(cache, cells)
    again = MIDDLE.recompute(parameters, cache.packing, np.array([1, 9]))
    for kept in ([1], [1, 8], [1, 4], [1, 11]):
        with pytest.raises(ValueError, match="kept: expected the tokens that the recomputed for"):
            MIDDLE.backward(parameters, again, np.zeros((len(kept), 5)), np.array(kept))


def test_recording_sees_operators_too() -> None:
    parameters = recorded_parameters(generic_parameters(MIDDLE, 0))
    weight = parameters["head"]
    with recording() as calls:
        _ = weight.T @ (2 * weight + 1)
    assert [call.name for call in calls] == ["multiply", "add", "matmul"]
    assert product_flop(calls) == 2 * 5 * 16 * 5
