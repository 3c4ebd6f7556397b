"""Contexts with one right arm each: initial logits, rewards, baselines, and the true gradients."""

from dataclasses import dataclass

import numpy as np

from kondo_ref import baselines, randomness
from kondo_ref.checks import FloatArray, IntArray
from kondo_ref.randomness import Purpose
from kondo_ref.tasks.bandit.settings import Settings


@dataclass(frozen=True, eq=False)
class Bandit:
    """The contexts of a seed.

    Parameters
    ----------
    right : (N,) int64
        The arm that pays 1; all others pay 0.
    arms : int
        K.
    """

    right: IntArray
    arms: int

    @classmethod
    def of(cls, settings: Settings, seed: int) -> "Bandit":
        """Return the contexts of a seed, the right arms drawn uniformly."""
        u = randomness.uniforms(seed, Purpose.ENVIRONMENT, 0, (settings.contexts,))
        return cls(np.floor(u * settings.arms).astype(np.int64), settings.arms)

    def rewards(self, actions: IntArray) -> FloatArray:
        """Return 1 where an action is right, else 0.

        Parameters
        ----------
        actions : (N, B) int
            B decisions in each context.

        Returns
        -------
        (N, B) float
        """
        paid: FloatArray = (actions == self.right[:, None]).astype(np.float64)
        return paid

    def baseline(self, settings: Settings, probabilities: FloatArray) -> FloatArray:
        """Return the baseline b of every context, (N,) float, from its policy (N, K)."""
        if settings.baseline == "expected":
            return baselines.expected_confidence(probabilities)
        if settings.baseline == "oracle":
            return baselines.oracle_value(probabilities, np.eye(self.arms)[self.right])
        none = np.zeros(self.right.size)
        if settings.baseline == "constant":
            return baselines.constant(none, settings.baseline_value)
        return baselines.zero(none)

    def cross_entropy_gradient(self, log_probabilities: FloatArray) -> FloatArray:
        """Return v_n = onehot(right) - pi, the gradient of sum_n log pi(right), (N, K) float.

        1 - pi(right) is taken as -expm1(log pi), so it stays right where a context is solved.
        """
        gradient = -np.exp(log_probabilities)
        index = np.arange(self.right.size)
        gradient[index, self.right] = -np.expm1(log_probabilities[index, self.right])
        return gradient

    def log_right(self, log_probabilities: FloatArray) -> FloatArray:
        """Return log pi(right arm) of every context, (N,) float."""
        chosen: FloatArray = log_probabilities[np.arange(self.right.size), self.right]
        return chosen


def initial_logits(settings: Settings, seed: int) -> FloatArray:
    """Return independent normal logits with standard deviation `spread`, (N, K) float."""
    shape = (settings.contexts, settings.arms)
    return settings.spread * randomness.normals(seed, Purpose.INITIALIZATION, 0, shape)
