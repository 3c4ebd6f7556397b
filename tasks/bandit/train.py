"""Train one method with one seed, and keep what the tables and figures are made of."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kondo_ref.backend import Backend, load_backend
from kondo_ref.checks import FloatArray
from kondo_ref.delight import log_softmax
from kondo_ref.tasks.bandit.budget import Budget
from kondo_ref.tasks.bandit.environment import Bandit, initial_logits
from kondo_ref.tasks.bandit.settings import Settings
from kondo_ref.tasks.bandit.update import Update, exact_update, sampled_update
from kondo_ref.tasks.comparison import mean_of_known
from kondo_ref.tasks.tally import run_steps

LEARNED = 0.5
"""The mean error up to which a method is said to be learning; any other is as good."""


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
        Nothing is in it.
    backend_name : str
        As `load_backend` takes it.
    method : str
    seed : int
    report : callable
        Called with the steps done since its last call.

    Returns
    -------
    dict
        ``curve``: one row a log point; cosines and shares are means since the log point before.
        ``totals``: over all steps, and with ``learning_`` over those that the error was above one
        half in; None if it never was. ``budget``: one row a bin of contexts, see `Budget.rows`.
        ``weights``: of every context at the first step.
    """
    del places
    settings = Settings.from_dict(values)
    trial = _Trial(settings, method, seed, load_backend(backend_name))
    named = {"method": method, "seed": seed}
    curve = run_steps(settings.steps, trial.step, lambda step: {**named, **trial.log(step)}, report)
    return {
        "curve": curve,
        "totals": trial.totals(),
        "budget": [{**named, **row} for row in trial.budget.rows(trial.error())],
        "weights": trial.budget.weights(),
    }


class _Trial:
    """The logits and the running sums of one training."""

    def __init__(self, settings: Settings, method: str, seed: int, backend: Backend) -> None:
        self.settings, self.method, self.seed, self.backend = settings, method, seed, backend
        self.bandit = Bandit.of(settings, seed)
        self.logits = initial_logits(settings, seed)
        self.budget = Budget(np.exp(self.bandit.log_right(log_softmax(self.logits))))
        self.history: Any = None
        self.whole, self.learning, self.window = _Sums(), _Sums(), _Sums()

    def step(self, step: int) -> None:
        log_pi = log_softmax(self.logits)
        toward = self.bandit.cross_entropy_gradient(log_pi)
        true = np.exp(self.bandit.log_right(log_pi))[:, None] * toward
        update = self._update(step)
        self.history = update.history
        length = float(np.linalg.norm(update.ascent))
        learning = float(-np.expm1(self.bandit.log_right(log_pi)).mean()) > LEARNED
        self.budget.add(update.ascent, toward, length, update.kept, learning=learning)
        cosines = cosine(update.ascent, true), cosine(update.ascent, toward)
        for sums in (self.whole, self.window, *([self.learning] if learning else [])):
            sums.add(update, *cosines)
        # Nothing kept, or nothing but decisions without advantage: no step.
        if length > 0.0:
            self.logits += self.settings.learning_rate / length * update.ascent

    def _update(self, step: int) -> Update:
        given = self.settings, self.bandit, self.backend, self.method, self.logits
        if self.settings.exact:
            return exact_update(*given)
        return sampled_update(*given, seed=self.seed, step=step, history=self.history)

    def error(self) -> FloatArray:
        """Return 1 - p of every context, (N,) float."""
        wrong: FloatArray = -np.expm1(self.bandit.log_right(log_softmax(self.logits)))
        return wrong

    def log(self, step: int) -> dict[str, Any]:
        """Return a row of the curve, and begin the next window."""
        row = {
            "step": step,
            "forward_decisions": self.whole.decisions,
            "backward_decisions": self.whole.kept,
            "error": float(self.error().mean()),
            **self.window.means(),
        }
        self.window = _Sums()
        return row

    def totals(self) -> dict[str, Any]:
        return {
            "target_rate": self.settings.gate(self.method).target_rate,
            "forward_decisions": self.whole.decisions,
            "backward_decisions": self.whole.kept,
            "kept_share": self.whole.means()["kept_share"],
            **{f"learning_{key}": value for key, value in self.learning.means().items()},
        }


class _Sums:
    """Sums over updates."""

    def __init__(self) -> None:
        self.decisions, self.kept, self.kept_right = 0, 0.0, 0.0
        self.to_true: list[float | None] = []
        self.to_toward: list[float | None] = []

    def add(self, update: Update, to_true: float | None, to_toward: float | None) -> None:
        self.decisions += update.decisions * update.kept.size
        self.kept += float(update.kept.sum())
        self.kept_right += float(update.kept_right.sum())
        self.to_true.append(to_true)
        self.to_toward.append(to_toward)

    def means(self) -> dict[str, float | None]:
        return {
            "cosine_gradient": mean_of_known(self.to_true),
            "cosine_cross_entropy": mean_of_known(self.to_toward),
            "kept_share": self.kept / self.decisions if self.decisions else None,
            "kept_right_share": self.kept_right / self.kept if self.kept else None,
        }


def cosine(a: FloatArray, b: FloatArray) -> float | None:
    """Return the cosine between two block vectors, None where one is 0."""
    size = float(np.linalg.norm(a)) * float(np.linalg.norm(b))
    return float(np.vdot(a, b)) / size if size > 0.0 else None
