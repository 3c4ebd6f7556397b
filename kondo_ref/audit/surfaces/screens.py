"""Surface screen+loss: decisions are chosen first, and the loss sees the chosen ones alone."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
from kondo_ref.audit.surfaces.arguments import Arguments, Call, View, scalar
from kondo_ref.audit.surfaces.losses import BESIDES
from kondo_ref.audit.surfaces.prepared import Make, Observe, Prepared, split
from kondo_ref.checks import FloatArray

SCREENS = ("screen", "select", "choose", "gate", "keep")
LOSSES = ("loss", "compute_loss", "policy_loss", "forward")
ROLES = ("logp", "advantages")


class ScreenSurface:
    """screen(logp, advantages) -> indices or mask; loss(logp, advantages) of the chosen ones.

    The target is an object with these two methods, a factory of one, a module, or a pair of
    functions. The loss may take (logits, actions, advantages) of the chosen decisions instead.
    """

    name = "screen+loss"
    offered: tuple[str, ...] = ()

    def prepare(self, make: Make, framework: Framework, options: Options) -> Prepared:
        """Find out how the target is called."""

        def fresh() -> tuple[Callable[..., Any], Callable[..., Any]]:
            instance = make()
            if isinstance(instance, tuple | list):
                screen, loss = instance
                return screen, loss
            methods = options.methods
            screen = method_of(instance, methods.get("screen"), SCREENS, "screen")
            return screen, method_of(instance, methods.get("loss"), LOSSES, "loss")

        screen, loss = fresh()
        each = split(options, {"screen": screen, "loss": loss})
        besides = ("delight", "surprisal", "logits", "actions", "mask", *RANDOM)
        screening = plan(screen, ROLES, besides, each["screen"])
        lossy = plan(loss, ROLES, ("logits", "actions", *BESIDES), each["loss"])

        def start(batches: Sequence[Batch], seed: int) -> Observe:  # noqa: ARG001
            one, two = fresh()
            return _Pair(one, two, screening, lossy, framework, options).observe

        has = {"coefficients", "weights", "rows", "loss"} | (screening.roles & {"mask"})
        if options.shape != "flat":
            has.add("sequences")
        return Prepared(frozenset(has), start)


class _Pair:
    """A fresh screen and its loss."""

    def __init__(
        self,
        screen: Callable[..., Any],
        loss: Callable[..., Any],
        screening: Plan,
        lossy: Plan,
        framework: Framework,
        options: Options,
    ) -> None:
        self._screen, self._loss = screen, loss
        self._screening, self._lossy = screening, lossy
        self._framework, self._options = framework, options
        self._arguments = Arguments(framework, options)
        self._leaf = "logits" if "logits" in lossy.roles else "logp"

    def observe(self, call: Call) -> Observation:
        """Return what one call observes."""
        arguments, shape = self._arguments, call.batch.shape
        view = arguments.view(call.batch)
        values = arguments.values(self._screening.roles, self._screening.required, call)
        chosen = parts(self._screening.call(self._screen, values), (), "weights")
        mutated = arguments.mutated()
        rows, weights = chosen_rows(chosen.weights, view.shape, self._framework)
        if weights is None:
            weights = np.bincount(rows, minlength=view.size).astype(np.float64)
        c, residual, loss, metrics = self._differentiated(view, rows, call)
        return Observation(
            coefficients=c.reshape(shape),
            residual=residual,
            weights=weights.reshape(shape),
            loss=loss,
            executed_rows=rows.size,
            dense_rows=view.size,
            mutated=mutated,
            metrics=chosen.metrics | metrics,
        )

    def _differentiated(
        self, view: View, rows: NDArray[np.intp], call: Call
    ) -> tuple[FloatArray, float, float | None, dict[str, float]]:
        framework, options, batch = self._framework, self._options, view.batch
        sign = 1.0 if options.sign == "loss" else -1.0
        values = {role: self._value(role, view, rows, call) for role in self._lossy.roles}

        def run(given: dict[str, Any]) -> Returned:
            returned = self._lossy.call(self._loss, given)
            return parts(returned, options.returns, "loss", "gradient")

        if values.get(self._leaf) is None:
            values[self._leaf] = self._value(self._leaf, view, rows, call)
        found, gradient, _ = framework.differentiate(
            self._loss, run, values, self._leaf, options.reduction
        )
        residual = 0.0
        if self._leaf == "logits":
            if gradient.size != rows.size * batch.logits.shape[-1]:
                raise Unreadable(f"returned a gradient of shape {gradient.shape}")
            of_rows, residual = coefficients(gradient.reshape(rows.size, -1), view.direction[rows])
        elif gradient.size != rows.size:
            raise Unreadable(f"returned a gradient of shape {gradient.shape}")
        else:
            of_rows = 0.0 - gradient.reshape(-1)
        c = np.zeros(view.size)
        np.add.at(c, rows, sign * of_rows)
        loss = scalar(found.loss, framework)
        return c, residual, None if loss is None else sign * loss, found.metrics

    def _value(self, role: str, view: View, rows: NDArray[np.intp], call: Call) -> Any:
        framework, batch = self._framework, view.batch
        if role in RANDOM and role != "uniforms":
            return framework.random(role, call.seed, call.number)
        value: Any = None
        if role == "normalizer":
            value = int(np.count_nonzero(batch.valid))
        elif role == "mask":
            value = framework.mask(batch.valid.reshape(-1)[rows], view.mask_dtype)
        elif role == "actions":
            value = framework.integers(batch.actions.reshape(-1)[rows])
        elif role == "logits":
            value = framework.floats(batch.logits.reshape(view.size, -1)[rows], batch.dtype)
        elif role in self._lossy.required or role not in {"old_logp", "ratio"}:
            value = framework.floats(view.floats(role).reshape(-1)[rows], batch.dtype)
        return value


def chosen_rows(
    chosen: Any, shape: tuple[int, ...], framework: Framework
) -> tuple[NDArray[np.intp], FloatArray | None]:
    """Return the flat indices of the chosen decisions, and their weights if they have any.

    Parameters
    ----------
    chosen : object
        Of the framework: indices; or a mask, of booleans, or of numbers that are no indices; of
        all decisions, or of the rows of a (B, T) batch.
    shape : tuple of int
        Of the decisions.
    framework : Framework

    Raises
    ------
    Unreadable
        It is neither.
    """
    try:
        array = framework.to_numpy(chosen)
    except (TypeError, ValueError) as error:
        raise Unreadable(f"screen returned neither indices nor a mask: {error}") from None
    size = int(np.prod(shape))
    flat = array.reshape(-1)
    boolean = "bool" in str(getattr(chosen, "dtype", "")) or (
        isinstance(chosen, list) and bool(chosen) and all(isinstance(v, bool) for v in chosen)
    )
    whole = flat.size == size
    by_row = boolean and len(shape) > 1 and flat.size == shape[0] and not whole
    if by_row:
        flat, whole = np.repeat(flat, size // shape[0]), True
    unique = np.unique(flat).size == flat.size
    if whole and (boolean or not unique or (flat != np.floor(flat)).any()):
        weights = None if boolean or set(flat.tolist()) <= {0.0, 1.0} else flat
        return np.flatnonzero(flat), weights
    if boolean:
        raise Unreadable(f"screen returned a mask of shape {array.shape} for decisions {shape}")
    outside = ~((flat >= 0) & (flat < size) & (flat == np.floor(flat)))
    if outside.any():
        raise Unreadable(f"screen returned {flat[outside][0]:g}, which is no index below {size}")
    return flat.astype(np.intp), None


SCREEN = ScreenSurface()
