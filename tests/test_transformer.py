"""The transformer in fixed configurations: complex step, torch autograd, shapes, refusals.

The laws over random sizes, lengths and kept tokens are in properties/transformer; what a backward
runs is in test_activations.
"""

import re
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from properties import plain
from strategies import generic, generic_parameters

from kondo_ref.models.mlp import TRUNCATED_STD
from kondo_ref.models.packing import Packing
from kondo_ref.models.transformer import Transformer
from kondo_ref.parameters import Parameters
from kondo_ref.ratio import error_ratio

STEP = 1e-30
SMALL = Transformer(3, 3, 4, width=4, layers=2, heads=2, feed_forward=5)
MIDDLE = Transformer(6, 5, 7, width=16, layers=3, heads=4, feed_forward=24)
OPTIONS = [
    {"activation": activation, "biases": biases, "final_norm": final_norm}
    for activation, biases, final_norm in product(("relu", "gelu"), (False, True), (False, True))
]
RAGGED = np.array([[1, 0, 2, 1], [2, -1, -1, -1], [0, 1, 1, -1]])
# Flat indices in the (3, 4) grid of RAGGED; 4 is the whole second sequence.
KEPT = {
    "none": [],
    "the first token of a sequence": [0],
    "the first tokens": [0, 4, 8],
    "one in the middle": [2],
    "the last ones of two sequences": [3, 10],
    "some": [1, 2, 4, 9],
    "a whole sequence": [8, 9, 10],
    "all": [0, 1, 2, 3, 4, 8, 9, 10],
}

each_option = pytest.mark.parametrize(
    "options", OPTIONS, ids=lambda o: "-".join(map(str, o.values()))
)


def whole(tokens: np.ndarray) -> np.ndarray:
    """Return the tokens without padding, other tokens in its place."""
    return np.where(tokens < 0, 0, tokens)


def gradients(
    model: Transformer, parameters: Parameters, tokens: np.ndarray, weights: Any, kept: list[int]
) -> list[Parameters]:
    """Return the gradient of sum over kept tokens of weights * logits, by cache and by recompute.

    `weights` (B T, A) are of the whole grid.
    """
    cells = np.array(kept, np.int64)
    _, cache = model.forward(parameters, tokens)
    caches = [cache]
    if kept:
        caches.append(model.recompute(parameters, cache.packing, cells))
    return [model.backward(parameters, left, weights[cells], cells) for left in caches]


def jacobian(model: Transformer, parameters: Parameters, tokens: np.ndarray) -> Any:
    """Return the derivatives (B T, A, P) of all logits in all parameters, by complex step."""
    moved = parameters.astype(np.complex128)
    packing = Packing.of(tokens, model.vocabulary)
    result = np.zeros((tokens.size, model.actions, moved.flat.size))
    for i in range(moved.flat.size):
        moved.flat[i] += 1j * STEP
        logits, _ = model.forward(moved, packing)
        result[packing.cells, :, i] = logits.imag / STEP
        moved.flat[i] = parameters.flat[i]
    return result


@each_option
@pytest.mark.parametrize("tokens", [RAGGED, whole(RAGGED)], ids=["ragged", "whole"])
def test_the_backward_is_the_complex_step(options: dict[str, Any], tokens: np.ndarray) -> None:
    model = replace(SMALL, **options)
    parameters = generic_parameters(model, 0)
    weights = generic(1, tokens.size, model.actions)
    derivatives = jacobian(model, parameters, tokens)
    for name, kept in KEPT.items():
        flat = np.einsum("na,nap->p", weights[kept], derivatives[kept])
        expected = Parameters.wrap(flat, parameters.shapes)
        for found in gradients(model, parameters, tokens, weights, kept):
            for block, values in expected.views.items():
                error = np.linalg.norm(found[block] - values)
                assert error <= 1e-12 * np.linalg.norm(values), (name, block)


def torch_logits(torch: Any, model: Transformer, leaves: dict[str, Any], tokens: Any) -> Any:
    """Return the logits (T, A) of one sequence, by the functions of torch."""
    functional, d, t = torch.nn.functional, model.width, len(tokens)

    def norm(name: str, x: Any) -> Any:
        gain, offset = leaves[f"{name}_gain"], leaves.get(f"{name}_offset")
        return functional.layer_norm(x, (d,), gain, offset, eps=1e-6)

    def linear(name: str, x: Any) -> Any:
        return functional.linear(x, leaves[name].T, leaves.get(f"{name}_bias"))

    def heads(x: Any) -> Any:
        return x.reshape(t, model.heads, -1).transpose(0, 1)

    x = leaves["token_embedding"][torch.tensor(tokens)] + leaves["position_embedding"][:t]
    for block in (f"block{number}" for number in range(1, model.layers + 1)):
        query, key, value = linear(f"{block}_query_key_value", norm(f"{block}_norm1", x)).split(
            d, 1
        )
        context = functional.scaled_dot_product_attention(
            heads(query), heads(key), heads(value), is_causal=True
        )
        x = x + linear(f"{block}_projection", context.transpose(0, 1).reshape(t, d))
        inner = linear(f"{block}_expand", norm(f"{block}_norm2", x))
        x = x + linear(f"{block}_contract", getattr(functional, model.activation)(inner))
    return linear("head", norm("final_norm", x) if model.final_norm else x)


@each_option
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_forward_and_backward_are_those_of_torch(options: dict[str, Any], dtype: str) -> None:
    torch = pytest.importorskip("torch")
    model = replace(MIDDLE, **options)
    parameters = generic_parameters(model, 1).astype(dtype)
    tokens = np.array([[5, 4, 3, 2, 1, 0, 5], [1, 1, -1, -1, -1, -1, -1], [0, 2, 4, 1, 3, -1, -1]])
    kept = [3, 7, 14, 17]
    weights = generic(2, tokens.size, model.actions).astype(dtype)
    leaves = {
        name: torch.tensor(view.astype(np.float64), requires_grad=True)
        for name, view in parameters.views.items()
    }
    rows = [torch_logits(torch, model, leaves, row[row >= 0].tolist()) for row in tokens]
    eps = float(np.finfo(dtype).eps)
    logits, cache = model.forward(parameters, tokens)
    expected = torch.cat([row.detach() for row in rows]).numpy()
    assert error_ratio(logits, expected, eps) <= 64

    grid = torch.cat([torch.nn.functional.pad(row, (0, 0, 0, 7 - len(row))) for row in rows])
    (grid[kept] * torch.tensor(weights[kept].astype(np.float64))).sum().backward()
    for found in gradients(model, parameters, tokens, weights, kept):
        assert found.dtype == dtype
        for name, leaf in leaves.items():
            assert error_ratio(found[name], leaf.grad.numpy(), eps) <= 64, name
    assert cache.top.dtype == dtype


@each_option
def test_the_forward_is_that_of_plain_loops(options: dict[str, Any]) -> None:
    model = replace(SMALL, **options)
    parameters = generic_parameters(model, 0)
    logits, _ = model.forward(parameters, RAGGED)
    rows = [plain.logits(model, parameters, row[row >= 0].tolist()) for row in RAGGED]
    assert error_ratio(logits, np.concatenate(rows)) <= 64


@each_option
def test_later_tokens_change_no_bit(options: dict[str, Any]) -> None:
    model = replace(MIDDLE, **options)
    parameters = generic_parameters(model, 0)
    tokens = np.array([[5, 4, 3, 2, 1, 0, 5], [1, 2, 3, 4, 5, 0, 1]])
    before = model.forward(parameters, tokens)[0].reshape(2, 7, -1)
    for now in range(6):
        changed = tokens.copy()
        changed[:, now + 1 :] = 5 - changed[:, now + 1 :]
        after = model.forward(parameters, changed)[0].reshape(2, 7, -1)
        assert np.array_equal(after[:, : now + 1], before[:, : now + 1])
        assert not np.array_equal(after[:, now + 1], before[:, now + 1])


def test_a_ragged_batch_is_each_sequence_alone() -> None:
    parameters = generic_parameters(MIDDLE, 0)
    tokens = np.array([[5, 4, 3, 2, 1, 0, 5], [1, 1, -1, -1, -1, -1, -1], [0, 2, 4, 1, 3, -1, -1]])
    logits, cache = MIDDLE.forward(parameters, tokens)
    assert logits.shape == (14, 5)
    for b, row in enumerate(tokens):
        alone, _ = MIDDLE.forward(parameters, row[None, row >= 0])
        mine = logits[cache.packing.offsets[b] : cache.packing.offsets[b + 1]]
        assert error_ratio(mine, alone) <= 64


def test_asked_rows_have_the_logits_that_they_have_among_all() -> None:
    parameters = generic_parameters(MIDDLE, 0)
    everything, cache = MIDDLE.forward(parameters, RAGGED)
    rows = np.array([1, 3, 4, 7])
    asked, smaller = MIDDLE.forward(parameters, RAGGED, asking=rows)
    assert error_ratio(asked, everything[rows]) <= 64
    assert smaller.nbytes < cache.nbytes


def test_inputs_are_left_alone_and_the_output_is_used() -> None:
    parameters = generic_parameters(MIDDLE, 0)
    dlogits, kept = generic(1, 2, 5), np.array([1, 8])
    tokens = RAGGED.copy()
    tokens.setflags(write=False)
    _, cache = MIDDLE.forward(parameters, tokens)
    for left in cache.blocks:
        for array in (left.normed1, left.query, left.key, left.value, left.context):
            array.setflags(write=False)
        for array in (*left.probabilities, *left.activation, left.normed2):
            array.setflags(write=False)
    out = parameters.zeros_like()
    out.flat[:] = np.nan
    assert MIDDLE.backward(parameters, cache, dlogits, kept, out=out) is out
    again = MIDDLE.backward(parameters, cache, dlogits, kept)
    assert np.array_equal(out.flat, again.flat)
    none = MIDDLE.backward(parameters, cache, dlogits[:0], kept[:0], out=out)
    assert none is out
    assert not out.flat.any()


def test_the_shapes_of_the_parameters() -> None:
    plain_model = Transformer(7, 5, 9, width=6, layers=2, heads=3, feed_forward=4)
    assert list(plain_model.shapes.items())[:9] == [
        ("token_embedding", (7, 6)),
        ("position_embedding", (9, 6)),
        ("block1_norm1_gain", (6,)),
        ("block1_query_key_value", (6, 18)),
        ("block1_projection", (6, 6)),
        ("block1_norm2_gain", (6,)),
        ("block1_expand", (6, 4)),
        ("block1_contract", (4, 6)),
        ("block2_norm1_gain", (6,)),
    ]
    assert list(plain_model.shapes)[-1] == "head"
    everything = replace(plain_model, biases=True, final_norm=True).shapes
    added = [name for name in everything if name not in plain_model.shapes]
    ends = ("norm1_offset", "query_key_value_bias", "projection_bias")
    ends += ("norm2_offset", "expand_bias", "contract_bias")
    assert added == [f"block{b}_{end}" for b in (1, 2) for end in ends] + [
        "final_norm_gain",
        "final_norm_offset",
        "head_bias",
    ]
    assert everything["block1_expand_bias"] == (4,)
    assert everything["head"] == (6, 5)


def test_parameters_of_another_dtype_are_refused() -> None:
    with pytest.raises(TypeError, match="dtype: expected float32 or float64, got float16"):
        SMALL.initialize(0, np.float16)


def test_initialization_is_lecun_normal() -> None:
    model = Transformer(40, 40, 50, width=48, layers=2, biases=True, final_norm=True)
    parameters = model.initialize(3)
    assert np.array_equal(model.initialize(3, np.float32).flat, parameters.flat.astype(np.float32))
    assert not np.array_equal(model.initialize(4).flat, parameters.flat)
    for name, view in parameters.views.items():
        if view.ndim == 1:
            assert (view == name.endswith("_gain")).all(), name
            continue
        scaled = view * np.sqrt(48 if name.endswith("_embedding") else view.shape[0])
        # The key is fixed; over keys each of the two bounds fails once in 16,000 (4 sigma).
        assert np.abs(scaled).max() <= 2 / TRUNCATED_STD
        assert abs(scaled.mean()) < 4 / np.sqrt(view.size), name
        assert abs(scaled.var() - 1) < 4 * np.sqrt(2 / view.size), name
    assert not np.array_equal(parameters["block1_expand"], parameters["block2_expand"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"heads": 3}, "heads: expected a divisor of the width 16, got 3"),
        ({"heads": 0}, "heads: expected at least 1, got 0"),
        ({"width": 0}, "width: expected at least 1, got 0"),
        ({"layers": 0}, "layers: expected at least 1, got 0"),
        ({"layers": 2.0}, "layers: expected an integer, got 2.0"),
        ({"vocabulary": True}, "vocabulary: expected an integer, got True"),
        ({"actions": -1}, "actions: expected at least 1, got -1"),
        ({"length": 0}, "length: expected at least 1, got 0"),
        ({"feed_forward": "128"}, "feed_forward: expected an integer, got '128'"),
        ({"activation": "tanh"}, "activation: expected one of relu, gelu; got 'tanh'"),
        ({"biases": 1}, "biases: expected a bool, got 1"),
        ({"final_norm": None}, "final_norm: expected a bool, got None"),
    ],
)
def test_bad_sizes_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        replace(MIDDLE, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tokens": RAGGED * 1.0}, "tokens: expected integers, got dtype float64"),
        ({"tokens": np.zeros((1, 8), int)}, "tokens: expected at most 7 a sequence, got 8"),
        ({"tokens": RAGGED + 4}, "tokens: 6 at index (0, 2) is not in 0..5"),
        ({"tokens": Packing.of([[6]], 7)}, "tokens: 6 is not in 0..5"),
        ({"parameters": generic_parameters(SMALL, 0)}, "parameters: expected"),
        ({"asking": np.array([0, 4])}, "asking: no row of sequence 2"),
        ({"asking": np.array([4, 0, 6])}, "asking: expected ascending rows in 0..7"),
        ({"asking": np.array([0, 4, 8])}, "asking: expected ascending rows in 0..7"),
        ({"asking": np.array([0.0])}, "asking: expected a (asking,) integer array, got float64"),
        ({"kept": np.array([0, 12])}, "kept: expected ascending rows in 0..11"),
        ({"kept": np.array([3, 0])}, "kept: expected ascending rows in 0..11"),
        ({"kept": np.array([0, 5])}, "kept: decision (1, 1) is past the end of its sequence"),
        ({"kept": np.array([0.0, 1.0])}, "kept: expected a (kept,) integer array, got float64"),
        ({"dlogits": np.zeros((3, 5))}, "dlogits: expected shape (2, 5), got (3, 5)"),
        ({"dlogits": np.zeros((2, 5), np.float32)}, "dlogits: expected dtype float64"),
        ({"out": SMALL.initialize(0)}, "out: expected float64 arrays of"),
        ({"keep": False}, "cache: it holds no activations; recompute them first"),
    ],
)
def test_bad_input_is_refused(change: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"parameters": generic_parameters(MIDDLE, 0), "tokens": RAGGED}
    given |= {"kept": np.array([0, 2]), "dlogits": np.zeros((2, 5)), "out": None}
    given |= {"asking": None, "keep": True} | change

    def forward_and_backward() -> None:
        parameters = given["parameters"]
        _, cache = MIDDLE.forward(
            parameters, given["tokens"], asking=given["asking"], keep=given["keep"]
        )
        MIDDLE.backward(parameters, cache, given["dlogits"], given["kept"], given["out"])

    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        forward_and_backward()
