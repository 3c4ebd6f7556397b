"""Steps for the tests of the Numba backend: gates, batches, and every tensor of one step."""

from typing import Any

import numpy as np

from kondo_ref import MLP, Adam, Calibrated, Fixed, Gate, Quantile, Rolling
from kondo_ref.randomness import Purpose, uniforms
from kondo_ref.step import TrainingState

N, SIZES = 40, (13, 9, 8, 5)
LIMIT = 32.0
GATES = {
    "pg": Gate.named("pg"),
    "dg": Gate.named("dg"),
    "zero-price": Gate.named("zero-price"),
    "kondo": Gate.named("kondo", rate=0.3, temperature=0.2),
    "kondo-top-k": Gate.named("kondo-top-k", rate=0.1),
    "one row": Gate.named("kondo-top-k", rate=0.01),
    "everything": Gate.named("kondo-top-k", rate=1.0),
    "fixed bernoulli": Gate(price=Fixed(0.1), draw="bernoulli", temperature=0.5),
    "fixed hard bernoulli": Gate(price=Fixed(0.1), draw="bernoulli", temperature=0.0),
    "quantile soft": Gate(price=Quantile(0.25), temperature=0.3),
    "quantile hard": Gate(price=Quantile(0.25), temperature=0.0),
    "calibrated bernoulli": Gate(price=Calibrated(0.2), draw="bernoulli", temperature=0.3),
    "calibrated soft": Gate(price=Calibrated(0.2), temperature=0.3),
    "rolling bernoulli": Gate(price=Rolling(0.3, 16, 4), draw="bernoulli", temperature=0.2),
    "rolling soft": Gate(price=Rolling(0.3, 16, 4), temperature=0.2),
    "rolling hard": Gate(price=Rolling(0.3, 16, 4), temperature=0.0),
    "advantage": Gate(signal="advantage", temperature=0.4),
    "abs_advantage": Gate(signal="abs_advantage", draw="top_k", price=None, rate=0.2),
    "surprisal": Gate(signal="surprisal", price=Quantile(0.5), temperature=0.4),
    "additive": Gate(signal="additive", alpha=0.3, price=Quantile(0.3), temperature=0.2),
}


def ratio(found: Any, expected: Any, eps: float) -> float:
    """Return norm(found - expected) / (eps * norm(expected)); infinities must be the same."""
    a, b = (np.asarray(v, dtype=np.float64).ravel() for v in (found, expected))
    assert a.shape == b.shape
    infinite = np.isinf(b)
    assert np.array_equal(a[infinite], b[infinite])
    error = np.linalg.norm(a[~infinite] - b[~infinite])
    size = np.linalg.norm(b[~infinite])
    return float(error / (eps * size)) if size else (0.0 if error == 0.0 else np.inf)


def start(optimizer: Any = None, dtype: Any = np.float64, sizes: Any = SIZES) -> TrainingState:
    model = MLP(sizes)
    # Numbers that float32 holds exactly, so that both dtypes start from the same.
    parameters = model.initialize(0, np.float32)
    parameters.flat[...] += uniforms(3, 9, 0, parameters.flat.shape, np.float32) - np.float32(0.5)
    return TrainingState(model, parameters.astype(dtype), optimizer or Adam(1e-2, epsilon=1.0))


def numbers(step: int, dtype: Any, n: int = N, inputs: int = SIZES[0]) -> dict[str, np.ndarray]:
    def draw(purpose: int, *shape: int) -> np.ndarray:
        return uniforms(5, purpose, step, shape, np.float32).astype(dtype)

    return {
        "x": 2 * draw(70, n, inputs) - 1,
        "rewards": 2 * draw(71, n) - dtype(0.5),
        "draws": draw(Purpose.ACTIONS, n),
        "gate": draw(Purpose.GATE, n),
        "mask": draw(72, n) < 0.7,
    }


def run(
    learner: Any,
    batch: dict[str, np.ndarray],
    gate: Gate,
    *,
    masked: bool = False,
    actions: Any = None,
    history: Any = None,
    **options: Any,
) -> dict[str, Any]:
    """Return every tensor of one step."""
    policy = learner.forward(batch["x"])
    sampled = learner.sample(policy, batch["draws"])
    confidence = learner.confidence(policy)
    result = learner.update(
        policy,
        sampled if actions is None else actions,
        batch["rewards"] - confidence,
        gate,
        uniforms=batch["gate"] if gate.needs_uniforms else None,
        mask=batch["mask"] if masked else None,
        history=history,
        **options,
    )
    s, after = result.screening, learner.state()
    trace: dict[str, Any] = {"log_probabilities": policy.log_probabilities}
    trace |= {"actions": sampled, "confidence": confidence, "loss": result.loss}
    trace |= {name: getattr(s, name) for name in ("surprisal", "signal", "price", "history")}
    trace |= {"w": s.keep_probability, "weight": s.weight, "kept": s.kept}
    trace |= {"executed": result.executed_rows, "updated": result.updated, "after": after}
    trace |= {f"gradient {name}": view.copy() for name, view in learner.gradient.views.items()}
    trace |= {f"parameters {name}": view for name, view in after.parameters.views.items()}
    if isinstance(after.optimizer, Adam):
        trace |= {"first": after.optimizer.first, "second": after.optimizer.second}
    return trace


def assert_alike(found: dict[str, Any], expected: dict[str, Any], dtype: Any) -> None:
    eps = float(np.finfo(dtype).eps)
    for name in ("actions", "kept", "executed", "updated"):
        assert np.array_equal(found[name], expected[name]), name
    for name, value in expected.items():
        if value is None:
            assert found[name] is None, name
        elif name != "after":
            assert ratio(found[name], value, eps) <= LIMIT, name
