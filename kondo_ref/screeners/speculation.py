"""One speculative step: look, estimate, gate, exact forward of the kept, backward, update.

The gate prices, ranks and draws on estimated signals alone. What it kept is then evaluated with the
exact parameters, and the update is

    g = (1/Z) sum_i G~_i U_i grad log pi(a_i),

with G~ of the estimates and U, pi exact. So every term is the one that the exact gate would have
for that decision, and what an estimate can do is to choose other decisions: the mean over the
gate's draws is the soft update with w~_i in place of w_i, and differs from it by
(1/Z) sum_i (w~_i - w_i) U_i grad log pi(a_i). The estimate is a constant of the update, like the
signal that it stands for: nothing is differentiated through the screener.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kondo_ref import checks
from kondo_ref.checks import FloatArray, IntArray
from kondo_ref.delight import priority_signal, surprisal
from kondo_ref.gate import Gate, top_k, top_k_count
from kondo_ref.gradient import NORMALIZERS, kept_coefficients, normalizer_count
from kondo_ref.models.mlp import MLP
from kondo_ref.screeners.exact import Exact
from kondo_ref.screeners.screener import Estimate, Lesson, Look, Screener
from kondo_ref.screening import Screening, screen_surprisal
from kondo_ref.step import Learner

EVERYTHING = Gate.named("pg")


@dataclass(frozen=True, eq=False)
class SpeculativeResult:
    """What one speculative update did.

    Parameters
    ----------
    loss : float
        -(1/Z) sum_i G~_i U_i log pi(a_i) with the exact pi, in reward * nat.
    proposal : Screening
        By the estimates: its surprisal and signal are the screener's.
    screening : Screening
        By which was learned: the same, or what is left of the proposal after the check.
    surprisal : (kept,) float
        Exact, of the kept decisions, before the update.
    forward_rows : int
        Rows that the exact network evaluated after the gate: kept ones, and those the screener
        asked for. 0 where its look had evaluated all.
    executed_rows : int
        Rows of the backward.
    updated : bool
        Whether the optimizer made a step.
    """

    loss: float
    proposal: Screening
    screening: Screening
    surprisal: FloatArray
    forward_rows: int
    executed_rows: int
    updated: bool


class Speculation:
    """A learner whose decisions a screener screens.

    Parameters
    ----------
    learner : Learner
        With an MLP; its parameters are the exact ones, and it is what learns.
    screener : Screener
    propose : float, optional
        In (0, 1], for the draw top_k: the screener proposes this rate, the exact network evaluates
        it, and of the proposed the largest exact signals are kept, as many as the gate's rate asks
        for. Without it what the estimate chooses is kept.

    Raises
    ------
    TypeError, ValueError
        Another model; a rate out of range, or for a screener that looks exactly at every row.
    """

    def __init__(self, learner: Learner, screener: Screener, propose: float | None = None) -> None:
        if not isinstance(learner.model, MLP):
            raise TypeError(f"learner: expected one of an MLP, got {type(learner.model).__name__}")
        self.propose = None if propose is None else checks.rate_number("propose", propose)
        if propose is not None and isinstance(screener, Exact):
            raise ValueError("propose: a screener that looks exactly has nothing to be checked")
        self.learner, self.screener = learner, screener
        self.model: MLP = learner.model

    def look(self, x: FloatArray, index: IntArray | None = None) -> Look:
        """Return what the screener knows of a batch before actions and advantages.

        Parameters
        ----------
        x : (N, D[0]) float
        index : (N,) int, optional
            Which samples the rows are, for a screener with a memory.
        """
        return self.screener.look(self.learner, x, index)

    def update(
        self,
        look: Look,
        actions: IntArray,
        advantages: ArrayLike,
        gate: Gate,
        *,
        normalizer: str = "decisions",
        uniforms: ArrayLike | None = None,
        normals: FloatArray | None = None,
        mask: ArrayLike | None = None,
        history: ArrayLike | None = None,
    ) -> SpeculativeResult:
        """Screen by the estimate, evaluate and learn from what was kept.

        Parameters
        ----------
        look : Look
            Of this batch and the parameters of now; it serves one update.
        actions : (N,) int
        advantages : (N,) float
            They come with the batch, and are exact.
        gate, normalizer, uniforms, mask, history
            As in `policy_gradient`. The normalizer decisions is all valid ones, kept or not.
        normals : (N,) float, optional
            For a noisy screener.

        Returns
        -------
        SpeculativeResult
            With nothing kept there is neither an exact forward for the learner's sake, nor a
            backward, nor an optimizer step. A screener that learns does so all the same.

        Raises
        ------
        TypeError, ValueError
            As `policy_gradient`.
        """
        checks.one_of("normalizer", normalizer, NORMALIZERS)
        shape, dtype = (len(look.x),), self.learner.parameters.dtype
        actions = checks.action_array(actions, shape, self.model.sizes[-1])
        gain = checks.decision_array("advantages", advantages, shape, dtype)
        options = {"uniforms": uniforms, "mask": mask, "history": history}
        proposing = self._proposing(gate)
        estimate = self._estimate(look, actions, gain, gate, normals)
        if look.policy is not None:
            return self._in_place(look, actions, gain, estimate, gate, normalizer, options)
        screening = self._screen(estimate, gain, proposing, options)
        return self._evaluate(look, actions, gain, screening, gate, normalizer)

    def _proposing(self, gate: Gate) -> Gate:
        """Return the gate of the estimates: at the proposed rate, where the choice is checked.

        Raises
        ------
        ValueError
            A gate that proposes fewer than it keeps, or is no top_k.
        """
        if self.propose is None:
            return gate
        if gate.draw != "top_k" or gate.rate is None or gate.rate > self.propose:
            raise ValueError(
                f"propose: needs the draw top_k at a rate of at most {self.propose}, got {gate}"
            )
        return replace(gate, rate=self.propose)

    def _estimate(
        self,
        look: Look,
        actions: IntArray,
        advantages: FloatArray,
        gate: Gate,
        normals: FloatArray | None,
    ) -> Estimate:
        return self.screener.estimate(look, actions, advantages, gate, normals)

    def _screen(
        self, estimate: Estimate, advantages: FloatArray, gate: Gate, options: dict[str, Any]
    ) -> Screening:
        """Return the screening by the estimate."""
        return screen_surprisal(
            estimate.surprisal, advantages, gate, signal=estimate.signal, **options
        )

    def _in_place(
        self,
        look: Look,
        actions: IntArray,
        advantages: FloatArray,
        estimate: Estimate,
        gate: Gate,
        normalizer: str,
        options: dict[str, Any],
    ) -> SpeculativeResult:
        """Learn from activations that are there already: the exact forward was the look."""
        assert look.policy is not None
        step = self.learner.update(
            look.policy,
            actions,
            advantages,
            gate,
            normalizer=normalizer,
            signal=estimate.signal,
            **options,
        )
        self._learn(look, Lesson(actions, advantages, look.seen, look.policy.log_probabilities))
        return SpeculativeResult(
            step.loss,
            step.screening,
            step.screening,
            step.screening.surprisal[step.screening.kept],
            0,
            step.executed_rows,
            step.updated,
        )

    def _evaluate(
        self,
        look: Look,
        actions: IntArray,
        advantages: FloatArray,
        proposal: Screening,
        gate: Gate,
        normalizer: str,
    ) -> SpeculativeResult:
        """Run the exact forward on what the estimate chose, and learn from it."""
        screening, chosen = proposal, proposal.kept
        rows = np.union1d(chosen, look.also) if look.also.size else chosen
        if rows.size == 0:
            nothing = np.empty(0, dtype=advantages.dtype)
            return SpeculativeResult(0.0, screening, screening, nothing, 0, 0, updated=False)
        policy = self.learner.forward(look.x[rows])
        lesson = Lesson(actions, advantages, rows, policy.log_probabilities)
        exact = surprisal(policy.log_probabilities, actions[rows])
        if self.propose is not None:
            screening = checked(proposal, gate, exact[np.searchsorted(rows, chosen)])
        kept = screening.kept
        place = np.searchsorted(rows, kept)
        loss, executed = 0.0, 0
        if kept.size:
            # c_i = G_i U_i / Z of all N decisions, handed on as advantages with a gate of 1 and a
            # divisor of 1: the step that follows knows the evaluated rows alone.
            coefficients = np.zeros(rows.size, dtype=advantages.dtype)
            divisor = normalizer_count(screening, normalizer)
            coefficients[place] = kept_coefficients(screening, divisor)
            is_kept = np.zeros(rows.size, dtype=np.bool_)
            is_kept[place] = True
            step = self.learner.update(
                policy, actions[rows], coefficients, EVERYTHING, normalizer="none", mask=is_kept
            )
            loss, executed = step.loss, step.executed_rows
        self._learn(look, lesson)
        return SpeculativeResult(
            loss, proposal, screening, exact[place], rows.size, executed, updated=executed > 0
        )

    def _learn(self, look: Look, lesson: Lesson) -> None:
        self.screener.learn(look, lesson)


def checked(proposal: Screening, gate: Gate, exact: FloatArray) -> Screening:
    """Return a screening that keeps the largest exact signals of what was proposed.

    Parameters
    ----------
    proposal : Screening
        By top_k of the estimates.
    gate : Gate
        top_k, at a rate that is not higher than the proposal's.
    exact : (proposed,) float
        Exact surprisals of `proposal.kept`.

    Returns
    -------
    Screening
        Exactly as many as the gate keeps of all valid decisions, ties to the lowest index. Its
        surprisal and signal are exact where they were proposed, and the screener's elsewhere.

    Notes
    -----
    Cost: the signal of the proposed, and 3 cmp each to choose among them.
    """
    rows = proposal.kept
    signals = priority_signal(gate.signal, proposal.advantages[rows], exact, gate.alpha)
    keep = rows[top_k(signals, top_k_count(gate.rate or 0.0, proposal.valid))]
    weight = np.zeros_like(proposal.weight)
    weight[keep] = 1.0
    level, signal = proposal.surprisal.copy(), proposal.signal.copy()
    level[rows], signal[rows] = exact, signals
    return replace(
        proposal, gate=gate, surprisal=level, signal=signal, keep_probability=weight, weight=weight
    )
