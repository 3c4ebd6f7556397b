"""The key-value cache sampler, in fixed configurations, and what it refuses.

That it is a sampler without a cache, at one row a token, are laws: properties/decoding.
"""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from properties.decoding import without_cache
from properties.recorded import product_flop, recorded_parameters, recording
from strategies import generic_parameters

from kondo_ref import MLP, Parameters
from kondo_ref.models.decoding import generate
from kondo_ref.models.transformer import Transformer
from kondo_ref.randomness import uniforms

RELEASED = Transformer(vocabulary=6, actions=5, length=12, width=16, layers=3, heads=4)
MODELS = {
    "released configuration": RELEASED,
    "gelu": replace(RELEASED, activation="gelu"),
    "biases": replace(RELEASED, biases=True),
    "final norm": replace(RELEASED, final_norm=True),
    "all of them": replace(RELEASED, activation="gelu", biases=True, final_norm=True),
    "one block of one head": replace(RELEASED, layers=1, heads=1),
    "full length": replace(RELEASED, length=10),
}
PROMPTS = np.array([[5, 0, 3], [1, 1, 1], [5, 0, 3], [0, 2, 4], [1, 1, 1]])
UNIFORMS = uniforms(0, 0, 0, (5, 8))


def soft(model: Transformer, seed: int) -> Parameters:
    """Return parameters of a policy that is sure of nothing: a sure one repeats itself."""
    parameters = generic_parameters(model, seed).astype(np.float64)
    parameters["head"][...] *= 0.1
    return parameters


@pytest.mark.parametrize("name", MODELS)
def test_the_tokens_are_those_of_a_sampler_without_a_cache(name: str) -> None:
    model = MODELS[name]
    for seed in range(5):
        given = model, soft(model, seed), PROMPTS, uniforms(seed, 0, 0, (5, 8))
        found = generate(*given)
        assert (found.shape, found.dtype) == ((5, 8), np.int64)
        assert np.array_equal(found, without_cache(*given))
        assert np.unique(found).size >= 3
        # Equal prompts are run once and still drawn apart.
        assert not np.array_equal(found[0], found[2])


def test_float32_samples_the_same_tokens() -> None:
    parameters = soft(RELEASED, 0)
    single = generate(RELEASED, parameters.astype(np.float32), PROMPTS, UNIFORMS)
    # With these uniforms none is within float32 rounding of a boundary.
    assert np.array_equal(single, generate(RELEASED, parameters, PROMPTS, UNIFORMS))


def test_one_token_needs_the_prompt_alone() -> None:
    model = replace(RELEASED, length=3)
    found = generate(model, generic_parameters(model, 0), PROMPTS, UNIFORMS[:, :1])
    assert found.shape == (5, 1)


def test_a_new_token_costs_what_the_sampler_says() -> None:
    """The products of one row, and 4 (place + 1) D a block for the attention."""
    d, f, batch = RELEASED.width, RELEASED.feed_forward, len(PROMPTS)
    parameters = recorded_parameters(soft(RELEASED, 0))
    flop = []
    for steps in (4, 5):
        with recording() as calls:
            generate(RELEASED, parameters, PROMPTS, UNIFORMS[:, :steps])
        flop.append(product_flop(calls))
    place = 3 + 4 - 1
    a_block = 2 * (4 * d * d + 2 * d * f) + 4 * (place + 1) * d
    assert flop[1] - flop[0] == batch * (RELEASED.layers * a_block + 2 * d * RELEASED.actions)


def test_inputs_are_left_alone() -> None:
    given = PROMPTS.copy(), UNIFORMS.copy()
    parameters = soft(RELEASED, 0)
    generate(RELEASED, parameters, *given)
    assert np.array_equal(given[0], PROMPTS)
    assert np.array_equal(given[1], UNIFORMS)
    assert np.array_equal(
        generate(RELEASED, parameters, PROMPTS.tolist(), UNIFORMS.tolist()),
        generate(RELEASED, parameters, PROMPTS, UNIFORMS),
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": MLP((3, 2))}, "model: expected a Transformer to sample tokens from, got MLP"),
        ({"model": replace(RELEASED, actions=7)}, "model: 7 actions cannot be read back by a voca"),
        ({"model": replace(RELEASED, width=8)}, "parameters: expected"),
        ({"prompts": PROMPTS + 1}, "prompts: 6 at index (0, 0) is not in 0..5"),
        ({"prompts": PROMPTS * 1.0}, "prompts: expected integers, got dtype float64"),
        ({"prompts": PROMPTS[0]}, "prompts: expected shape (B, T)"),
        (
            {"prompts": np.where(PROMPTS == 3, -1, PROMPTS)},
            "prompts: expected prompts of one length, got one that ends early",
        ),
        ({"uniforms": UNIFORMS[:4]}, "uniforms: expected shape (5, S), S >= 1, got (4, 8)"),
        ({"uniforms": UNIFORMS[:, 0]}, "uniforms: expected shape (5, S), S >= 1, got (5,)"),
        ({"uniforms": UNIFORMS[:, :0]}, "uniforms: expected shape (5, S), S >= 1, got (5, 0)"),
        ({"uniforms": [[0.5], [0.5, 0.5]]}, "uniforms: expected a rectangular array"),
        ({"uniforms": UNIFORMS + 1.0}, "uniforms: 1."),
        ({"uniforms": UNIFORMS * np.nan}, "uniforms: not finite at index (0, 0)"),
        (
            {"uniforms": uniforms(0, 0, 0, (5, 11))},
            "uniforms: prompts of 3 and 11 sampled tokens do not fit into the model's length 12",
        ),
    ],
)
def test_bad_rollouts_are_refused(change: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"model": RELEASED, "prompts": PROMPTS, "uniforms": UNIFORMS} | change
    with pytest.raises((TypeError, ValueError), match=re.escape(message)) as caught:
        generate(given["model"], soft(RELEASED, 0), given["prompts"], given["uniforms"])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "row"), [("position_embedding", 0), ("position_embedding", 5), ("head", 0)]
)
@pytest.mark.parametrize("value", [np.nan, 1e308])
def test_a_diverged_network_is_refused(name: str, row: int, value: float) -> None:
    parameters = soft(RELEASED, 0)
    parameters[name][row] = value
    with pytest.raises(ValueError, match="logits: not finite"):
        generate(RELEASED, parameters, PROMPTS, UNIFORMS)
