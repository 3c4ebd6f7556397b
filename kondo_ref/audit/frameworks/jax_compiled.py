"""Gradients of a pure JAX function, compiled once for each shape.

Outside a compiled function JAX compiles every operation for every shape, which takes most of an
audit. A target is compiled only where its code shows that it is a function of its arguments alone
(`pure`), and only as long as the compiled function gives what the target itself gives, so that
nothing it does is hidden.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from kondo_ref.audit.frameworks.pure import pure

# Of the first shapes, both are computed and compared; relative to the largest entry.
COMPARED = 2
SAME = 1e-13
ORDINARY = 1e6
# A function of a few dozen decisions is called a few times: it is its compilation that takes time.
QUICK = {
    "xla_backend_optimization_level": 0,
    "xla_llvm_disable_expensive_passes": True,
    "xla_cpu_parallel_codegen_split_count": 1,
}

Values = dict[str, Any]
Differentiated = tuple[Any, Any, dict[str, Any]]
Differentiate = Callable[[Values], Differentiated]


class Compiled:
    """The loss and gradient of one target.

    Parameters
    ----------
    jax : module
    function : object
        The target.
    """

    def __init__(self, jax: Any, function: Any) -> None:
        self._jax = jax
        self._function = function
        self.able = pure(function)
        self._compiled: Any = None
        self._shapes: set[tuple[Any, ...]] = set()

    def __call__(
        self, function: Any, differentiate: Differentiate, values: Values
    ) -> Differentiated:
        """Return loss, gradient and numbers: by the compiled function, or else as it is written.

        Parameters
        ----------
        function : object
            The target; another one than the first, made afresh, is not compiled again and again.
        differentiate : callable
            Of the values; traced the first time, so it may depend on nothing else that changes.
        values : dict
            Role -> array, or None.
        """
        if not self.able or function is not self._function or not self._suits(values):
            return differentiate(values)
        shape = tuple((k, None if v is None else (v.shape, v.dtype)) for k, v in values.items())
        new = shape not in self._shapes
        found = self._called(differentiate, values)
        if found is None:  # it branches on a value, or it raises: the target itself shows which
            again = differentiate(values)
            self.able = False
            return again
        if new and len(self._shapes) < COMPARED:
            plain = differentiate(values)
            self.able = _same(found, plain)
            found = plain
        self._shapes.add(shape)
        return found

    def _suits(self, values: Values) -> bool:
        """Whether all is arrays, floats of an ordinary size and in double precision.

        Narrower, huge and not finite numbers are there to see every single operation of a target.
        """
        for value in values.values():
            if value is None:
                continue
            if not isinstance(value, self._jax.Array):
                return False
            if self._jax.numpy.issubdtype(value.dtype, np.floating) and (
                value.dtype != np.float64
                or not np.abs(np.asarray(value)).max(initial=0.0) < ORDINARY
            ):
                return False
        return True

    def _called(self, differentiate: Differentiate, values: Values) -> Differentiated | None:
        if self._compiled is None:
            self._compiled = _quickly_compiled(self._jax, differentiate)
        try:
            with warnings.catch_warnings(record=True) as warned:
                warnings.simplefilter("always")
                found: Differentiated = self._compiled(values)
        except Exception:
            return None
        return None if warned else found


def _quickly_compiled(jax: Any, differentiate: Differentiate) -> Any:
    try:
        return jax.jit(differentiate, compiler_options=dict(QUICK))
    except TypeError:  # JAX before 0.5
        return jax.jit(differentiate)


def _same(found: Differentiated, plain: Differentiated) -> bool:
    """Whether a compiled call gave the same numbers."""
    ours, theirs = ([np.asarray(part, dtype=np.float64) for part in x[:2]] for x in (found, plain))
    return found[2].keys() == plain[2].keys() and all(
        a.shape == b.shape and np.abs(a - b).max(initial=0.0) <= SAME * np.abs(b).max(initial=0.0)
        for a, b in zip(ours, theirs, strict=True)
    )
