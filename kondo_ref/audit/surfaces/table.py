"""The surfaces by their names."""

from collections.abc import Callable
from typing import Any, Protocol

from kondo_ref.audit.frameworks.interface import Framework
from kondo_ref.audit.observation import Observation
from kondo_ref.audit.options import Options
from kondo_ref.audit.signature import Plan
from kondo_ref.audit.surfaces import gates, losses
from kondo_ref.audit.surfaces.arguments import Call


class Surface(Protocol):
    """One calling shape."""

    name: str
    roles: tuple[str, ...]
    optional: tuple[str, ...]
    methods: tuple[str, ...]

    def gives(self, plan: Plan, framework: Framework, options: Options) -> set[str]:
        """Return what can be seen and given."""

    def bind(
        self, function: Callable[..., Any], plan: Plan, framework: Framework, options: Options
    ) -> Callable[[Call], Observation]:
        """Return what observes one call of a fresh target."""


TABLE: dict[str, Surface] = {
    surface.name: surface
    for surface in (losses.LOGITS, losses.LOGPROBS, losses.REWARDS, gates.GATE, gates.LISTS)
}
