"""A surface made ready for one target: what can be seen of it, and how a sequence begins."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from kondo_ref.audit.batch import Batch
from kondo_ref.audit.frameworks.interface import Framework
from kondo_ref.audit.fresh import method_of, parameters_of
from kondo_ref.audit.observation import Observation
from kondo_ref.audit.options import Options
from kondo_ref.audit.surfaces.arguments import Call

Observe = Callable[[Call], Observation]


@dataclass(frozen=True)
class Prepared:
    """A surface that knows its target.

    Parameters
    ----------
    has : frozenset of str
        As `kondo_ref.audit.observation.Subject.has`.
    start : callable
        (batches, seed) -> what observes one call; makes the target afresh.
    """

    has: frozenset[str]
    start: Callable[[Sequence[Batch], int], Observe]


class Make(Protocol):
    """Makes the object that is audited, fresh every time."""

    method: str | None

    @property
    def roles(self) -> frozenset[str]:
        """What the factory asks for."""

    def __call__(self, offered: Mapping[str, Any] | None = None) -> Any:
        """Return a fresh object."""


class Surface(Protocol):
    """One calling shape."""

    name: str
    # Roles that a factory may ask for.
    offered: tuple[str, ...]

    def prepare(self, make: Make, framework: Framework, options: Options) -> Prepared:
        """Find out how the target is called.

        Raises
        ------
        ValueError
            It cannot be called on this surface.
        """


def called(
    make: Make, options: Options, usual: tuple[str, ...], what: str = "call"
) -> Callable[[], Callable[..., Any]]:
    """Return what makes the target afresh and returns what is called of it.

    Parameters
    ----------
    make : Make
    options : Options
    usual : tuple of str
        Methods to look for, in order, where the options name none.
    what : str
        What the method is for.
    """
    wanted = options.methods.get(what, options.methods.get("call", make.method))

    def fresh() -> Callable[..., Any]:
        found: Callable[..., Any] = method_of(make(), wanted, usual, what)
        return found

    return fresh


def split(options: Options, functions: Mapping[str, Callable[..., Any]]) -> dict[str, Options]:
    """Return the options of each function of a target that has several.

    A mapped name and a constant argument belong to every function that has such a parameter.

    Raises
    ------
    ValueError
        None has it.
    """
    parameters = {name: parameters_of(function) for name, function in functions.items()}
    everything = {parameter for names in parameters.values() for parameter in names}
    for what, given in (("names", options.names.values()), ("arguments", options.arguments)):
        for name in given:
            if not name.isdigit() and name not in everything:
                raise ValueError(f"{what}: {' and '.join(functions)} have no parameter {name!r}")
    return {
        function: replace(
            options,
            names={r: n for r, n in options.names.items() if n in names or n.isdigit()},
            arguments={n: v for n, v in options.arguments.items() if n in names},
        )
        for function, names in parameters.items()
    }
