"""Checkpoints: every bit comes back, and what is no checkpoint is refused in one line."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kondo_ref import MLP, SGD, Adam, Gate
from kondo_ref.backend import BUILTIN, load_backend
from kondo_ref.checkpoint import load, save
from kondo_ref.conformance.cases import CASES, cast_state, make_batch, start_state, trace_step
from kondo_ref.models.kinds import describe, model_of, require_mlp
from kondo_ref.models.transformer import Transformer
from kondo_ref.randomness import uniforms
from kondo_ref.step import Learner, TrainingState

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


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "model",
    [
        Transformer(5, 4, 6, width=8, layers=2, heads=2, feed_forward=6),
        Transformer(5, 5, 6, 12, 1, 3, 7, activation="gelu", biases=True, final_norm=True),
    ],
)
def test_a_transformer_comes_back_and_goes_on(
    model: Transformer, dtype: str, tmp_path: Path
) -> None:
    start = TrainingState(model, model.initialize(0, dtype), Adam(0.01))
    subject = Learner(start)
    step(subject, 0)
    state = subject.state()
    save(tmp_path / "state.npz", state)
    back = load(tmp_path / "state.npz")
    assert_same(back, state)
    assert back.parameters.shapes == model.shapes
    follower = Learner(back)
    for learner in (subject, follower):
        step(learner, 1)
    assert np.array_equal(follower.parameters.flat, subject.parameters.flat)
    assert not np.array_equal(follower.parameters.flat, state.parameters.flat)


def step(learner: Learner, number: int) -> None:
    tokens = np.floor(5 * uniforms(0, 0, number, (3, 6))).astype(np.int64)
    actions = np.floor(4 * uniforms(0, 1, number, (3, 6))).astype(np.int64)
    advantages = 2 * uniforms(0, 2, number, (3, 6)) - 1
    gate = Gate.named("kondo-top-k", rate=0.3)
    assert learner.update(learner.forward(tokens), actions, advantages, gate).updated


def test_a_transformer_is_described_by_its_settings() -> None:
    model = Transformer(5, 4, 6, width=8, heads=2, biases=True)
    described = json.loads(json.dumps(describe(model)))
    assert described == {
        "kind": "transformer",
        "vocabulary": 5,
        "actions": 4,
        "length": 6,
        "width": 8,
        "layers": 3,
        "heads": 2,
        "feed_forward": 128,
        "activation": "relu",
        "biases": True,
        "final_norm": False,
    }
    assert model_of(described) == model
    with pytest.raises(ValueError, match="kind: expected one of mlp, transformer; got 'lstm'"):
        model_of({"kind": "lstm"})
    with pytest.raises(TypeError, match="state: the backend x trains an MLP only, got a transf"):
        require_mlp(model, "x")


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
        "kind of model": lambda: write(path, header(model={"kind": "lstm"}), parameters=flat),
        "setting of a model": lambda: write(
            path, header(model={"kind": "transformer", "sizes": [3, 2]}), parameters=flat
        ),
        "size of a model": lambda: write(
            path,
            header(model={"kind": "transformer", "vocabulary": 2, "actions": 2, "length": 0}),
            parameters=flat,
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
