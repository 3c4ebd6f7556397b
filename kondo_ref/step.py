"""One training step: forward, screening, kept rows, compacted backward, update.

A `Learner` owns what changes in training: parameters, gradient, optimizer, activation buffers.
`forward` gives the policy of a batch; the caller acts, is rewarded, and hands actions and
advantages to `update`, which screens them, runs the backward on the kept rows alone, and makes an
optimizer step only if a row was kept.
"""

import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kondo_ref import checks
from kondo_ref.baselines import expected_confidence
from kondo_ref.checks import FloatArray, IntArray
from kondo_ref.delight import log_softmax, surprisal
from kondo_ref.gate import Gate
from kondo_ref.gradient import NORMALIZERS, kept_coefficients, kept_dlogits, normalizer_count
from kondo_ref.models.mlp import MLP, Cache
from kondo_ref.optim import Optimizer
from kondo_ref.parameters import Parameters
from kondo_ref.randomness import sample_actions
from kondo_ref.screening import Screening, screen_surprisal

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Policy:
    """The policy of a batch, as the forward left it.

    Parameters
    ----------
    log_probabilities : (N, K) float
    cache : Cache
        In the learner's buffers: valid until its next forward.
    turn : object
        Stands for the forward that it is from.
    """

    log_probabilities: FloatArray
    cache: Cache
    turn: object

    @cached_property
    def probabilities(self) -> FloatArray:
        """Action probabilities, (N, K) float."""
        return np.exp(self.log_probabilities)


@dataclass(frozen=True, eq=False)
class StepResult:
    """What one update did.

    Parameters
    ----------
    loss : float
        In reward * nat.
    screening : Screening
    executed_rows : int
        Rows of the products that the backward ran, 0 where it did not run.
    updated : bool
        Whether the optimizer made a step.
    """

    loss: float
    screening: Screening
    executed_rows: int
    updated: bool

    @property
    def executed_rate(self) -> float:
        """Executed rows over valid decisions."""
        return self.executed_rows / self.screening.valid


@dataclass(frozen=True, eq=False)
class TrainingState:
    """All that a training is, between two steps: what a checkpoint holds.

    Parameters
    ----------
    model : MLP
    parameters : Parameters
    optimizer : SGD or Adam
        With its moments and its number of steps.
    """

    model: MLP
    parameters: Parameters
    optimizer: Optimizer

    def copy(self) -> "TrainingState":
        """Return a state that shares no memory with this one."""
        parameters = self.parameters.astype(self.parameters.dtype)
        return TrainingState(self.model, parameters, copy.deepcopy(self.optimizer))


class Learner:
    """A model in training: the learner of the NumPy backend, and the definition of one.

    Parameters
    ----------
    state : TrainingState
        Where to start; not changed.
    """

    def __init__(self, state: TrainingState) -> None:
        start = state.copy()
        self.model = start.model
        self.parameters = start.parameters
        self.optimizer = start.optimizer
        self.gradient = start.parameters.zeros_like()
        self._buffers: dict[int, tuple[Array, ...]] = {}
        self._turn: object = None

    def state(self) -> TrainingState:
        """Return a copy of the state of the training."""
        return TrainingState(self.model, self.parameters, self.optimizer).copy()

    def logits(self, observations: Array) -> Array:
        """Return the logits of a batch, (N, K) float, valid until the next call; no policy."""
        return self._run(observations)[0]

    def forward(self, observations: Array) -> Policy:
        """Return the policy of a batch of observations (N, D[0]), which it keeps a view of.

        Raises
        ------
        TypeError, ValueError
            As `MLP.forward`; logits that are not finite (the parameters have diverged).
        """
        logits, cache = self._run(observations)
        return Policy(log_softmax(checks.logits_array(logits)), cache, self._turn)

    def _run(self, observations: Array) -> tuple[Array, Cache]:
        n = len(observations)
        out = self._buffers.get(n)
        if out is None:
            out = self._buffers[n] = self.model.buffers(n, self.parameters.dtype)
        self._turn = object()
        return self.model.forward(self.parameters, observations, out)

    def sample(self, policy: Policy, uniforms: FloatArray) -> IntArray:
        """Return an action for each decision, by the inverse CDF of `uniforms` (N,)."""
        return sample_actions(policy.probabilities, uniforms)

    def confidence(self, policy: Policy) -> FloatArray:
        """Return the baseline sum over a of pi(a)^2, (N,) float."""
        return expected_confidence(policy.probabilities)

    def screen(
        self,
        policy: Policy,
        actions: IntArray,
        advantages: ArrayLike,
        gate: Gate,
        *,
        uniforms: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        history: ArrayLike | None = None,
    ) -> Screening:
        """Return the screening of a batch; arguments and errors as in `update`."""
        if policy.turn is not self._turn:
            raise ValueError("policy: expected that of this learner's last forward, got another")
        return screen_surprisal(
            surprisal(policy.log_probabilities, actions),
            advantages,
            gate,
            uniforms=uniforms,
            mask=mask,
            history=history,
        )

    def update(
        self,
        policy: Policy,
        actions: IntArray,
        advantages: ArrayLike,
        gate: Gate,
        *,
        normalizer: str = "decisions",
        uniforms: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        history: ArrayLike | None = None,
    ) -> StepResult:
        """Screen a batch, run the backward on its kept rows, and step the optimizer.

        Parameters
        ----------
        policy : Policy
            Of this learner's last forward; it serves one update.
        actions : (N,) int
        advantages : (N,) float
        gate, normalizer, uniforms, mask, history
            As in `policy_gradient`.

        Returns
        -------
        StepResult
            With nothing kept there is no backward and no optimizer step.

        Raises
        ------
        TypeError, ValueError
            As `policy_gradient`; a policy that is not of the last forward.
        """
        checks.one_of("normalizer", normalizer, NORMALIZERS)
        actions = np.asarray(actions)
        screening = self.screen(
            policy, actions, advantages, gate, uniforms=uniforms, mask=mask, history=history
        )
        self._turn = None
        kept = screening.kept
        if kept.size == 0:
            return StepResult(0.0, screening, 0, updated=False)
        coefficients = kept_coefficients(screening, normalizer_count(screening, normalizer))
        everything = kept.size == actions.size
        rows = policy.log_probabilities if everything else policy.log_probabilities[kept]
        drows = kept_dlogits(rows, actions[kept], coefficients)
        self.model.backward(self.parameters, policy.cache, drows, kept, out=self.gradient)
        self.optimizer.step(self.parameters, self.gradient)
        loss = float(np.sum(coefficients * screening.surprisal[kept]))
        return StepResult(loss, screening, drows.shape[0], updated=True)
