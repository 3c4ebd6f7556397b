"""Checkpoints: every bit comes back, and what is no checkpoint is refused in one line."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kondo_ref import MLP, SGD, Adam
from kondo_ref.backend import BUILTIN, load_backend
from kondo_ref.checkpoint import load, save
from kondo_ref.conformance.cases import CASES, cast_state, make_batch, start_state, trace_step
from kondo_ref.step import TrainingState

DG = CASES[1]


def trained(backend: str, dtype: str) -> TrainingState:
    state = cast_state(start_state(DG, 0), dtype)
    batch = make_batch(DG, 0, 0).astype(dtype)
    after: TrainingState = trace_step(load_backend(backend), state, DG, batch)["state"]
    return after


def assert_same(found: TrainingState, expected: TrainingState) -> None:
    assert found.model == expected.model
    assert found.parameters.dtype == expected.parameters.dtype
    assert np.array_equal(found.parameters.flat, expected.parameters.flat)
    assert type(found.optimizer) is type(expected.optimizer)
    for field in fields(expected.optimizer):  # type: ignore[arg-type]
        ours, theirs = (getattr(s.optimizer, field.name) for s in (expected, found))
        assert np.array_equal(theirs, ours)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", sorted(BUILTIN))
def test_every_backend_writes_and_goes_on_from_a_checkpoint(
    name: str, dtype: str, tmp_path: Path
) -> None:
    extra = BUILTIN[name][1]
    if extra is not None:
        pytest.importorskip(extra)
    state = trained(name, dtype)
    save(tmp_path / "state.npz", state)
    back = load(tmp_path / "state.npz")
    assert_same(back, state)
    batch = make_batch(DG, 0, 1).astype(dtype)
    backend = load_backend(name)
    one, other = (trace_step(backend, s, DG, batch)["state"] for s in (state, back))
    assert np.array_equal(one.parameters.flat, other.parameters.flat)
    assert [path.name for path in tmp_path.iterdir()] == ["state.npz"]


@pytest.mark.parametrize("optimizer", [SGD(0.3), Adam(0.2, beta1=0.8, beta2=0.9, epsilon=1e-3)])
def test_settings_come_back(optimizer: Any, tmp_path: Path) -> None:
    model = MLP((3, 2))
    state = TrainingState(model, model.initialize(0), optimizer)
    save(tmp_path / "state.npz", state)
    assert_same(load(tmp_path / "state.npz"), state)


def write(path: Path, header: Any, **arrays: Any) -> None:
    np.savez(path, header=json.dumps(header), **arrays)


def header(**changes: Any) -> dict[str, Any]:
    good = {
        "schema": "kondo-ref/checkpoint/1",
        "model": {"kind": "mlp", "sizes": [3, 2]},
        "optimizer": {"kind": "sgd", "learning_rate": 0.1},
    }
    return good | changes


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    with pytest.raises(FileNotFoundError):
        load(path)
    flat = np.zeros(8)
    adam = {"kind": "adam", "learning_rate": 0.1, "steps": 1}
    bad = {
        "text": lambda: path.write_text("no zip"),
        "empty": lambda: path.write_bytes(b""),
        "no header": lambda: np.savez(path, parameters=flat),
        "schema": lambda: write(path, header(schema="other/1"), parameters=flat),
        "no parameters": lambda: write(path, header()),
        "size": lambda: write(path, header(), parameters=np.zeros(7)),
        "optimizer": lambda: write(path, header(optimizer={"kind": "lion"}), parameters=flat),
        "setting": lambda: write(
            path, header(optimizer={"kind": "sgd", "speed": 1}), parameters=flat
        ),
        "moment": lambda: write(
            path, header(optimizer=adam), parameters=flat, first=np.zeros(3), second=np.zeros(3)
        ),
        "pickle": lambda: np.savez(
            path, header=json.dumps(header()), parameters=np.array([print], dtype=object)
        ),
    }
    for what, make in bad.items():
        make()
        with pytest.raises(ValueError, match="not a checkpoint") as caught:
            load(path)
        assert "\n" not in str(caught.value), what
    save(path, TrainingState(MLP((3, 2)), MLP((3, 2)).initialize(0), SGD(0.1)))
    whole = path.read_bytes()
    for cut in (1, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(ValueError, match="not a checkpoint"):
            load(path)
