"""A training step: the composition of the stations, and nothing where nothing was kept."""

from typing import Any

import numpy as np
import pytest

import kondo_ref.step
from kondo_ref import MLP, SGD, Adam, Fixed, Gate, Parameters, Quantile, policy_gradient
from kondo_ref.randomness import Purpose, uniforms
from kondo_ref.step import Learner, StepResult, TrainingState

N, SIZES = 12, (7, 6, 4)
GATES = {
    "pg": Gate.named("pg"),
    "dg": Gate.named("dg"),
    "kondo": Gate.named("kondo", price=Quantile(0.3), temperature=0.2),
    "zero-price": Gate.named("zero-price"),
    "kondo-top-k": Gate.named("kondo-top-k", rate=0.2),
}


def learner(optimizer: Any = None, dtype: Any = np.float64) -> Learner:
    model = MLP(SIZES)
    return Learner(TrainingState(model, model.initialize(0, dtype), optimizer or Adam(1e-2)))


def batch(step: int = 0, dtype: Any = np.float64) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x = (2 * uniforms(5, 0, step, (N, SIZES[0])) - 1).astype(dtype)
    actions = np.floor(4 * uniforms(5, 1, step, (N,))).astype(np.int64)
    advantages = (2 * uniforms(5, 2, step, (N,)) - 1).astype(dtype)
    return x, actions, advantages


def update(subject: Learner, gate: Gate, step: int = 0, **options: Any) -> StepResult:
    x, actions, advantages = batch(step, subject.parameters.dtype)
    draws = uniforms(5, Purpose.GATE, step, (N,))
    return subject.update(subject.forward(x), actions, advantages, gate, uniforms=draws, **options)


@pytest.mark.parametrize("normalizer", ["decisions", "kept", "none"])
@pytest.mark.parametrize("name", GATES)
def test_a_step_is_policy_gradient_and_dense_backward(name: str, normalizer: str) -> None:
    subject = learner(SGD(0.5))
    before = subject.parameters.astype(np.float64)
    result = update(subject, GATES[name], normalizer=normalizer)

    x, actions, advantages = batch()
    logits, cache = subject.model.forward(before, x)
    whole = policy_gradient(
        logits,
        actions,
        advantages,
        GATES[name],
        normalizer=normalizer,
        uniforms=uniforms(5, Purpose.GATE, 0, (N,)),
    )
    dense = subject.model.backward(before, cache, whole.dlogits, np.arange(N))
    expected = before.flat - 0.5 * dense.flat
    assert np.linalg.norm(subject.parameters.flat - expected) <= 32 * np.finfo(
        np.float64
    ).eps * np.linalg.norm(expected)
    assert result.loss == pytest.approx(whole.loss, rel=1e-14)
    assert np.array_equal(result.screening.kept, whole.screening.kept)


@pytest.mark.parametrize("name", GATES)
def test_the_executed_rows_are_the_kept_ones(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    rows: list[int] = []
    real = MLP.backward

    def spy(self: MLP, parameters: Any, cache: Any, dlogits: Any, kept: Any, out: Any) -> Any:
        rows.append(dlogits.shape[0])
        return real(self, parameters, cache, dlogits, kept, out)

    monkeypatch.setattr(MLP, "backward", spy)
    result = update(learner(), GATES[name])
    assert [result.executed_rows] == rows == [result.screening.kept.size]
    assert result.executed_rate == result.executed_rows / N


@pytest.mark.parametrize("optimizer", [SGD(0.1), Adam(0.1)])
def test_an_empty_gate_leaves_everything_alone(optimizer: Any) -> None:
    subject = learner(optimizer)
    update(subject, GATES["pg"])
    before, steps = subject.parameters.flat.copy(), getattr(subject.optimizer, "steps", None)
    result = update(subject, Gate(price=Fixed(np.inf)), step=1)
    assert (result.loss, result.executed_rows, result.updated) == (0.0, 0, False)
    assert np.array_equal(subject.parameters.flat, before)
    assert getattr(subject.optimizer, "steps", None) == steps


def test_stepping_on_an_empty_gate_would_move_the_weights() -> None:
    subject = learner(Adam(0.1))
    update(subject, GATES["pg"])
    before = subject.parameters.flat.copy()
    subject.optimizer.step(subject.parameters, subject.parameters.zeros_like())
    assert not np.array_equal(subject.parameters.flat, before)


def test_masked_rows_are_not_learned_from() -> None:
    mask = np.arange(N) % 3 != 0
    subject = learner(SGD(0.1))
    result = update(subject, GATES["pg"], mask=mask)
    assert np.array_equal(result.screening.kept, np.flatnonzero(mask))


def test_float32_follows_float64() -> None:
    single, double = learner(SGD(0.1), np.float32), learner(SGD(0.1))
    double.parameters = Parameters.wrap(
        single.parameters.flat.astype(np.float64), double.parameters.shapes
    )
    x, actions, advantages = batch(0, np.float32)
    for subject, dtype in ((single, np.float32), (double, np.float64)):
        subject.update(
            subject.forward(x.astype(dtype)), actions, advantages.astype(dtype), GATES["dg"]
        )
    assert single.parameters.dtype == single.gradient.dtype == np.float32
    found, expected = single.gradient.flat, double.gradient.flat
    eps = np.finfo(np.float32).eps
    assert np.linalg.norm(found - expected) <= 32 * eps * np.linalg.norm(expected)


def test_a_diverged_network_is_refused() -> None:
    subject = learner()
    subject.parameters["weight2"][0, 0] = np.nan
    with pytest.raises(ValueError, match=r"logits: not finite at index \(0, 0\) \(nan\)"):
        subject.forward(batch()[0])


@pytest.mark.parametrize("station", ["forward", "logits"])
def test_a_policy_of_an_earlier_forward_is_refused(station: str) -> None:
    subject = learner()
    x, actions, advantages = batch()
    policy = subject.forward(x)
    getattr(subject, station)(x[::-1].copy())
    with pytest.raises(ValueError, match="policy: expected that of this learner"):
        subject.update(policy, actions, advantages, GATES["pg"])


@pytest.mark.parametrize("optimizer", [SGD(0.1), Adam(0.1)])
def test_a_state_goes_on_as_if_nothing_had_been(optimizer: Any) -> None:
    subject = learner(optimizer)
    update(subject, GATES["dg"])
    state = subject.state()
    follower = Learner(state)
    for step in (1, 2):
        update(subject, GATES["dg"], step)
        update(follower, GATES["dg"], step)
    assert np.array_equal(subject.parameters.flat, follower.parameters.flat)
    assert not np.array_equal(subject.parameters.flat, state.parameters.flat)


def test_an_unknown_normalizer_is_refused() -> None:
    with pytest.raises(ValueError, match="normalizer: expected one of decisions, kept, none"):
        update(learner(), GATES["pg"], normalizer="mean")


def mean_over_kept(screening: Any, _normalizer: str) -> int:
    return max(1, screening.kept.size)


def test_a_wrong_normalizer_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kondo_ref.step, "normalizer_count", mean_over_kept)
    with pytest.raises(AssertionError):
        test_a_step_is_policy_gradient_and_dense_backward("kondo-top-k", "decisions")
