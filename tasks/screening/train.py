"""Train with one screener and one seed, and keep what the table and the figure are made of."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from kondo_ref.baselines import expected_confidence
from kondo_ref.delight import log_softmax, priority_signal, surprisal
from kondo_ref.models.mlp import MLP
from kondo_ref.optim import Adam
from kondo_ref.randomness import Purpose, normals, sample_actions, uniforms
from kondo_ref.screeners.fidelity import fidelity
from kondo_ref.screeners.named import Setting, speculation_named
from kondo_ref.screeners.screener import Look
from kondo_ref.screeners.speculation import SpeculativeResult
from kondo_ref.step import Learner, TrainingState
from kondo_ref.tasks.comparison import mean_of_known
from kondo_ref.tasks.mnist import data, environment
from kondo_ref.tasks.mnist.environment import ACTIONS, Bandit
from kondo_ref.tasks.screening.cost import CostTally
from kondo_ref.tasks.screening.settings import Settings
from kondo_ref.tasks.tally import PROBE_EVERY, run_steps


def train(
    values: dict[str, Any],
    places: dict[str, Any],
    backend_name: str,
    method: str,
    seed: int,
    report: Callable[[int], None],
) -> dict[str, Any]:
    """Train with one screener and one seed.

    Parameters
    ----------
    values : dict
        `Settings.to_dict`.
    places : dict
        ``data_dir``: where the full data set is, None for where the loader looks by itself.
    backend_name : str
        numpy; a screener looks into the learner's parameters.
    method : str
        A screener.
    seed : int
    report : callable
        Called with the steps done since its last call.

    Returns
    -------
    dict
        ``curve``: one row a log point. ``totals``: counts, mean rates over all steps; the error of
        the estimate and its recall over every `PROBE_EVERY`-th step.

    Raises
    ------
    ValueError
        Another backend.
    """
    if backend_name != "numpy":
        raise ValueError(f"--backend: the task screening needs numpy, got {backend_name}")
    settings = Settings.from_dict(values)
    bandit = _bandit(settings.data, places["data_dir"], settings.dtype)
    trial = _Trial(settings, method, seed, bandit)
    batches = bandit.indexed_batches(seed, settings.batch)
    curve = run_steps(
        settings.steps,
        lambda step: trial.step(step, *next(batches)),
        lambda step: {"method": method, "seed": seed, **trial.log(step, bandit)},
        report,
    )
    return {"curve": curve, "totals": trial.totals()}


class _Trial:
    """The running sums of one training."""

    def __init__(self, settings: Settings, method: str, seed: int, bandit: Bandit) -> None:
        self.settings, self.seed = settings, seed
        model = MLP((bandit.x_train.shape[1], *settings.hidden, ACTIONS))
        start = model.initialize(seed, settings.dtype)
        self.learner = Learner(TrainingState(model, start, Adam(settings.learning_rate)))
        setting = Setting(model, len(bandit.y_train), settings.dtype, seed, settings.learning_rate)
        self.speculation = speculation_named(method, self.learner, setting)
        self.gate = settings.named_gate()
        self.cost = CostTally(self.speculation, model, self.gate, settings.batch)
        self.reward, self.since, self.updates = 0.0, 0, 0
        self.realised: list[float] = []
        self.errors: list[float | None] = []
        self.recalls: list[float] = []

    def step(self, step: int, x: Any, labels: Any, index: Any) -> None:
        settings, dtype, shape = self.settings, self.settings.dtype, labels.shape
        look = self.speculation.look(x, index)
        probe = step % PROBE_EVERY == 0
        acts_exactly = settings.actor == "exact"
        exact = self._exact(look) if acts_exactly or probe else None
        acting = exact if acts_exactly else look.log_probabilities
        assert acting is not None
        probabilities = np.exp(acting)
        draws = uniforms(self.seed, Purpose.ACTIONS, step, shape, dtype)
        actions = sample_actions(probabilities, draws)
        reward = environment.rewards(actions, labels, dtype)
        advantages = reward - expected_confidence(probabilities)
        gate_draws = noise = None
        if self.gate.needs_uniforms:
            gate_draws = uniforms(self.seed, Purpose.GATE, step, shape, dtype)
        if self.speculation.screener.needs_normals:
            noise = normals(self.seed, Purpose.SCREENER, step, shape).astype(dtype)
        result = self.speculation.update(
            look, actions, advantages, self.gate, uniforms=gate_draws, normals=noise
        )
        if probe:
            assert exact is not None
            self._probe(result, exact, actions, advantages)
        self.cost.add(look, result, acted=acts_exactly and look.policy is None)
        self.realised.append(result.screening.realised_rate)
        self.updates += result.updated
        self.reward += float(reward.sum())
        self.since += reward.size

    def _exact(self, look: Look) -> Any:
        """Return log pi of the exact parameters in every row: for the actor, or for diagnosis."""
        if look.policy is not None:
            return look.policy.log_probabilities
        return log_softmax(self.learner.logits(look.x))

    def _probe(self, result: SpeculativeResult, exact: Any, actions: Any, advantages: Any) -> None:
        level = surprisal(exact, actions)
        signal = priority_signal(self.gate.signal, advantages, level)
        self.errors.append(fidelity(result.proposal, signal).error)
        self.recalls.append(fidelity(result.screening, signal).recall)

    def log(self, step: int, bandit: Bandit) -> dict[str, Any]:
        """Return a row of the curve, and begin the next online window."""
        logits = self.learner.logits(bandit.x_test)
        wrong = np.mean(np.argmax(logits, axis=-1) != bandit.y_test)
        row = {
            "step": step,
            "forward_samples": step * self.settings.batch,
            **self.cost.counts(),
            "online_error": 1.0 - self.reward / self.since,
            "test_error": float(wrong),
        }
        self.reward, self.since = 0.0, 0
        return row

    def totals(self) -> dict[str, Any]:
        return {
            **self.cost.counts(),
            **self.cost.shares(),
            "optimizer_steps": self.updates,
            "target_rate": self.gate.target_rate,
            "realised_rate": float(np.mean(self.realised)),
            "estimate_error": mean_of_known(self.errors),
            "recall": mean_of_known(self.recalls),
        }


@lru_cache(maxsize=1)
def _bandit(name: str, data_dir: str | None, dtype: str) -> Bandit:
    return Bandit.of(data.load(name, data_dir), dtype)
