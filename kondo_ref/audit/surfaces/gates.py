"""Surfaces gate and lists: the weight of every decision, without a loss."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from kondo_ref.audit.batch import Batch
from kondo_ref.audit.frameworks.interface import Framework
from kondo_ref.audit.guard import Unreadable
from kondo_ref.audit.observation import Observation
from kondo_ref.audit.options import Options
from kondo_ref.audit.returned import Returned, parts
from kondo_ref.audit.signature import Plan, plan
from kondo_ref.audit.surfaces.arguments import Arguments, Call, of_decisions
from kondo_ref.audit.surfaces.prepared import Make, Observe, Prepared, called

# What a policy's output reaches a gate as.
GRAPHS = frozenset(("logp", "logits", "surprisal", "delight"))
USUAL = ("gate", "compute_gate", "weights", "__call__", "forward")


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
    offered: tuple[str, ...] = ()

    def prepare(self, make: Make, framework: Framework, options: Options) -> Prepared:
        """Find out how the target is called."""
        fresh = called(make, options, USUAL)
        layout = plan(fresh(), self.roles, self.optional, options)
        named = {entry.partition("=")[0] for entry in options.returns}
        has = (named & {"coefficients", "weights"}) or {"weights"}
        if options.shape != "flat" and self.name == "gate":
            has = has | {"sequences"}
        has = has | (layout.roles & {"mask"})
        attached = _attached(fresh, layout, framework, options)
        return Prepared(
            frozenset(has), lambda *_: self._bind(fresh(), layout, framework, options, attached)
        )

    def _bind(
        self,
        function: Callable[..., Any],
        layout: Plan,
        framework: Framework,
        options: Options,
        attached: bool | None,
    ) -> Observe:
        arguments = Arguments(framework, options)
        sign = 1.0 if options.sign == "loss" else -1.0

        def observe(call: Call) -> Observation:
            values = arguments.values(layout.roles, layout.required, call)
            returned = layout.call(function, values)
            if self.name == "lists":
                returned = _listed(returned, call.batch.actions.size)
            found: Returned = parts(returned, options.returns, "weights")
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
                attached=attached,
            )

        return observe


def _attached(
    fresh: Callable[[], Callable[..., Any]], layout: Plan, framework: Framework, options: Options
) -> bool | None:
    """Whether weights of log-probabilities that have a graph have one too.

    Observed apart, once: a gate may well refuse such arguments, or be called without a graph.
    """
    batch = Batch(np.linspace(-1.0, 1.0, 12).reshape(4, 3), np.arange(4) % 3, np.linspace(-1, 1, 4))
    try:
        values = Arguments(framework, options).values(
            layout.roles, layout.required, Call(batch, 0, 0)
        )
        graphs = {role: framework.tracked(values[role]) for role in GRAPHS & layout.roles}
        if not graphs or None in graphs.values():
            return None
        returned = layout.call(fresh(), {**values, **graphs})
        return framework.attached(parts(returned, options.returns, "weights").weights)
    except Exception:  # whatever a target raises on such a batch
        return None


def _listed(value: Any, size: int) -> Any:
    """Return a tuple of one number for each decision as a list; it has no parts."""
    plain = type(value) is tuple and len(value) == size
    return list(value) if plain and all(isinstance(v, int | float) for v in value) else value


def _numbers(value: Any, framework: Framework) -> Any:
    try:
        return framework.to_numpy(value)
    except (TypeError, ValueError) as error:
        raise Unreadable(f"returned no array of numbers: {error}") from None


GATE = GateSurface("gate")
LISTS = GateSurface("lists")
