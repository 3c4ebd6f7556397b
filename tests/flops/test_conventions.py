"""Conventions: the items of a difference sum to it, and published figures come out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kondo_ref.flops import conventions, decoder_step
from kondo_ref.flops.conventions import SOURCES, VIEWS, view
from kondo_ref.flops.conventions_reports import MLP_SOURCES, decoder_report, mlp_report
from kondo_ref.flops.counts import Counts
from kondo_ref.flops.decoder import BIASES, Decoder
from kondo_ref.flops.decoder_kept import all_kept
from kondo_ref.flops.mlp import mlp_step
from kondo_ref.flops.presets import preset
from kondo_ref.gate import Gate
from kondo_ref.models.mlp import MLP


@st.composite
def decoders(draw) -> Decoder:
    keys, rms, vocabulary = draw(st.integers(1, 3)), draw(st.booleans()), draw(st.integers(1, 9))
    tied = draw(st.booleans())
    biases = draw(st.sets(st.sampled_from(BIASES)))
    return Decoder(
        vocabulary=vocabulary,
        length=8,
        width=draw(st.integers(1, 9)),
        layers=draw(st.integers(1, 3)),
        heads=keys * draw(st.integers(1, 3)),
        feed_forward=draw(st.integers(1, 9)),
        key_value_heads=keys,
        head_width=draw(st.integers(1, 4)),
        actions=None if tied else draw(st.integers(1, 9)),
        gated=draw(st.booleans()),
        norm="rms" if rms else "layer",
        final_norm=draw(st.booleans()),
        positions=draw(st.sampled_from(("learned", "rotary"))),
        biases=tuple(biases - {"norm"} if rms else biases),
        tied=tied,
    )


@given(
    decoders(),
    st.integers(1, 3),
    st.integers(1, 8),
    st.integers(0, 7),
    st.sampled_from(("dense", "causal")),
)
def test_the_items_sum_to_the_difference(decoder, batch, length, prompt, attention):
    prompt = min(prompt, length - 1)
    kept = all_kept(batch, length, prompt)
    step = decoder_step.decoder_step(
        decoder, batch, length, kept, Gate.named("pg"), attention=attention, prompt=prompt
    )
    for name, source in SOURCES.items():
        report = decoder_report(
            name, decoder, batch=batch, length=length, attention=attention, prompt=prompt
        )
        ours = VIEWS["macs" if source.unit == "MAC" else "matmul"].of
        assert report.ours_forward == ours(step["forward"])
        assert report.ours_backward == ours(step.backward)
        assert report.forward - report.ours_forward == sum(i.forward for i in report.items)
        if report.backward is not None:
            assert report.backward - report.ours_backward == sum(i.backward for i in report.items)
        assert all(item.forward or item.backward for item in report.items)


@given(st.lists(st.integers(1, 9), min_size=2, max_size=5).map(tuple), st.integers(1, 5))
def test_the_items_of_an_mlp_sum_to_the_difference(sizes, batch):
    step = mlp_step(MLP(sizes), batch, batch, Gate.named("pg"))
    for name in MLP_SOURCES:
        report = mlp_report(name, MLP(sizes), batch=batch)
        ours = VIEWS["macs" if report.source.unit == "MAC" else "matmul"].of
        assert report.ours_forward == ours(step["forward"])
        assert report.ours_backward == ours(step.backward)
        assert report.forward - report.ours_forward == sum(i.forward for i in report.items)
        if report.backward is not None:
            assert report.backward - report.ours_backward == sum(i.backward for i in report.items)


def test_6nd_on_an_mlp_has_biases_and_a_first_input_gradient_too_much():
    report = mlp_report("6nd", MLP((784, 128, 10)), batch=64)
    assert report.total == 6 * 101_770 * 64
    assert [(i.what, i.forward, i.backward) for i in report.items] == [
        ("biases, as products", 2 * 64 * 138, 4 * 64 * 138),
        ("first layer: the gradient of its input", 0, 2 * 64 * 784 * 128),
    ]


def test_gpt2_has_the_flop_that_nanogpt_publishes():
    # karpathy/nanoGPT, transformer_sizing.ipynb: 1024 tokens, no biases; there N leaves the
    # position embedding out.
    shape = {"vocabulary": 50257, "length": 1024, "width": 768, "layers": 12, "heads": 12}
    decoder = Decoder(**shape, feed_forward=3072, tied=True)
    report = decoder_report("palm", decoder, batch=1, length=1024)
    assert report.ours_forward == 291_648_307_200
    assert report.ours_forward + report.ours_backward == 874_944_921_600
    assert report.total - 6 * 1024 * 1024 * 768 == 875_062_886_400


@pytest.mark.parametrize(
    ("layers", "width", "heads", "published"),
    [
        (10, 640, 10, 1.03),
        (20, 1024, 16, 1.10),
        (24, 1280, 10, 1.08),
        (26, 1792, 14, 1.04),
        (28, 2048, 16, 1.03),
        (40, 3584, 28, 0.99),
    ],
)
def test_chinchilla_publishes_its_ratios_without_embeddings_and_logits(
    layers, width, heads, published
):
    # Table A4: 2048 tokens, a vocabulary of 32,000. N has the relative positions of Transformer-XL.
    decoder = Decoder(
        vocabulary=32000,
        length=2048,
        width=width,
        layers=layers,
        heads=heads,
        feed_forward=4 * width,
        tied=True,
    )
    total = decoder_report("chinchilla", decoder, batch=1, length=2048).total
    ends = 3 * 2 * 2 * 2048 * 32000 * width
    parameters = decoder.parameters["blocks"] + 32000 * width + layers * width**2
    assert round((total - ends) / (6 * parameters * 2048), 2) == published
    assert round(total / (6 * parameters * 2048), 2) > published


def test_kaplan_has_twelve_weights_a_layer_and_half_of_the_attention():
    gpt = preset("gpt2")
    n = 12 * 12 * 768**2
    assert decoder_report("kaplan-6n", gpt, batch=2, length=1024).total == 6 * n * 2048
    report = decoder_report("kaplan", gpt, batch=2, length=1024)
    assert report.forward == (2 * n + 2 * 12 * 1024 * 768) * 2048
    lines = {item.what: item.forward for item in report.items}
    assert lines == {
        "head": -2 * 2048 * 768 * 50257,
        "attention: half of all pairs": -2 * 12 * 1024 * 768 * 2048,
    }


def test_formulas_of_papers_do_not_know_shared_heads_and_gates():
    llama = preset("llama-3-8b")
    for name in ("kaplan", "kaplan-6n", "chinchilla"):
        items = {i.what for i in decoder_report(name, llama, batch=1, length=8).items}
        assert {"keys and values, as of all heads", "feed-forward: its gate"} <= items


def test_views_are_linear_and_named():
    counts = Counts(matmul=10, mul=1, add=2, cmp=3, exp=4, log=5, sqrt=6, div=7)
    assert {name: v.of(counts) for name, v in VIEWS.items()} == {
        "matmul": 10,
        "macs": 5,
        "scalar": 38,
    }
    assert view("macs") is VIEWS["macs"]
    with pytest.raises(ValueError, match="convention: palm counts dense steps alone"):
        view("palm")
    with pytest.raises(ValueError, match="convention: expected one of matmul"):
        view("flops")
    assert len(set(conventions.NAMES)) == len(VIEWS) + len(SOURCES)


def test_formulas_for_transformers_are_refused_for_an_mlp():
    with pytest.raises(ValueError, match="convention: expected one of torch, fvcore, 6nd"):
        mlp_report("palm", MLP((3, 2)), batch=1)
    with pytest.raises(ValueError, match="batch: expected at least 1"):
        mlp_report("6nd", MLP((3, 2)), batch=0)
    with pytest.raises(ValueError, match="convention: expected one of"):
        decoder_report("matmul", preset("gpt2"), batch=1, length=1)
