"""The transformer: closed form and what runs, causal and dense, the three backwards, mutants."""

from typing import Any

import numpy as np
import pytest
from counted_steps import EXAMPLES, FULL, MINIMAL, closed_form, differing, run, settings
from counted_steps import transformers as models
from hypothesis import given
from hypothesis import strategies as st

from kondo_ref import Gate
from kondo_ref.flops import decoder_layers, decoder_step, gate, layers, transformer
from kondo_ref.flops.counts import Counts
from kondo_ref.flops.decoder import Decoder
from kondo_ref.flops.layers import Layer
from kondo_ref.flops.transformer import (
    Rows,
    backward_flop,
    executed_backward,
    logical_backward,
    structural_backward,
    transformer_step,
)
from kondo_ref.models.packing import Packing
from kondo_ref.models.transformer import Transformer
from kondo_ref.step import Learner

STEPS = EXAMPLES[2:]
DG = Gate.named("dg")


@given(settings("transformer"))
def test_what_runs_is_the_closed_form(setting) -> None:
    done = run(setting)
    assert done.counts == closed_form(done)
    part = Rows.prefixes(done.kept)
    assert done.result.executed_rows == part.rows


@given(settings("transformer"))
def test_counting_changes_no_bit(setting) -> None:
    counted, plain = run(setting), run(setting, Learner)
    assert np.array_equal(counted.learner.state().parameters.flat, plain.learner.parameters.flat)
    assert np.array_equal(counted.learner.gradient.flat, plain.learner.gradient.flat)
    assert counted.result.loss == plain.result.loss


@st.composite
def kept_sets(draw: st.DrawFn, model: Transformer) -> tuple[tuple[int, ...], list[list[int]]]:
    """Return lengths, and the places of the kept tokens by sequence."""
    lengths = draw(st.lists(st.integers(1, model.length), min_size=1, max_size=4))
    kept = [sorted(draw(st.sets(st.integers(0, length - 1)))) for length in lengths]
    return tuple(lengths), kept


def attention_scores(lengths: tuple[int, ...], asked: list[list[int]], attention: str) -> int:
    """Count the pairs of a query and a key one by one."""
    return sum(
        1
        for length, places in zip(lengths, asked, strict=True)
        for place in places
        for key in range(length)
        if attention == "dense" or key <= place
    )


@given(st.data(), models())
def test_scores_are_the_pairs(data, model) -> None:
    lengths, kept = data.draw(kept_sets(model))
    for attention in ("dense", "causal"):
        part = Rows.prefixes(kept)
        asked = [places for places in kept if places]
        everything = [list(range(places[-1] + 1)) for places in asked]
        ends = tuple(map(len, everything))
        assert part.scores(attention) == (
            attention_scores(ends, everything, attention),
            attention_scores(ends, asked, attention),
        )
        whole = attention_scores(lengths, [list(range(n)) for n in lengths], attention)
        assert Rows.whole(lengths).scores(attention) == (whole, whole)


def products_by_hand(model: Transformer, kept: list[list[int]]) -> int:
    """Write the products of a backward out, once more and otherwise."""
    d, f = model.width, model.feed_forward
    total = 0
    for places in filter(None, kept):
        n, q = places[-1] + 1, len(places)
        total += (model.layers - 1) * (4 * n * (4 * d * d + 2 * d * f) + 8 * d * n * n)
        total += 4 * n * 2 * d * d + 4 * q * (2 * d * d + 2 * d * f) + 8 * d * q * n
        total += 4 * q * d * model.actions
    return total


@given(st.data(), models())
def test_the_model_says_the_same_of_its_products(data, model) -> None:
    lengths, kept = data.draw(kept_sets(model))
    grid = np.where(np.arange(max(lengths)) < np.array(lengths)[:, None], 0, -1)
    packing = Packing.of(grid, model.vocabulary)
    cells = [i * grid.shape[1] + place for i, row in enumerate(kept) for place in row]
    executed = executed_backward(model, lengths, kept)
    assert executed.matmul == products_by_hand(model, kept)
    assert executed == transformer_step(model, lengths, kept, DG).backward
    if cells:
        prefixes = packing.prefixes(packing.row_of(np.array(cells)))
        assert Rows.of(prefixes) == Rows.prefixes(kept)
        assert executed.matmul == backward_flop(model, prefixes)


@given(st.data(), models())
def test_the_least_is_the_least(data, model) -> None:
    """Structural <= executed <= dense, in every type; equal to the logical one for no token."""
    lengths, kept = data.draw(kept_sets(model))
    everything = [list(range(length)) for length in lengths]
    least = structural_backward(model, kept).to_dict()
    executed = executed_backward(model, lengths, kept).to_dict()
    dense = executed_backward(model, lengths, everything)
    split = Counts(add=sum(map(len, kept)) * model.width)  # keys and queries in two products
    for name, most in (dense + split).to_dict().items():
        assert least[name] <= executed[name] <= most
    assert logical_backward(model, lengths, 1.0) == dense
    assert logical_backward(model, lengths, 0.0) == structural_backward(model, [])


def test_three_percent_of_the_tokens_is_not_three_percent_of_the_work() -> None:
    model = Transformer(8, 8, 64, width=64, layers=2, heads=2, feed_forward=128)
    lengths = (64,) * 100
    places = np.random.default_rng(0).random((100, 64)) < 0.03
    kept = [np.flatnonzero(row).tolist() for row in places]
    logical = logical_backward(model, lengths, float(places.mean()), "causal").matmul
    structural = structural_backward(model, kept).matmul
    executed = executed_backward(model, lengths, kept).matmul
    assert 9 * logical < structural < executed
    whole = [list(range(64)) if i < 3 else [] for i in range(100)]
    assert structural_backward(model, whole).matmul == pytest.approx(
        logical_backward(model, lengths, 0.03, "causal").matmul, rel=1e-12
    )


def test_a_block_by_hand() -> None:
    """Width 2 in one head, 3 in the feed-forward, 2 actions; of a sequence of 3 the second kept."""
    model = Transformer(5, 2, 3, width=2, layers=1, heads=1, feed_forward=3)
    step = transformer_step(model, [3], [[1]], Gate.named("pg"), optimizer="sgd")
    products = 3 * 2 * 4 + 3 * 2 * 2 + 3 * 2 * 2 + 2 * 3 * 2 * 3  # kv, query, projection, F
    assert step["forward"] == Counts(
        matmul=2 * (products + 2 * 9 * 2 + 3 * 2 * 2),
        mul=2 * 3 * 3 * 2 + 9,
        add=3 * 2 + 2 * 3 * (3 * 2 + 1) + 2 * 9 + 2 * 3 * 2,
        cmp=9 + 3 * 3,
        exp=9,
        sqrt=2 * 3,
        div=2 * 3 * 3 + 9,
    )
    below = 2 * 2 * 4 + 2 * 2 + 2 * 2 + 2 * 2 * 3 + 2 * 2  # two rows of kv, one of the rest
    assert step["backward_weight"].matmul == 2 * below
    assert step["backward_input"].matmul == 2 * (below + 4 * 2 * 2)
    assert step["recompute"] == Counts(mul=2 * 2 + 2)


def test_causal_attention_is_a_count_of_its_own() -> None:
    lengths, kept = (6, 4), [[1, 4], [3]]
    dense = transformer_step(FULL, lengths, kept, DG)
    causal = transformer_step(FULL, lengths, kept, DG, attention="causal")
    for stage in ("forward", "backward_input"):
        assert causal[stage].matmul < dense[stage].matmul
        assert causal[stage].exp < dense[stage].exp or stage == "backward_input"
    for stage in ("screen", "select", "recompute", "backward_weight", "update"):
        assert causal[stage] == dense[stage]
    with pytest.raises(ValueError, match="attention: expected one of dense, causal; got 'sparse'"):
        transformer_step(FULL, lengths, kept, DG, attention="sparse")
    with pytest.raises(ValueError, match="activations: expected one of cache, recompute"):
        transformer_step(FULL, lengths, kept, DG, activations="none")


def nothing(*_: Any, **__: Any) -> Layer:
    return Layer()


def without_head(decoder: Decoder, rows: int, queries: int, *scores: int) -> Layer:
    head = layers.linear(queries, decoder.width, decoder.choices, bias="head" in decoder.biases)
    whole = network(decoder, rows, queries, *scores)
    return Layer(
        whole.forward - head.forward,
        whole.recompute,
        whole.backward_input - head.backward_input,
        whole.backward_weight - head.backward_weight,
    )


def kept_rows_only(_: Any, kept: Any) -> Rows:
    part = prefixes(kept)
    return Rows(tuple(map(len, part.places)), part.places)


def whole_sequences(_: Any, kept: Any) -> Rows:
    part = prefixes(kept)
    return Rows((6,) * len(part.keys), part.places)


def head_on_the_prefix(_: Any, kept: Any) -> Rows:
    part = prefixes(kept)
    return Rows.whole(part.keys)


network, prefixes = decoder_step.network, Rows.prefixes

MUTANTS: dict[str, tuple[Any, str, Any]] = {
    "no head": (decoder_step, "network", without_head),
    "the kept rows alone": (Rows, "prefixes", classmethod(kept_rows_only)),
    "whole sequences": (Rows, "prefixes", classmethod(whole_sequences)),
    "the head on the prefix": (Rows, "prefixes", classmethod(head_on_the_prefix)),
    "no normalization": (layers, "norm", nothing),
    "no residual": (layers, "residual", nothing),
    "no attention": (layers, "attention", nothing),
    "no embedding gradient": (layers, "embedding", nothing),
    "no feed-forward": (decoder_layers, "feed_forward", nothing),
    "one product for queries and keys": (transformer, "_partial", lambda *_: 0),
    "no dlogits": (gate, "dlogits", lambda *_: Counts()),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_closed_form_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    done = [run(setting) for setting in STEPS]
    assert [differing(one) for one in done] == [[], []]
    owner, attribute, wrong = MUTANTS[name]
    monkeypatch.setattr(owner, attribute, wrong)
    seen = [set(differing(one)) & {"backward_input", "backward_weight"} for one in done]
    # A recomputed step always has two products, and a sequence gate keeps whole prefixes.
    token_gates_only = name in {"the head on the prefix", "one product for queries and keys"}
    assert any(seen) if token_gates_only else all(seen)


@pytest.mark.parametrize(
    ("change", "stage"),
    [
        ({"attention": "causal"}, "forward"),
        ({"attention": "causal"}, "backward_input"),
        ({"activations": "recompute"}, "recompute"),
        ({"cells": 14}, "screen"),
        ({"cells": 14}, "select"),
    ],
)
def test_every_argument_counts(change: dict[str, Any], stage: str) -> None:
    done = run(STEPS[0])
    assert done.setting.model is MINIMAL
    assert stage in differing(done, **change)


@pytest.mark.parametrize(
    ("lengths", "kept", "message"),
    [
        ([], [], "lengths: expected at least one, each at least 1, got"),
        ([3, 0], [[], []], "lengths: expected at least one, each at least 1, got"),
        ([3, 2], [[0]], "kept: expected 2 sequences, got 1"),
        ([3, 2], [[0], [2]], r"kept: expected places in 0..1, got \(2,\)"),
        ([3, 2], [[-1], [1]], r"kept: expected places in 0..2, got \(-1,\)"),
        ([3, 2], [[1, 1], [1]], r"kept: expected places in 0..2, got \(1, 1\)"),
    ],
)
def test_kept_places_belong_to_sequences(lengths, kept, message) -> None:
    with pytest.raises(ValueError, match=message):
        transformer_step(MINIMAL, lengths, kept, DG)


def test_a_sequence_gate_needs_the_number_of_sequences() -> None:
    with pytest.raises(ValueError, match="sequences: needed by the unit sequence, got None"):
        gate.screen(Gate.named("kondo-top-k", rate=0.1, unit="sequence"), 12, 3)
