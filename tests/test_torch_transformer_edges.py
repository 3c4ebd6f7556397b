"""The transformer of the PyTorch backend beside its gradient: sampling, states, what it refuses."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch_sequences import (  # noqa: E402
    ACTIONS,
    GATES,
    TORCH,
    VOCABULARY,
    batch_of,
    state_of,
)

from kondo_ref import MLP, SGD, Adam, Fixed, Gate  # noqa: E402
from kondo_ref.backends import torch_decoding  # noqa: E402
from kondo_ref.backends.torch_backend import TorchBackend  # noqa: E402
from kondo_ref.conformance.sequences import FULL  # noqa: E402
from kondo_ref.randomness import uniforms  # noqa: E402
from kondo_ref.step import Learner, TrainingState  # noqa: E402


@pytest.mark.parametrize("steps", [1, 6])
@pytest.mark.parametrize("full", [False, True])
def test_generate_is_token_for_token_that_of_the_reference(full: bool, steps: int) -> None:
    how = {"activation": "gelu", "biases": True, "final_norm": True} if full else {}
    state = state_of(4, layers=2, **how)
    prompts = np.floor(VOCABULARY * uniforms(4, 85, 0, (40, 3))).astype(np.int64)
    prompts = np.concatenate([prompts, prompts])
    draws = uniforms(4, 86, 0, (80, steps))
    expected = Learner(state).generate(prompts, draws)
    subject = TORCH.learner(state)
    assert np.array_equal(subject.generate(torch.tensor(prompts), torch.tensor(draws)), expected)
    assert np.array_equal(subject.generate(prompts, draws), expected)
    assert len(np.unique(expected)) == ACTIONS
    assert not any(p.grad is not None for p in subject._network.parameters())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("steps", [0, 7, 2**24 + 3])
def test_a_state_goes_through_bit_for_bit(steps: int, dtype: str) -> None:
    optimizer = Adam(1e-3, beta1=0.8, epsilon=1e-7)
    state = TrainingState(FULL, FULL.initialize(3, dtype), optimizer)
    size = state.parameters.flat.size
    if steps:
        optimizer.steps = steps
        optimizer.first = uniforms(0, 0, 0, (size,), dtype) - np.asarray(0.5, dtype)
        optimizer.second = uniforms(0, 1, 0, (size,), dtype)
    random, before = torch.get_rng_state(), state.parameters.flat.tobytes()
    found = TORCH.learner(state).state()
    assert torch.equal(torch.get_rng_state(), random)
    assert found.parameters.flat.tobytes() == before
    assert found.parameters.shapes == FULL.shapes
    for name in ("steps", "first", "second", "learning_rate", "beta1", "epsilon"):
        theirs, ours = (getattr(s.optimizer, name) for s in (found, state))
        assert np.asarray(theirs).tobytes() == np.asarray(ours).tobytes()


def test_an_empty_gate_is_no_step_and_a_policy_serves_once() -> None:
    batch, subject = batch_of(5, [4, 2]), TORCH.learner(state_of(5, layers=1))
    before = subject.state().parameters.flat
    result = batch.update(subject, Gate(price=Fixed(np.inf)))
    assert (result.loss, result.executed_rows, result.dense_rows) == (0.0, 0, 6)
    assert np.array_equal(subject.state().parameters.flat, before)
    policy = subject.forward(batch.tokens)
    arguments = (policy, batch.actions, batch.advantages, GATES["pg-token"])
    subject.update(*arguments, mask=batch.mask)
    with pytest.raises(ValueError, match="policy: expected that of this learner's last forward"):
        subject.update(*arguments, mask=batch.mask)


def changed(row: int, column: int, token: int) -> Any:
    tokens = np.zeros((3, 4), np.int64)
    tokens[row, column] = token
    return tokens


RAGGED = batch_of(6, [4, 2, 3])
BAD: dict[str, Callable[[Any, Callable[[Any], Any]], Any]] = {
    "token": lambda learner, into: learner.forward(into(changed(1, 2, VOCABULARY))),
    "gap": lambda learner, into: learner.forward(into(changed(1, 2, -1))),
    "floats": lambda learner, into: learner.forward(into(np.zeros((3, 4)))),
    "one sequence": lambda learner, into: learner.forward(into(np.zeros(4, np.int64))),
    "too long": lambda learner, into: learner.logits(into(np.zeros((1, 9), np.int64))),
    "no mask": lambda learner, into: refusable(learner, into, None),
    "mask past an end": lambda learner, into: refusable(learner, into, np.ones((3, 4), bool)),
    "mask of another shape": lambda learner, into: refusable(learner, into, np.ones(3, bool)),
    "prompts": lambda learner, into: learner.generate(
        into(changed(0, 3, -1)), into(np.zeros((3, 1)))
    ),
    "uniforms": lambda learner, into: learner.generate(
        into(changed(0, 0, 0)), into(np.zeros((2, 1)))
    ),
    "uniform 1": lambda learner, into: learner.generate(
        into(changed(0, 0, 0)), into(np.ones((3, 2)))
    ),
    "too many": lambda learner, into: learner.generate(
        into(changed(0, 0, 0)), into(np.zeros((3, 6)))
    ),
}


def refusable(learner: Any, into: Callable[[Any], Any], mask: Any) -> None:
    policy = learner.forward(into(RAGGED.tokens))
    gain, actions = into(RAGGED.advantages), into(RAGGED.actions)
    given = None if mask is None else into(mask)
    learner.update(policy, actions, gain, GATES["pg-token"], mask=given)


def answer(call: Callable[[], Any]) -> str:
    try:
        call()
    except (TypeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return "accepted"


@pytest.mark.parametrize("name", BAD)
def test_refusals_are_those_of_the_reference(name: str) -> None:
    state = state_of(6, layers=1)
    expected = answer(lambda: BAD[name](Learner(state), np.asarray))
    assert expected != "accepted"
    subject = TORCH.learner(state)
    assert answer(lambda: BAD[name](subject, np.asarray)) == expected
    assert answer(lambda: BAD[name](subject, torch.tensor)) == expected


def test_diverged_parameters_are_refused_by_their_logits() -> None:
    state = state_of(6, layers=1)
    state.parameters["head"][0, 1] = np.inf
    for learner in (TORCH.learner(state), Learner(state)):
        with pytest.raises(ValueError, match=r"logits: not finite at index \(0, 0, [01]\)"):
            learner.forward(RAGGED.tokens)
        with pytest.raises(ValueError, match=r"logits: not finite at index \(0, [01]\)"):
            learner.generate(changed(0, 0, 0), np.zeros((3, 1)))


def test_what_cannot_be_done_is_refused() -> None:
    other: Any = object()
    with pytest.raises(ValueError, match="compile: expected an MLP to compile, got a transformer"):
        TorchBackend(compile=True).learner(state_of(0))
    with pytest.raises(TypeError, match="state: expected an MLP or a Transformer"):
        TORCH.learner(TrainingState(other, state_of(0).parameters, SGD(0.1)))


def test_only_a_transformer_samples_tokens() -> None:
    model = MLP((3, 2))
    state = TrainingState(model, model.initialize(0), SGD(0.1))
    for learner in (TORCH.learner(state), Learner(state)):
        with pytest.raises(TypeError, match="model: expected a Transformer to sample tokens from"):
            learner.generate(np.zeros((1, 2), np.int64), np.zeros((1, 1)))


def one_place_early(block: Any, x: Any, remembered: Any, places: Any, later: Any) -> Any:
    early = places - 1 if len(places) == 1 else places
    return real_extend(block, x, remembered, early, later)


def nothing_later(block: Any, x: Any, remembered: Any, places: Any, later: Any) -> Any:
    return real_extend(block, x, remembered, places, torch.zeros_like(later))


real_extend = torch_decoding._extend


@pytest.mark.parametrize("mutant", [one_place_early, nothing_later])
def test_a_wrong_sampler_is_seen(mutant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_decoding, "_extend", mutant)
    with pytest.raises(AssertionError):
        test_generate_is_token_for_token_that_of_the_reference(True, 6)
