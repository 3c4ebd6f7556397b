"""A wrong corner before the run: it is reached, alike on every backend, and 0 steps are none."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mnist_files import Arrays

from kondo_ref import MLP, Adam, TrainingState
from kondo_ref.backend import Backend, load_backend
from kondo_ref.parameters import Parameters
from kondo_ref.tasks.mnist import corner
from kondo_ref.tasks.mnist.settings import METHODS, Settings
from kondo_ref.tasks.mnist.task import TASK
from kondo_ref.tasks.mnist.train import train

MODEL = MLP((6, 8, 10))
STEPS = 400
PLACES = {"data_dir": None}
AtCorner = Callable[[TrainingState, Backend, Any, int], TrainingState]


def images(dtype: str = "float64") -> tuple[Any, Any]:
    """Ten images, far from each other, one of each digit."""
    rng = np.random.default_rng(5)
    return 3.0 * rng.standard_normal((10, 6)).astype(dtype), np.arange(10)


def start(dtype: str = "float64") -> TrainingState:
    return TrainingState(MODEL, MODEL.initialize(1, dtype), Adam(1e-2))


def deep(at_corner: AtCorner = corner.at_corner, backend: str = "numpy") -> TrainingState:
    state = start()
    kept = state.parameters.flat.copy()
    batches = iter([images()] * (STEPS + 1))
    found = at_corner(state, load_backend(backend), batches, STEPS)
    np.testing.assert_array_equal(state.parameters.flat, kept)
    assert len(list(batches)) == 1, "a batch a step"
    return found


def check_corner(at_corner: AtCorner) -> None:
    """The policy of every image is near its wrong digit, and the optimizer has made no step."""
    x, labels = images()
    state = deep(at_corner)
    log_probabilities = load_backend("numpy").learner(state).forward(x).log_probabilities
    best = np.argmax(log_probabilities, axis=1)
    np.testing.assert_array_equal(best, [1, 2, 3, 4, 5, 6, 7, 8, 9, 0])
    found = corner.reached(log_probabilities, labels)
    assert found["corner_probability"] > 0.95
    assert found["corner_surprisal"] > 4.0
    assert isinstance(state.optimizer, Adam)
    assert (state.optimizer.learning_rate, state.optimizer.steps) == (1e-2, 0)
    assert state.optimizer.first is None


def test_the_corner_is_reached() -> None:
    x, labels = images()
    before = load_backend("numpy").learner(start()).forward(x).log_probabilities
    assert corner.reached(before, labels)["corner_probability"] < 0.3
    check_corner(corner.at_corner)


def toward(digits: Callable[[Any], Any]) -> AtCorner:
    """Pre-training toward other digits: those that stand one below these."""

    def wrong(state: TrainingState, backend: Backend, batches: Any, steps: int) -> TrainingState:
        own = ((x, digits(labels) - 1) for x, labels in batches)
        return corner.at_corner(state, backend, own, steps)

    return wrong


def one_step(state: TrainingState, backend: Backend, batches: Any, steps: int) -> TrainingState:
    found = corner.at_corner(state, backend, batches, 1)
    list(zip(range(steps - 1), batches, strict=False))
    return found


def same_adam(state: TrainingState, backend: Backend, batches: Any, steps: int) -> TrainingState:
    found = corner.at_corner(state, backend, batches, steps)
    used = Adam(1e-2)
    flat = Parameters.zeros_like(found.parameters)
    used.step(flat.zeros_like(), flat)
    return TrainingState(found.model, found.parameters, used)


@pytest.mark.parametrize(
    "wrong",
    [
        toward(lambda labels: labels),
        toward(lambda labels: 0 * labels + 3),
        toward(lambda labels: labels + 2),
        one_step,
        same_adam,
    ],
    ids=["the label", "one digit for all", "the digit after next", "one step", "not fresh"],
)
def test_the_check_sees(wrong: AtCorner) -> None:
    with pytest.raises(AssertionError):
        check_corner(wrong)


def test_no_steps_leave_the_state() -> None:
    state = start()
    assert corner.at_corner(state, load_backend("numpy"), iter(()), 0) is state


def test_how_deep() -> None:
    p = np.full((2, 10), 0.01)
    p[0, 4], p[0, 3] = 0.5, 0.25
    p[1, 0], p[1, 9] = 0.25, 0.0625
    found = corner.reached(np.log(p), np.array([3, 9]))
    assert found["corner_probability"] == pytest.approx(0.375)
    assert found["corner_surprisal"] == pytest.approx(3.0 * np.log(2.0))


# Sums of at most 784 products in another order, through 60 steps of Adam, whose division by the
# root of the second moment makes rounding in small gradients as large as the step itself.
@pytest.mark.parametrize("backend", ["numba", "torch", "jax"])
def test_backends_agree(backend: str) -> None:
    pytest.importorskip(backend)
    ours, theirs = deep(), deep(backend=backend)
    assert theirs.parameters.dtype == np.float64
    np.testing.assert_allclose(theirs.parameters.flat, ours.parameters.flat, rtol=1e-9, atol=1e-9)


SMALL: dict[str, Any] = {"steps": 10, "batch": 4, "hidden": (6,), "data": "full", "seeds": 1}


@pytest.fixture
def places(arrays: Arrays, tmp_path: Path) -> dict[str, Any]:
    np.savez(tmp_path / "mnist.npz", **arrays)
    return {"data_dir": str(tmp_path)}


def unit(places: dict[str, Any], method: str = "dg", **given: Any) -> dict[str, Any]:
    settings = Settings(methods=(method,), **SMALL, **given)
    values = settings.to_dict()
    if not given.get("corner"):
        assert "corner" not in values, "older runs keep their hash"
    return train(values, places, "numpy", method, 0, lambda _: None)
