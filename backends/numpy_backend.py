"""The NumPy backend: the definition itself, behind the protocol that every backend has."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kondo_ref import checks
from kondo_ref.gradient import PolicyGradient, policy_gradient
from kondo_ref.step import ACTIVATIONS, Learner, TrainingState


class NumpyBackend:
    """The reference arithmetic.

    Parameters
    ----------
    activations : str
        cache or recompute, as `kondo_ref.step.Learner` takes it.
    """

    name = "numpy"
    models = ("mlp", "transformer")

    def __init__(self, activations: str = "cache") -> None:
        checks.one_of("activations", activations, ACTIVATIONS)
        self._activations = activations

    def versions(self) -> dict[str, str]:
        """Return the version of NumPy."""
        return {"numpy": np.__version__}

    def array(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return `values` as they are."""
        return values

    def to_numpy(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return `values` as they are."""
        return values

    def policy_gradient(self, *args: Any, **kwargs: Any) -> PolicyGradient:
        """Return `kondo_ref.policy_gradient` of the arguments."""
        return policy_gradient(*args, **kwargs)

    def learner(self, state: TrainingState) -> Learner:
        """Return the reference learner."""
        return Learner(state, activations=self._activations)
