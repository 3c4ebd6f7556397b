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
from kondo_ref.gradient import (
    NORMALIZERS,
    kept_coefficients,
    kept_dlogits,
    normalizer_count,
    require_finite,
)
from kondo_ref.models import mlp, transformer
from kondo_ref.models.decoding import generate
from kondo_ref.models.kinds import Model
from kondo_ref.models.mlp import MLP
from kondo_ref.optim import Optimizer
from kondo_ref.parameters import Parameters
from kondo_ref.randomness import sample_actions
from kondo_ref.screening import Screening, screen_surprisal

Array = NDArray[Any]

ACTIVATIONS = ("cache", "recompute")


@dataclass(frozen=True, eq=False)
class Policy:
    """The policy of a batch, as the forward left it.

    Parameters
    ----------
    log_probabilities : (N, K) or (B, T, K) float
        Of decisions; past the end of a sequence a number without meaning.
    cache : Cache
        Of the model. In the learner's buffers: valid until its next forward.
    turn : object
        Stands for the forward that it is from.
    """

    log_probabilities: FloatArray
    cache: mlp.Cache | transformer.Cache
    turn: object

    @cached_property
    def probabilities(self) -> FloatArray:
        """Action probabilities, of the same shape."""
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
        Rows of the products that the backward ran, 0 where it did not run: kept decisions, or in a
        transformer the tokens of the prefixes that end with a kept one.
    updated : bool
        Whether the optimizer made a step.
    dense_rows : int, optional
        The rows that it runs when every valid decision is kept; the valid decisions by default.
    """

    loss: float
    screening: Screening
    executed_rows: int
    updated: bool
    dense_rows: int | None = None

    @property
    def executed_rate(self) -> float:
        """Executed rows over those of a backward with everything kept."""
        whole = self.screening.valid if self.dense_rows is None else self.dense_rows
        return self.executed_rows / whole


@dataclass(frozen=True, eq=False)
class TrainingState:
    """All that a training is, between two steps: what a checkpoint holds.

    Parameters
    ----------
    model : MLP or Transformer
    parameters : Parameters
    optimizer : SGD or Adam
        With its moments and its number of steps.
    """

    model: Model
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
    activations : str
        cache: what the forward computed is there for the backward. recompute: the forward leaves
        nothing, and the backward runs it once more for what the kept tokens depend on; for a
        transformer only, since for an MLP the cache is always cheaper.

    Raises
    ------
    ValueError
        Another word, or recompute for an MLP.
    """

    def __init__(self, state: TrainingState, *, activations: str = "cache") -> None:
        checks.one_of("activations", activations, ACTIVATIONS)
        if activations == "recompute" and isinstance(state.model, MLP):
            raise ValueError("activations: an MLP keeps its own, expected cache, got recompute")
        self.activations = activations
        self.activation_bytes = 0
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
        """Return the logits of a batch, valid until the next call, and no policy.

        Parameters
        ----------
        observations : (N, D[0]) float or (B, T) int
            Tokens for a transformer, -1 past the end of a shorter sequence.

        Returns
        -------
        (N, K) or (B, T, K) float
        """
        return self._run(observations, keep=False)[0]

    def forward(self, observations: Array) -> Policy:
        """Return the policy of a batch; it keeps a view of the observations.

        Parameters
        ----------
        observations : (N, D[0]) float or (B, T) int
            As in `logits`.

        Raises
        ------
        TypeError, ValueError
            As the model's `forward`; logits that are not finite (the parameters have diverged).
        """
        logits, cache = self._run(observations, keep=self.activations == "cache")
        self.activation_bytes = cache.nbytes
        return Policy(log_softmax(checks.logits_array(logits)), cache, self._turn)

    def generate(self, prompts: IntArray, uniforms: FloatArray) -> IntArray:
        """Return the sampled continuation (B, S) of `prompts` (B, P), as `decoding.generate`.

        The tokens are those of the inverse CDF of `uniforms` (B, S).
        """
        return generate(self.model, self.parameters, prompts, uniforms)

    def _run(
        self, observations: Array, *, keep: bool
    ) -> tuple[Array, mlp.Cache | transformer.Cache]:
        self._turn = object()
        if not isinstance(self.model, MLP):
            logits, tokens = self.model.forward(self.parameters, observations, keep=keep)
            return tokens.packing.grid(logits), tokens
        n = len(observations)
        out = self._buffers.get(n)
        if out is None:
            out = self._buffers[n] = self.model.buffers(n, self.parameters.dtype)
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
        signal: ArrayLike | None = None,
    ) -> Screening:
        """Return the screening of a batch.

        Parameters
        ----------
        policy, actions, advantages, gate, uniforms, mask, history, signal
            As in `update`, and so are the errors.
        """
        if policy.turn is not self._turn:
            raise ValueError("policy: expected that of this learner's last forward, got another")
        if isinstance(policy.cache, transformer.Cache):
            policy.cache.packing.check_mask(mask)
        return screen_surprisal(
            surprisal(policy.log_probabilities, actions),
            advantages,
            gate,
            uniforms=uniforms,
            mask=mask,
            history=history,
            signal=signal,
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
        signal: ArrayLike | None = None,
    ) -> StepResult:
        """Screen a batch, run the backward on its kept rows, and step the optimizer.

        Parameters
        ----------
        policy : Policy
            Of this learner's last forward; it serves one update.
        actions : (N,) or (B, T) int
        advantages : (N,) or (B, T) float
        gate, normalizer, uniforms, mask, history
            As in `policy_gradient`. A mask is needed where sequences end early.
        signal : (N,) or (B, T) float, optional
            As in `screen_surprisal`: what the gate decides by, where it is not the exact signal.

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
            policy,
            actions,
            advantages,
            gate,
            uniforms=uniforms,
            mask=mask,
            history=history,
            signal=signal,
        )
        self._turn = None
        kept = screening.kept
        dense = self._dense_rows(policy, screening)
        if kept.size == 0:
            return StepResult(0.0, screening, 0, updated=False, dense_rows=dense)
        coefficients = kept_coefficients(screening, normalizer_count(screening, normalizer))
        everything = kept.size == actions.size
        rows = policy.log_probabilities.reshape(-1, policy.log_probabilities.shape[-1])
        drows = kept_dlogits(
            rows if everything else rows[kept], actions.ravel()[kept], coefficients
        )
        with np.errstate(over="ignore"):
            loss = float(np.sum(coefficients * screening.surprisal.ravel()[kept]))
        require_finite(loss)
        executed = self._backward(policy, drows, kept)
        self.optimizer.step(self.parameters, self.gradient)
        return StepResult(loss, screening, executed, updated=True, dense_rows=dense)

    def _dense_rows(self, policy: Policy, screening: Screening) -> int | None:
        if isinstance(policy.cache, mlp.Cache):
            return None
        return policy.cache.packing.dense_rows(screening.mask)

    def _backward(self, policy: Policy, drows: Array, kept: IntArray) -> int:
        """Fill the gradient from the kept decisions; return the rows that it took."""
        if isinstance(self.model, MLP):
            assert isinstance(policy.cache, mlp.Cache)
            self.model.backward(self.parameters, policy.cache, drows, kept, out=self.gradient)
            return kept.size
        assert isinstance(policy.cache, transformer.Cache)
        cache = policy.cache
        if self.activations == "recompute":
            cache = self.model.recompute(self.parameters, cache.packing, kept)
            self.activation_bytes = cache.nbytes
        selected = self.model.select(cache, kept)
        self.model.backward(self.parameters, selected, drows, kept, out=self.gradient)
        return selected.packing.rows
