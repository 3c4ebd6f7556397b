"""The JAX backend at its edges: nothing kept, bad input, 64-bit types, autodiff, ties, sampling."""

from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="the extra jax is not installed")

from refusal import refused  # noqa: E402
from test_bad_input import BATCHES, DG, GOOD  # noqa: E402
from test_jax_backend import BACKEND, NAMED, REFERENCE, inputs  # noqa: E402

from kondo_ref import MLP, SGD, Adam, Fixed, Gate, Parameters, policy_gradient  # noqa: E402
from kondo_ref.backends.jax_arrays import own  # noqa: E402
from kondo_ref.randomness import uniforms  # noqa: E402
from kondo_ref.ratio import error_ratio  # noqa: E402
from kondo_ref.step import Learner, TrainingState  # noqa: E402


@pytest.mark.parametrize("optimizer", [SGD(0.1), Adam(0.1)])
def test_an_empty_gate_leaves_everything_alone(optimizer: Any) -> None:
    model = MLP((3, 2))
    learner = BACKEND.learner(TrainingState(model, model.initialize(0), optimizer))
    x = BACKEND.array(uniforms(9, 77, 0, (4, 3)))
    arguments = (np.zeros(4, dtype=int), np.ones(4))
    learner.update(learner.forward(x), *arguments, NAMED["pg"])
    before = learner.state()
    result = learner.update(learner.forward(x), *arguments, Gate(price=Fixed(np.inf)))
    assert (result.loss, result.executed_rows, result.updated) == (0.0, 0, False)
    after = learner.state()
    assert np.array_equal(before.parameters.flat, after.parameters.flat)
    assert getattr(before.optimizer, "steps", 0) == getattr(after.optimizer, "steps", 0)
    nothing = BACKEND.policy_gradient(np.zeros((2, 2)), [0, 1], [-1.0, -1.0], NAMED["zero-price"])
    assert nothing.loss == 0.0
    assert not np.asarray(nothing.dlogits).any()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("moments", [False, True])
def test_a_state_comes_back_bit_for_bit(moments: bool, dtype: Any) -> None:
    model, optimizer = MLP((4, 3, 2)), Adam(0.01, beta1=0.8)
    flat = uniforms(1, 78, 0, (23,)).astype(dtype)
    if moments:
        optimizer.first, optimizer.second, optimizer.steps = flat / 3, flat / 7, 5
    state = TrainingState(model, Parameters.wrap(flat, model.shapes), optimizer)
    back = BACKEND.learner(state).state()
    assert np.array_equal(back.parameters.flat, flat)
    assert back.parameters.dtype == dtype
    assert isinstance(back.optimizer, Adam)
    assert (back.optimizer.steps, back.optimizer.beta1) == (optimizer.steps, 0.8)
    for name in ("first", "second"):
        found, expected = getattr(back.optimizer, name), getattr(optimizer, name)
        assert (found is None) == (expected is None)
        assert found is None or (np.array_equal(found, expected) and found.dtype == dtype)
    Learner(back)


def test_the_switch_of_64_bit_types_is_left_alone() -> None:
    before = jax.config.jax_enable_x64
    double = BACKEND.array(np.ones(2))
    assert double.dtype == np.float64
    assert BACKEND.to_numpy(double).dtype == np.float64
    BACKEND.policy_gradient(**inputs((13,), False), gate=NAMED["dg"])
    assert jax.config.jax_enable_x64 == before
    if not before:
        assert jax.numpy.zeros(2).dtype == np.float32
        with pytest.raises(TypeError, match="array: expected dtype float64, JAX made float32"):
            own(None, np.ones(2))


def test_another_dtype_than_the_parameters_is_refused() -> None:
    model = MLP((3, 2))
    learner = BACKEND.learner(TrainingState(model, model.initialize(0), SGD(0.1)))
    with pytest.raises(TypeError, match="x: expected dtype float64, got float32"):
        learner.forward(BACKEND.array(np.ones((2, 3), np.float32)))
    with pytest.raises(ValueError, match=r"x: expected shape \(N, 3\), N >= 1, got \(2, 4\)"):
        learner.forward(BACKEND.array(np.ones((2, 4))))
    with pytest.raises(ValueError, match=r"x: not finite at index \(1, 2\) \(-inf\)"):
        learner.logits(np.array([[0, 0, 0], [0, 0, -np.inf]]))
    policy = learner.forward(np.ones((2, 3)))
    learner.forward(np.ones((2, 3)))
    with pytest.raises(ValueError, match="policy: expected that of this learner's last forward"):
        learner.update(policy, [0, 1], [1.0, 1.0], DG)


def test_what_cannot_be_trained_is_refused() -> None:
    model = MLP((3, 2))
    other: Any = object()
    with pytest.raises(TypeError, match="state: expected the model MLP"):
        BACKEND.learner(TrainingState(other, model.initialize(0), SGD(0.1)))
    with pytest.raises(TypeError, match="state: expected the optimizer SGD or Adam"):
        BACKEND.learner(TrainingState(model, model.initialize(0), other))


@pytest.mark.parametrize("row", BATCHES, ids=lambda row: row[0])
def test_a_bad_batch_is_refused_as_by_the_reference(row: tuple[Any, ...]) -> None:
    _, changes, error, name, shown = row
    arguments = {**GOOD, "gate": DG, **changes}
    refused(lambda: BACKEND.policy_gradient(**arguments), error, name, shown)


@pytest.mark.parametrize("distance", [1.0, 30.0, 200.0])
@pytest.mark.parametrize("action", [0, 1])
def test_autodiff_is_right_where_the_policy_is_almost_certain(distance: float, action: int) -> None:
    logits = np.array([[0.0, distance, -1.0]])
    given = {"logits": logits, "actions": [action], "advantages": [1.0], "gate": NAMED["pg"]}
    found, expected = BACKEND.policy_gradient(**given), policy_gradient(**given)
    assert error_ratio(found.dlogits, expected.dlogits) <= 4


def test_the_relu_has_slope_0_at_0() -> None:
    model = MLP((2, 3, 2))
    state = TrainingState(model, model.initialize(0), SGD(0.1))
    for backend in (BACKEND, REFERENCE):
        learner = backend.learner(state)
        policy = learner.forward(backend.array(np.zeros((1, 2))))
        learner.update(policy, np.array([0]), np.ones(1), NAMED["pg"])
        assert not learner.gradient["bias1"].any()
        assert learner.gradient["bias2"].any()


def test_samples_are_those_of_the_reference() -> None:
    model = MLP((3, 6))
    state = TrainingState(model, model.initialize(0), SGD(0.1))
    state.parameters["bias1"][:] = [0, 0, -1000, 1, -1000, -1000]
    draws = np.append(uniforms(3, 79, 0, (198,)), [0.0, 1 - 2.0**-53])
    x = uniforms(3, 80, 0, (200, 3))
    found = []
    for backend in (BACKEND, REFERENCE):
        learner = backend.learner(state)
        policy = learner.forward(backend.array(x))
        found.append(backend.to_numpy(learner.sample(policy, backend.array(draws))))
    assert np.array_equal(*found)
    assert found[0].dtype == np.int64
    assert set(found[0].tolist()) == {0, 1, 3}


@pytest.mark.parametrize("n", [3, 8, 33])
def test_equal_rows_tie_and_the_lowest_index_wins(n: int) -> None:
    logits = np.tile(uniforms(2, 81, 0, (1, 5)), (n, 1))
    gate = Gate.named("kondo-top-k", rate=0.4)
    found = BACKEND.policy_gradient(logits, np.ones(n, dtype=int), np.full(n, 0.7), gate)
    assert np.array_equal(found.screening.kept, np.arange(max(1, round(0.4 * n))))


@pytest.mark.parametrize("temperature", [1e-320, 1e-50, 1e39])
def test_a_temperature_beyond_float32(temperature: float) -> None:
    given = inputs((13,), False, np.float32)
    given["advantages"][4] = 0.0
    gate = Gate(temperature=temperature)
    found = BACKEND.policy_gradient(**given, gate=gate).screening.keep_probability
    expected = policy_gradient(**given, gate=gate).screening.keep_probability
    assert found[4] == 0.5
    assert np.allclose(found, expected, rtol=1e-6, atol=0)
