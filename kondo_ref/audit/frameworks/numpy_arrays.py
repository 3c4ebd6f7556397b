"""NumPy arrays, and plain Python lists: the target returns the gradient itself."""

import platform
import random
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kondo_ref.audit.guard import Unreadable
from kondo_ref.audit.returned import Returned
from kondo_ref.audit.seeds import mixed
from kondo_ref.checks import FloatArray


class NumpyArrays:
    """NumPy, whose targets return ``(loss, gradient)`` or the gradient alone."""

    name = "numpy"
    differentiates = False
    compiles = False

    def __init__(self) -> None:
        self._generator: Any = None

    def during(self) -> AbstractContextManager[Any]:
        """Return nothing that must hold."""
        return nullcontext()

    def floats(self, values: FloatArray, dtype: str) -> Any:
        """Return a new array; bfloat16, which NumPy lacks, as rounded float32."""
        return values.astype("float32" if dtype == "bfloat16" else dtype)

    def integers(self, values: NDArray[Any]) -> Any:
        """Return a new int64 array."""
        return values.astype(np.int64)

    def mask(self, values: NDArray[Any], dtype: str) -> Any:
        """Return a new array of bool, int64 or float32."""
        return values.astype(dtype)

    def random(self, role: str, seed: int, call: int) -> Any:
        """Return a `numpy.random.Generator`, or a seed."""
        if role == "seed":
            return mixed(seed + call, 31)
        if call == 0 or self._generator is None:
            self._generator = np.random.default_rng(mixed(seed))
        return self._generator

    def to_numpy(self, value: Any) -> FloatArray:
        """Return a new float64 array."""
        array = np.asarray(value)
        if array.dtype.kind not in "biuf":
            raise TypeError(f"expected numbers, got {type(value).__name__} of {array.dtype}")
        return array.astype(np.float64)

    def content(self, value: Any) -> Any:
        """Return shape and bytes of an array."""
        return value.shape, value.tobytes()

    def tracked(self, value: Any) -> Any:  # noqa: ARG002
        """Return None: there are no graphs here."""
        return None

    def attached(self, value: Any) -> bool | None:  # noqa: ARG002
        """Return None: nothing is differentiated here."""
        return None

    def differentiate(
        self,
        function: Callable[..., Any],  # noqa: ARG002
        call: Callable[[dict[str, Any]], Returned],
        values: dict[str, Any],
        leaf: str,
        reduction: str,  # noqa: ARG002
    ) -> tuple[Returned, FloatArray, bool | None]:
        """Return the gradient that the target returned.

        Raises
        ------
        Unreadable
            It returned none: a loss alone does not say what was held constant in it.
        """
        shape = np.shape(values[leaf])
        found = call(values)
        gradient = found.gradient
        if gradient is None and np.shape(found.loss) == shape and shape:
            gradient, found.loss = found.loss, None
        if gradient is None:
            raise Unreadable(
                f"returned no gradient of shape {shape}: a loss alone does not say what it holds "
                "constant; return (loss, gradient) or the gradient"
            )
        return found, self.to_numpy(gradient), None

    def versions(self) -> dict[str, str]:
        """Return the versions of Python and NumPy."""
        return {"python": platform.python_version(), "numpy": np.__version__}


class PythonLists(NumpyArrays):
    """Nested lists of Python numbers."""

    name = "python"

    def floats(self, values: FloatArray, dtype: str) -> Any:  # noqa: ARG002
        """Return nested lists of floats, which have the values of the dtype."""
        return values.tolist()

    def integers(self, values: NDArray[Any]) -> Any:
        """Return nested lists of int."""
        return values.astype(np.int64).tolist()

    def mask(self, values: NDArray[Any], dtype: str) -> Any:
        """Return nested lists of bool, int or float."""
        return values.astype(dtype).tolist()

    def random(self, role: str, seed: int, call: int) -> Any:
        """Return a `random.Random`, or a seed."""
        if role == "seed":
            return mixed(seed + call, 31)
        if call == 0 or self._generator is None:
            self._generator = random.Random(mixed(seed))
        return self._generator

    def content(self, value: Any) -> Any:
        """Return the text of the lists, which is the same for every NaN."""
        return repr(value)
