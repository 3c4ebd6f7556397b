"""The backend that counts: a learner as any other, and the counts of its last step."""

import numpy as np
import pytest
from counted_steps import EXAMPLES, batch, closed_form, run, state

from kondo_ref import MLP, Adam, Gate
from kondo_ref.backend import load_backend
from kondo_ref.flops.counts import Counts, Step
from kondo_ref.flops.executed import CountedArray
from kondo_ref.step import TrainingState


def test_its_results_are_those_of_numpy_and_plain() -> None:
    counting, numpy = load_backend("numpy:counting"), load_backend("numpy")
    assert counting.name == "numpy:counting"
    model = MLP((6, 5, 4))
    start = TrainingState(model, model.initialize(0), Adam(0.01))
    rng = np.random.default_rng(0)
    x, u, v = rng.normal(size=(9, 6)), rng.random(9), rng.random(9)
    trained = []
    for backend in (counting, numpy):
        learner = backend.learner(start)
        for _ in range(3):
            policy = learner.forward(backend.array(x))
            actions = learner.sample(policy, backend.array(u))
            gains = 1.0 - learner.confidence(policy)
            gate = Gate.named("kondo", rate=0.4)
            result = learner.update(policy, actions, gains, gate, uniforms=backend.array(v))
        after = learner.state()
        for array in (after.parameters.flat, after.optimizer.first, learner.gradient.flat):
            assert type(array) is np.ndarray
        logits = backend.to_numpy(learner.logits(backend.array(x)))
        assert type(logits) is np.ndarray
        trained.append((after.parameters.flat, after.optimizer.second, logits, result.loss))
    for a, b in zip(*trained, strict=True):
        assert np.array_equal(a, b)


@pytest.mark.parametrize("setting", EXAMPLES)
def test_its_counts_are_those_of_the_last_step(setting) -> None:
    backend = load_backend("numpy:counting", activations=setting.activations)
    learner = backend.learner(state(setting))
    assert learner.counts == Step.of()
    observations, actions, advantages, options = batch(setting)
    learner.update(learner.forward(observations), actions, advantages, setting.gate, **options)
    first = learner.counts
    learner.forward(observations)
    assert learner.counts["forward"] == first["forward"]
    assert learner.counts["update"] == learner.counts.backward == Counts()
    learner.logits(observations)
    assert learner.counts["forward"] == first["forward"]
    assert learner.activations == setting.activations


def test_it_goes_on_from_moments_and_counts_all_of_a_flush() -> None:
    setting = EXAMPLES[0]
    done = run(setting)
    again = load_backend("numpy:counting").learner(done.learner.state())
    observations, actions, advantages, options = batch(setting)
    again.update(again.forward(observations), actions, advantages, setting.gate, **options)
    assert again.counts == closed_form(done, flush=False)


def test_a_sampled_continuation_is_that_of_numpy() -> None:
    setting = EXAMPLES[3]
    prompts, uniforms = np.array([[1, 2], [0, 2]]), np.array([[0.1, 0.9], [0.5, 0.4]])
    found = [
        load_backend(name).learner(state(setting)).generate(prompts, uniforms)
        for name in ("numpy:counting", "numpy")
    ]
    assert isinstance(found[0], CountedArray)
    assert np.array_equal(*found)


def test_a_screening_asked_for_besides_is_counted_besides() -> None:
    setting = EXAMPLES[0]
    learner = load_backend("numpy:counting").learner(state(setting))
    observations, actions, advantages, _ = batch(setting)
    policy = learner.forward(observations)
    softmax = learner.counts["screen"]
    learner.screen(policy, actions, advantages, setting.gate)
    once = learner.counts["screen"] - softmax
    learner.screen(policy, actions, advantages, setting.gate)
    assert learner.counts["screen"] == softmax + 2 * once
