"""Train one method with one seed, and keep what the table and the figure are made of."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from kondo_ref.backend import Backend, Learner, load_backend
from kondo_ref.flops.mlp import executed_backward, network
from kondo_ref.models.mlp import MLP
from kondo_ref.optim import Adam
from kondo_ref.randomness import Purpose, uniforms
from kondo_ref.step import StepResult, TrainingState
from kondo_ref.tasks.flop import FlopTally
from kondo_ref.tasks.mnist import corner, data, environment
from kondo_ref.tasks.mnist.environment import ACTIONS, Bandit
from kondo_ref.tasks.mnist.settings import Settings
from kondo_ref.tasks.tally import PROBE_EVERY, Tally, run_steps


def train(
    values: dict[str, Any],
    places: dict[str, Any],
    backend_name: str,
    method: str,
    seed: int,
    report: Callable[[int], None],
) -> dict[str, Any]:
    """Train one method with one seed.

    Parameters
    ----------
    values : dict
        `Settings.to_dict`.
    places : dict
        ``data_dir``: where the full data set is, None for where the loader looks by itself.
    backend_name : str
        As `load_backend` takes it.
    method : str
    seed : int
    report : callable
        Called with the steps done since its last call.

    Returns
    -------
    dict
        ``curve``: one row a log point. ``totals``: counts, mean rates over all steps; selectivity
        and times over every `PROBE_EVERY`-th step; after a corner how deep it was, on the test
        images.
    """
    settings = Settings.from_dict(values)
    bandit = _bandit(settings.data, places["data_dir"], settings.dtype)
    model = MLP((bandit.x_train.shape[1], *settings.hidden, ACTIONS))
    state = TrainingState(
        model, model.initialize(seed, settings.dtype), Adam(settings.learning_rate)
    )
    backend = load_backend(backend_name)
    # The images that the run sees again, from its first batch on.
    wrong = bandit.batches(seed, settings.batch)
    state = corner.at_corner(state, backend, wrong, settings.corner, report)
    trial = _Trial(settings, method, seed, model, backend, backend.learner(state))
    depth = trial.depth(bandit) if settings.corner else {}
    batches = bandit.batches(seed, settings.batch)
    curve = run_steps(
        settings.steps,
        lambda step: trial.step(step, *next(batches)),
        lambda step: {"method": method, "seed": seed, **trial.log(step, bandit)},
        report,
    )
    return {"curve": curve, "totals": {**trial.totals(), **depth}}


class _Trial:
    """The running sums of one training."""

    def __init__(
        self,
        settings: Settings,
        method: str,
        seed: int,
        model: MLP,
        backend: Backend,
        learner: Learner,
    ) -> None:
        self.settings, self.method, self.seed = settings, method, seed
        self.backend, self.learner = backend, learner
        self.gate = settings.gate(method)
        self.history: Any = None
        self.reward = 0.0
        self.since = 0
        self.executed = 0
        self.model = model
        forward = network(self.model, settings.batch).forward.matmul
        dense = executed_backward(self.model, settings.batch).matmul
        self.flop = FlopTally(forward, dense, dense)
        self.tally = Tally()

    def step(self, step: int, x: Any, labels: Any) -> None:
        observations = self.backend.array(x)
        probe = step % PROBE_EVERY == 0
        with self.tally.timed("step", probe=probe):
            result, reward = self._update(step, observations, labels)
            screening = result.screening.convert(self.backend.to_numpy)
        if probe:
            with self.tally.timed("forward", probe=True):
                self.learner.logits(observations)
        self.tally.add(screening, updated=result.updated, probe=probe)
        self.reward += float(reward.sum())
        self.since += reward.size
        self.executed += result.executed_rows
        rows = result.executed_rows
        flop = executed_backward(self.model, rows).matmul if rows else 0
        self.flop.add(screening.kept.size, screening.valid, structural=flop, executed=flop)

    def _update(self, step: int, observations: Any, labels: Any) -> tuple[StepResult, Any]:
        """Act, be rewarded, learn. The environment is NumPy: actions go out, advantages come in."""
        settings, dtype, backend = self.settings, self.settings.dtype, self.backend
        policy = self.learner.forward(observations)
        draws = uniforms(self.seed, Purpose.ACTIONS, step, labels.shape, dtype)
        chosen = self.learner.sample(policy, backend.array(draws))
        reward = environment.rewards(backend.to_numpy(chosen), labels, dtype)
        if self.method == "ce":
            chosen, advantages = backend.array(labels), np.ones_like(reward)
        else:
            advantages = reward - self._baseline(policy, reward, labels)
        gate_draws = None
        if self.gate.needs_uniforms:
            gate_draws = backend.array(uniforms(self.seed, Purpose.GATE, step, labels.shape, dtype))
        result = self.learner.update(
            policy,
            chosen,
            backend.array(advantages),
            self.gate,
            normalizer=settings.normalizer,
            uniforms=gate_draws,
            history=self.history,
        )
        self.history = result.screening.history
        return result, reward

    def _baseline(self, policy: Any, reward: Any, labels: Any) -> Any:
        if self.settings.baseline == "expected":
            return self.backend.to_numpy(self.learner.confidence(policy))
        probabilities = np.exp(self.backend.to_numpy(policy.log_probabilities))
        return environment.baseline(self.settings, reward, probabilities, labels)

    def depth(self, bandit: Bandit) -> dict[str, float]:
        """Return how deep in the corner the run begins."""
        policy = self.learner.forward(self.backend.array(bandit.x_test))
        return corner.reached(self.backend.to_numpy(policy.log_probabilities), bandit.y_test)

    def log(self, step: int, bandit: Bandit) -> dict[str, Any]:
        """Return a row of the curve, and begin the next online window."""
        logits = self.backend.to_numpy(self.learner.logits(self.backend.array(bandit.x_test)))
        wrong = np.mean(np.argmax(logits, axis=-1) != bandit.y_test)
        row = {
            "step": step,
            "forward_samples": step * self.settings.batch,
            "backward_samples": self.executed,
            **self.flop.counts(),
            "online_error": 1.0 - self.reward / self.since,
            "test_error": float(wrong),
        }
        self.reward, self.since = 0.0, 0
        return row

    def totals(self) -> dict[str, Any]:
        forward = self.settings.steps * self.settings.batch
        return {
            "forward_samples": forward,
            "backward_samples": self.executed,
            **self.flop.counts(),
            "optimizer_steps": self.tally.updates,
            **self.tally.rates(),
            "executed_rate": self.executed / forward,
            **self.flop.shares(),
            **self.tally.shares(),
            "step_seconds": self.tally.seconds("step"),
            "forward_seconds": self.tally.seconds("forward"),
        }


@lru_cache(maxsize=1)
def _bandit(name: str, data_dir: str | None, dtype: str) -> Bandit:
    return Bandit.of(data.load(name, data_dir), dtype)
