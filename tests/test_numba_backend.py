"""The Numba backend against the reference learner: every tensor of a step, whatever the gate."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba")

from numba_steps import GATES, LIMIT, SIZES, N, assert_alike, numbers, ratio, run, start

import kondo_ref
from kondo_ref import SGD, Adam, Fixed, Gate
from kondo_ref.backend import load_backend
from kondo_ref.backends.numba_learner import NumbaLearner
from kondo_ref.checkpoint import load, save
from kondo_ref.step import Learner
from kondo_ref.vectors.check import PUBLISHED, check_vectors

BACKEND = load_backend("numba")


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", GATES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_step_is_that_of_the_reference(dtype: Any, name: str, masked: bool) -> None:
    exact, batch = numbers(1, np.float64), numbers(1, dtype)
    for normalizer in ("decisions", "kept", "none"):
        expected = run(Learner(start()), exact, GATES[name], masked=masked, normalizer=normalizer)
        learner = NumbaLearner(start(dtype=dtype))
        found = run(learner, batch, GATES[name], masked=masked, normalizer=normalizer)
        assert_alike(found, expected, dtype)
        assert found["surprisal"].dtype == found["weight"].dtype == learner.gradient.dtype == dtype


@pytest.mark.parametrize("sizes", [(13, 5), (13, 9, 5), (13, 1, 1, 5), (13, 4, 1)])
@pytest.mark.parametrize("n", [1, 2, 7])
def test_other_networks_and_batches(sizes: tuple[int, ...], n: int) -> None:
    batch = numbers(2, np.float64, n)
    for name in ("dg", "one row"):
        expected = run(Learner(start(SGD(0.1), sizes=sizes)), batch, GATES[name])
        found = run(NumbaLearner(start(SGD(0.1), sizes=sizes)), batch, GATES[name])
        assert_alike(found, expected, np.float64)


@pytest.mark.parametrize("name", ["dg", "kondo", "rolling bernoulli", "kondo-top-k"])
@pytest.mark.parametrize("optimizer", [SGD(0.1), Adam(1e-2)])
def test_200_steps_from_the_state_of_the_reference(name: str, optimizer: Any) -> None:
    state, history = start(optimizer), None
    for step in range(200):
        batch = numbers(step, np.float64)
        expected = run(Learner(state), batch, GATES[name], history=history)
        found = run(NumbaLearner(state), batch, GATES[name], history=history)
        assert_alike(found, expected, np.float64)
        state, history = expected["after"], expected["history"]


def test_the_golden_vectors() -> None:
    report = check_vectors(PUBLISHED, BACKEND)
    assert report["failed"] == []
    assert report["cases"] > 50
    assert report["worst_ratio"] <= LIMIT


@pytest.mark.parametrize("unit", ["token", "sequence"])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_sequences_are_those_of_the_reference(unit: str, masked: bool, dtype: Any) -> None:
    generator = np.random.Generator(np.random.Philox(4))
    logits = generator.normal(size=(6, 5, 4)).astype(np.float32)
    actions = generator.integers(0, 4, (6, 5))
    advantages = generator.normal(size=(6, 5)).astype(np.float32)
    mask = generator.random((6, 5)) < 0.6
    mask[2], mask[0] = False, True
    for gate in GATES.values():
        changed = Gate(**{**vars(gate), "unit": unit})
        draws = generator.random(6 if unit == "sequence" else (6, 5))
        options = {"uniforms": draws, "mask": mask if masked else None, "normalizer": "kept"}
        wide = (logits.astype(np.float64), actions, advantages.astype(np.float64))
        narrow = (logits.astype(dtype), actions, advantages.astype(dtype))
        expected = kondo_ref.policy_gradient(*wide, changed, **options)
        found = BACKEND.policy_gradient(*narrow, changed, **options)
        eps = float(np.finfo(dtype).eps)
        assert found.normalizer == expected.normalizer
        assert np.array_equal(found.screening.kept, expected.screening.kept)
        assert found.dlogits.dtype == dtype
        for name in ("loss", "dlogits"):
            assert ratio(getattr(found, name), getattr(expected, name), eps) <= LIMIT
        for name in ("surprisal", "signal", "price", "keep_probability", "weight", "history"):
            ours, theirs = getattr(found.screening, name), getattr(expected.screening, name)
            assert (ours is None) == (theirs is None)
            if theirs is not None:
                assert np.shape(ours) == np.shape(theirs)
                assert ratio(ours, theirs, eps) <= LIMIT


def test_a_temperature_beyond_the_dtype_is_a_step() -> None:
    logits, actions = np.zeros((2, 2), np.float32), np.array([0, 1])
    gate = Gate(signal="advantage", temperature=1e-50)
    found = BACKEND.policy_gradient(logits, actions, np.array([1, -1], np.float32), gate)
    assert found.screening.weight.tolist() == [1.0, 0.0]
    found = BACKEND.policy_gradient(logits, actions, np.zeros(2, np.float32), gate)
    assert found.screening.weight.tolist() == [0.5, 0.5]
    found = BACKEND.policy_gradient(logits, actions, logits[0], Gate(price=Fixed(1e300)))
    assert found.screening.weight.tolist() == [0.0, 0.0]


def test_the_policy_is_right_before_anything_is_sampled() -> None:
    learner, batch = NumbaLearner(start()), numbers(0, np.float64)
    expected = Learner(start()).forward(batch["x"]).log_probabilities
    assert ratio(learner.forward(batch["x"]).log_probabilities, expected, 2.0**-52) <= LIMIT
    policy = learner.forward(batch["x"])
    before = learner.confidence(policy)
    actions = learner.sample(policy, batch["draws"])
    assert np.array_equal(learner.confidence(policy), before)
    first = policy.log_probabilities
    learner.sample(policy, batch["draws"][::-1])
    assert np.array_equal(policy.log_probabilities, first)
    assert np.array_equal(learner.sample(policy, batch["draws"]), actions)


def test_actions_changed_by_the_caller_are_the_ones_that_count() -> None:
    learner, batch = NumbaLearner(start()), numbers(0, np.float64)
    policy = learner.forward(batch["x"])
    actions = learner.sample(policy, batch["draws"])
    actions[:] = (actions + 1) % SIZES[-1]
    level = learner.screen(policy, actions, batch["rewards"], GATES["dg"]).surprisal
    assert np.array_equal(level, -policy.log_probabilities[np.arange(N), actions])


@pytest.mark.parametrize("optimizer", [SGD(0.1), Adam(0.1)])
def test_an_empty_gate_leaves_everything_alone(optimizer: Any) -> None:
    learner = NumbaLearner(
        run(NumbaLearner(start(optimizer)), numbers(0, np.float64), GATES["pg"])["after"]
    )
    before = learner.state()
    found = run(learner, numbers(1, np.float64), Gate(price=Fixed(np.inf)))
    assert (found["loss"], found["executed"], found["updated"]) == (0.0, 0, False)
    assert np.array_equal(found["after"].parameters.flat, before.parameters.flat)
    for name in ("steps", "first", "second"):
        after = getattr(found["after"].optimizer, name, None)
        assert np.array_equal(after, getattr(before.optimizer, name, None))


@pytest.mark.parametrize("optimizer", [SGD(0.1), Adam(0.1)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_state_goes_through_bit_for_bit(optimizer: Any, dtype: Any, tmp_path: Path) -> None:
    learner = NumbaLearner(start(optimizer, dtype))
    for step in range(3):
        run(learner, numbers(step, dtype), GATES["dg"])
    save(tmp_path / "state.npz", learner.state())
    follower = NumbaLearner(load(tmp_path / "state.npz"))
    for each in (learner, follower):
        run(each, numbers(3, dtype), GATES["dg"])
    a, b = learner.state(), follower.state()
    assert np.array_equal(a.parameters.flat, b.parameters.flat)
    for name in ("steps", "first", "second"):
        assert np.array_equal(getattr(a.optimizer, name, 0), getattr(b.optimizer, name, 0))
    assert not np.shares_memory(a.parameters.flat, learner.state().parameters.flat)


def test_inputs_may_be_read_only_and_strided() -> None:
    batch = numbers(0, np.float64)
    strided = {name: np.repeat(value, 2, axis=0)[::2] for name, value in batch.items()}
    for value in strided.values():
        value.flags.writeable = False
    for name in ("kondo", "kondo-top-k", "dg"):
        expected = run(NumbaLearner(start()), batch, GATES[name], masked=True)
        found = run(NumbaLearner(start()), strided, GATES[name], masked=True)
        assert_alike(found, expected, np.float64)
    expected_loss = kondo_ref.policy_gradient(
        strided["x"], np.zeros(N, np.int32), strided["rewards"], GATES["dg"]
    ).loss
    found_loss = BACKEND.policy_gradient(
        strided["x"], np.zeros(N, np.int32), strided["rewards"], GATES["dg"]
    ).loss
    assert found_loss == pytest.approx(expected_loss, rel=1e-14)


def test_dropped_rows_never_enter() -> None:
    batch, gate = numbers(0, np.float64), GATES["kondo-top-k"]
    expected = run(NumbaLearner(start()), batch, gate)
    learner, x = NumbaLearner(start()), batch["x"].copy()
    policy = learner.forward(x)
    actions = learner.sample(policy, batch["draws"])
    x[expected["weight"] == 0] = np.nan
    result = learner.update(policy, actions, batch["rewards"] - learner.confidence(policy), gate)
    assert result.executed_rows == result.screening.kept.size == 4
    for name, view in learner.gradient.views.items():
        assert np.array_equal(view, expected[f"gradient {name}"])
