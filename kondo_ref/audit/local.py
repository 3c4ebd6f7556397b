"""A subject in this process: a Python target behind its surface and framework."""

import platform
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from kondo_ref.audit.batch import Batch
from kondo_ref.audit.frameworks.interface import Framework
from kondo_ref.audit.fresh import Maker, method_of
from kondo_ref.audit.guard import described, guarded
from kondo_ref.audit.observation import Observation
from kondo_ref.audit.options import Options
from kondo_ref.audit.signature import Plan, plan
from kondo_ref.audit.surfaces.arguments import Call
from kondo_ref.audit.surfaces.table import Surface


class LocalSubject:
    """A target in this process.

    Parameters
    ----------
    name : str
    maker : Maker
    surface : Surface
    framework : Framework
    options : Options

    Raises
    ------
    ValueError
        The target cannot be called on this surface.
    """

    def __init__(
        self, name: str, maker: Maker, surface: Surface, framework: Framework, options: Options
    ) -> None:
        self.name = name
        self.surface = surface.name
        self.framework = framework.name
        self._maker = maker
        self._surface = surface
        self._arrays = framework
        self._options = options
        self._plan = self._first_plan()
        self.has = frozenset(surface.gives(self._plan, framework, options))

    def _function(self) -> Callable[..., Any]:
        wanted = self._options.methods.get("call", self._maker.method)
        found: Callable[..., Any] = method_of(self._maker(), wanted, self._surface.methods, "call")
        return found

    def _first_plan(self) -> Plan:
        with guarded(0, self._options.time_limit):
            try:
                function = self._function()
            except ValueError:
                raise
            except Exception as error:
                raise ValueError(f"target: cannot be made ({described(error)})") from error
        return plan(function, self._surface.roles, self._surface.optional, self._options)

    def observe(self, batches: Sequence[Batch], *, seed: int = 0) -> list[Observation]:
        """Call the target on the batches in order, its state fresh before the first."""
        observations: list[Observation] = []
        observe: Callable[[Call], Observation] | None = None

        def one(number: int, batch: Batch) -> Observation:
            nonlocal observe
            if observe is None:
                observe = self._surface.bind(
                    self._function(), self._plan, self._arrays, self._options
                )
            return observe(Call(batch, seed, number))

        with guarded(seed, self._options.time_limit) as (guard, seeded), self._arrays.during():
            for number, batch in enumerate(batches):
                observations.append(guard.run(lambda n=number, b=batch: one(n, b)))  # type: ignore[misc]
        if any(seeded):
            return [replace(observation, seeded=True) for observation in observations]
        return observations

    def environment(self) -> dict[str, Any]:
        """Versions of what ran."""
        return {"python": platform.python_version(), **self._arrays.versions()}
