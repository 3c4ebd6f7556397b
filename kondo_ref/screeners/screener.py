"""What a screener is: it looks at a batch, estimates the signal, and may learn from the kept rows.

First station of speculative screening. The look comes before anybody has acted, so that the
screener's own policy can do that; the estimate after actions and advantages are known.
"""

from dataclasses import dataclass, field

import numpy as np

from kondo_ref.checks import FloatArray, IntArray
from kondo_ref.delight import priority_signal, surprisal
from kondo_ref.gate import Gate
from kondo_ref.step import Learner, Policy

NO_ROWS: IntArray = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Look:
    """What a screener knows of a batch before actions and advantages.

    Parameters
    ----------
    x : (N, D[0]) float
        The observations.
    log_probabilities : (N, K) float or None
        Of the screener's own policy q, in nat; None where it has none.
    policy : Policy or None
        The exact policy, where the screener looked with the exact parameters at every row: its
        activations serve the backward, and no second forward is needed.
    seen : (s,) int
        Rows that went through the exact network for the look, ascending.
    also : (m,) int
        Rows to be evaluated exactly besides the kept ones, ascending, for the screener to learn.
    """

    x: FloatArray
    log_probabilities: FloatArray | None
    policy: Policy | None = None
    seen: IntArray = field(default_factory=NO_ROWS.copy)
    also: IntArray = field(default_factory=NO_ROWS.copy)


@dataclass(frozen=True, eq=False)
class Estimate:
    """What a screener takes the decisions of a batch for.

    Parameters
    ----------
    surprisal : (N,) float
        Estimated l in nat, >= 0.
    signal : (N,) float
        Estimated signal of the gate, as a rule the estimated delight in reward * nat.
    """

    surprisal: FloatArray
    signal: FloatArray


@dataclass(frozen=True, eq=False)
class Lesson:
    """What the exact network said after the gate, for a screener to learn from.

    Parameters
    ----------
    actions : (N,) int
    advantages : (N,) float
    rows : (e,) int
        Rows that were evaluated exactly: the kept ones and `Look.also`, ascending.
    log_probabilities : (e, K) float
        Of the exact policy in these rows, before the update.
    """

    actions: IntArray
    advantages: FloatArray
    rows: IntArray
    log_probabilities: FloatArray


class Screener:
    """The base of all screeners: it estimates by the surprisal of its own policy.

    Attributes
    ----------
    needs_index : bool
        Whether `look` needs to know which samples the rows are.
    needs_normals : bool
        Whether `estimate` needs standard normals.
    has_policy : bool
        Whether its look has a policy, by which it can act.
    """

    needs_index = False
    needs_normals = False
    has_policy = True

    def look(self, learner: Learner, x: FloatArray, index: IntArray | None) -> Look:
        """Return what can be known of a batch before actions and advantages.

        Parameters
        ----------
        learner : Learner
            Whose decisions are screened.
        x : (N, D[0]) float
        index : (N,) int or None
            Which samples of the data the rows are; no sample twice.
        """
        raise NotImplementedError

    def estimate(
        self,
        look: Look,
        actions: IntArray,
        advantages: FloatArray,
        gate: Gate,
        normals: FloatArray | None,
    ) -> Estimate:
        """Return the estimated surprisal -log q(a), and the gate's signal of it and the advantage.

        Parameters
        ----------
        look : Look
        actions : (N,) int
        advantages : (N,) float
            Exact: they come with the batch.
        gate : Gate
            Which signal.
        normals : (N,) float or None
            Standard normals, for a screener that needs them.
        """
        del normals
        assert look.log_probabilities is not None
        level = surprisal(look.log_probabilities, actions)
        return Estimate(level, priority_signal(gate.signal, advantages, level, gate.alpha))

    def learn(self, look: Look, lesson: Lesson) -> None:
        """Learn from what the exact network said of the kept rows; by default nothing."""
