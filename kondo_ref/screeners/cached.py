"""The screener with a memory: what the exact network said of a sample at an earlier visit.

Every `refresh`-th visit of a sample is screened exactly, and what is kept is evaluated exactly
anyway; both are remembered. In between nothing is computed. Either the sample's log-probabilities
are remembered, from which the surprisal of the action at hand is read; or the signal itself, which
was that of another action and another reward.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import DTypeLike

from kondo_ref import checks
from kondo_ref.checks import FloatArray, IntArray
from kondo_ref.delight import log_softmax, priority_signal, surprisal
from kondo_ref.gate import Gate
from kondo_ref.screeners.screener import NO_ROWS, Estimate, Lesson, Look, Screener
from kondo_ref.step import Learner


@dataclass(frozen=True, eq=False)
class CachedLook(Look):
    """A look that knows which samples it was of.

    Parameters
    ----------
    index : (N,) int
        The samples.
    seen_log_probabilities : (s, K) float
        Of the exact policy, in the rows `seen`.
    """

    index: IntArray = field(default_factory=NO_ROWS.copy)
    seen_log_probabilities: FloatArray = field(default_factory=lambda: np.empty((0, 0)))


class Cached(Screener):
    """What both memories share: whose turn it is to be seen exactly.

    Parameters
    ----------
    samples : int
        M samples in the data.
    refresh : int
        >= 1. Visits 1, 1 + refresh, ... of a sample are screened exactly; with 1 all are.

    Raises
    ------
    TypeError, ValueError
        Not such integers.

    Notes
    -----
    Cost of a look: the exact forward of the rows that are due.
    """

    needs_index = True

    def __init__(self, samples: int, refresh: int) -> None:
        self.refresh = checks.count("refresh", refresh, 1)
        self.visits = np.zeros(checks.count("samples", samples, 1), dtype=np.int64)

    def look(self, learner: Learner, x: FloatArray, index: IntArray | None) -> CachedLook:
        """Return the exact policy of the rows that are due; arguments as in `Screener.look`.

        Raises
        ------
        ValueError
            Without the index, or with another shape of it.
        """
        if index is None:
            raise ValueError(f"index: needed by a screener with a memory, shape ({len(x)},)")
        checks.require_shape("index", index, (len(x),))
        rows = np.flatnonzero(self.visits[index] % self.refresh == 0)
        self.visits[index] += 1
        if rows.size == len(x):
            policy = learner.forward(x)
            log_pi = policy.log_probabilities
            return CachedLook(x, log_pi, policy, rows, index=index, seen_log_probabilities=log_pi)
        if rows.size == 0:
            return CachedLook(x, None, index=index)
        log_pi = log_softmax(learner.logits(x[rows]))
        return CachedLook(x, None, seen=rows, index=index, seen_log_probabilities=log_pi)


class CachedPolicy(Cached):
    """The log-probabilities of the last time that the exact network saw the sample.

    Parameters
    ----------
    samples, refresh : int
        As of `Cached`.
    actions : int
        K actions.
    dtype : float32 or float64
        Of the parameters.

    Notes
    -----
    Memory: M K numbers.
    """

    def __init__(self, samples: int, refresh: int, actions: int, dtype: DTypeLike) -> None:
        super().__init__(samples, refresh)
        self.known = np.zeros((samples, checks.count("actions", actions, 1)), dtype=dtype)

    def look(self, learner: Learner, x: FloatArray, index: IntArray | None) -> CachedLook:
        """Return what is remembered, with what was seen exactly among it.

        Arguments as in `Screener.look`.
        """
        found = super().look(learner, x, index)
        if found.seen.size:
            self.known[found.index[found.seen]] = found.seen_log_probabilities
        return replace(found, log_probabilities=self.known[found.index])

    def learn(self, look: Look, lesson: Lesson) -> None:
        """Remember what was evaluated exactly."""
        assert isinstance(look, CachedLook)
        self.known[look.index[lesson.rows]] = lesson.log_probabilities


class CachedSignal(Cached):
    """Surprisal and advantage of the last decision on the sample that was seen exactly.

    It has no policy.

    Parameters
    ----------
    samples, refresh : int
        As of `Cached`.
    dtype : float32 or float64
        Of the parameters.

    Notes
    -----
    Memory: 2 M numbers.
    """

    has_policy = False

    def __init__(self, samples: int, refresh: int, dtype: DTypeLike) -> None:
        super().__init__(samples, refresh)
        self.surprisal = np.zeros(samples, dtype=dtype)
        self.advantage = np.zeros(samples, dtype=dtype)

    def estimate(
        self,
        look: Look,
        actions: IntArray,
        advantages: FloatArray,
        gate: Gate,
        normals: FloatArray | None,
    ) -> Estimate:
        """Return the signal that is remembered, with what was seen exactly among it.

        Arguments as in `Screener.estimate`.
        """
        del normals
        assert isinstance(look, CachedLook)
        if look.seen.size:
            self._remember(look, look.seen, look.seen_log_probabilities, actions, advantages)
        level, gain = self.surprisal[look.index], self.advantage[look.index]
        return Estimate(level, priority_signal(gate.signal, gain, level, gate.alpha))

    def learn(self, look: Look, lesson: Lesson) -> None:
        """Remember what was evaluated exactly."""
        assert isinstance(look, CachedLook)
        self._remember(
            look, lesson.rows, lesson.log_probabilities, lesson.actions, lesson.advantages
        )

    def _remember(
        self,
        look: CachedLook,
        rows: IntArray,
        log_probabilities: FloatArray,
        actions: IntArray,
        advantages: FloatArray,
    ) -> None:
        samples = look.index[rows]
        self.surprisal[samples] = surprisal(log_probabilities, actions[rows])
        self.advantage[samples] = advantages[rows]
