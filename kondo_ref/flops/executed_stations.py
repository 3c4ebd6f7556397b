"""The reference, counted: its stations open the stages, and no array in it goes uncounted.

While it is counted the modules of the reference see a NumPy whose functions return counted arrays,
since `np.empty`, `np.asarray` and the like would lose the kind of their arguments, and each of its
stations is in a stage. The code that runs is the reference's own; other threads see no difference.
"""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from types import ModuleType
from typing import Any

import numpy as np

from kondo_ref import checks, optim, screening, step
from kondo_ref.flops.executed import CHECKS, Tally, counted, current, tallying
from kondo_ref.models import block, mlp, transformer
from kondo_ref.screeners import quantised

# Which stage a station is: of the innermost one that runs.
STATIONS: tuple[tuple[Any, str, str], ...] = (
    (step.Learner, "forward", "screen"),  # of it only log-softmax, as the logits come from _run
    (step.Learner, "_run", "forward"),
    (mlp.MLP, "forward", "forward"),  # of a screener's own network
    (quantised, "quantised_logits", "forward"),
    (step.Learner, "screen", "screen"),
    (step.Learner, "update", "select"),  # what is left: which are kept, coefficients, loss
    (step, "kept_dlogits", "backward_input"),
    (step.Learner, "_backward", "backward_input"),
    (transformer.Transformer, "select", "select"),
    (transformer.Transformer, "recompute", "recompute"),
    (block, "_scaled", "recompute"),
    (transformer, "embedding_backward", "backward_weight"),
    (optim.SGD, "step", "update"),
    (optim.Adam, "step", "update"),
    (checks, "real_array", CHECKS),
    (checks, "uniform_array", CHECKS),
    (screening, "_require_finite", CHECKS),
)

# The packages of the reference beside its top level.
PARTS = ("kondo_ref.models.", "kondo_ref.screeners.")


class CountedNumpy:
    """The functions of NumPy, returning counted arrays while a tally is open; the rest is NumPy's.

    Parameters
    ----------
    source : module or ufunc
    """

    def __init__(self, source: Any = np) -> None:
        self._source = source

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._source, name)
        if isinstance(found, type | ModuleType) or not callable(found):
            return found
        function = CountedFunction(found)
        setattr(self, name, function)
        return function


class CountedFunction(CountedNumpy):
    """A function or a ufunc, on counted arrays while a tally is open."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it. Its methods, as `np.add.reduce`, are such functions too."""
        if current() is None:
            return self._source(*args, **kwargs)
        return counted(self._source(*counted(args), **counted(kwargs)))


def in_stage(function: Callable[..., Any], stage: str) -> Callable[..., Any]:
    """Return the function in a stage of the tally that is open."""

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        tally = current()
        if tally is None:
            return function(*args, **kwargs)
        with tally.stage(stage):
            return function(*args, **kwargs)

    return call


class Patches:
    """What the reference sees while it is counted; it is put there once, however many count."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._installed = ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            if self._users == 0:
                self._install()
            self._users += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._installed.close()

    def _install(self) -> None:
        numpy = CountedNumpy()
        with ExitStack() as stack:
            for module in reference_modules():
                _replace(stack, module, "np", numpy)
            for owner, name, stage in STATIONS:
                _replace(stack, owner, name, in_stage(getattr(owner, name), stage))
            self._installed = stack.pop_all()


def _replace(stack: ExitStack, owner: Any, name: str, value: Any) -> None:
    """Set an attribute, and set it back when the stack closes."""
    stack.callback(setattr, owner, name, vars(owner)[name])
    setattr(owner, name, value)


def reference_modules() -> list[ModuleType]:
    """Return the loaded modules of the reference that use NumPy: the top level and its parts."""
    return [
        module
        for name, module in tuple(sys.modules.items())
        if name.startswith("kondo_ref.")
        and (name.count(".") == 1 or name.startswith(PARTS))
        and getattr(module, "np", None) is np
    ]


_patches = Patches()


@contextmanager
def counting(tally: Tally) -> Iterator[Tally]:
    """Count what the reference does in this thread meanwhile."""
    with _patches, tallying(tally):
        yield tally
