"""Surface step: the target owns backward and optimizer, on a model whose logits are parameters.

In torch the model is a module, see `kondo_ref.audit.surfaces.steps_torch`. Elsewhere it is the
table itself: f(parameters, observations, actions, advantages) returns new parameters or the
gradient, and the logits of the observations are ``parameters[observations]``.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kondo_ref.audit.batch import Batch
from kondo_ref.audit.frameworks.interface import Framework
from kondo_ref.audit.fresh import method_of
from kondo_ref.audit.guard import Unreadable
from kondo_ref.audit.observation import Observation
from kondo_ref.audit.options import Options
from kondo_ref.audit.recover import coefficients
from kondo_ref.audit.returned import Returned, parts
from kondo_ref.audit.roles import RANDOM
from kondo_ref.audit.signature import Plan, plan
from kondo_ref.audit.surfaces.arguments import Arguments, Call, scalar
from kondo_ref.audit.surfaces.prepared import Make, Observe, Prepared
from kondo_ref.audit.surfaces.steps_torch import TorchTable, rows_of

USUAL = ("step", "train_step", "update", "learn", "__call__")
BESIDES = ("mask", "old_logp", "optimizer", *RANDOM)
OWN = ("model", "optimizer", "observations", "parameters", "apply", "learning_rate")
# Large, so that what a parameter moved by is known to more digits than the parameter has.
LEARNING_RATE = 1024.0


class StepSurface:
    """step(model, observations, actions, advantages): backward and update are the target's."""

    name = "step"
    offered: tuple[str, ...] = ("model", "optimizer")

    def prepare(self, make: Make, framework: Framework, options: Options) -> Prepared:
        """Find out how the target is called."""
        prepare = _prepare_torch if framework.name == "torch" else _prepare_table
        layout, start = prepare(make, framework, options)
        has = {"coefficients", "loss", "step"} | (layout.roles & {"mask"})
        if framework.name == "torch":
            has.add("rows")
        if options.shape != "flat":
            has.add("sequences")
        return Prepared(frozenset(has), start)


def _method(instance: Any, make: Make, options: Options) -> Callable[..., Any]:
    wanted = options.methods.get("step", options.methods.get("call", make.method))
    found: Callable[..., Any] = method_of(instance, wanted, USUAL, "step")
    return found


def _prepare_torch(
    make: Make, framework: Framework, options: Options
) -> tuple[Plan, Callable[[Sequence[Batch], int], Observe]]:
    import torch

    def fresh(rows: int, columns: int, dtype: str) -> tuple[TorchTable, Callable[..., Any]]:
        table = TorchTable(torch, rows, columns, dtype, options.model_output)
        instance = make({"model": table.module, "optimizer": table.optimizer})
        return table, _method(instance, make, options)

    _, function = fresh(4, 3, options.dtype or "float64")
    owns = "model" in make.roles
    roles = ("observations", "actions", "advantages")
    layout = plan(function, roles if owns else ("model", *roles), BESIDES, options)
    if not owns and "model" not in layout.roles:
        raise ValueError("model: neither the target nor its factory takes the audit's model")

    def start(batches: Sequence[Batch], seed: int) -> Observe:  # noqa: ARG001
        arguments = Arguments(framework, options)
        most = max(batch.actions.size for batch in batches)
        key: tuple[int, str] | None = None
        model: tuple[TorchTable, Callable[..., Any]] | None = None

        def observe(call: Call) -> Observation:
            nonlocal key, model
            view = arguments.view(call.batch)
            columns = view.batch.logits.shape[-1]
            if model is None or key != (columns, view.batch.dtype):
                # The table's width and dtype are its own: another one is another model.
                key = columns, view.batch.dtype
                model = fresh(most, *key)
            table, step = model
            table.fill(view.batch.logits.reshape(view.size, columns))
            values = arguments.values(layout.roles - set(OWN), layout.required, call)
            values["model"], values["optimizer"] = table.module, table.optimizer
            values["observations"] = framework.integers(rows_of(view.shape))
            returned, record, moved, flop = table.run(
                lambda: layout.call(step, values), count=call.number == 0
            )
            gradient = framework.to_numpy(table.gradient(record, view.size, moved))
            c, residual = coefficients(gradient, view.direction)
            found = _told(returned, options, "loss")
            return _observation(
                call, framework, options, c, residual, found,
                executed_rows=record.rows, dense_rows=view.size, forward_rows=record.forward_rows,
                stepped=moved, mutated=arguments.mutated(), backward_flop=flop,
            )  # fmt: skip

        return observe

    return layout, start


def _prepare_table(
    make: Make, framework: Framework, options: Options
) -> tuple[Plan, Callable[[Sequence[Batch], int], Observe]]:
    def fresh() -> Callable[..., Any]:
        return _method(make(), make, options)

    roles = ("parameters", "observations", "actions", "advantages")
    besides = (*BESIDES[:2], *RANDOM, "apply", "learning_rate")
    layout = plan(fresh(), roles, besides, options)
    rate = options.learning_rate
    if rate is None and "learning_rate" in layout.roles:
        rate = LEARNING_RATE
    # Without a learning rate, what is returned can only be read as the gradient.
    first = "gradient" if rate is None else "parameters"

    def start(batches: Sequence[Batch], seed: int) -> Observe:  # noqa: ARG001
        step, arguments = fresh(), Arguments(framework, options)

        def observe(call: Call) -> Observation:
            view = arguments.view(call.batch)
            before = view.batch.logits.reshape(view.size, -1)
            values = arguments.values(layout.roles - set(OWN), layout.required, call)
            values["parameters"] = arguments.watch(
                "parameters", framework.floats(before, view.batch.dtype)
            )
            values["observations"] = framework.integers(rows_of(view.shape))
            values["apply"], values["learning_rate"] = _look_up, rate
            found = _told(layout.call(step, values), options, first, "loss")
            if found.gradient is not None:
                gradient, moved = framework.to_numpy(found.gradient), None
                if gradient.shape != before.shape:
                    raise Unreadable(f"returned a gradient of shape {gradient.shape}")
            elif found.parameters is not None and rate is not None:
                after = framework.to_numpy(found.parameters)
                if after.shape != before.shape:
                    raise Unreadable(f"returned parameters of shape {after.shape}")
                gradient, moved = (before - after) / rate, bool((after != before).any())
            elif found.parameters is not None:
                raise Unreadable("returned parameters; the learning rate is not known")
            else:
                raise Unreadable("returned neither parameters nor a gradient")
            c, residual = coefficients(gradient, view.direction)
            return _observation(
                call, framework, options, c, residual, found,
                stepped=moved, mutated=arguments.mutated(),
            )  # fmt: skip

        return observe

    return layout, start


def _look_up(parameters: Any, observations: Any) -> Any:
    if isinstance(parameters, list):
        many = isinstance(observations, list)
        return [_look_up(parameters, o) for o in observations] if many else parameters[observations]
    return parameters[observations]


def _told(returned: Any, options: Options, first: str, second: str | None = None) -> Returned:
    """Return the parts of what a step returned, which may be nothing at all."""
    if isinstance(returned, str | bool) or returned is None:
        return Returned()
    try:
        return parts(returned, options.returns, first, second)
    except Unreadable:
        if options.returns or first != "loss":
            raise
        return parts(returned, ("info",), first) if hasattr(returned, "keys") else Returned()


def _observation(
    call: Call,
    framework: Framework,
    options: Options,
    c: Any,
    residual: float,
    found: Returned,
    **others: Any,
) -> Observation:
    sign = 1.0 if options.sign == "loss" else -1.0
    loss = scalar(found.loss, framework)
    return Observation(
        coefficients=(sign * np.asarray(c)).reshape(call.batch.shape),
        residual=residual,
        loss=None if loss is None else sign * loss,
        metrics=found.metrics,
        **others,
    )


STEP = StepSurface()
