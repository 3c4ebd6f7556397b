"""A target that remembers starts anew: the object behind a name, made again for each sequence."""

import copy
from collections.abc import Callable, Mapping
from inspect import isclass, ismethod, isroutine, signature
from types import ModuleType
from typing import Any

from kondo_ref.audit.options import Options
from kondo_ref.audit.signature import plan


class Maker:
    """Makes the object that is audited, fresh every time.

    Parameters
    ----------
    found : object
        A function, an object, or a class or function that makes one.
    owner : object or None
        What `found` is an attribute of.
    options : Options
    offered : tuple of str
        Roles that a factory may ask for, such as model.

    Raises
    ------
    ValueError
        Constant arguments for a factory that there is none of.
    """

    def __init__(
        self, found: Any, owner: Any, options: Options, offered: tuple[str, ...] = ()
    ) -> None:
        self.method: str | None = None
        if isclass(owner) and isroutine(found) and _wants_self(owner, found):
            # A method, named through its class: an object of that class is needed.
            self.method = found.__name__
            found = owner
            makes = True
        else:
            makes = isclass(found) if options.factory is None else options.factory
        if options.init and not makes:
            raise ValueError(
                "init: the target is no class, and options do not say that it is a factory"
            )
        if makes and not callable(found):
            raise ValueError("factory: the target cannot be called")
        self._found = found
        self._plan = plan(found, (), offered, options, options.init) if makes else None

    @property
    def roles(self) -> frozenset[str]:
        """What the factory asks for."""
        return frozenset() if self._plan is None else self._plan.roles

    def __call__(self, offered: Mapping[str, Any] | None = None) -> Any:
        """Return a fresh object: made by the factory, or a copy of what was given."""
        if self._plan is not None:
            return self._plan.call(self._found, offered or {})
        return _copied(self._found)


def _wants_self(owner: type, found: Callable[..., Any]) -> bool:
    for base in owner.__mro__:
        if found.__name__ in vars(base):
            return not isinstance(vars(base)[found.__name__], staticmethod | classmethod)
    return False


def _copied(found: Any) -> Any:
    """Return a copy of an object that may remember; functions and modules are what they are."""
    if ismethod(found) and not isclass(found.__self__):
        return getattr(_copied(found.__self__), found.__name__)
    if isroutine(found) or isclass(found) or isinstance(found, ModuleType):
        return found
    try:
        return copy.deepcopy(found)
    except Exception:  # an object that cannot be copied, such as one with a lock
        return found


def method_of(instance: Any, wanted: str | None, usual: tuple[str, ...], what: str) -> Any:
    """Return what is called of an object: a named method, a usual one, or itself.

    Parameters
    ----------
    instance : object
    wanted : str or None
        The name that the options give.
    usual : tuple of str
        Names to look for, in order; ``__call__`` stands for the object itself.
    what : str
        What the method is for.

    Raises
    ------
    ValueError
        It has none of them.
    """
    if wanted is not None:
        found = getattr(instance, wanted, None)
        if not callable(found):
            raise ValueError(f"methods: the target has no method {wanted!r}")
        return found
    if isroutine(instance):
        return instance
    for name in usual:
        found = instance if name == "__call__" else getattr(instance, name, None)
        if callable(found) and not (name == "forward" and callable(instance)):
            return found
    raise ValueError(
        f"target: {type(instance).__name__} cannot be called and has no method "
        f"{' or '.join(n for n in usual if n != '__call__')}; name one with --method {what}=NAME"
    )


def parameters_of(function: Callable[..., Any]) -> tuple[str, ...]:
    """Return the names of a function's parameters, none if it does not tell."""
    try:
        return tuple(signature(function).parameters)
    except (TypeError, ValueError):
        return ()
