"""What counting tools report for small decoders, against the reproductions of `conventions`."""

import logging
from itertools import pairwise

import pytest

from kondo_ref.flops.conventions_reports import decoder_report, mlp_report
from kondo_ref.flops.decoder import Decoder
from kondo_ref.models.mlp import MLP

torch = pytest.importorskip("torch")
from torch_decoders import TorchDecoder  # noqa: E402

GPT = Decoder(
    vocabulary=97,
    length=24,
    width=32,
    layers=3,
    heads=4,
    feed_forward=128,
    activation="gelu_tanh",
    biases=("query_key_value", "projection", "feed_forward", "norm"),
    tied=True,
)
LLAMA = Decoder(
    vocabulary=89,
    length=64,
    width=48,
    layers=2,
    heads=6,
    key_value_heads=2,
    head_width=10,
    feed_forward=56,
    activation="silu",
    gated=True,
    norm="rms",
    positions="rotary",
)
DECODERS = pytest.mark.parametrize("decoder", [GPT, LLAMA], ids=["gpt", "llama"])
BATCH, LENGTH = 3, 20


def flop_counter(model, inputs) -> tuple[int, int]:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        out = model(inputs)
        forward = counter.get_total_flops()
        out.backward(torch.ones_like(out))
    return forward, counter.get_total_flops() - forward


def tokens(device: str):
    return torch.zeros((BATCH, LENGTH), dtype=torch.int64, device=device)


@DECODERS
def test_parameters_are_those_of_the_torch_model(decoder):
    with torch.device("meta"):
        model = TorchDecoder(decoder)
    assert decoder.parameter_count == sum(p.numel() for p in model.parameters())


@DECODERS
@pytest.mark.parametrize(
    ("name", "attention", "device"),
    [
        ("torch", "written", "meta"),
        ("torch", "sdpa", "meta"),
        ("torch", "written", "cpu"),
        ("torch-fused", "flash", "meta"),
        ("torch-cpu", "sdpa", "cpu"),
    ],
)
def test_flop_counter_mode_counts_what_the_convention_says(decoder, name, attention, device):
    with torch.device(device):
        model = TorchDecoder(decoder, attention)
    report = decoder_report(name, decoder, batch=BATCH, length=LENGTH)
    assert flop_counter(model, tokens(device)) == (report.forward, report.backward)


def test_flop_counter_mode_counts_no_input_gradient_of_a_first_layer():
    sizes = (13, 11, 7, 5)
    layers = [torch.nn.Linear(m, n, device="meta") for m, n in pairwise(sizes)]
    model = torch.nn.Sequential(layers[0], torch.nn.ReLU(), layers[1], torch.nn.ReLU(), layers[2])
    report = mlp_report("torch", MLP(sizes), batch=6)
    counted = flop_counter(model, torch.ones((6, 13), device="meta"))
    assert counted == (report.forward, report.backward)
    assert report.items == ()


@DECODERS
@pytest.mark.parametrize(("name", "attention"), [("fvcore", "written"), ("fvcore-sdpa", "sdpa")])
def test_fvcore_counts_what_the_convention_says(decoder, name, attention):
    fvcore = pytest.importorskip("fvcore.nn", reason="fvcore is not installed: pip install fvcore")
    logging.getLogger("fvcore").setLevel(logging.ERROR)
    analysis = fvcore.FlopCountAnalysis(TorchDecoder(decoder, attention), tokens("cpu"))
    analysis.unsupported_ops_warnings(enabled=False).uncalled_modules_warnings(enabled=False)
    report = decoder_report(name, decoder, batch=BATCH, length=LENGTH)
    assert analysis.total() == report.forward
    assert report.backward is None


def test_fvcore_counts_an_mlp_in_multiply_adds():
    fvcore = pytest.importorskip("fvcore.nn", reason="fvcore is not installed: pip install fvcore")
    model = torch.nn.Sequential(torch.nn.Linear(13, 11), torch.nn.ReLU(), torch.nn.Linear(11, 5))
    analysis = fvcore.FlopCountAnalysis(model, torch.ones((6, 13)))
    analysis.unsupported_ops_warnings(enabled=False)
    assert analysis.total() == mlp_report("fvcore", MLP((13, 11, 5)), batch=6).forward
