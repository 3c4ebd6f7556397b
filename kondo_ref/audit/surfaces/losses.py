"""Surfaces logits, logprobs and rewards: a loss, whose gradient holds the coefficients."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from kondo_ref.audit.frameworks.interface import Framework
from kondo_ref.audit.guard import Unreadable
from kondo_ref.audit.observation import Observation
from kondo_ref.audit.options import Options
from kondo_ref.audit.recover import coefficients
from kondo_ref.audit.returned import Returned, parts
from kondo_ref.audit.signature import Plan, plan
from kondo_ref.audit.surfaces.arguments import Arguments, Call, scalar
from kondo_ref.audit.surfaces.prepared import Make, Observe, Prepared, called

USUAL = ("loss", "compute_loss", "policy_loss", "__call__", "forward")
# What a loss may ask for besides, on each surface.
BESIDES = ("mask", "old_logp", "ratio", "normalizer", "key", "generator", "uniforms", "seed")


@dataclass
class LossSurface:
    """f(leaf, ...) -> loss, differentiated in the leaf.

    Parameters
    ----------
    name : str
    leaf : str
        logits or logp.
    roles, optional : tuple of str
        What the target is handed, and what it may ask for.
    """

    name: str
    leaf: str
    roles: tuple[str, ...]
    optional: tuple[str, ...]
    offered: tuple[str, ...] = ()

    def prepare(self, make: Make, framework: Framework, options: Options) -> Prepared:
        """Find out how the target is called."""
        fresh = called(make, options, USUAL)
        layout = plan(fresh(), self.roles, self.optional, options)
        has = {"coefficients", "loss"} | (layout.roles & {"mask", "groups"})
        if options.shape != "flat":
            has.add("sequences")
        if framework.differentiates:
            has.add("rows")
        return Prepared(frozenset(has), lambda *_: self._bind(fresh(), layout, framework, options))

    def _bind(
        self, function: Callable[..., Any], layout: Plan, framework: Framework, options: Options
    ) -> Observe:
        arguments = Arguments(framework, options)
        sign = 1.0 if options.sign == "loss" else -1.0

        def observe(call: Call) -> Observation:
            view = arguments.view(call.batch)
            values = arguments.values(layout.roles | {self.leaf}, layout.required, call)

            def run(given: dict[str, Any]) -> Returned:
                arguments.watch(self.leaf, given[self.leaf])
                returned = layout.call(function, given)
                return parts(returned, options.returns, "loss", "gradient")

            found, gradient, reached = framework.differentiate(
                function, run, values, self.leaf, options.reduction
            )
            columns = view.direction.shape[1] if self.leaf == "logits" else 1
            if gradient.size != view.size * columns:
                raise Unreadable(
                    f"returned a gradient of shape {gradient.shape} for {self.leaf} of shape "
                    f"{np.shape(view.floats(self.leaf))}"
                )
            if self.leaf == "logits":
                c, residual = coefficients(gradient.reshape(view.size, -1), view.direction)
            else:
                c, residual = 0.0 - gradient.reshape(-1), 0.0
            loss = scalar(found.loss, framework)
            return Observation(
                coefficients=(sign * c).reshape(call.batch.shape),
                residual=residual,
                loss=None if loss is None else sign * loss,
                executed_rows=None if reached is None else view.size * reached,
                dense_rows=None if reached is None else view.size,
                mutated=arguments.mutated(),
                metrics=found.metrics,
            )

        return observe


LOGITS = LossSurface("logits", "logits", ("logits", "actions", "advantages"), (*BESIDES, "groups"))
LOGPROBS = LossSurface("logprobs", "logp", ("logp", "advantages"), BESIDES)
REWARDS = LossSurface("rewards", "logits", ("logits", "actions", "rewards"), ("groups", *BESIDES))
