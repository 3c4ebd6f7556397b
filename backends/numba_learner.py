"""The learner of the Numba backend: one training step on preallocated buffers.

BLAS runs the products, kernels run everything between them. After the gate only the kept rows are
there: they are gathered from the activations of the forward, and the backward sees nothing else.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kondo_ref import checks
from kondo_ref.backends import numba_kernels as kernels
from kondo_ref.backends.numba_gate import actions_for_kernel, advantages_for_kernel, screen_rows
from kondo_ref.backends.numba_policy import NumbaPolicy
from kondo_ref.gate import Gate
from kondo_ref.gradient import NORMALIZERS, normalizer_count
from kondo_ref.optim import FLUSH_BELOW, FLUSH_EVERY, SGD, Adam
from kondo_ref.parameters import Parameters
from kondo_ref.screening import Screening
from kondo_ref.step import StepResult, TrainingState

Array = NDArray[Any]


class RowBuffers:
    """Buffers of some widths for a number of rows that changes; they grow and are kept."""

    def __init__(self, widths: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._widths, self._dtype = widths, dtype
        self._whole = self._new(0)
        self._views = self._whole

    def of(self, rows: int) -> tuple[Array, ...]:
        """Return one (rows, width) buffer a width, valid until the next call."""
        if rows != self._views[0].shape[0]:
            if rows > self._whole[0].shape[0]:
                self._whole = self._new(rows)
            self._views = tuple(buffer[:rows] for buffer in self._whole)
        return self._views

    def _new(self, rows: int) -> tuple[Array, ...]:
        return tuple(np.empty((rows, width), self._dtype) for width in self._widths)


class NumbaLearner:
    """A model in training; `kondo_ref.step.Learner` says what each method means.

    Parameters
    ----------
    state : TrainingState
        Where to start; not changed.
    """

    def __init__(self, state: TrainingState) -> None:
        start = state.copy()
        self._model, self._optimizer = start.model, start.optimizer
        self._parameters, self._gradient = start.parameters, start.parameters.zeros_like()
        sizes, dtype = start.model.sizes, start.parameters.dtype
        names = [(f"weight{layer}", f"bias{layer}") for layer in range(1, len(sizes))]
        self._layers = [(self._parameters[w], self._parameters[b]) for w, b in names]
        self._dlayers = [(self._gradient[w], self._gradient[b]) for w, b in names]
        self._hidden: dict[int, tuple[Array, ...]] = {}
        self._gathered, self._douts = RowBuffers(sizes[:-1], dtype), RowBuffers(sizes[1:], dtype)
        self._turn: object = None

    @property
    def gradient(self) -> Parameters:
        """The gradient of the last update."""
        return self._gradient

    def state(self) -> TrainingState:
        """Return a copy of the state of the training."""
        return TrainingState(self._model, self._parameters, self._optimizer).copy()

    def logits(self, observations: Array) -> Array:
        """Return the logits of a batch, (N, A) float; no policy."""
        return self._run(np.asarray(observations))[0]

    def forward(self, observations: Array) -> NumbaPolicy:
        """Return the policy of a batch of observations (N, D[0])."""
        observations = np.asarray(observations)
        logits, sound = self._run(observations)
        if not sound:
            checks.logits_array(logits)
        return NumbaPolicy(logits, observations, self._turn)

    def sample(self, policy: NumbaPolicy, uniforms: Array) -> Array:
        """Return an action for each decision, by the inverse CDF of `uniforms` (N,)."""
        return policy.sample(uniforms)

    def confidence(self, policy: NumbaPolicy) -> Array:
        """Return the baseline sum over a of pi(a)^2, (N,) float."""
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
        kept = screening.kept
        if kept.size == 0:
            return StepResult(0.0, screening, 0, updated=False)
        douts = self._douts.of(kept.size)
        loss = kernels.gather_dlogits(
            policy.log_probabilities,
            taken,
            screening.advantages,
            screening.surprisal,
            screening.weight,
            kept,
            normalizer_count(screening, normalizer),
            douts[-1],
            self._dlayers[-1][1],
        )
        self._backward(policy.x, kept, douts)
        self._step()
        return StepResult(loss, screening, kept.size, updated=True)

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
        rows = policy.log_probabilities
        shape = rows.shape[:1]
        taken = actions_for_kernel(actions, shape, rows.shape[1])
        gain = advantages_for_kernel(advantages, shape, rows.dtype)
        return screen_rows(rows, taken, gain, gate, uniforms, mask, history), taken

    def _run(self, x: Array) -> tuple[Array, bool]:
        """Return new logits and whether all of them are known to be finite."""
        if x.ndim != 2 or x.shape[1] != self._model.sizes[0] or x.shape[0] == 0:
            raise ValueError(
                f"x: expected shape (N, {self._model.sizes[0]}), N >= 1, got {x.shape}"
            )
        if x.dtype != self._parameters.dtype:
            raise TypeError(f"x: expected dtype {self._parameters.dtype}, got {x.dtype}")
        n = x.shape[0]
        hidden = self._hidden.get(n)
        if hidden is None:
            hidden = self._hidden[n] = self._model.buffers(n, x.dtype)[:-1]
        self._turn = object()
        value = x
        for (weight, bias), buffer in zip(self._layers, hidden, strict=False):
            np.dot(value, weight, out=buffer)
            seen = kernels.bias_relu_forward(buffer, bias)
            if seen != 0.0 and value is x:
                checks.real_array("x", x)
            value = buffer
        weight, bias = self._layers[-1]
        logits = np.dot(value, weight)
        seen = kernels.bias_forward(logits, bias)
        if seen != 0.0 and value is x:
            checks.real_array("x", x)
        return logits, seen == 0.0

    def _backward(self, x: Array, kept: Array, douts: tuple[Array, ...]) -> None:
        """Fill the gradient from the kept rows; `douts` holds dlogits, room for the others.

        From out = rows @ weight + bias: dweight = rows.T @ dout, drows = dout @ weight.T.
        """
        n = x.shape[0]
        sources = (x, *self._hidden[n])
        if kept.size != n:
            for source, rows in zip(sources, self._gathered.of(kept.size), strict=True):
                source.take(kept, 0, rows, "clip")  # other modes than clip buffer the result
            sources = self._gathered.of(kept.size)
        for layer in range(len(sources) - 1, 0, -1):
            rows, dout, drows = sources[layer], douts[layer], douts[layer - 1]
            np.dot(rows.T, dout, out=self._dlayers[layer][0])
            np.dot(dout, self._layers[layer][0].T, out=drows)
            kernels.relu_backward(drows, rows, self._dlayers[layer - 1][1])
        np.dot(sources[0].T, douts[0], out=self._dlayers[0][0])

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
