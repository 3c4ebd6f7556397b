"""Batch -> the values of a target's arguments, in its framework and shape."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kondo_ref.audit.batch import Batch
from kondo_ref.audit.frameworks.interface import Framework
from kondo_ref.audit.guard import Unreadable
from kondo_ref.audit.options import Options
from kondo_ref.audit.recover import directions
from kondo_ref.audit.roles import RANDOM
from kondo_ref.audit.rounding import handed, rounded
from kondo_ref.checks import FloatArray
from kondo_ref.randomness import Purpose, uniforms

# Left to the target's default, where the batch has none and the target does not ask for it.
OPTIONAL = ("mask", "groups", "old_logp", "ratio")


@dataclass(frozen=True)
class Call:
    """Which call of a sequence this is: its batch, the seed, its number."""

    batch: Batch
    seed: int
    number: int


class View:
    """A batch in the dtype and the shape that the target is handed.

    Parameters
    ----------
    batch : Batch
    options : Options
    """

    def __init__(self, batch: Batch, options: Options) -> None:
        if options.dtype is not None:
            batch = replace(batch, dtype=options.dtype)
        self.batch = handed(batch)
        self.mask_dtype = options.mask_dtype or batch.mask_dtype
        self.size = batch.actions.size
        self.shape = _shape(batch.shape, options.shape)
        self._floats: dict[str, FloatArray] = {}
        # Of the arguments, role by role, as they were made.
        self.contents: dict[str, Any] = {}

    @cached_property
    def direction(self) -> FloatArray:
        """The gradient of log pi(a) in the logits, (N, K)."""
        flat = self.batch.log_probabilities.reshape(self.size, -1)
        return directions(flat, self.batch.actions.ravel())

    def floats(self, role: str) -> FloatArray:
        """Return logits, logp, surprisal, delight, advantages or rewards, in shape."""
        if role not in self._floats:
            batch = self.batch
            if role == "logits":
                array = batch.logits.reshape(*self.shape, -1)
            elif role in {"advantages", "rewards"}:
                array = batch.advantages.reshape(self.shape)
            elif role in {"logp", "old_logp"}:
                array = rounded(-batch.surprisal, batch.dtype).reshape(self.shape)
            elif role == "surprisal":
                array = rounded(batch.surprisal, batch.dtype).reshape(self.shape)
            elif role == "delight":
                with np.errstate(invalid="ignore", over="ignore"):
                    delight = batch.advantages * batch.surprisal
                array = rounded(delight, batch.dtype).reshape(self.shape)
            else:
                array = np.ones(self.shape)
            self._floats[role] = array
        return self._floats[role]


def _shape(shape: tuple[int, ...], wanted: str) -> tuple[int, ...]:
    if len(shape) == 1:
        return {"(N,1)": (shape[0], 1), "(1,N)": (1, shape[0])}.get(wanted, shape)
    return (int(np.prod(shape)),) if wanted == "flat" else shape


class Arguments:
    """Makes the values of one call, and sees which of them were changed in place.

    Parameters
    ----------
    framework : Framework
    options : Options
    """

    def __init__(self, framework: Framework, options: Options) -> None:
        self._framework = framework
        self._options = options
        self._last: tuple[Batch, View] | None = None
        self._watched: dict[str, Any] = {}
        self._contents: dict[str, Any] = {}

    def view(self, batch: Batch) -> View:
        """Return a batch as the target sees it; the last one is kept, probes repeat themselves."""
        if self._last is None or self._last[0] is not batch:
            self._last = batch, View(batch, self._options)
        return self._last[1]

    def values(self, roles: Iterable[str], required: frozenset[str], call: Call) -> dict[str, Any]:
        """Return the value of every role, new ones; None where there is none to hand.

        Raises
        ------
        Unreadable
            The batch has a mask or groups, and the target takes none.
        """
        roles = frozenset(roles)
        view = self.view(call.batch)
        for role in ("mask", "groups"):
            if getattr(call.batch, role) is not None and role not in roles:
                raise Unreadable(f"{role}: the target takes none")
        self._watched.clear()
        self._contents = view.contents
        return {role: self._value(role, view, role in required, call) for role in roles}

    def _value(self, role: str, view: View, required: bool, call: Call) -> Any:
        framework = self._framework
        if role in RANDOM and role != "uniforms":
            return framework.random(role, call.seed, call.number)
        if role == "normalizer":
            return int(np.count_nonzero(view.batch.valid)) if required else None
        if not required and role in OPTIONAL and getattr(call.batch, role, None) is None:
            return None
        if role == "mask":
            value = framework.mask(view.batch.valid.reshape(view.shape), view.mask_dtype)
        elif role == "groups":
            groups = call.batch.groups
            value = framework.integers(np.zeros(view.size, int) if groups is None else groups)
        elif role == "actions":
            value = framework.integers(view.batch.actions.reshape(view.shape))
        elif role == "uniforms":
            numbers = uniforms(call.seed, Purpose.GATE, call.number, view.shape)
            value = framework.floats(rounded(numbers, view.batch.dtype), view.batch.dtype)
        else:
            value = framework.floats(view.floats(role), view.batch.dtype)
        return self.watch(role, value)

    def watch(self, role: str, value: Any) -> Any:
        """Remember what an argument holds, and return it."""
        self._watched[role] = value
        if role == "uniforms" or role not in self._contents:
            self._contents[role] = self._framework.content(value)
        return value

    def mutated(self) -> tuple[str, ...]:
        """Return the roles whose arguments were changed since they were made."""
        content, was = self._framework.content, self._contents
        changed = [role for role, value in self._watched.items() if content(value) != was[role]]
        return tuple(sorted(changed))


def of_decisions(array: FloatArray, shape: tuple[int, ...], what: str) -> FloatArray:
    """Return one number for each decision, in the batch's shape.

    Raises
    ------
    Unreadable
        There are more or fewer.
    """
    size = int(np.prod(shape))
    if array.size != size:
        raise Unreadable(f"returned {what} of shape {array.shape}, where {size} were expected")
    return array.reshape(shape)


def scalar(value: Any, framework: Framework) -> float | None:
    """Return a loss as a number, None if it is none."""
    if value is None:
        return None
    try:
        array: NDArray[Any] = framework.to_numpy(value)
    except (TypeError, ValueError):
        return None
    return float(array.reshape(-1)[0]) if array.size == 1 else None
