"""A wrong corner before the run: it is reached, alike on every backend, and 0 steps are none."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kondo_ref import MLP, Adam, TrainingState
from kondo_ref.backend import Backend, load_backend
from kondo_ref.cli import main
from kondo_ref.ratio import LIMIT, error_ratio
from kondo_ref.tasks.mnist import corner, data
from kondo_ref.tasks.mnist.analysis import headline
from kondo_ref.tasks.mnist.environment import Bandit
from kondo_ref.tasks.mnist.settings import Settings
from kondo_ref.tasks.mnist.task import TASK
from kondo_ref.tasks.mnist.train import _Trial, train

MODEL = MLP((6, 8, 10))
STEPS = 400
Report = Callable[[int], None]
AtCorner = Callable[[TrainingState, Backend, Any, int, Report], TrainingState]


def quiet(steps: int) -> None:
    """Report nothing."""
    del steps


def images(dtype: str = "float64") -> tuple[Any, Any]:
    """Ten images, far from each other, one of each digit."""
    rng = np.random.default_rng(5)
    return 3.0 * rng.standard_normal((10, 6)).astype(dtype), np.arange(10)


def start(dtype: str = "float64") -> TrainingState:
    return TrainingState(MODEL, MODEL.initialize(1, dtype), Adam(1e-2))


def deep(at_corner: AtCorner) -> TrainingState:
    state = start()
    kept = state.parameters.flat.copy()
    batches = iter([images()] * (STEPS + 1))
    reported: list[int] = []
    found = at_corner(state, load_backend("numpy"), batches, STEPS, reported.append)
    assert sum(reported) == STEPS
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

    def wrong(
        state: TrainingState, backend: Backend, batches: Any, steps: int, report: Report
    ) -> TrainingState:
        own = ((x, digits(labels) - 1) for x, labels in batches)
        return corner.at_corner(state, backend, own, steps, report)

    return wrong


def one_step(
    state: TrainingState, backend: Backend, batches: Any, steps: int, report: Report
) -> TrainingState:
    found = corner.at_corner(state, backend, batches, 1, report)
    report(steps - 1)
    list(zip(range(steps - 1), batches, strict=False))
    return found


def same_adam(
    state: TrainingState, backend: Backend, batches: Any, steps: int, report: Report
) -> TrainingState:
    found = corner.at_corner(state, backend, batches, steps, report)
    used = Adam(1e-2)
    none = found.parameters.zeros_like()
    used.step(none, none)
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


def unreported(
    state: TrainingState, backend: Backend, batches: Any, steps: int, report: Report
) -> TrainingState:
    del report
    return corner.at_corner(state, backend, batches, steps, quiet)


def check_stop(at_corner: AtCorner) -> None:
    """Who is told to stop stops on the way, not at the end of it."""

    def stop(_: int) -> None:
        raise InterruptedError

    batches = iter([images()] * 9)
    with contextlib.suppress(InterruptedError):
        at_corner(start(), load_backend("numpy"), batches, 9, stop)
    assert len(list(batches)) == 8


def test_it_stops_on_the_way() -> None:
    check_stop(corner.at_corner)
    with pytest.raises(AssertionError):
        check_stop(unreported)


def test_its_steps_are_part_of_the_progress() -> None:
    values = Settings(methods=("pg",), corner=5, **SMALL)
    reported: list[int] = []
    train(values.to_dict(), {"data_dir": None}, "numpy", "pg", 0, reported.append)
    assert sum(reported) == values.work == 15


def test_no_steps_leave_the_state() -> None:
    state = start()
    assert corner.at_corner(state, load_backend("numpy"), iter(()), 0, quiet) is state


def test_how_deep() -> None:
    p = np.full((2, 10), 0.01)
    p[0, 4], p[0, 3] = 0.5, 0.25
    p[1, 0], p[1, 9] = 0.25, 0.0625
    found = corner.reached(np.log(p), np.array([3, 9]))
    assert found["corner_probability"] == pytest.approx(0.375)
    assert found["corner_surprisal"] == pytest.approx(3.0 * np.log(2.0))


@pytest.mark.parametrize("backend", ["numba", "torch", "jax"])
def test_backends_agree(backend: str) -> None:
    """Three steps together are held to the test ratio of one."""
    pytest.importorskip(backend)
    ours, theirs = (
        corner.at_corner(
            start(), load_backend(name), iter([images()] * 3), 3, quiet
        ).parameters.flat
        for name in ("numpy", backend)
    )
    assert theirs.dtype == np.float64
    assert not np.array_equal(ours, start().parameters.flat)
    assert error_ratio(theirs, ours) <= LIMIT


SMALL: dict[str, Any] = {"steps": 10, "batch": 20, "hidden": (6,), "dtype": "float64", "seeds": 1}


def unit(method: str, backend: str = "numpy", **given: Any) -> dict[str, Any]:
    values = Settings(methods=(method,), **SMALL, **given).to_dict()
    found = train(values, {"data_dir": None}, backend, method, 0, lambda _: None)
    for key in ("step_seconds", "forward_seconds"):
        del found["totals"][key]
    return found


def test_older_runs_keep_their_hash() -> None:
    plain = Settings().to_dict()
    assert "corner" not in plain
    assert Settings(corner=0).to_dict() == plain
    deep = Settings(corner=7)
    assert deep.to_dict() == {**plain, "corner": 7}
    assert Settings.from_dict(deep.to_dict()) == deep


@pytest.mark.parametrize("method", ["pg", "dg", "kondo", "zero-price", "kondo-top-k", "ce"])
def test_no_corner_changes_nothing(method: str) -> None:
    """Bit for bit what the stations give that know of no corner."""
    found = unit(method, corner=0)
    assert found == unit(method)
    assert not {key for key in found["totals"] if key.startswith("corner")}
    settings = Settings(methods=(method,), **SMALL)
    bandit = Bandit.of(data.load("embedded", None), "float64")
    model = MLP((784, 6, 10))
    backend = load_backend("numpy")
    state = TrainingState(model, model.initialize(0, "float64"), Adam(1e-3))
    trial = _Trial(settings, method, 0, model, backend, backend.learner(state))
    points = {row["step"] for row in found["curve"]}
    curve = []
    for step, batch in zip(range(1, 11), bandit.batches(0, 20), strict=False):
        trial.step(step, *batch)
        if step in points:
            curve.append({"method": method, "seed": 0, **trial.log(step, bandit)})
    assert curve == found["curve"]


@pytest.mark.parametrize("method", ["pg", "dg", "zero-price", "kondo-top-k"])
def test_a_run_begins_at_the_corner_on_both_backends(method: str) -> None:
    pytest.importorskip("numba")
    ours, theirs = (unit(method, backend, corner=3) for backend in ("numpy", "numba"))
    for a, b in zip(ours["curve"], theirs["curve"], strict=True):
        assert a["online_error"] == b["online_error"]
        assert a["forward_samples"] == b["forward_samples"] == 20 * a["step"]
    for key in ("corner_probability", "corner_surprisal"):
        assert error_ratio([theirs["totals"][key]], np.array([ours["totals"][key]])) <= LIMIT


def test_every_method_begins_at_the_same_corner() -> None:
    found = [unit(method, corner=20)["totals"] for method in ("pg", "zero-price", "ce")]
    assert len({total["corner_surprisal"] for total in found}) == 1
    deeper = unit("pg", corner=60)["totals"]
    assert deeper["corner_probability"] > found[0]["corner_probability"]
    assert deeper["corner_surprisal"] > found[0]["corner_surprisal"]


@pytest.mark.parametrize("value", [-1, 1.5, True])
def test_what_is_refused(value: object) -> None:
    with pytest.raises((TypeError, ValueError), match=r"corner: .*(expected|integer)"):
        TASK.configure({"corner": value}, {"data_dir": None})


def test_the_command_line_takes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    words = "run mnist --methods dg --seeds 1 --steps 5 --hidden 4 --corner 3 --workers 1 --json"
    assert main([*words.split(), "--out", str(out)]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["configuration"]["corner"] == 3


def test_the_headline_says_where_the_run_began() -> None:
    plain, deep = (headline(Settings(corner=n).to_dict()) for n in (0, 1000))
    assert "wrong digit" not in plain
    assert ", after 1,000 steps toward a wrong digit; " in deep
