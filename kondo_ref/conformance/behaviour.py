"""Checks of what a backend does beside its numbers: skip, refuse, repeat, leave inputs alone.

Each takes a backend, a dtype and a seed, and raises AssertionError with one sentence where the
backend does not hold. `BEHAVIOUR` lists them by id; those of any model take its cases too.
"""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kondo_ref import checkpoint
from kondo_ref.backend import Backend, load_backend
from kondo_ref.conformance.cases import (
    CASES,
    ROWS,
    Batch,
    Case,
    cast_state,
    make_batch,
    start_state,
    trace_step,
)
from kondo_ref.gate import Gate
from kondo_ref.price import Fixed
from kondo_ref.step import TrainingState

Behaviour = Callable[[Backend, str, int], None]

TOP_K = next(case for case in CASES if case.id == "top-k")
DG = next(case for case in CASES if case.id == "dg")


def start(case: Case, dtype: str, seed: int) -> tuple[TrainingState, Batch]:
    """Return state and first batch of a case, in a dtype."""
    return cast_state(start_state(case, seed), dtype), make_batch(case, seed, 0).astype(dtype)


def require(holds: bool, message: str) -> None:
    """Raise AssertionError with `message` unless it holds, also under ``python -O``."""
    if not holds:
        raise AssertionError(message)


def rows_are_skipped(backend: Backend, dtype: str, seed: int) -> None:
    """At a low rate most rows stay out of the backward, by the backend's own count."""
    state, batch = start(TOP_K, dtype, seed)
    trace = trace_step(backend, state, TOP_K, batch)
    kept, ran = int(np.count_nonzero(trace["weight"])), trace["executed_rows"]
    require(kept <= ran, f"{ran} rows executed for {kept} kept ones")
    require(ran <= ROWS // 2, f"{ran} of {ROWS} rows executed for {kept} kept ones")


def dropped_rows_are_not_read(backend: Backend, dtype: str, seed: int) -> None:
    """Observations of dropped rows may become anything between forward and update."""
    state, batch = start(TOP_K, dtype, seed)
    expected = trace_step(backend, state, TOP_K, batch)
    observations = batch.observations.copy()
    learner = backend.learner(state)
    policy = learner.forward(backend.array(observations))
    actions = learner.sample(policy, backend.array(batch.action_uniforms))
    observations[expected["weight"] == 0] = np.nan
    learner.update(policy, actions, backend.array(batch.rewards), TOP_K.gate)
    for name, block in learner.gradient.views.items():
        same = np.array_equal(block, expected[f"gradient/{name}"])
        require(same, f"gradient/{name} changes with observations of dropped rows")


def empty_gate_is_no_step(backend: Backend, dtype: str, seed: int, case: Case = DG) -> None:
    """With nothing kept: loss 0, no executed row, no change of parameters or moments."""
    state, batch = start(case, dtype, seed)
    state = _a_step_later(state, case, batch)
    nothing = replace(case, gate=Gate(price=Fixed(1e9), temperature=0.0))
    trace = trace_step(backend, state, nothing, batch)
    require(trace["loss"] == 0.0, f"the loss is {trace['loss']}")
    require(trace["executed_rows"] == 0, f"{trace['executed_rows']} rows executed")
    require(not trace["updated"], "it says that it made a step")
    _same_state(trace["state"], state, "an empty gate")


def state_goes_through(backend: Backend, dtype: str, seed: int, case: Case = DG) -> None:
    """Give back the state that went in, bit for bit, also with moments and through a file."""
    state, batch = start(case, dtype, seed)
    _same_state(backend.learner(state).state(), state, "a round trip")
    later = _a_step_later(state, case, batch)
    _same_state(backend.learner(later).state(), later, "a round trip with moments")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.npz"
        checkpoint.save(path, later)
        loaded = checkpoint.load(path)
    _same_state(backend.learner(loaded).state(), later, "a round trip through a checkpoint")


def the_same_twice(
    backend: Backend, dtype: str, seed: int, cases: tuple[Case, ...] = (TOP_K, DG)
) -> None:
    """Give the same bits for the same inputs."""
    for case in cases:
        state, batch = start(case, dtype, seed)
        first = trace_step(backend, state, case, batch)
        second = trace_step(backend, state, case, batch)
        for name, value in first.items():
            if isinstance(value, np.ndarray):
                same = np.array_equal(value, second[name])
                require(same, f"{case.id}: {name} differs from run to run")


def inputs_are_left_alone(
    backend: Backend, dtype: str, seed: int, cases: tuple[Case, ...] = CASES
) -> None:
    """No array that the caller handed in is changed."""
    for case in cases:
        state, batch = start(case, dtype, seed)
        given = {"observations": batch.observations, "rewards": batch.rewards}
        given |= {"action_uniforms": batch.action_uniforms, "gate_uniforms": batch.gate_uniforms}
        given |= {"parameters": state.parameters.flat}
        given |= {} if batch.mask is None else {"mask": batch.mask}
        before = {name: array.copy() for name, array in given.items()}
        trace_step(backend, state, case, batch)
        for name, array in given.items():
            require(np.array_equal(array, before[name]), f"{case.id}: {name} was changed")


def bad_input_is_refused(backend: Backend, dtype: str, seed: int) -> None:
    """ValueError or TypeError for what is not finite, not of the shape, or has no valid row."""
    state, batch = start(DG, dtype, seed)
    nan = batch.rewards.copy()
    nan[3] = np.nan
    bad: dict[str, dict[str, Any]] = {
        "advantages with a NaN": {"advantages": nan},
        "advantages of shape (1,)": {"advantages": batch.rewards[:1]},
        "actions out of range": {"actions": np.full(ROWS, 99)},
        "an all-false mask": {"mask": np.zeros(ROWS, dtype=np.bool_)},
        "an int mask": {"mask": np.ones(ROWS, dtype=np.int64)},
    }
    for what, change in bad.items():
        learner = backend.learner(state)
        policy = learner.forward(backend.array(batch.observations))
        arguments = {
            "actions": np.zeros(ROWS, dtype=np.int64),
            "advantages": batch.rewards,
            "mask": None,
        } | change
        into = {k: None if v is None else backend.array(v) for k, v in arguments.items()}
        try:
            learner.update(policy, into["actions"], into["advantages"], DG.gate, mask=into["mask"])
        except (ValueError, TypeError):
            continue
        raise AssertionError(f"{what} is not refused")


def overflow_is_refused(backend: Backend, dtype: str, seed: int) -> None:
    """Refuse a loss that overflows, with a ValueError, and learn nothing from it."""
    state, batch = start(DG, dtype, seed)
    learner = backend.learner(state)
    policy = learner.forward(backend.array(batch.observations))
    actions = backend.array(np.zeros(ROWS, dtype=np.int64))
    largest = backend.array(np.full(ROWS, np.finfo(dtype).max, dtype))
    try:
        learner.update(policy, actions, largest, Gate.named("pg"), normalizer="none")
    except ValueError:
        _same_state(learner.state(), state, "a loss that overflowed")
        return
    raise AssertionError("a loss that overflows is not refused")


def _a_step_later(state: TrainingState, case: Case, batch: Batch) -> TrainingState:
    """Return a state with moments; the reference's, since a backend may lose its own."""
    later: TrainingState = trace_step(load_backend("numpy"), state, case, batch)["state"]
    return later


def _same_state(found: TrainingState, expected: TrainingState, after: str) -> None:
    pairs = [("parameters", found.parameters.flat, expected.parameters.flat)]
    for name in ("first", "second"):
        theirs, ours = (getattr(s.optimizer, name, None) for s in (found, expected))
        if ours is not None:
            require(theirs is not None, f"{name} is lost after {after}")
            pairs.append((name, np.asarray(theirs), ours))
    for name, theirs, ours in pairs:
        require(theirs.dtype == ours.dtype, f"{name}: {theirs.dtype} after {after}")
        require(np.array_equal(theirs, ours), f"{name} is changed by {after}")
    steps = [getattr(s.optimizer, "steps", 0) for s in (found, expected)]
    require(steps[0] == steps[1], f"{steps[0]} optimizer steps after {after}, not {steps[1]}")


BEHAVIOUR: dict[str, Behaviour] = {
    "rows-are-skipped": rows_are_skipped,
    "dropped-rows-are-not-read": dropped_rows_are_not_read,
    "empty-gate-is-no-step": empty_gate_is_no_step,
    "state-goes-through": state_goes_through,
    "the-same-twice": the_same_twice,
    "inputs-are-left-alone": inputs_are_left_alone,
    "bad-input-is-refused": bad_input_is_refused,
    "overflow-is-refused": overflow_is_refused,
}
