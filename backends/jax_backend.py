"""The JAX backend: the stations on JAX arrays, the gradient by `jax.value_and_grad` under jit.

The worked example of the guide "Write a backend". float64 works without a change of anybody's
configuration: every call has 64-bit types for its own duration (`jax_arrays`). The kept rows go
into a buffer whose capacity is a power of two, so that jit compiles a few shapes and not one a
count; the rows executed are those of the buffer, and are counted so. XLA treats subnormal numbers
as 0 on a CPU: a signal below 2e-308 (1e-38 in float32) is no signal here.
"""

import copy
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from kondo_ref import checks
from kondo_ref.backends import jax_network, jax_screening, jax_stations
from kondo_ref.backends.jax_arrays import in_double, own
from kondo_ref.backends.jax_stations import Tree
from kondo_ref.gate import Gate
from kondo_ref.gradient import NORMALIZERS, PolicyGradient, normalizer_count, require_finite
from kondo_ref.models.kinds import Model, require_mlp
from kondo_ref.optim import FLUSH_BELOW, FLUSH_EVERY, SGD, Adam
from kondo_ref.parameters import Parameters
from kondo_ref.screening import Screening
from kondo_ref.step import StepResult, TrainingState


@dataclass(frozen=True, eq=False)
class JaxPolicy:
    """The policy of a batch, with what its gradient is taken from.

    Parameters
    ----------
    log_probabilities : (N, K) float
    observations : (N, D[0]) float
    parameters : dict of str to array
        Those of the forward.
    turn : object
        Stands for the forward that it is from.
    """

    log_probabilities: Array
    observations: Array
    parameters: Tree
    turn: object


class JaxBackend:
    """The stations on JAX arrays, on JAX's default device."""

    name = "jax"
    models = ("mlp",)

    def versions(self) -> dict[str, str]:
        """Return the versions of JAX, jaxlib and NumPy."""
        return {package: version(package) for package in ("jax", "jaxlib", "numpy")}

    @in_double
    def array(self, values: NDArray[Any]) -> Array:
        """Return a JAX array of the same dtype, a copy; refuse where the device lacks it."""
        return own(None, np.asarray(values))

    def to_numpy(self, values: Array) -> NDArray[Any]:
        """Return a NumPy array of the same dtype, read-only."""
        return np.asarray(values)

    @in_double
    def policy_gradient(
        self,
        logits: Any,
        actions: Any,
        advantages: Any,
        gate: Gate,
        *,
        normalizer: str = "decisions",
        uniforms: Any = None,
        mask: Any = None,
        history: Any = None,
    ) -> PolicyGradient:
        """As `kondo_ref.policy_gradient`, of NumPy or JAX arrays; the result has JAX arrays."""
        checks.one_of("normalizer", normalizer, NORMALIZERS)
        checked = checks.logits_array(logits)
        z = own(logits, checked)
        shape, k = checked.shape[:-1], checked.shape[-1]
        taken = own(actions, checks.action_array(actions, shape, k))
        screening = jax_screening.screen(
            jax_stations.logits_surprisal(z, taken),
            advantages,
            gate,
            uniforms=uniforms,
            mask=mask,
            history=history,
        )
        divisor = normalizer_count(screening, normalizer)
        kept = screening.kept.size
        if kept == 0:
            nothing: Any = jnp.zeros_like(z)
            return PolicyGradient(0.0, nothing, screening, divisor)
        loss, dlogits = jax_stations.logits_gradient(
            z,
            taken,
            screening.weight,
            screening.advantages,
            float(divisor),
            capacity=jax_stations.capacity_for(kept, taken.size),
        )
        require_finite(loss)
        return PolicyGradient(float(loss), dlogits, screening, divisor)

    def learner(self, state: TrainingState) -> "JaxLearner":
        """Return a learner that starts from `state`, in the dtype of its parameters."""
        return JaxLearner(state)


class JaxLearner:
    """A multilayer perceptron in training on JAX arrays; what it does is `kondo_ref.step.Learner`.

    Parameters
    ----------
    state : TrainingState
        Where to start; not changed.

    Raises
    ------
    TypeError
        A model other than the MLP, or an optimizer other than SGD and Adam.
    """

    @in_double
    def __init__(self, state: TrainingState) -> None:
        if not isinstance(state.model, Model):
            raise TypeError(f"state: expected the model MLP, got {state.model!r}")
        self._model = require_mlp(state.model, "jax")
        if not isinstance(state.optimizer, SGD | Adam):
            raise TypeError(f"state: expected the optimizer SGD or Adam, got {state.optimizer!r}")
        self._dtype = state.parameters.dtype
        self._parameters = self._tree(state.parameters.flat)
        self._gradient = self._tree(np.zeros_like(state.parameters.flat))
        self._optimizer = copy.copy(state.optimizer)
        self._moments: tuple[Tree, Tree] | None = None
        if isinstance(self._optimizer, Adam):
            first, second = self._optimizer.first, self._optimizer.second
            if first is not None and second is not None:
                self._moments = self._tree(first), self._tree(second)
            self._optimizer.first = self._optimizer.second = None
        self._turn: object = None

    @property
    def gradient(self) -> Parameters:
        """The gradient of the last update, as NumPy arrays."""
        return self._flat(self._gradient)

    def state(self) -> TrainingState:
        """Return a copy of parameters and optimizer, as NumPy arrays, bit for bit."""
        optimizer = copy.copy(self._optimizer)
        if isinstance(optimizer, Adam) and self._moments is not None:
            optimizer.first, optimizer.second = (self._flat(tree).flat for tree in self._moments)
        return TrainingState(self._model, self._flat(self._parameters), optimizer)

    @in_double
    def logits(self, observations: Any) -> Array:
        """Return the logits (N, K) of a batch (N, D[0]); no policy."""
        return self._run(observations)[1]

    @in_double
    def forward(self, observations: Any) -> JaxPolicy:
        """Return the policy of a batch (N, D[0]); errors as in the reference."""
        x, logits, log_probabilities, finite = self._run(observations)
        if not finite:
            checks.logits_array(np.asarray(logits))
        self._turn = object()
        return JaxPolicy(log_probabilities, x, self._parameters, self._turn)

    @in_double
    def sample(self, policy: JaxPolicy, uniforms: Any) -> Array:
        """Return an action for each decision, by the inverse CDF of `uniforms` (N,)."""
        checked = checks.uniform_array(uniforms, policy.log_probabilities.shape[:-1])
        u = own(uniforms, checked)
        actions: Array = jax_stations.sample_actions(policy.log_probabilities, u)
        return actions

    @in_double
    def confidence(self, policy: JaxPolicy) -> Array:
        """Return the baseline sum over a of pi(a)^2, (N,)."""
        b: Array = jax_stations.confidence(policy.log_probabilities)
        return b

    @in_double
    def screen(self, policy: JaxPolicy, actions: Any, *args: Any, **kwargs: Any) -> Screening:
        """Return the screening of a batch; arguments as in `update`, errors as in the reference."""
        if policy.turn is not self._turn:
            raise ValueError("policy: expected that of this learner's last forward, got another")
        shape = policy.log_probabilities.shape
        taken = own(actions, checks.action_array(actions, shape[:-1], shape[-1]))
        level = jax_stations.surprisal(policy.log_probabilities, taken)
        return jax_screening.screen(level, *args, **kwargs)

    @in_double
    def update(
        self,
        policy: JaxPolicy,
        actions: Any,
        advantages: Any,
        gate: Gate,
        *,
        normalizer: str = "decisions",
        uniforms: Any = None,
        mask: Any = None,
        history: Any = None,
    ) -> StepResult:
        """Screen, run value_and_grad on the buffer of kept rows, step if a row was kept."""
        checks.one_of("normalizer", normalizer, NORMALIZERS)
        screening = self.screen(
            policy, actions, advantages, gate, uniforms=uniforms, mask=mask, history=history
        )
        self._turn = None
        kept = screening.kept.size
        if kept == 0:
            return StepResult(0.0, screening, 0, updated=False)
        capacity = jax_stations.capacity_for(kept, screening.weight.size)
        loss, gradient = jax_network.network_gradient(
            policy.parameters,
            policy.observations,
            own(actions, np.asarray(actions)),
            screening.weight,
            screening.advantages,
            float(normalizer_count(screening, normalizer)),
            capacity=capacity,
        )
        require_finite(float(loss))
        self._gradient = gradient
        self._step()
        return StepResult(float(loss), screening, capacity, updated=True)

    def _step(self) -> None:
        optimizer = self._optimizer
        if isinstance(optimizer, SGD):
            rate = optimizer.learning_rate
            self._parameters = jax_network.sgd_step(self._parameters, self._gradient, rate)
            return
        zeros = jax.tree.map(jnp.zeros_like, self._parameters)
        first, second = self._moments or (zeros, zeros)
        optimizer.steps += 1
        root = (1.0 - optimizer.beta2**optimizer.steps) ** 0.5
        self._parameters, *moments = jax_network.adam_step(
            self._parameters,
            self._gradient,
            first,
            second,
            optimizer.learning_rate * root / (1.0 - optimizer.beta1**optimizer.steps),
            optimizer.epsilon * root,
            0.0
            if optimizer.steps % FLUSH_EVERY
            else FLUSH_BELOW * float(np.finfo(self._dtype).tiny),
            beta1=optimizer.beta1,
            beta2=optimizer.beta2,
        )
        self._moments = moments[0], moments[1]

    def _run(self, observations: Any) -> tuple[Array, Array, Array, Array]:
        """Return observations, logits, log pi, and whether all logits are finite."""
        x = observations if isinstance(observations, Array) else own(None, np.asarray(observations))
        inputs = self._model.sizes[0]
        if x.ndim != 2 or x.shape[1] != inputs or x.shape[0] == 0:
            raise ValueError(f"x: expected shape (N, {inputs}), N >= 1, got {x.shape}")
        if x.dtype != self._dtype:
            raise TypeError(f"x: expected dtype {self._dtype}, got {x.dtype}")
        logits, log_probabilities, x_finite, finite = jax_network.policy_of(self._parameters, x)
        if not x_finite:
            checks.real_array("x", np.asarray(x))
        return x, logits, log_probabilities, finite

    def _tree(self, flat: NDArray[Any]) -> Tree:
        views = Parameters.wrap(flat, self._model.shapes).views
        return {name: own(None, view) for name, view in views.items()}

    def _flat(self, tree: Tree) -> Parameters:
        parameters = Parameters.zeros(self._model.shapes, self._dtype)
        for name, view in parameters.views.items():
            view[...] = np.asarray(tree[name])
        return parameters
