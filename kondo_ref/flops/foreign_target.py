"""Foreign code by its name: ``module:object``, or ``path.py:object`` for a file anywhere."""

import sys
from collections.abc import Callable
from functools import reduce
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any


def load_object(target: str) -> tuple[Any, Any]:
    """Return the object that a name stands for, and what it is an attribute of.

    Parameters
    ----------
    target : str
        ``module:object`` or ``path.py:object``; dots lead to an attribute of an attribute.

    Returns
    -------
    found : object
    owner : object
        The module, the class or the object that has it.

    Raises
    ------
    ValueError
        It is no such name, or cannot be loaded.
    """
    place, _, attribute = target.rpartition(":")
    if not place or not attribute:
        raise ValueError(f"target: expected module:callable or path.py:callable, got {target!r}")
    try:
        module = _file(Path(place)) if place.endswith(".py") else import_module(place)
        *path, last = attribute.split(".")
        owner = reduce(getattr, path, module)
        found = getattr(owner, last)
    except Exception as error:  # whatever a module does while it is imported
        reason = " ".join(str(error).split())
        raise ValueError(
            f"target: cannot load {target!r} ({type(error).__name__}: {reason})"
        ) from error
    return found, owner


def load_callable(target: str) -> Callable[..., Any]:
    """Return the callable that a name stands for.

    Parameters
    ----------
    target : str
        As of `load_object`.

    Raises
    ------
    TypeError
        It is not callable.
    ValueError
        It is no such name, or cannot be loaded.
    """
    found, _ = load_object(target)
    if not callable(found):
        raise TypeError(f"target: {target!r} is not callable")
    result: Callable[..., Any] = found
    return result


def _file(path: Path) -> ModuleType:
    """Return the module of a file; it can import its neighbours, as a script can."""
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.path.append(str(path.parent.resolve()))
    sys.modules.setdefault(path.stem, module)
    spec.loader.exec_module(module)
    return module
