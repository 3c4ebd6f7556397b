"""Backends by name: other arithmetic for the same semantics, loaded when asked for.

A backend is an object with a `name` and a `policy_gradient` that takes and means what
`kondo_ref.policy_gradient` does. It never seeds anything: uniforms are inputs.
"""

from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Protocol, runtime_checkable

BUILTIN = {"numpy": "kondo_ref.backends.numpy_backend:NumpyBackend"}
ENTRY_POINT_GROUP = "kondo_ref.backends"


@runtime_checkable
class Backend(Protocol):
    """What the checks of this project ask of a backend."""

    name: str

    def policy_gradient(self, *args: Any, **kwargs: Any) -> Any:
        """As `kondo_ref.policy_gradient`, on arrays that NumPy can read."""


def load_backend(name: str) -> Backend:
    """Return the backend of a name.

    Parameters
    ----------
    name : str
        A built-in name, a name registered under the entry-point group ``kondo_ref.backends``, or
        ``module:object``. A class is called without arguments.

    Raises
    ------
    ValueError
        No backend of that name, it cannot be imported, or it has no `policy_gradient`.
    """
    registered = {point.name: point.value for point in entry_points(group=ENTRY_POINT_GROUP)}
    target = BUILTIN.get(name) or registered.get(name) or name
    module_name, colon, attribute = target.partition(":")
    if not colon or not module_name or not attribute:
        known = ", ".join(sorted({*BUILTIN, *registered}))
        raise ValueError(f"backend: expected one of {known}, or module:object; got {name!r}")
    try:
        backend = getattr(import_module(module_name), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"backend: cannot load {name!r} ({error})") from error
    if isinstance(backend, type):
        backend = backend()
    if not isinstance(backend, Backend):
        raise ValueError(f"backend: {name!r} needs a name and a policy_gradient to be a backend")
    return backend
