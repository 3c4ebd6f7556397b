"""Surfaces gate and lists: the weight of every decision, without a loss."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kondo_ref.audit.frameworks.interface import Framework
from kondo_ref.audit.guard import Unreadable
from kondo_ref.audit.observation import Observation
from kondo_ref.audit.options import Options
from kondo_ref.audit.returned import Returned, parts
from kondo_ref.audit.signature import Plan
from kondo_ref.audit.surfaces.arguments import Arguments, Call, of_decisions


@dataclass
class GateSurface:
    """f(logp, advantages) -> G of every decision, or the coefficients.

    Parameters
    ----------
    name : str
        gate or lists.
    """

    name: str
    roles: tuple[str, ...] = ("logp", "advantages")
    optional: tuple[str, ...] = (
        "delight", "surprisal", "logits", "actions", "mask", "key", "generator", "uniforms", "seed",
    )  # fmt: skip
    methods: tuple[str, ...] = ("gate", "compute_gate", "weights", "__call__", "forward")

    def gives(self, plan: Plan, framework: Framework, options: Options) -> set[str]:  # noqa: ARG002
        """Return what can be seen and given."""
        named = {entry.partition("=")[0] for entry in options.returns}
        has = (named & {"coefficients", "weights"}) or {"weights"}
        if options.shape != "flat" and self.name == "gate":
            has = has | {"sequences"}
        return has | (plan.roles & {"mask"})

    def bind(
        self, function: Callable[..., Any], plan: Plan, framework: Framework, options: Options
    ) -> Callable[[Call], Observation]:
        """Return what observes one call of a fresh target."""
        arguments = Arguments(framework, options)
        sign = 1.0 if options.sign == "loss" else -1.0

        def observe(call: Call) -> Observation:
            values = arguments.values(plan.roles, plan.required, call)
            found: Returned = parts(plan.call(function, values), options.returns, "weights")
            mutated = arguments.mutated()
            shape = call.batch.shape
            weights, c = (
                None if piece is None else of_decisions(_numbers(piece, framework), shape, name)
                for piece, name in (
                    (found.weights, "weights"),
                    (found.coefficients, "coefficients"),
                )
            )
            return Observation(
                weights=weights,
                coefficients=None if c is None else sign * c,
                mutated=mutated,
                metrics=found.metrics,
                attached=framework.attached(found.weights),
            )

        return observe


def _numbers(value: Any, framework: Framework) -> Any:
    try:
        return framework.to_numpy(value)
    except (TypeError, ValueError) as error:
        raise Unreadable(f"returned no array of numbers: {error}") from None


GATE = GateSurface("gate")
LISTS = GateSurface("lists")
