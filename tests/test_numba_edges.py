"""The Numba backend at its edges: refusals in the reference's words, dead moments, compilation."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba")

import numba
from numba_steps import GATES, N, numbers, ratio, run, start

import kondo_ref
from kondo_ref import Adam, Gate
from kondo_ref.backend import Backend, load_backend
from kondo_ref.backends import numba_compile, numba_gate_kernels, numba_kernels
from kondo_ref.backends.numba_learner import NumbaLearner
from kondo_ref.gate import top_k
from kondo_ref.optim import FLUSH_EVERY
from kondo_ref.parameters import Parameters
from kondo_ref.step import Learner

BACKEND = load_backend("numba")


def test_dead_moments_become_zero_and_not_denormal() -> None:
    state = start(Adam(1e-3), np.float32)
    size = state.parameters.flat.size
    state.optimizer.steps = FLUSH_EVERY - 2
    state.optimizer.first = np.full(size, 1e-36, np.float32)
    state.optimizer.second = np.full(size, 1e-36, np.float32)
    learner, reference = NumbaLearner(state), Learner(state)
    batch = numbers(0, np.float32)
    batch["x"][:, 0] = 0  # so the first row of weight1 is dead
    for each in (learner, reference):
        run(each, batch, GATES["dg"])
        dead = Parameters.wrap(each.state().optimizer.first, state.model.shapes)["weight1"][0]
        assert (dead > 0).all()
        run(each, batch, GATES["dg"])
        after = each.state().optimizer
        for moment in (after.first, after.second):
            assert not Parameters.wrap(moment, state.model.shapes)["weight1"][0].any()


def test_adam_loses_nothing_to_cancellation() -> None:
    # Where the compiler may reorder, (1 - beta2) g^2 + beta2 v loses three digits.
    generator = np.random.Generator(np.random.Philox(1))
    gradient = 30 * generator.normal(size=500)
    theta, first, second = np.zeros((3, 500))
    numba_kernels.adam_step(theta, gradient, first, second, 0.9, 0.999, 1e-3, 1e-8)
    assert ratio(second, (1 - 0.999) * gradient**2, 2.0**-52) <= 4
    assert ratio(first, (1 - 0.9) * gradient, 2.0**-52) <= 4


def test_a_foreign_optimizer_makes_its_own_step() -> None:
    class Sign:
        def step(self, parameters: Parameters, gradient: Parameters) -> None:
            parameters.flat[...] -= np.sign(gradient.flat)

    learner = NumbaLearner(start(Sign()))
    before = learner.state().parameters.flat
    found = run(learner, numbers(0, np.float64), GATES["dg"])
    moved = before - np.sign(learner.gradient.flat)
    assert np.array_equal(found["after"].parameters.flat, moved)


@pytest.mark.parametrize("n", [1, 2, 3, 10, 57])
def test_selection_with_ties(n: int) -> None:
    generator = np.random.Generator(np.random.Philox(n))
    for _ in range(30):
        signal = generator.integers(-3, 4, n).astype(np.float64)
        k = int(generator.integers(1, n + 1))
        weight, kept = np.empty(n), np.empty(k, np.int64)
        numba_gate_kernels.top_rows(signal, np.empty(0, np.bool_), k, weight, kept)
        assert np.array_equal(weight == 1, top_k(signal, k))
        assert np.array_equal(kept, np.flatnonzero(weight))
        place = int(generator.integers(0, n))
        found = numba_gate_kernels.order_statistic(signal.copy(), place)
        assert found == np.sort(signal)[place]


GOOD: dict[str, Any] = {
    "logits": np.zeros((3, 2)),
    "actions": np.array([0, 1, 0]),
    "advantages": np.ones(3),
    "gate": GATES["dg"],
}
BAD: list[dict[str, Any]] = [
    {"logits": np.array([[0.0, 1.0], [np.nan, 0.0], [0.0, 0.0]])},
    {"logits": np.zeros(3)},
    {"logits": np.zeros((0, 2))},
    {"logits": [[1e308, -1e308]] * 3, "actions": np.array([1, 0, 0])},
    {"actions": np.array([0, 2, 0])},
    {"actions": np.array([0, 1, -1])},
    {"actions": np.array([0, 1, 2], dtype=np.int8)},
    {"actions": np.zeros(3)},
    {"actions": np.zeros((3, 1), dtype=int)},
    {"advantages": np.array([0.0, np.inf, 1.0])},
    {"advantages": [0.0, np.nan, 1.0]},
    {"advantages": np.ones(2)},
    {"advantages": None},
    {"logits": np.array([[0.0, 100.0]] * 3), "advantages": np.array([1e308, 1.0, 1.0])},
    {"gate": "dg"},
    {"gate": GATES["kondo"]},
    {"gate": GATES["kondo"], "uniforms": np.array([0.0, 1.0, 0.0])},
    {"gate": GATES["kondo"], "uniforms": np.array([0.0, np.nan, 0.0])},
    {"gate": GATES["kondo"], "uniforms": np.zeros((3, 1))},
    {"gate": Gate(unit="sequence")},
    {"mask": np.zeros(3, dtype=bool)},
    {"mask": [1, 1, 0]},
    {"history": [1.0]},
    {"gate": GATES["rolling soft"], "history": np.zeros((2, 2))},
    {"normalizer": "mean"},
]


@pytest.mark.parametrize("change", BAD, ids=", ".join)
def test_what_the_reference_refuses_is_refused_in_its_words(change: dict[str, Any]) -> None:
    arguments = {**GOOD, **change}
    with pytest.raises((TypeError, ValueError)) as theirs:
        kondo_ref.policy_gradient(**arguments)
    with pytest.raises(type(theirs.value)) as ours:
        BACKEND.policy_gradient(**arguments)
    assert str(ours.value) == str(theirs.value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_observations_that_are_not_finite_are_refused(value: float) -> None:
    x = numbers(0, np.float64)["x"]
    x[3, 2] = value
    for learner in (Learner(start()), NumbaLearner(start()), NumbaLearner(start(sizes=(13, 5)))):
        with pytest.raises(ValueError, match=rf"^x: not finite at index \(3, 2\) \({value}\)"):
            learner.forward(x)


def test_observations_of_another_kind_are_refused() -> None:
    for learner in (Learner(start()), NumbaLearner(start())):
        with pytest.raises(ValueError, match=r"x: expected shape \(N, 13\), N >= 1, got \(2, 12\)"):
            learner.forward(np.zeros((2, 12)))
        with pytest.raises(ValueError, match="N >= 1"):
            learner.logits(np.zeros((0, 13)))
        with pytest.raises(TypeError, match="x: expected dtype float64, got float32"):
            learner.forward(np.zeros((2, 13), np.float32))


@pytest.mark.parametrize("name", ["weight1", "bias2", "weight3", "bias3"])
def test_a_diverged_network_is_refused(name: str) -> None:
    for kind in (Learner, NumbaLearner):
        state = start()
        state.parameters[name][...] = np.nan
        with pytest.raises(ValueError, match=r"logits: not finite at index \(0, 0\) \(nan\)"):
            kind(state).forward(numbers(0, np.float64)["x"])


def test_sums_that_overflow_are_not_mistaken_for_bad_numbers() -> None:
    state = start(sizes=(13, 5))
    state.parameters["bias1"][...] = 1e308
    logits = NumbaLearner(state).forward(numbers(0, np.float64)["x"]).logits
    assert np.isfinite(logits).all()


@pytest.mark.parametrize("value", [1.0, -0.1, np.nan])
def test_uniforms_outside_the_unit_interval_are_refused(value: float) -> None:
    batch = numbers(0, np.float64)
    batch["draws"][4] = value
    for learner in (Learner(start()), NumbaLearner(start())):
        with pytest.raises(ValueError, match=r"^uniforms: expected numbers in \[0, 1\)"):
            learner.sample(learner.forward(batch["x"]), batch["draws"])


def test_a_policy_that_is_not_of_the_last_forward_is_refused() -> None:
    learner, batch = NumbaLearner(start()), numbers(0, np.float64)
    stale = learner.forward(batch["x"])
    learner.logits(batch["x"])
    foreign = NumbaLearner(start()).forward(batch["x"])
    used = learner.forward(batch["x"])
    actions = np.zeros(N, np.int64)
    learner.update(used, actions, batch["rewards"], GATES["dg"])
    for policy in (stale, foreign, used):
        with pytest.raises(ValueError, match=r"^policy: expected that of this learner's last forw"):
            learner.update(policy, actions, batch["rewards"], GATES["dg"])


def test_moments_that_do_not_fit_are_refused() -> None:
    state = start()
    state.optimizer.first, state.optimizer.second = np.zeros(3), np.zeros(3)
    with pytest.raises(ValueError, match=r"^parameters: expected shape \(3,\)"):
        run(NumbaLearner(state), numbers(0, np.float64), GATES["dg"])


def test_the_backend_says_what_it_stands_on() -> None:
    assert isinstance(BACKEND, Backend)
    assert BACKEND.versions()["numba"] == numba.__version__
    assert set(BACKEND.versions()) == {"numba", "llvmlite", "numpy"}


def test_kernels_work_without_a_folder_to_cache_in(monkeypatch: pytest.MonkeyPatch) -> None:
    real = numba.njit

    def nowhere(cache: bool = False, **options: Any) -> Any:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return real(**options)

    monkeypatch.setattr(numba, "njit", nowhere)
    compiled = numba_compile.kernel(lambda a, b: a / b)
    assert compiled(1.0, 0.0) == np.inf


CACHED = """
import numpy as np
from kondo_ref.backends.numba_kernels import sgd_step
theta = np.ones(3)
sgd_step(theta, theta.copy(), 0.5)
print(theta.tolist(), sum(sgd_step.stats.cache_hits.values()))
"""


def test_kernels_are_compiled_once(tmp_path: Path) -> None:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    printed = [
        subprocess.run(
            [sys.executable, "-c", CACHED],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for _ in range(2)
    ]
    assert printed == ["[0.5, 0.5, 0.5] 0", "[0.5, 0.5, 0.5] 1"]
