"""What became of a unit: it is done, its code raised an error, or its process died.

An error travels as a value. So what an executor itself raises is about its workers, never about the
work, and an error that cannot be pickled breaks no pool.
"""

import pickle
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kondo_ref import __version__

Result = dict[str, Any]
Unit = tuple[Any, ...]
Report = Callable[[int], None]
Work = Callable[..., Result]


@dataclass(frozen=True)
class Done:
    """A unit that has a result.

    Parameters
    ----------
    result : dict
    steps : int
        All that it reported.
    """

    result: Result
    steps: int


@dataclass(frozen=True)
class Raised:
    """A unit whose code raised an error.

    Parameters
    ----------
    error : BaseException
    text : str
        Its traceback, with the frames of the worker.
    """

    error: BaseException
    text: str


@dataclass(frozen=True)
class Died:
    """A unit whose process died; nothing is known about why."""


Outcome = Done | Raised | Died


class WorkerTraceback(Exception):
    """The traceback of a worker, as the cause of the error that it raised."""

    def __init__(self, text: str) -> None:
        super().__init__(f"\n{text}")


def attempt(work: Work, unit: Unit, report: Report) -> Outcome:
    """Run ``work(*unit, report)`` on a worker, and return what became of it."""
    steps = 0

    def counted(more: int) -> None:
        nonlocal steps
        report(more)
        steps += more

    try:
        return Done(work(*unit, counted), steps)
    except BaseException as error:  # also what foreign code leaves with, as SystemExit
        return Raised(_portable(error), "".join(traceback.format_exception(error)))


def attempt_elsewhere(index: int, version: str, work: Work, unit: Unit) -> tuple[int, Outcome]:
    """Run a unit on a worker that was installed by itself; `index` is for who waits for it.

    Parameters
    ----------
    index : int
    version : str
        Of who waits: another version could give other numbers under the same configuration.
    work : callable
    unit : tuple
    """
    if version != __version__:
        error = ValueError(
            f"executor: kondo-ref is {version} here and {__version__} on a worker; "
            f"install the same version"
        )
        return index, Raised(error, "")
    return index, attempt(work, unit, lambda _: None)


def opened(outcome: Outcome) -> Done | Died:
    """Return what became of a unit; an error of its code is raised here."""
    if isinstance(outcome, Raised):
        raise outcome.error from WorkerTraceback(outcome.text)
    return outcome


def _portable(error: BaseException) -> BaseException:
    """Return an error that arrives: itself where it can be pickled, both ways."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # whatever its class does when it is pickled
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
