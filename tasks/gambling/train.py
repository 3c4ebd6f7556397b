"""Train one method with one seed at every sigma, and keep what is reported."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kondo_ref.backend import Backend, load_backend
from kondo_ref.checks import FloatArray
from kondo_ref.delight import log_softmax
from kondo_ref.randomness import Purpose, normals, sample_actions, uniforms
from kondo_ref.tasks.gambling import environment
from kondo_ref.tasks.gambling.settings import Settings
from kondo_ref.tasks.gambling.update import Batch, Update
from kondo_ref.tasks.tally import run_steps


def train(
    values: dict[str, Any],
    places: dict[str, Any],
    backend_name: str,
    method: str,
    seed: int,
    report: Callable[[int], None],
) -> dict[str, Any]:
    """Train one method with one seed, all sigmas side by side.

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
        ``curve``: one row a log point and sigma; shares and counts since the log point before.
        ``totals``: lists, one number a sigma, over `Settings.late_steps`. ``breakthroughs``:
        see there; counted once a seed, by the first method.
    """
    del places
    settings = Settings.from_dict(values)
    trial = _Trial(settings, method, seed, load_backend(backend_name))
    points = run_steps(settings.steps, trial.step, lambda step: {"rows": trial.log(step)}, report)
    first = method == settings.methods[0]
    return {
        "curve": [
            {"method": method, "seed": seed, **row} for point in points for row in point["rows"]
        ],
        "totals": trial.totals(),
        "breakthroughs": environment.breakthroughs(settings, seed) if first else [],
        "settings": values,
    }


class _Trial:
    """The logits and the running sums of one training."""

    def __init__(self, settings: Settings, method: str, seed: int, backend: Backend) -> None:
        self.settings, self.seed = settings, seed
        self.shape = (len(settings.sigma), settings.batch)
        half = 0.5 * np.log(settings.start / (1.0 - settings.start))
        self.logits = np.tile([-half, half], (self.shape[0], 1))
        self.update = Update(backend, settings.gate(method), settings.reserve_of(method))
        # Sums over the steps so far, a row each: steps, pi_2, kept, arm 2, false breakthroughs and
        # what the formula expects of them.
        self.sums = np.zeros((6, self.shape[0]))
        self.logged = self.before_late = self.sums.copy()

    def step(self, step: int) -> None:
        settings, shape = self.settings, self.shape
        pi = np.exp(log_softmax(self.logits))
        actions = sample_actions(
            np.broadcast_to(pi[:, None, :], (*shape, 2)),
            uniforms(self.seed, Purpose.ACTIONS, step, shape),
        )
        standard = normals(self.seed, Purpose.ENVIRONMENT, step, shape)
        level = environment.baseline(settings, pi[:, 0])
        gain = environment.rewards(settings, actions, standard) - level[:, None]
        draws = None
        if self.update.needs_uniforms:
            draws = uniforms(self.seed, Purpose.GATE, step, shape)
        ascent, kept = self.update(Batch(self.logits, actions, gain, draws))
        worse = actions == 1
        lucky = worse & (gain > 0.0)
        arm_2 = worse.sum(axis=1)
        formula = arm_2 * environment.false_breakthroughs(settings, level)
        self.sums += np.array(
            [np.ones(shape[0]), pi[:, 1], kept.sum(axis=1), arm_2, lucky.sum(axis=1), formula]
        )
        sizes = np.array([settings.step_size(sigma, step) for sigma in settings.sigma])
        self.logits += sizes[:, None] * ascent
        if step == settings.steps - settings.late_steps:
            self.before_late = self.sums.copy()

    def log(self, step: int) -> list[dict[str, Any]]:
        """Return a row a sigma, and begin the next window."""
        pi_2 = np.exp(log_softmax(self.logits))[:, 1].tolist()
        columns = self._columns(self.sums - self.logged)
        self.logged = self.sums.copy()
        return [
            {
                "sigma": sigma,
                "step": step,
                "pi_2": pi_2[i],
                **{key: values[i] for key, values in columns.items()},
            }
            for i, sigma in enumerate(self.settings.sigma)
        ]

    def totals(self) -> dict[str, Any]:
        return self._columns(self.sums - self.before_late)

    def _columns(self, sums: FloatArray) -> dict[str, list[Any]]:
        steps, pi_2, kept, arm_2, lucky, formula = sums
        return {
            "mean_pi_2": (pi_2 / steps).tolist(),
            "kept_share": (kept / (steps * self.shape[1])).tolist(),
            "arm_2": arm_2.astype(int).tolist(),
            "false_breakthroughs": lucky.astype(int).tolist(),
            "expected_breakthroughs": formula.tolist(),
        }
