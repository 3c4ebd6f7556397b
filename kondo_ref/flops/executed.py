"""Counts taken where the operations run: arrays that tally what is done with them.

A `CountedArray` is a NumPy array, and computes as one to the last bit. Every ufunc and every NumPy
function that meets one is tallied by the rules of `executed_rules`, in the stage that is open;
what has no rule is an error. `executed_stations` opens the stages of the reference and sees that
no array in it is of another kind.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kondo_ref.flops import executed_rules as rules
from kondo_ref.flops.counts import STAGES, Counts, Step
from kondo_ref.flops.executed_rules import UncountedOperationError

Array = NDArray[Any]

CHECKS = "checks"

_open: ContextVar["Tally | None"] = ContextVar("tally", default=None)


class Tally:
    """What has been counted so far, by stage.

    Parameters
    ----------
    gradient : array, optional
        The buffer of the gradients of parameters: what a backward writes there is backward_weight,
        whatever else it does is backward_input.
    """

    def __init__(self, gradient: Array | None = None) -> None:
        self.gradient = plain(gradient)
        self._counts = dict.fromkeys((*STAGES, CHECKS), Counts())
        self._stage: str | None = None

    @property
    def step(self) -> Step:
        """The counts of the stages."""
        return Step.of(**{stage: self._counts[stage] for stage in STAGES})

    @property
    def checks(self) -> Counts:
        """The counts of the checks of arguments."""
        return self._counts[CHECKS]

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count in this stage, or apart in checks; stages within it are their own."""
        if name not in self._counts:
            raise ValueError(f"stage: expected one of {', '.join(self._counts)}; got {name!r}")
        before, self._stage = self._stage, name
        try:
            yield
        finally:
            self._stage = before

    def fills_weight(self, out: Any) -> bool:
        """Whether this output of an operation of the backward is a gradient of parameters."""
        return (
            self._stage == "backward_input"
            and self.gradient is not None
            and isinstance(out, np.ndarray)
            and np.may_share_memory(out, self.gradient)
        )

    def add(self, name: str, counts: Counts, out: Any = None) -> None:
        """Count what an operation did.

        Raises
        ------
        UncountedOperationError
            No stage is open.
        """
        if counts == Counts():
            return
        if self._stage is None:
            raise UncountedOperationError(f"{name} outside of every stage")
        stage = "backward_weight" if self.fills_weight(out) else self._stage
        self._counts[stage] += counts


def current() -> Tally | None:
    """Return the tally that counts at the moment, in this thread."""
    return _open.get()


@contextmanager
def tallying(tally: Tally) -> Iterator[Tally]:
    """Let what happens to counted arrays go to `tally`, in this thread."""
    token = _open.set(tally)
    try:
        yield tally
    finally:
        _open.reset(token)


class CountedArray(np.ndarray[Any, Any]):
    """A NumPy array whose operations are counted while a tally is open; else just an array."""

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: Any, *inputs: Any, out: Any = None, **kwargs: Any
    ) -> Any:
        tally = current()
        targets = () if out is None else tuple(plain(out))
        if targets:
            kwargs["out"] = targets
        operands = plain(inputs)
        result = getattr(ufunc, method)(*operands, **plain(kwargs))
        if tally is not None:
            target = targets[0] if targets else None
            counts = rules.ufunc_counts(
                ufunc, method, operands, result, outer=tally.fills_weight(target)
            )
            tally.add(ufunc.__name__, counts, target)
        if out is not None:
            return out[0] if len(out) == 1 else out
        return counted(result)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        tally = current()
        if tally is not None and func in rules.COMPOSED:
            return counted(super().__array_function__(func, types, args, kwargs))
        operands, options = plain(args), plain(kwargs)
        result = func(*operands, **options)
        if tally is not None:
            counts = rules.function_counts(func, operands, options, result)
            tally.add(func.__name__, counts, options.get("out"))
        return kwargs["out"] if kwargs.get("out") is not None else counted(result)


def plain(value: Any) -> Any:
    """Return the same with plain arrays for counted ones: views of their memory."""
    if isinstance(value, CountedArray):
        return value.view(np.ndarray)
    if type(value) in {tuple, list}:
        return type(value)(map(plain, value))
    if type(value) is dict:
        return {name: plain(item) for name, item in value.items()}
    return value


def counted(value: Any) -> Any:
    """Return the same with counted arrays for plain ones: views of their memory."""
    if type(value) is np.ndarray:
        return value.view(CountedArray)
    if type(value) in {tuple, list}:
        return type(value)(map(counted, value))
    if type(value) is dict:
        return {name: counted(item) for name, item in value.items()}
    return value


def _as_function(name: str) -> Any:
    """Return a method that asks `__array_function__`, which the one of ndarray does not."""
    function = getattr(np, name)

    def method(self: CountedArray, *args: Any, **kwargs: Any) -> Any:
        return function(self, *args, **kwargs)

    method.__doc__ = f"Return `numpy.{name}` of the array."
    return method


def _refused(name: str) -> Any:
    """Return a method that computes on floats only while nothing is counted."""
    original = getattr(np.ndarray, name)

    def method(self: CountedArray, *args: Any, **kwargs: Any) -> Any:
        if current() is not None and self.dtype.kind not in "biu":
            raise UncountedOperationError(f"ndarray.{name}")
        return original(self, *args, **kwargs)

    method.__doc__ = f"Do as `numpy.ndarray.{name}`; refused on floats while they are counted."
    return method


ASKING = ("argmax", "argmin", "nonzero", "searchsorted")
REFUSED = ("argpartition", "argsort", "choose", "dot", "partition", "round", "sort")

for _name in ASKING:
    setattr(CountedArray, _name, _as_function(_name))
for _name in REFUSED:
    setattr(CountedArray, _name, _refused(_name))
