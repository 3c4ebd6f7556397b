"""Timing: what a gated step costs beside its forward pass.

Ratios of CPU time from variants that take turns in one process, since absolute times do not hold
from one run to the next. A turn is one call to fill the caches, as in training they are, and
`TURN` calls that count. The policy is warmed up on real images first: on a fresh one a gate does
not keep what it keeps later.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from kondo_ref import baselines, checks
from kondo_ref.gate import Gate
from kondo_ref.models.mlp import MLP
from kondo_ref.optim import Adam
from kondo_ref.randomness import Purpose, sample_actions, uniforms
from kondo_ref.step import Learner, StepResult

WARM_UP_STEPS = 300
LEAST_CALLS = 7
TURN = 5


def time_batch(batch: int, rate: float, dtype: str, seconds: float) -> dict[str, Any]:
    """Time forward-only, a gated step and a step at rate 1, at one batch size.

    Parameters
    ----------
    batch : int
        Rows of a step; beyond the embedded 8,000 images they repeat.
    rate : float
        Rate of kondo-top-k.
    dtype : str
        float32 or float64.
    seconds : float
        About how long to measure; at least `LEAST_CALLS` calls of each are.

    Returns
    -------
    dict
        Median CPU seconds of each variant, the ratios, and the mean of the rows really kept.
    """
    checks.count("batch", batch, 1)
    checks.one_of("dtype", dtype, ("float32", "float64"))
    gated = Gate.named("kondo-top-k", rate=rate)
    dense = Gate.named("kondo-top-k", rate=1.0)
    trials = {"gated": _Trial(gated, batch, dtype), "dense": _Trial(dense, batch, dtype)}
    model, parameters = trials["gated"].model, trials["gated"].learner.parameters
    buffers = model.buffers(batch, dtype)
    variants: dict[str, Callable[[], Any]] = {
        "forward": lambda: model.forward(parameters, trials["gated"].x, buffers),
        "gated": trials["gated"].step,
        "dense": trials["dense"].step,
    }
    times: dict[str, list[float]] = {name: [] for name in variants}
    kept: list[int] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end or len(kept) < LEAST_CALLS:
        for name, variant in variants.items():
            variant()
            for _ in range(TURN):
                began = time.process_time()
                result = variant()
                times[name].append(time.process_time() - began)
                if name == "gated":
                    kept.append(result.executed_rows)
    median = {name: float(np.median(values)) for name, values in times.items()}
    return {
        "batch": batch,
        "calls": len(kept),
        "kept_rows": float(np.mean(kept)),
        **{f"{name}_seconds": value for name, value in median.items()},
        "gated_ratio": median["gated"] / median["forward"],
        "dense_ratio": median["dense"] / median["forward"],
        "gated_to_dense": median["gated"] / median["dense"],
    }


class _Trial:
    """A learner on MNIST that has been warmed up, and its next step."""

    def __init__(self, gate: Gate, batch: int, dtype: str) -> None:
        from kondo_ref.tasks.mnist import data
        from kondo_ref.tasks.mnist.environment import ACTIONS, Bandit

        bandit = Bandit.of(data.load("embedded"), dtype)
        self.gate, self.dtype, self.count = gate, dtype, 0
        self.model = MLP((bandit.x_train.shape[1], 100, 100, ACTIONS))
        self.learner = Learner(self.model, self.model.initialize(0, dtype), Adam(1e-3))
        warm_up = bandit.batches(0, 100)
        for _ in range(WARM_UP_STEPS):
            self.x, self.labels = next(warm_up)
            self.step()
        repeats = -(-batch // len(bandit.y_train))
        self.x = np.concatenate([bandit.x_train] * repeats)[:batch]
        self.labels = np.concatenate([bandit.y_train] * repeats)[:batch]

    def step(self) -> StepResult:
        self.count += 1
        policy = self.learner.forward(self.x)
        draws = uniforms(0, Purpose.ACTIONS, self.count, self.labels.shape, self.dtype)
        actions = sample_actions(policy.probabilities, draws)
        rewards = (actions == self.labels).astype(self.dtype)
        advantages = rewards - baselines.expected_confidence(policy.probabilities)
        return self.learner.update(policy, actions, advantages, self.gate)
