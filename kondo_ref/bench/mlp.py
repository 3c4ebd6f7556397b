"""Time the gated step of the MNIST network on backends.

The policy is warmed up on real images first: on a fresh one a gate does not keep what it keeps
later.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from kondo_ref import checks
from kondo_ref.backend import Backend
from kondo_ref.bench.turns import Variant, take_turns
from kondo_ref.gate import Gate
from kondo_ref.models.mlp import MLP
from kondo_ref.optim import Adam
from kondo_ref.randomness import Purpose, uniforms
from kondo_ref.step import Learner, TrainingState

if TYPE_CHECKING:
    from kondo_ref.tasks.mnist.environment import Bandit

WARM_UP_STEPS = 300
HIDDEN = (100, 100)
LEARNING_RATE = 1e-3


def time_batch(
    backends: list[Backend],
    batch: int,
    rate: float,
    dtype: str,
    seconds: float,
    others: Callable[[TrainingState, "Batch", float], dict[str, Variant]] | None = None,
) -> dict[str, Any]:
    """Time forward-only, screening, a gated step and a step at rate 1, at one batch size.

    Parameters
    ----------
    backends : list of Backend
    batch : int
        Rows of a step; beyond the embedded 8,000 images they repeat.
    rate : float
        Rate of kondo-top-k.
    dtype : str
        float32 or float64.
    seconds : float
        About how long to measure each variant; at least `LEAST_CALLS` calls are.
    others : callable, optional
        From the warm state, the batch and the rate to further variants by name, to be timed in
        turn with the others.

    Returns
    -------
    dict
        ``batch``, and ``variants``: by name the median CPU ``seconds``, the number of ``calls``
        and the mean of the ``rows`` that entered a backward.
    """
    from kondo_ref.tasks.mnist import data
    from kondo_ref.tasks.mnist.environment import Bandit

    checks.count("batch", batch, 1)
    checks.one_of("dtype", dtype, ("float32", "float64"))
    bandit = Bandit.of(data.load("embedded"), dtype)
    state = warm_state(bandit, rate, dtype)
    repeats = -(-batch // len(bandit.y_train))
    x = np.concatenate([bandit.x_train] * repeats)[:batch]
    labels = np.concatenate([bandit.y_train] * repeats)[:batch]
    sample = Batch(x, labels)
    variants: dict[str, Variant] = {}
    for backend in backends:
        variants |= backend_variants(backend, state, sample, rate)
    if others is not None:
        variants |= others(state, sample, rate)
    return {"batch": batch, "variants": take_turns(variants, seconds)}


class Batch:
    """Images and labels of one batch, and the rewards for actions on it."""

    def __init__(self, x: Any, labels: Any) -> None:
        self.x, self.labels, self.turn = x, labels, 0

    def uniforms(self) -> Any:
        """Return new uniforms for the actions."""
        self.turn += 1
        return uniforms(0, Purpose.ACTIONS, self.turn, self.labels.shape, self.x.dtype)

    def rewards(self, actions: Any) -> Any:
        """Return 1 where an action is the label, else 0."""
        return (actions == self.labels).astype(self.x.dtype)


def warm_state(bandit: "Bandit", rate: float, dtype: str) -> TrainingState:
    """Return the state after `WARM_UP_STEPS` gated steps on MNIST with the NumPy backend."""
    model = MLP((bandit.x_train.shape[1], *HIDDEN, int(bandit.y_train.max()) + 1))
    learner = Learner(TrainingState(model, model.initialize(0, dtype), Adam(LEARNING_RATE)))
    gate = Gate.named("kondo-top-k", rate=rate)
    batches = bandit.batches(0, 100)
    for _ in range(WARM_UP_STEPS):
        sample = Batch(*next(batches))
        policy = learner.forward(sample.x)
        actions = learner.sample(policy, sample.uniforms())
        advantages = sample.rewards(actions) - learner.confidence(policy)
        learner.update(policy, actions, advantages, gate)
    return learner.state()


def backend_variants(
    backend: Backend, state: TrainingState, sample: Batch, rate: float
) -> dict[str, Variant]:
    """Return the variants of one backend, each with a learner of its own."""
    x = backend.array(sample.x)

    gated = Gate.named("kondo-top-k", rate=rate)
    only, screening = backend.learner(state), backend.learner(state)
    draws = backend.array(sample.uniforms())
    rewards = sample.rewards(backend.to_numpy(screening.sample(screening.forward(x), draws)))

    def forward() -> int:
        only.logits(x)
        return 0

    def screen() -> int:
        """Sample, price and gate; uniforms and rewards are given, as they are the caller's."""
        policy = screening.forward(x)
        actions = screening.sample(policy, draws)
        advantages = backend.array(rewards - backend.to_numpy(screening.confidence(policy)))
        screening.screen(policy, actions, advantages, gated)
        return 0

    def step(gate: Gate) -> Variant:
        learner = backend.learner(state)

        def run() -> int:
            policy = learner.forward(x)
            actions = learner.sample(policy, backend.array(sample.uniforms()))
            rewards = sample.rewards(backend.to_numpy(actions))
            advantages = backend.array(rewards - backend.to_numpy(learner.confidence(policy)))
            return learner.update(policy, actions, advantages, gate).executed_rows

        return run

    return {
        f"{backend.name} forward": forward,
        f"{backend.name} screening": screen,
        f"{backend.name} gated": step(gated),
        f"{backend.name} dense": step(Gate.named("kondo-top-k", rate=1.0)),
    }
