"""SGD and Adam on the flat buffer, against torch and against Kingma and Ba's formulas."""

from typing import Any

import numpy as np
import pytest

import kondo_ref.optim
from kondo_ref import SGD, Adam, Parameters
from kondo_ref.randomness import uniforms

SHAPES = {"weight": (5, 3), "bias": (3,)}


def start(dtype: Any = np.float64) -> Parameters:
    return Parameters.wrap((2 * uniforms(0, 0, 0, (18,)) - 1).astype(dtype), SHAPES)


def gradients(steps: int, dtype: Any = np.float64) -> list[Parameters]:
    """Return gradients of very different sizes, some of them exactly 0."""
    result = []
    for step in range(steps):
        scale = 10.0 ** (6 * uniforms(0, 1, step, (18,)) - 4)
        values = (2 * uniforms(0, 2, step, (18,)) - 1) * scale
        values[step % 5 :: 5] = 0
        result.append(Parameters.wrap(values.astype(dtype), SHAPES))
    return result


def textbook_adam(theta: np.ndarray, steps: list[Parameters], rate: float) -> np.ndarray:
    """Return theta after Algorithm 1 of arXiv 1412.6980, as printed there."""
    m = v = np.zeros_like(theta)
    for t, g in enumerate((gradient.flat for gradient in steps), start=1):
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g**2
        theta = theta - rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    return theta


def ratio(found: np.ndarray, expected: np.ndarray, eps: float) -> float:
    return float(np.linalg.norm(found - expected) / (eps * np.linalg.norm(expected)))


def test_adam_is_the_printed_algorithm() -> None:
    parameters, optimizer = start(), Adam(1e-2)
    for gradient in gradients(200):
        optimizer.step(parameters, gradient)
    expected = textbook_adam(start().flat, gradients(200), 1e-2)
    assert ratio(parameters.flat, expected, np.finfo(np.float64).eps) <= 32


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_one_step_is_torch(name: str, dtype: str) -> None:
    """From the same state; the state is set anew each step, so roundings do not pile up."""
    torch = pytest.importorskip("torch")
    ours: Any = {"SGD": SGD, "Adam": Adam}[name](1e-2)
    parameters = start(dtype)
    leaf = torch.nn.Parameter(torch.tensor(start(dtype).flat.astype(np.float64)))
    theirs = getattr(torch.optim, name)([leaf], lr=1e-2)
    for gradient in gradients(50, dtype):
        ours.step(parameters, gradient)
        leaf.grad = torch.tensor(gradient.flat.astype(np.float64))
        theirs.step()
        assert ratio(parameters.flat, leaf.detach().numpy(), np.finfo(dtype).eps) <= 32
        with torch.no_grad():
            leaf.copy_(torch.tensor(parameters.flat.astype(np.float64)))


@pytest.mark.parametrize("change", [{"beta1": 0.91}, {"beta2": 0.998}, {"epsilon": 1e-6}])
def test_another_adam_is_seen(change: dict[str, float]) -> None:
    parameters, optimizer = start(), Adam(1e-2, **change)
    for gradient in gradients(20):
        optimizer.step(parameters, gradient)
    expected = textbook_adam(start().flat, gradients(20), 1e-2)
    assert ratio(parameters.flat, expected, np.finfo(np.float64).eps) > 1e3


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, blocks = start(), start()
    one, many = Adam(1e-2), Adam(1e-2)
    for gradient in gradients(10):
        one.step(whole, gradient)
    monkeypatch.setattr(kondo_ref.optim, "BLOCK", 4)
    for gradient in gradients(10):
        many.step(blocks, gradient)
    assert np.array_equal(whole.flat, blocks.flat)


def test_dead_moments_do_not_become_denormal() -> None:
    parameters, optimizer = start(np.float32), Adam(1e-3)
    first, *_ = gradients(1, np.float32)
    optimizer.step(parameters, first)
    nothing = parameters.zeros_like()
    for _ in range(1200):
        optimizer.step(parameters, nothing)
    assert optimizer.first is not None
    moment = np.abs(optimizer.first)
    assert not ((moment > 0) & (moment < np.finfo(np.float32).tiny)).any()


def test_adam_moves_weights_on_a_zero_gradient() -> None:
    """Why an empty gate must make no step at all."""
    parameters, optimizer = start(), Adam(1e-2)
    optimizer.step(parameters, gradients(1)[0])
    before = parameters.flat.copy()
    optimizer.step(parameters, parameters.zeros_like())
    assert np.abs(parameters.flat - before).max() > 1e-3


@pytest.mark.parametrize("optimizer", [SGD(0.1), Adam(0.1)])
def test_a_gradient_of_other_shape_or_dtype_is_refused(optimizer: Any) -> None:
    with pytest.raises(ValueError, match=r"gradient: expected \(18,\) float64"):
        optimizer.step(start(), start(np.float32))
    with pytest.raises(ValueError, match="gradient: expected"):
        optimizer.step(start(), Parameters.zeros({"weight": (5, 3)}, np.float64))


def test_adam_refuses_other_parameters_than_before() -> None:
    optimizer = Adam(0.1)
    optimizer.step(start(), gradients(1)[0])
    other = Parameters.zeros({"weight": (5, 3)}, np.float64)
    with pytest.raises(ValueError, match=r"parameters: expected shape \(18,\), got \(15,\)"):
        optimizer.step(other, other)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SGD(0.0), "learning_rate: expected a finite number > 0"),
        (lambda: SGD(float("nan")), "learning_rate"),
        (lambda: Adam(float("inf")), "learning_rate"),
        (lambda: Adam(0.1, beta1=1.0), r"beta1: expected a number in \[0, 1\)"),
        (lambda: Adam(0.1, beta2=-0.1), "beta2"),
        (lambda: Adam(0.1, epsilon=0.0), "epsilon"),
    ],
)
def test_bad_arguments_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
