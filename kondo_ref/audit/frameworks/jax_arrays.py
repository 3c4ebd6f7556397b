"""JAX arrays, differentiated by `jax.vjp`, with 64-bit types for the time of an observation."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kondo_ref.audit.frameworks.jax_compiled import Compiled
from kondo_ref.audit.guard import Unreadable
from kondo_ref.audit.returned import Returned
from kondo_ref.audit.seeds import mixed
from kondo_ref.checks import FloatArray


class JaxArrays:
    """JAX on its default device."""

    name = "jax"
    differentiates = True
    compiles = True

    def __init__(self) -> None:
        try:
            self._jax: Any = import_module("jax")
        except ModuleNotFoundError as error:
            raise ImportError(
                'jax is not installed; install it: python -m pip install "kondo-ref[jax]"'
            ) from error
        self._numpy: Any = import_module("jax.numpy")
        self._compiled: Compiled | None = None

    def during(self) -> AbstractContextManager[Any]:
        """Return the switch of 64-bit types, on."""
        try:
            from jax import enable_x64
        except ImportError:  # JAX before 0.8
            from jax.experimental import enable_x64  # type: ignore[attr-defined,no-redef]
        context: AbstractContextManager[Any] = enable_x64(True)
        return context

    def floats(self, values: FloatArray, dtype: str) -> Any:
        """Return a new array."""
        return self._numpy.asarray(values, dtype=dtype)

    def integers(self, values: NDArray[Any]) -> Any:
        """Return a new int64 array."""
        return self._numpy.asarray(values, dtype="int64")

    def mask(self, values: NDArray[Any], dtype: str) -> Any:
        """Return a new array of bool, int64 or float32."""
        return self._numpy.asarray(values, dtype=dtype)

    def random(self, role: str, seed: int, call: int) -> Any:
        """Return a key, or a seed."""
        if role == "seed":
            return mixed(seed + call, 31)
        return self._jax.random.fold_in(self._jax.random.PRNGKey(mixed(seed, 31)), call)

    def to_numpy(self, value: Any) -> FloatArray:
        """Return a new float64 array."""
        array = np.asarray(value)
        if array.dtype.kind not in "biuf" and "float" not in array.dtype.name:
            raise TypeError(f"expected numbers, got {type(value).__name__} of {array.dtype}")
        return array.astype(np.float64)

    def content(self, value: Any) -> Any:  # noqa: ARG002
        """Return None: these arrays cannot be changed in place."""
        return None

    def tracked(self, value: Any) -> Any:  # noqa: ARG002
        """Return None: there are no graphs here."""
        return None

    def attached(self, value: Any) -> bool | None:  # noqa: ARG002
        """Return None: outside a trace an array has no graph."""
        return None

    def differentiate(
        self,
        function: Callable[..., Any],
        call: Callable[[dict[str, Any]], Returned],
        values: dict[str, Any],
        leaf: str,
        reduction: str,
    ) -> tuple[Returned, FloatArray, bool | None]:
        """Return the gradient in the leaf, by a compiled function where that hides nothing."""
        if self._compiled is None:
            self._compiled = Compiled(self._jax, function)
        differentiated = partial(self._differentiated, call, leaf, reduction)
        loss, gradient, info = self._compiled(function, differentiated, values)
        return Returned(loss=loss, info=info), self.to_numpy(gradient), True

    def _differentiated(
        self,
        call: Callable[[dict[str, Any]], Returned],
        leaf: str,
        reduction: str,
        values: dict[str, Any],
    ) -> tuple[Any, Any, dict[str, Any]]:
        """Return loss, gradient in the leaf, and numbers beside the loss."""
        jnp = self._numpy
        ones = jnp.ones

        def loss_of(given: Any) -> Any:
            found = call(values | {leaf: given})
            if found.loss is None:
                raise Unreadable("returned no loss")
            loss = jnp.asarray(found.loss)
            if loss.ndim > 0:
                loss = loss.sum() if reduction == "sum" else loss.mean()
            return loss, {name: jnp.asarray(value) for name, value in found.info.items()}

        loss, back, info = self._jax.vjp(loss_of, values[leaf], has_aux=True)
        (gradient,) = back(ones((), loss.dtype))
        return loss, gradient, info

    def versions(self) -> dict[str, str]:
        """Return the versions of JAX and NumPy."""
        return {"jax": str(self._jax.__version__), "numpy": np.__version__}
