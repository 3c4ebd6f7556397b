"""The decoder's shape and counts, against our own transformer's where it runs."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kondo_ref import SGD
from kondo_ref.backends.counting_backend import CountingLearner
from kondo_ref.flops import decoder_step, transformer
from kondo_ref.flops.conventions import VIEWS
from kondo_ref.flops.counts import Counts, Step
from kondo_ref.flops.decoder import Decoder
from kondo_ref.flops.decoder_kept import all_kept, expected_kept, kept_positions
from kondo_ref.flops.study_batches import DecoderBatch
from kondo_ref.gate import Gate
from kondo_ref.models.transformer import Transformer
from kondo_ref.step import TrainingState

transformers = st.builds(
    lambda heads, head_width, **other: Transformer(heads=heads, width=heads * head_width, **other),
    heads=st.integers(1, 3),
    head_width=st.integers(1, 4),
    vocabulary=st.integers(1, 9),
    actions=st.integers(1, 9),
    length=st.just(7),
    layers=st.integers(1, 3),
    feed_forward=st.integers(1, 9),
    activation=st.sampled_from(("relu", "gelu")),
    biases=st.booleans(),
    final_norm=st.booleans(),
)
LENGTH = 7
kept_sets = st.lists(
    st.sets(st.integers(0, LENGTH - 1)).map(sorted) | st.just(list(range(LENGTH))),
    min_size=1,
    max_size=4,
)
GATES = st.sampled_from(
    [
        Gate.named("kondo-top-k", rate=0.5),
        Gate.named("kondo-top-k", rate=0.5, unit="sequence"),
        Gate.named("dg"),
        Gate.named("pg"),
    ]
)


def gpt2(**changes) -> Decoder:
    shape = {"vocabulary": 50, "length": 8, "width": 12, "layers": 2, "heads": 3, "feed_forward": 9}
    return Decoder(**{**shape, **changes})


@given(transformers)
def test_our_transformer_has_the_parameters_of_its_decoder(model):
    assert Decoder.of(model).parameter_count == sum(map(math.prod, model.shapes.values()))


@given(
    transformers,
    st.integers(1, 4),
    st.sampled_from((0.1, 0.5, 1.0)),
    st.sampled_from(("token", "sequence")),
    st.booleans(),
    st.integers(0, 99),
)
def test_the_counts_of_our_transformer_are_those_that_are_taken_where_it_runs(
    model, batch, rate, unit, again, seed
):
    learner = CountingLearner(
        TrainingState(model, model.initialize(seed), SGD(0.1)),
        activations="recompute" if again else "cache",
    )
    rng = np.random.default_rng(seed)
    shape, gate = (batch, LENGTH), Gate.named("kondo-top-k", rate=rate, unit=unit)
    policy = learner.forward(rng.integers(0, model.vocabulary, shape))
    actions, advantages = rng.integers(0, model.actions, shape), rng.normal(size=shape)
    result = learner.update(policy, actions, advantages, gate)
    kept = [np.flatnonzero(row).tolist() for row in np.reshape(result.screening.weight, shape)]
    counts = decoder_step.decoder_step(
        Decoder.of(model),
        batch,
        LENGTH,
        kept_positions(kept, LENGTH),
        gate,
        screening="recompute" if again else "cached",
        optimizer="sgd",
    )
    assert counts == learner.counts


@given(transformers, kept_sets, GATES, st.sampled_from(("dense", "causal")), st.booleans())
def test_our_transformer_is_counted_as_its_decoder(model, kept, gate, attention, again):
    own = transformer.transformer_step(
        model,
        [LENGTH] * len(kept),
        kept,
        gate,
        attention=attention,
        activations="recompute" if again else "cache",
    )
    counts = decoder_step.decoder_step(
        Decoder.of(model),
        len(kept),
        LENGTH,
        kept_positions(kept, LENGTH),
        gate,
        attention=attention,
        screening="recompute" if again else "cached",
    )
    assert counts == own


@given(transformers, st.integers(1, 4), st.sampled_from(("dense", "causal")))
def test_the_three_backwards_are_those_of_our_transformer(model, batch, attention):
    decoder = DecoderBatch(Decoder.of(model), batch, LENGTH, attention=attention)
    everything, lengths = [range(LENGTH)] * batch, [LENGTH] * batch
    for view in VIEWS.values():
        logical = transformer.logical_backward(model, lengths, 1, attention)
        dense = decoder.stages(view, Gate.named("pg"), Fraction(1))
        assert dense["backward_input"] + dense["backward_weight"] == view.of(logical)
        structural = transformer.structural_backward(model, everything)
        assert decoder.structural(view, Fraction(1), "token") == view.of(structural)
        executed = transformer.executed_backward(model, lengths, everything)
        assert decoder.executed(view, Fraction(1), "token") == view.of(executed)


@given(transformers, kept_sets, st.sampled_from(("dense", "causal")), st.booleans())
def test_the_stages_are_those_of_a_step_where_the_kept_set_is_certain(
    model, kept, attention, again
):
    decoder, sums = Decoder.of(model), kept_positions(kept, LENGTH)
    gate = Gate.named("kondo-top-k", rate=0.5)
    step = decoder_step.decoder_step(
        decoder,
        len(kept),
        LENGTH,
        sums,
        gate,
        attention=attention,
        screening="recompute" if again else "cached",
    )
    for view in VIEWS.values():
        numbers = decoder_step.stage_numbers(
            decoder, sums, view.of, attention=attention, again=again
        )
        assert numbers == {stage: view.of(step[stage]) for stage in numbers}


@given(transformers, kept_sets)
def test_the_activations_are_those_that_our_forward_leaves(model, kept):
    decoder, tokens = Decoder.of(model), np.zeros((len(kept), LENGTH), int)
    _, cache = model.forward(model.initialize(0), tokens)
    everything = all_kept(len(kept), LENGTH)
    assert decoder_step.activation_entries(decoder, everything) == cache.nbytes / 8
    cells = np.array([b * LENGTH + t for b, places in enumerate(kept) for t in places])
    if cells.size:
        entries = decoder_step.activation_entries(decoder, kept_positions(kept, LENGTH))
        assert entries == cache.select(cells).nbytes / 8


def test_a_decoder_of_the_llama_family_costs_what_its_products_say():
    decoder = Decoder(
        vocabulary=100,
        length=32,
        width=24,
        layers=3,
        heads=4,
        key_value_heads=2,
        head_width=5,
        feed_forward=40,
        activation="silu",
        gated=True,
        norm="rms",
        positions="rotary",
    )
    rows, attention = 2 * 16, 4 * 20 * 2 * 16**2
    block = 2 * rows * (24 * 20 + 2 * 24 * 10 + 20 * 24 + 3 * 24 * 40) + attention
    forward = decoder_step.forward(decoder, 2, 16)
    assert forward.matmul == 3 * block + 2 * rows * 24 * 100
    step = decoder_step.decoder_step(decoder, 2, 16, all_kept(2, 16), Gate.named("pg"))
    assert step.backward.matmul == 2 * forward.matmul
    # Two rotations a block, of queries and of keys: 2 mul and 1 add an entry.
    positions = decoder_step.forward(gpt2(positions="rotary"), 1, 8) - decoder_step.forward(
        gpt2(), 1, 8
    )
    assert positions == Counts(mul=2 * 2 * 2 * 8 * 12, add=2 * 2 * 8 * 12 - 8 * 12)


def test_gates_that_drop_everything_have_neither_backward_nor_update():
    gate = Gate.named("zero-price")
    step = decoder_step.decoder_step(gpt2(), 2, 8, kept_positions([[], []], 8), gate)
    assert step["update"] == step.backward == Counts()
    assert isinstance(step, Step)


def test_an_expected_set_has_no_typed_counts():
    with pytest.raises(TypeError, match="kept: expected an integer"):
        decoder_step.decoder_step(gpt2(), 2, 8, expected_kept(2, 8, 0.3), Gate.named("dg"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 0}, "width: expected at least 1"),
        ({"heads": 5}, "heads: expected a divisor of the width 12, got 5"),
        ({"key_value_heads": 2}, "key_value_heads: expected a divisor of the 3 heads, got 2"),
        ({"activation": "tanh"}, "activation: expected one of relu"),
        ({"norm": "batch"}, "norm: expected one of layer, rms"),
        ({"positions": "sine"}, "positions: expected one of learned, rotary"),
        ({"biases": ("gate",)}, "biases: expected one of"),
        ({"norm": "rms", "biases": ("norm",)}, "biases: an RMSNorm has no offset"),
        ({"tied": True, "actions": 3}, "actions: a tied head has the 50 tokens, got 3"),
    ],
)
def test_impossible_shapes_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        gpt2(**changes)
    with pytest.raises(TypeError, match="gated: expected a bool"):
        gpt2(gated=1)
