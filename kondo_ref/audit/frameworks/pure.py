"""Whether a function is one of its arguments alone, told from its code and without a call.

A pure function may be compiled once for each shape; everything else has to run as it is written,
since a compiled call would hide what else it does. In doubt the answer is no.
"""

import builtins
import dis
import types
from collections.abc import Iterator
from typing import Any

# What does not print, ask, remember or look around.
BUILTINS = frozenset(
    {
        *("abs", "bool", "dict", "divmod", "enumerate", "float", "int", "len", "list", "max"),
        *("min", "pow", "range", "round", "slice", "sum", "tuple", "zip"),
        *("ArithmeticError", "IndexError", "RuntimeError", "TypeError", "ValueError"),
    }
)
# Packages whose functions depend on their arguments, but for the names below.
PACKAGES = frozenset({"jax", "math", "operator"})
IMPURE = frozenset({"callback", "debug", "experimental", "io_callback", "print", "pure_callback"})
# A handler could swallow the very error that a compiled call raises where it cannot follow.
OPERATIONS = frozenset(
    {
        *("DELETE_ATTR", "DELETE_GLOBAL", "IMPORT_NAME", "LOAD_NAME", "PUSH_EXC_INFO"),
        *("STORE_ATTR", "STORE_GLOBAL"),
    }
)


def pure(function: Any) -> bool:
    """Return whether nothing but its arguments can change what a function does.

    Parameters
    ----------
    function : object
        A function of Python, or one that JAX has wrapped; anything else, such as a method of an
        object, may remember.
    """
    return _pure(function, set())


def _pure(function: Any, known: set[types.CodeType]) -> bool:
    while not isinstance(function, types.FunctionType):
        if _package(type(function)) not in ("jax", "jaxlib"):
            return False
        function = getattr(function, "__wrapped__", None)
    code = function.__code__
    if code in known:  # being looked at
        return True
    known.add(code)
    defaults = (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
    enclosed = [cell.cell_contents for cell in function.__closure__ or () if _filled(cell)]
    if len(enclosed) != len(code.co_freevars):
        return False
    values = [*defaults, *enclosed, *_globals_of(function)]
    return not _acts(code) and all(_constant(value, known) for value in values)


def _filled(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """Yield the code of a function and of all that are written inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _acts(code: types.CodeType) -> bool:
    """Whether a function does something that is no computation of its arguments."""
    return any(
        step.opname in OPERATIONS or (step.opname.startswith("LOAD_") and step.argval in IMPURE)
        for inner in _codes(code)
        for step in dis.get_instructions(inner)
        if step.opname in OPERATIONS or isinstance(step.argval, str)
    )


def _globals_of(function: types.FunctionType) -> Iterator[Any]:
    """Yield what a function finds by name outside itself."""
    for inner in _codes(function.__code__):
        for step in dis.get_instructions(inner):
            if step.opname != "LOAD_GLOBAL":
                continue
            name = step.argval
            if name in function.__globals__:
                yield function.__globals__[name]
            elif name not in BUILTINS:
                yield getattr(builtins, name, None) or object()


def _constant(value: Any, known: set[types.CodeType]) -> bool:
    """Whether a value cannot change, and is no way to something that can."""
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        return True
    if isinstance(value, tuple | frozenset):
        return all(_constant(entry, known) for entry in value)
    if isinstance(value, types.ModuleType):
        return value.__name__.partition(".")[0] in PACKAGES
    if _package(value) in PACKAGES:
        return getattr(value, "__name__", "print") not in IMPURE
    return _pure(value, known)


def _package(value: Any) -> str:
    return str(getattr(value, "__module__", None) or "").partition(".")[0]
