"""A target's name -> a subject: the one door through which the audit reaches foreign code."""

import builtins
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from kondo_ref import checks
from kondo_ref.audit.frameworks.interface import Framework
from kondo_ref.audit.fresh import Maker
from kondo_ref.audit.guard import EndsProcess, TimeLimit, described, guarded
from kondo_ref.audit.observation import FRAMEWORKS, SURFACES, Subject
from kondo_ref.audit.options import Options
from kondo_ref.flops.foreign_target import load_object

__all__ = ["Options", "guess_framework", "subject"]

# An import may take longer than a call.
LOADING = 120.0


def subject(
    target: str | Any,
    *,
    surface: str,
    framework: str | None = None,
    options: Options = Options(),  # noqa: B008
) -> Subject:
    """Return the subject that stands for a target.

    Parameters
    ----------
    target : str or object
        ``module:object``, ``path.py:object``, an object, or for the framework subprocess a command.
    surface : str
        One of `kondo_ref.audit.observation.SURFACES`.
    framework : str, optional
        One of `kondo_ref.audit.observation.FRAMEWORKS`; guessed from the target's module where it
        imports one of them.
    options : Options

    Returns
    -------
    Subject

    Raises
    ------
    ImportError
        The framework is not installed.
    TypeError, ValueError
        An argument is not as expected, or the target cannot be loaded or called so.
    """
    from kondo_ref.audit.external import ExternalSubject
    from kondo_ref.audit.isolate import IsolatedSubject
    from kondo_ref.audit.local import LocalSubject
    from kondo_ref.audit.surfaces.table import TABLE

    checks.one_of("surface", surface, SURFACES)
    if framework is not None:
        checks.one_of("framework", framework, FRAMEWORKS)
    if not isinstance(options, Options):
        raise TypeError(f"options: expected Options, got {checks.shown(options)}")
    if framework == "subprocess":
        if not isinstance(target, str | list | tuple):
            raise TypeError(f"target: expected a command, got {checks.shown(target)}")
        return ExternalSubject(target, surface, options)
    if options.isolate:
        return IsolatedSubject(_named(target), surface, framework, options)
    name = target if isinstance(target, str) else name_of(target)
    found, owner = _loaded(target) if isinstance(target, str) else (target, _owner(target))
    chosen = _arrays(framework or guess_framework(found, surface))
    maker = Maker(found, owner, options, TABLE[surface].offered)
    return LocalSubject(name, maker, TABLE[surface], chosen, options)


def _named(target: Any) -> str:
    """Return the name by which another process finds a target.

    Raises
    ------
    ValueError
        There is none.
    """
    if isinstance(target, str):
        return target
    name = name_of(target)
    try:
        found, _ = load_object(name)
    except ValueError:
        found = None
    if found is not target:
        raise ValueError(
            "isolate: the target must be given by a name, module:object or path.py:object; "
            f"another process does not find {checks.shown(target)}"
        )
    return name


def name_of(target: Any) -> str:
    """Return a name for an object that was given without one."""
    module = getattr(target, "__module__", None) or type(target).__module__
    return f"{module}:{getattr(target, '__qualname__', type(target).__qualname__)}"


def guess_framework(found: Any, surface: str) -> str:
    """Return the framework that a target's module imports, where that can be told.

    Parameters
    ----------
    found : object
    surface : str
        lists is Python's.

    Raises
    ------
    ValueError
        It imports more than one, or none.
    """
    if surface == "lists":
        return "python"
    module = _module_of(found)
    names: dict[str, Any] = {} if module is None else vars(module)
    modules = {
        (
            value.__name__
            if isinstance(value, ModuleType)
            else getattr(value, "__module__", "") or ""
        )
        for value in names.values()
    }
    roots = {name.partition(".")[0] for name in modules if isinstance(name, str)}
    imported: list[str] = [name for name in ("torch", "jax") if name in roots]
    if not imported and "numpy" in roots:
        imported = ["numpy"]
    if module is None or module is builtins:
        raise ValueError(
            f"framework: cannot be told of a {type(found).__name__}; "
            f"expected one of {', '.join(FRAMEWORKS)}"
        )
    if len(imported) != 1:
        held = " and ".join(imported) or "none of torch, jax and numpy"
        raise ValueError(
            f"framework: cannot be told, the target's module imports {held}; "
            f"expected one of {', '.join(FRAMEWORKS)}"
        )
    return imported[0]


def _module_of(found: Any) -> ModuleType | None:
    if isinstance(found, ModuleType):
        return found
    function = getattr(found, "func", found)  # a partial's
    holder = function if hasattr(function, "__globals__") or isinstance(function, type) else None
    name = getattr(holder if holder is not None else function, "__module__", None)
    return sys.modules.get(name or type(found).__module__)


def _owner(target: Any) -> Any:
    """Return the class of a method that is given as a function, where its name tells."""
    path = getattr(target, "__qualname__", "")
    module = sys.modules.get(getattr(target, "__module__", None) or "")
    if "." not in path or "<locals>" in path or module is None or hasattr(target, "__self__"):
        return None
    owner: Any = module
    for part in path.split(".")[:-1]:
        owner = getattr(owner, part, None)
    return owner


def _loaded(target: str) -> tuple[Any, Any]:
    try:
        with guarded(0, LOADING, []) as guard, guard.limit():
            return load_object(target)
    except (SystemExit, TimeLimit, EndsProcess) as error:
        raise ValueError(f"target: cannot load {target!r} ({described(error)})") from None


def _arrays(framework: str) -> Framework:
    from kondo_ref.audit.frameworks import jax_arrays, numpy_arrays, torch_arrays

    makers: dict[str, Callable[[], Framework]] = {
        "torch": torch_arrays.TorchArrays,
        "jax": jax_arrays.JaxArrays,
        "numpy": numpy_arrays.NumpyArrays,
        "python": numpy_arrays.PythonLists,
    }
    return makers[framework]()
