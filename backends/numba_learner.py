"""The learner of the Numba backend: one training step on preallocated buffers.

Screening, update and optimizer are here, for every model; what runs forward and backward is the
model's own: `numba_mlp` or `numba_transformer`. After the gate only the kept decisions are there.
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kondo_ref import checks
from kondo_ref.backends import numba_kernels as kernels
from kondo_ref.backends.numba_decoding import Sampler
from kondo_ref.backends.numba_gate import actions_for_kernel, advantages_for_kernel, screen_rows
from kondo_ref.backends.numba_mlp import MLPNetwork
from kondo_ref.backends.numba_packing import dense_rows
from kondo_ref.backends.numba_policy import NumbaPolicy
from kondo_ref.backends.numba_transformer import TransformerNetwork
from kondo_ref.checks import IntArray
from kondo_ref.gate import Gate
from kondo_ref.gradient import NORMALIZERS, normalizer_count, require_finite
from kondo_ref.models.decoding import generate
from kondo_ref.models.mlp import MLP
from kondo_ref.models.packing import Packing
from kondo_ref.optim import FLUSH_BELOW, FLUSH_EVERY, SGD, Adam
from kondo_ref.parameters import Parameters
from kondo_ref.screening import Screening
from kondo_ref.step import Learner, StepResult, TrainingState

Array = NDArray[Any]


class Network(Protocol):
    """What the learner asks of a model: `run` up to the logits, `backward` from them.

    What `run` leaves beside its result is for the next `backward`; `memory` is what a policy holds.
    """

    @property
    def dbias(self) -> Array:
        """Room for the gradient in the logits, summed over the kept decisions: (A,) float."""

    @property
    def activation_bytes(self) -> int:
        """Memory of what was left for a backward, in bytes."""

    def run(self, observations: Any) -> tuple[Array, bool, Any]:
        """Return new logits of a batch, whether all are known to be finite, and the memory."""

    def dlogits(self, count: int) -> Array:
        """Return room for the gradient in the logits of the kept decisions, (K, A) float."""

    def backward(self, memory: Any, dlogits: Array, kept: IntArray) -> int:
        """Fill the gradient from the kept decisions; return the rows that its products took."""


class NumbaLearner:
    """A model in training; `kondo_ref.step.Learner` says what each method means.

    Parameters
    ----------
    state : TrainingState
        Where to start; not changed.
    activations : str
        cache or recompute, as `kondo_ref.step.Learner` takes it.

    Raises
    ------
    ValueError
        Another word, or recompute for an MLP.
    """

    def __init__(self, state: TrainingState, *, activations: str = "cache") -> None:
        start = Learner(state, activations=activations)  # refuses what it refuses
        self._model, self._optimizer = start.model, start.optimizer
        self._parameters, self._gradient = start.parameters, start.gradient
        self._network: Network
        if isinstance(self._model, MLP):
            self._network = MLPNetwork(self._model, self._parameters, self._gradient)
        else:
            self._network = TransformerNetwork(
                self._model, self._parameters, self._gradient, activations
            )
        self.activation_bytes = 0
        self._sampler: Sampler | None = None
        self._turn: object = None

    @property
    def gradient(self) -> Parameters:
        """The gradient of the last update."""
        return self._gradient

    def state(self) -> TrainingState:
        """Return a copy of the state of the training."""
        return TrainingState(self._model, self._parameters, self._optimizer).copy()

    def logits(self, observations: Any) -> Array:
        """Return the logits of a batch, (N, A) or (B, T, A) float; no policy."""
        self._turn = object()
        return self._network.run(observations)[0]

    def forward(self, observations: Any) -> NumbaPolicy:
        """Return the policy of a batch: observations (N, D[0]) or tokens (B, T)."""
        self._turn = object()
        logits, sound, memory = self._network.run(observations)
        if not sound:
            checks.logits_array(logits)
        self.activation_bytes = self._network.activation_bytes
        return NumbaPolicy(logits, memory, self._turn)

    def generate(self, prompts: Any, uniforms: Any) -> IntArray:
        """Return sampled continuations (B, S) of prompts (B, P)."""
        if not isinstance(self._network, TransformerNetwork):
            return generate(self._model, self._parameters, prompts, uniforms)  # refuses it
        if self._sampler is None:
            self._sampler = Sampler(self._network)
        return self._sampler.generate(prompts, uniforms)

    def sample(self, policy: NumbaPolicy, uniforms: Array) -> Array:
        """Return an action for each decision, by the inverse CDF of its uniform."""
        return policy.sample(uniforms)

    def confidence(self, policy: NumbaPolicy) -> Array:
        """Return the baseline sum over a of pi(a)^2, of every decision."""
        return policy.confidence

    def screen(
        self,
        policy: NumbaPolicy,
        actions: ArrayLike,
        advantages: ArrayLike,
        gate: Gate,
        *,
        uniforms: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        history: ArrayLike | None = None,
    ) -> Screening:
        """Return the screening of a batch."""
        return self._screen(policy, actions, advantages, gate, uniforms, mask, history)[0]

    def update(
        self,
        policy: NumbaPolicy,
        actions: ArrayLike,
        advantages: ArrayLike,
        gate: Gate,
        *,
        normalizer: str = "decisions",
        uniforms: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        history: ArrayLike | None = None,
    ) -> StepResult:
        """Screen a batch, run the backward on its kept rows, and step the optimizer."""
        checks.one_of("normalizer", normalizer, NORMALIZERS)
        screening, taken = self._screen(policy, actions, advantages, gate, uniforms, mask, history)
        self._turn = None  # the parameters move on: a policy serves one update
        kept, dense, network = screening.kept, None, self._network
        if isinstance(policy.memory, Packing):
            dense = dense_rows(policy.memory, screening.mask)
        if kept.size == 0:
            return StepResult(0.0, screening, 0, updated=False, dense_rows=dense)
        dlogits = network.dlogits(kept.size)
        loss = kernels.gather_dlogits(
            policy.rows,
            taken.reshape(-1),
            screening.advantages.reshape(-1),
            screening.surprisal.reshape(-1),
            screening.weight.reshape(-1),
            kept,
            normalizer_count(screening, normalizer),
            dlogits,
            network.dbias,
        )
        require_finite(loss)
        executed = network.backward(policy.memory, dlogits, kept)
        self.activation_bytes = network.activation_bytes
        self._step()
        return StepResult(loss, screening, executed, updated=True, dense_rows=dense)

    def _screen(
        self,
        policy: NumbaPolicy,
        actions: ArrayLike,
        advantages: ArrayLike,
        gate: Gate,
        uniforms: ArrayLike | None,
        mask: ArrayLike | None,
        history: ArrayLike | None,
    ) -> tuple[Screening, Array]:
        """Return the screening, and the actions as kernels take them."""
        if policy.turn is not self._turn:
            raise ValueError("policy: expected that of this learner's last forward, got another")
        if isinstance(policy.memory, Packing):
            policy.memory.check_mask(mask)
        rows, shape = policy.rows, policy.logits.shape[:-1]
        taken = actions_for_kernel(actions, shape, rows.shape[1])
        gain = advantages_for_kernel(advantages, shape, rows.dtype)
        return screen_rows(rows, taken, gain, gate, uniforms, mask, history), taken

    def _step(self) -> None:
        """Step the optimizer, as its own `step` does."""
        optimizer, theta, gradient = self._optimizer, self._parameters.flat, self._gradient.flat
        if type(optimizer) is SGD:
            kernels.sgd_step(theta, gradient, optimizer.learning_rate)
            return
        if type(optimizer) is not Adam:
            optimizer.step(self._parameters, self._gradient)
            return
        if optimizer.first is None or optimizer.second is None:
            optimizer.first, optimizer.second = np.zeros_like(theta), np.zeros_like(theta)
        first, second = optimizer.first, optimizer.second
        checks.require_shape("parameters", theta, first.shape)
        checks.require_shape("parameters", theta, second.shape)
        optimizer.steps += 1
        root = (1.0 - optimizer.beta2**optimizer.steps) ** 0.5
        rate = optimizer.learning_rate * root / (1.0 - optimizer.beta1**optimizer.steps)
        kernels.adam_step(
            theta,
            gradient,
            first,
            second,
            optimizer.beta1,
            optimizer.beta2,
            rate,
            optimizer.epsilon * root,
        )
        if optimizer.steps % FLUSH_EVERY == 0:
            below = FLUSH_BELOW * float(np.finfo(theta.dtype).tiny)
            kernels.flush(first, below)
            kernels.flush(second, below)
