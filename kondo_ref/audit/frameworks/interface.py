"""What the audit needs of a framework: arrays in and out, and the gradient of a loss."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from numpy.typing import NDArray

from kondo_ref.audit.returned import Returned
from kondo_ref.checks import FloatArray


class Framework(Protocol):
    """One framework, behind this interface.

    Floats come in already rounded to `dtype`, so that converting them is exact.
    """

    name: str
    differentiates: bool
    # Whether the first call with a shape is many times slower than later ones.
    compiles: bool

    def during(self) -> AbstractContextManager[Any]:
        """Return what must hold while the target runs."""

    def floats(self, values: FloatArray, dtype: str) -> Any:
        """Return a new array of the framework, of a dtype that has these values."""

    def integers(self, values: NDArray[Any]) -> Any:
        """Return a new int64 array."""

    def mask(self, values: NDArray[Any], dtype: str) -> Any:
        """Return a new array of bool, int64 or float32."""

    def random(self, role: str, seed: int, call: int) -> Any:
        """Return a generator, a key or a seed, whichever the role names.

        A generator is made once for a sequence of batches and remembers; a key and a seed are
        another for each call.
        """

    def to_numpy(self, value: Any) -> FloatArray:
        """Return what a target returned as a new float64 array.

        Raises
        ------
        TypeError, ValueError
            It is no array of numbers.
        """

    def content(self, value: Any) -> Any:
        """Return a value equal for an argument as long as nobody changed it in place."""

    def tracked(self, value: Any) -> Any:
        """Return an array as a model's output is, with a graph; None where there are no graphs."""

    def attached(self, value: Any) -> bool | None:
        """Whether an array would still be differentiated; None where that cannot be told."""

    def differentiate(
        self,
        function: Callable[..., Any],
        call: Callable[[dict[str, Any]], Returned],
        values: dict[str, Any],
        leaf: str,
        reduction: str,
    ) -> tuple[Returned, FloatArray, bool | None]:
        """Return what a call returned, its gradient in the leaf, and whether there was one.

        Parameters
        ----------
        function : callable
            The target.
        call : callable
            Calls it with the values of the roles.
        values : dict
            Role -> an array of the framework, as `floats` and the others made it, or what the role
            is else; None where the target's default is left.
        leaf : str
            The role that is differentiated: (..., K) logits or (...) log-probabilities.
        reduction : str
            sum or mean, for one loss for each decision.

        Returns
        -------
        Returned
            Its parts are numbers and arrays that can be converted.
        gradient : float64
            As the leaf.
        reached : bool or None
            Whether a gradient came back to the leaf at all; None where the framework does not tell.
        """

    def versions(self) -> dict[str, str]:
        """Return the versions of what is used."""
