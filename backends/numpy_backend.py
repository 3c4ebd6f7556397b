"""The NumPy backend: the definition itself, behind the protocol that every backend has."""

from typing import Any

from kondo_ref.gradient import PolicyGradient, policy_gradient


class NumpyBackend:
    """The reference arithmetic."""

    name = "numpy"

    def policy_gradient(self, *args: Any, **kwargs: Any) -> PolicyGradient:
        """Return `kondo_ref.policy_gradient` of the arguments."""
        return policy_gradient(*args, **kwargs)
