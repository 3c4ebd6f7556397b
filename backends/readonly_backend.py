"""The reference with every input frozen: a test backend that catches mutation.

Whatever the reference is handed becomes read-only first, so writing to it raises an error.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kondo_ref.backends.numpy_backend import NumpyBackend
from kondo_ref.gradient import PolicyGradient
from kondo_ref.screening import Screening
from kondo_ref.step import Learner, Policy, TrainingState


def freeze(value: Any) -> Any:
    """Return a read-only copy of an array, anything else as it is."""
    if not isinstance(value, np.ndarray):
        return value
    frozen = value.copy()
    frozen.flags.writeable = False
    return frozen


class ReadonlyBackend(NumpyBackend):
    """NumPy arrays that cannot be written to."""

    name = "numpy:readonly"
    models = ("mlp", "transformer")

    def array(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return a read-only copy."""
        frozen: NDArray[Any] = freeze(values)
        return frozen

    def policy_gradient(self, *args: Any, **kwargs: Any) -> PolicyGradient:
        """Return `kondo_ref.policy_gradient` of frozen arguments."""
        frozen = {name: freeze(value) for name, value in kwargs.items()}
        return super().policy_gradient(*map(freeze, args), **frozen)

    def learner(self, state: TrainingState) -> "ReadonlyLearner":
        """Return the reference learner, from a state and with a policy that are frozen."""
        state = state.copy()
        state.parameters.flat.flags.writeable = False
        return ReadonlyLearner(state, activations=self._activations)


class ReadonlyLearner(Learner):
    """The reference learner; the policy it hands out is frozen, so is the batch in its cache."""

    def forward(self, observations: NDArray[Any]) -> Policy:
        """Return a frozen policy."""
        policy = super().forward(freeze(observations))
        return Policy(freeze(policy.log_probabilities), policy.cache, policy.turn)

    def generate(self, prompts: Any, uniforms: Any) -> Any:
        """Sample from frozen prompts and uniforms."""
        return super().generate(freeze(prompts), freeze(uniforms))

    def screen(
        self, policy: Policy, actions: Any, advantages: Any, *args: Any, **kwargs: Any
    ) -> Screening:
        """Screen frozen arguments."""
        frozen = {name: freeze(value) for name, value in kwargs.items()}
        return super().screen(policy, freeze(actions), freeze(advantages), *args, **frozen)
