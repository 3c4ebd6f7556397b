"""The learner of the PyTorch backend: which rows run, what changes, what a state goes through."""

import shutil
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from kondo_ref import MLP, SGD, Adam, Fixed, Gate  # noqa: E402
from kondo_ref.backends.torch_backend import TorchBackend  # noqa: E402
from kondo_ref.bench.mlp import Batch as BenchBatch  # noqa: E402
from kondo_ref.bench.torch_masked import masked_step, masked_variants  # noqa: E402
from kondo_ref.randomness import uniforms  # noqa: E402
from kondo_ref.ratio import LIMIT, error_ratio  # noqa: E402
from kondo_ref.step import TrainingState  # noqa: E402

TORCH, ROWS = TorchBackend(), 24
ALL, NOTHING = Gate.named("pg"), Gate(price=Fixed(np.inf))
DG, TOP = Gate.named("dg"), Gate.named("kondo-top-k", rate=0.2)


def learner(compile: bool = False, optimizer: Any = None) -> Any:
    model = MLP((9, 8, 7, 5))
    state = TrainingState(model, model.initialize(0), optimizer or Adam(1e-2))
    return TorchBackend(compile=compile).learner(state)


def update(subject: Any, gate: Gate, rows: int = ROWS, step: int = 0) -> Any:
    x = torch.from_numpy(2 * uniforms(5, 0, step, (rows, 9)) - 1)
    actions = torch.arange(rows) % 5
    advantages = torch.from_numpy(2 * uniforms(5, 2, step, (rows,)) - 1)
    return subject.update(subject.forward(x), actions, advantages, gate)


@pytest.mark.parametrize("rate", [0.01, 0.2, 1.0])
def test_only_kept_rows_go_through_the_backward(rate: float) -> None:
    subject = learner()
    forward, backward = [], []

    def spy(_layer: Any, _arguments: Any, out: Any) -> None:
        forward.append((len(out), out.requires_grad))
        if out.requires_grad:
            out.register_hook(lambda dout: backward.append(len(dout)))

    for layer in subject._network.layers:
        layer.register_forward_hook(spy)
    result = update(subject, Gate.named("kondo-top-k", rate=rate))
    kept = len(result.screening.kept)
    assert kept == max(1, round(rate * ROWS)) == result.executed_rows
    assert forward == [(ROWS, False)] * 5 + [(kept, True)] * 5
    assert backward == [kept] * 5


def test_everything_kept_again_is_one_forward() -> None:
    subject, other = learner(), learner()
    rows: list[int] = []
    subject._network.register_forward_hook(lambda _net, args, _out: rows.append(len(args[0])))
    for step in range(3):
        assert update(subject, ALL, step=step).executed_rows == ROWS
        other._expect_everything = False
        update(other, ALL, step=step)
    assert rows == [ROWS] * 4
    update(subject, TOP, step=3)
    assert rows == [ROWS] * 5 + [5]
    update(other, TOP, step=3)
    assert np.array_equal(subject.state().parameters.flat, other.state().parameters.flat)


@pytest.mark.parametrize("optimizer", [SGD(0.1), Adam(0.1)])
def test_an_empty_gate_is_no_step(optimizer: Any) -> None:
    subject = learner(optimizer=optimizer)
    assert not subject.gradient.flat.any()
    update(subject, ALL)
    before, gradient = subject.state(), subject.gradient.flat
    result = update(subject, NOTHING, step=1)
    assert (result.loss, result.executed_rows, result.updated) == (0.0, 0, False)
    same_state(subject.state(), before)
    assert np.array_equal(subject.gradient.flat, gradient)


def same_state(found: TrainingState, expected: TrainingState) -> None:
    assert found.parameters.flat.tobytes() == expected.parameters.flat.tobytes()
    assert type(found.optimizer) is type(expected.optimizer)
    for name in ("steps", "first", "second", "beta1", "epsilon"):
        theirs, ours = (getattr(s.optimizer, name, None) for s in (found, expected))
        assert type(theirs) is type(ours)
        assert np.asarray(theirs).tobytes() == np.asarray(ours).tobytes()


@pytest.mark.parametrize("steps", [0, 7, 2**24 + 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_state_goes_through_bit_for_bit(dtype: str, steps: int) -> None:
    model = MLP((5, 4, 3))
    optimizer = Adam(1e-3, beta1=0.8, epsilon=1e-7)
    if steps:
        optimizer.steps = steps
        optimizer.first = uniforms(0, 0, 0, (39,), dtype) - np.asarray(0.5, dtype)
        optimizer.second = uniforms(0, 1, 0, (39,), dtype)
    state = TrainingState(model, model.initialize(3, dtype), optimizer)
    before = state.copy()
    subject = TORCH.learner(state)
    same_state(subject.state(), state)
    x = torch.ones((2, 5), dtype=getattr(torch, dtype))
    subject.update(subject.forward(x), torch.tensor([0, 1]), torch.ones(2), ALL)
    after = subject.state()
    assert after.optimizer.steps == steps + 1
    same_state(TORCH.learner(after).state(), after)
    same_state(state, before)


def test_dead_moments_are_set_to_zero() -> None:
    subject = learner()
    state = subject.state()
    state.optimizer.steps = 63
    state.optimizer.first, state.optimizer.second = np.full((2, state.parameters.flat.size), 1e-307)
    subject = TORCH.learner(state)
    subject.update(subject.forward(torch.zeros(2, 9).double()), [0, 1], [1.0, 1.0], ALL)
    assert not np.any(subject.state().optimizer.first[: 9 * 8])


def test_nothing_handed_in_is_changed_or_gets_a_gradient() -> None:
    subject = learner()
    random = torch.get_rng_state()
    x = torch.ones((4, 9), dtype=torch.float64, requires_grad=True)
    gain = torch.tensor([1.0, -1.0, 0.5, 0.0], dtype=torch.float64, requires_grad=True)
    policy = subject.forward(x)
    actions = subject.sample(policy, np.array([0.1, 0.4, 0.7, 0.9]))
    tensors = [subject.logits(x), policy.log_probabilities, subject.confidence(policy)]
    policy = subject.forward(x)
    with torch.no_grad():
        result = subject.update(policy, actions, gain, ALL)
    logits = torch.zeros((4, 5), dtype=torch.float64, requires_grad=True)
    gradient = TORCH.policy_gradient(logits, actions, gain, DG)
    tensors += [gradient.dlogits, gradient.screening.weight, result.screening.advantages, actions]
    assert not any(tensor.requires_grad for tensor in tensors)
    assert all(tensor.grad is None for tensor in (x, gain, logits))
    assert (x == 1).all()
    assert not logits.any()
    assert np.asarray(gain.detach()).tolist() == [1.0, -1.0, 0.5, 0.0]
    learner()
    assert torch.equal(torch.get_rng_state(), random)


def test_refusals_of_the_learner() -> None:
    subject, x = learner(), torch.zeros((2, 9), dtype=torch.float64)
    actions, gain = torch.tensor([0, 1]), torch.ones(2)
    for bad, message in (
        (torch.zeros(2, 9), "x: expected dtype float64, got float32"),
        (x[:, 1:], r"x: expected shape \(N, 9\), N >= 1, got \(2, 8\)"),
        (x + torch.inf, r"x: not finite at index \(0, 0\) \(inf\)"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            subject.forward(bad)
    first = subject.forward(x)
    policy = subject.forward(x)
    stale = "policy: expected that of this learner's last forward, got another"
    with pytest.raises(ValueError, match=stale):
        subject.update(first, actions, gain, ALL)
    subject.update(policy, actions, gain, ALL)
    with pytest.raises(ValueError, match=stale):
        subject.update(policy, actions, gain, ALL)
    with torch.no_grad():
        subject._network.layers[2].weight[0, 0] = torch.nan
    with pytest.raises(ValueError, match=r"logits: not finite at index \(0, 0\) \(nan\)"):
        subject.forward(x)


@pytest.mark.skipif(
    shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on the CPU"
)
@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated:DeprecationWarning")
def test_compiled_is_the_same() -> None:
    """One compilation serves all numbers of kept rows: 24, 12 and 5 here."""
    compiled, eager = learner(compile=True), learner()
    for step, rate in enumerate((0.2, 0.5, 0.04, 1.0, 1.0)):
        gate = Gate.named("kondo-top-k", rate=rate)
        found, expected = (update(subject, gate, step=step) for subject in (compiled, eager))
        assert found.loss == pytest.approx(expected.loss, rel=1e-13)
        assert found.screening.kept.tolist() == expected.screening.kept.tolist()
        assert error_ratio(compiled.gradient.flat, eager.gradient.flat) <= LIMIT


def test_the_masked_step_of_the_benchmark_has_the_gradient_of_ours() -> None:
    model = MLP((6, 5, 4))
    state = TrainingState(model, model.initialize(0), Adam(1e-3))
    sample = BenchBatch(2 * uniforms(7, 0, 0, (40, 6)) - 1, np.arange(40) % 4)
    step: Any = masked_step(state, sample, 0.1, fused=None)
    assert step() == 40
    sample.turn = 0
    subject = TORCH.learner(state)
    policy = subject.forward(torch.from_numpy(sample.x))
    actions = subject.sample(policy, sample.uniforms())
    gain = sample.rewards(np.asarray(actions)) - np.asarray(subject.confidence(policy))
    subject.update(policy, actions, gain, Gate.named("kondo-top-k", rate=0.1))
    pairs = zip(subject._network.parameters(), step.network.parameters(), strict=True)
    for ours, theirs in pairs:
        assert error_ratio(ours.grad, theirs.grad.numpy()) <= LIMIT
        assert error_ratio(ours.detach(), theirs.detach().numpy()) <= LIMIT
    variants = masked_variants(state, sample, 0.1)
    assert {name: run() for name, run in variants.items()} == dict.fromkeys(variants, 40)
