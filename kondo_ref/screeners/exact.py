"""The exact screener, and the exact delight with noise on it.

Both run the dense exact forward, whose activations then serve the backward: with `Exact` a
speculative step is the ordinary one, bit for bit. `Noisy` costs as much and is worth less; it asks
how good an estimate has to be ([K], Section 3.2).
"""

import math
from dataclasses import dataclass

import numpy as np

from kondo_ref import checks
from kondo_ref.checks import FloatArray, IntArray
from kondo_ref.gate import Gate
from kondo_ref.screeners.screener import Estimate, Look, Screener
from kondo_ref.step import Learner

NOISES = ("additive", "multiplicative")


class Exact(Screener):
    """The exact parameters on every row. Cost: the dense forward; the kept rows need no second."""

    def look(self, learner: Learner, x: FloatArray, index: IntArray | None) -> Look:
        """Return the exact policy; arguments as in `Screener.look`."""
        del index
        policy = learner.forward(x)
        rows = np.arange(len(x))
        return Look(x, policy.log_probabilities, policy=policy, seen=rows)


@dataclass(frozen=True)
class Noisy(Exact):
    """The exact signal and noise that is relative to it, from normals e that the caller gives.

    Parameters
    ----------
    kind : str
        additive: signal + scale * std(signal) * e, with the standard deviation over the batch.
        multiplicative: signal * (1 + scale * e), by which a signal of 0 stays 0.
    scale : float
        >= 0; 0 is the exact screener.

    Raises
    ------
    TypeError, ValueError
        An unknown kind, a scale that is negative or not finite.
    """

    kind: str
    scale: float
    needs_normals = True

    def __post_init__(self) -> None:
        checks.one_of("kind", self.kind, NOISES)
        if not 0.0 <= checks.number("scale", self.scale) < math.inf:
            raise ValueError(f"scale: expected a finite number >= 0, got {self.scale}")

    def estimate(
        self,
        look: Look,
        actions: IntArray,
        advantages: FloatArray,
        gate: Gate,
        normals: FloatArray | None,
    ) -> Estimate:
        """Return the exact surprisal, and the signal with noise; see `Screener.estimate`.

        Raises
        ------
        ValueError
            Without normals, or with another shape of them.

        Notes
        -----
        Cost a row beside the exact one's: 2 mul and 4 add additive, 2 mul and 1 add multiplicative.
        """
        if normals is None:
            raise ValueError(f"normals: needed by a noisy screener, shape {actions.shape}")
        exact = Exact.estimate(self, look, actions, advantages, gate, None)
        e = checks.decision_array("normals", normals, actions.shape, exact.signal.dtype)
        if self.kind == "multiplicative":
            return Estimate(exact.surprisal, exact.signal * (1.0 + self.scale * e))
        size = self.scale * standard_deviation(exact.signal)
        return Estimate(exact.surprisal, exact.signal + size * e)


def standard_deviation(values: FloatArray) -> float:
    """Return the standard deviation of `values` (N,), divisor N. Cost a row: 1 mul, 3 add."""
    centred = values - float(np.sum(values)) / values.size
    return math.sqrt(float(np.sum(centred * centred)) / values.size)
