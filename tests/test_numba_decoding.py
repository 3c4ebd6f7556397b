"""Sampling in the Numba backend: the tokens of the reference, each different prompt run once."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba")

from hypothesis import given
from hypothesis import strategies as st
from numba_sequences import FULL, PLAIN, Case, batch, cases

from kondo_ref import Gate
from kondo_ref.backends import numba_decoding
from kondo_ref.backends.numba_learner import NumbaLearner
from kondo_ref.models.decoding import generate
from kondo_ref.models.transformer import Transformer
from kondo_ref.step import Learner

PG = Gate.named("pg")


def rollout(case: Case, sequences: int, prompt: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Return prompts, most of which occur more than once, and uniforms."""
    few = np.abs(case.draw(20, 3, prompt) * 1000).astype(np.int64) % case.model.vocabulary
    which = np.abs(case.draw(21, sequences) * 1000).astype(np.int64) % 3
    return few[which], np.abs(case.draw(22, sequences, steps)) % 1.0


@given(
    case=cases(),
    sequences=st.integers(1, 8),
    prompt=st.integers(1, 4),
    steps=st.integers(1, 4),
)
def test_the_tokens_are_those_of_the_reference(
    case: Case, sequences: int, prompt: int, steps: int
) -> None:
    state = case.state()
    prompts, uniforms = rollout(case, sequences, prompt, steps)
    if case.model.actions > case.model.vocabulary:
        for learner in (Learner(state), NumbaLearner(state)):
            with pytest.raises(ValueError, match=r"^model: \d actions cannot be read back"):
                learner.generate(prompts, uniforms)
        return
    expected = generate(case.model, state.parameters, prompts, uniforms)
    found = NumbaLearner(state).generate(prompts, uniforms)
    assert found.dtype == np.int64
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("model", [PLAIN, FULL])
def test_the_tokens_follow_the_policy(model: Transformer, dtype: Any) -> None:
    """As a sampler draws them that runs the whole forward for every token."""
    case = batch(model, 1, 1, 1)
    prompts, uniforms = rollout(case, 40, 3, 6)
    learner = NumbaLearner(case.state(dtype=dtype))
    tokens = prompts
    for step in range(6):
        policy = learner.forward(tokens)
        draws = np.repeat(uniforms[:, step : step + 1], tokens.shape[1], axis=1)
        tokens = np.concatenate([tokens, learner.sample(policy, draws)[:, -1:]], axis=1)
    assert np.array_equal(learner.generate(prompts, uniforms), tokens[:, 3:])


def test_a_sampler_serves_rollouts_of_all_sizes() -> None:
    case = batch(PLAIN, 2, 1, 1)
    learner = NumbaLearner(case.state())
    for sequences, prompt, steps in ((3, 2, 2), (9, 4, 5), (1, 1, 1), (9, 4, 5), (2, 6, 3)):
        prompts, uniforms = rollout(case, sequences, prompt, steps)
        new = NumbaLearner(case.state()).generate(prompts, uniforms)
        assert np.array_equal(learner.generate(prompts, uniforms), new)


def test_it_follows_the_parameters() -> None:
    case = batch(PLAIN, 3, 5, 6)
    learner = NumbaLearner(case.state())
    prompts, uniforms = rollout(case, 20, 3, 5)
    learner.generate(prompts, uniforms)
    for _ in range(3):
        policy = learner.forward(case.tokens)
        learner.update(policy, case.actions, 1e4 * case.advantages, PG, mask=case.mask)
    expected = Learner(learner.state()).generate(prompts, uniforms)
    assert np.array_equal(learner.generate(prompts, uniforms), expected)


def test_a_token_is_one_row_and_a_prompt_that_comes_again_none() -> None:
    case = batch(PLAIN, 4, 1, 1)
    prompts, uniforms = rollout(case, 12, 3, 4)
    learner = NumbaLearner(case.state())
    network: Any = learner._network
    rows, honest = [], network.embed
    network.embed = lambda stream, tokens, places: (
        rows.append(tokens.size),
        honest(stream, tokens, places),
    )
    learner.generate(prompts, uniforms)
    assert rows == [3 * len(np.unique(prompts, axis=0)), 12, 12, 12]


@pytest.mark.parametrize("vocabulary", [1, 2, 3, 50])
def test_different_prompts_are_told_apart(vocabulary: int) -> None:
    generator = np.random.Generator(np.random.Philox(vocabulary))
    for n, length in ((1, 1), (2, 3), (100, 1), (100, 3), (257, 6)):
        prompts = generator.integers(0, vocabulary, (n, length))
        which, chosen = np.empty((2, n), np.int64)
        count = numba_decoding.find_different(prompts, which, chosen)
        assert count == len(np.unique(prompts, axis=0))
        assert np.array_equal(prompts[chosen[:count]][which], prompts)
        assert np.array_equal(chosen[:count], np.unique(chosen[:count]))


def test_prompts_of_one_hash_are_told_apart() -> None:
    # The low 40 bits of each hash are 0, and the low 8 still after it is folded: all of them fall
    # into the first of 128 slots.
    prompts = np.arange(64)[:, None] * (1 << 40)
    which, chosen = np.empty((2, 64), np.int64)
    assert numba_decoding.find_different(prompts, which, chosen) == 64
    assert np.array_equal(chosen[which], np.arange(64))


BAD: dict[str, tuple[Any, Any]] = {
    "of two lengths": (np.array([[0, 1], [1, -1]]), np.zeros((2, 1))),
    "beyond the vocabulary": (np.array([[0, 5]]), np.zeros((1, 1))),
    "one prompt": (np.array([0, 1]), np.zeros((1, 1))),
    "floats": (np.zeros((1, 2)), np.zeros((1, 1))),
    "uniforms of others": (np.zeros((2, 2), np.int64), np.zeros((3, 1))),
    "no uniforms": (np.zeros((2, 2), np.int64), np.zeros((2, 0))),
    "flat uniforms": (np.zeros((2, 2), np.int64), np.zeros(2)),
    "a uniform of 1": (np.zeros((2, 2), np.int64), np.array([[0.0], [1.0]])),
    "a uniform that is NaN": (np.zeros((2, 2), np.int64), np.array([[0.0], [np.nan]])),
    "too long": (np.zeros((2, 5), np.int64), np.zeros((2, 6))),
}


@pytest.mark.parametrize("name", BAD)
def test_what_the_reference_refuses_is_refused_in_its_words(name: str) -> None:
    case = batch(PLAIN, 0, 1, 1)
    refused = []
    for learner in (Learner(case.state()), NumbaLearner(case.state())):
        with pytest.raises((TypeError, ValueError)) as error:
            learner.generate(*BAD[name])
        refused.append((error.type, str(error.value)))
    assert refused[0] == refused[1]
