"""Laws of the sampler with a key-value cache: the tokens of one without, at a row a token."""

from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st
from strategies import frozen, generic_parameters, transformers, whole_numbers

from kondo_ref.delight import log_softmax
from kondo_ref.models.decoding import generate
from kondo_ref.models.transformer import Transformer
from kondo_ref.parameters import Parameters
from kondo_ref.randomness import sample_actions
from properties.recorded import product_flop, recorded_parameters, recording
from properties.register import assert_same, holds
from properties.skipping import Least


@dataclass(frozen=True)
class Rollout:
    """Prompts (B, P) and uniforms (B, S) for a transformer that reads what it writes."""

    model: Transformer
    seed: int
    prompts: np.ndarray
    uniforms: np.ndarray

    @property
    def parameters(self) -> Parameters:
        return generic_parameters(self.model, self.seed)


@st.composite
def rollouts(draw: st.DrawFn) -> Rollout:
    prompt, steps = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    model = draw(transformers(length=prompt + steps - 1 + draw(st.integers(0, 1))))
    model = replace(model, vocabulary=model.actions + draw(st.integers(0, 1)))
    n = draw(st.integers(1, 4))
    prompts = draw(whole_numbers((n, prompt), model.vocabulary))
    uniforms = (draw(whole_numbers((n, steps), 2**15)) + 0.5) / 2**15
    return Rollout(model, draw(st.integers(0, 3)), frozen(prompts), frozen(uniforms))


def without_cache(
    model: Transformer, parameters: Parameters, prompts: np.ndarray, uniforms: np.ndarray
) -> np.ndarray:
    """Return the actions of a sampler that runs the whole forward for every token."""
    tokens = prompts
    for draws in uniforms.T:
        logits, cache = model.forward(parameters, tokens)
        last = cache.packing.grid(logits)[:, -1]
        actions = sample_actions(np.exp(log_softmax(last)), draws)
        tokens = np.concatenate([tokens, actions[:, None]], axis=1)
    return tokens[:, prompts.shape[1] :]


@holds(case=rollouts())
def the_sampler_is_one_without_a_cache(case: Rollout) -> None:
    given = case.model, case.parameters, case.prompts, case.uniforms
    assert_same(generate(*given), without_cache(*given))


@holds(case=rollouts())
def a_new_token_is_one_row_of_every_product(case: Rollout) -> None:
    model, (n, prompt) = case.model, case.prompts.shape
    with recording() as calls:
        generate(model, recorded_parameters(case.parameters), case.prompts, case.uniforms)
    different = len({tuple(row) for row in case.prompts.tolist()})
    start = Least.of(model.layers, [(b, prompt - 1) for b in range(different)])
    blocks = range(model.layers + 1)
    expected = sum(start.forward_flop(model, block) for block in blocks)
    for place in range(prompt, prompt + case.uniforms.shape[1] - 1):
        row = 2 * model.width * (4 * model.width + 2 * model.feed_forward)
        attention = 4 * (place + 1) * model.width
        expected += n * (model.layers * (row + attention) + 2 * model.width * model.actions)
    assert product_flop(calls) == expected
