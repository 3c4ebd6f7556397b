"""Units through joblib: whatever runs them, each result is taken as soon as it is there.

A pool says which joblib backend runs units, and what it makes of a worker that dies. What comes
out of a worker is kept by who started the command, so workers need no disk in common.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

from kondo_ref import __version__
from kondo_ref.executors.outcome import Done, Outcome, Unit, Work, attempt_elsewhere, opened

REMEDY = 'python -m pip install "kondo-ref[cluster]"'


@dataclass(frozen=True)
class Pool:
    """Workers as joblib sees them.

    Parameters
    ----------
    configuration : dict
        Of `joblib.parallel_config`: the backend, and its own parameters.
    at_once : int or None
        Units in work at a time; None leaves it to the cluster, which is given all.
    """

    configuration: dict[str, Any]
    at_once: int | None


class Open(Protocol):
    """Connects to the workers of an executor; a function ``pool`` of the executor's module."""

    def __call__(
        self, cluster: str | None, workers: int | None, warn: Callable[[str], None], /
    ) -> AbstractContextManager[Pool]:
        """Return the pool as a context: left, it is let go of."""


def package(name: str) -> Any:
    """Return a package of the extra `cluster`.

    Raises
    ------
    ModuleNotFoundError
        In one line, with the command that installs it.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"executor: {error.name} is not installed; {REMEDY}", name=error.name
        ) from None


def run_units(
    work: Work,
    units: Sequence[Unit],
    pool: Pool,
    *,
    progress: Callable[[int], None],
    finished: Callable[[Unit, dict[str, Any]], None],
    died: Callable[[Unit], None],
) -> list[Unit]:
    """Run units on the workers of a pool; see `kondo_ref.workers.run_units`.

    Who is told of a death is not always who died of it. A pool of joblib's own processes breaks as
    a whole, and dask blames all units that a dead worker had, those that it had not begun too. So
    those that may have died are run again in the end, one at a time: what dies then is that unit.

    Parameters
    ----------
    work : callable
    units : sequence of tuple
    pool : Pool
    progress : callable
        Called after each unit.
    finished : callable
    died : callable
        Called with a unit that is run again since a process died.

    Returns
    -------
    list of tuple
        The units that died alone.
    """
    settled = 0

    def taken(index: int, done: Done) -> None:
        nonlocal settled
        finished(units[index], done.result)
        settled += done.steps
        progress(settled)

    waiting, again = list(range(len(units))), list[int]()
    while waiting:
        suspects = _fly(work, units, waiting, pool, pool.at_once, taken)
        again += suspects
        for index in suspects:
            died(units[index])
    return [units[i] for i in again if _fly(work, units, [i], pool, 1, taken)]


def _fly(
    work: Work,
    units: Sequence[Unit],
    waiting: list[int],
    pool: Pool,
    at_once: int | None,
    taken: Callable[[int, Done], None],
) -> list[int]:
    """Run units until all have ended or the pool has broken; return those that may have died.

    What has ended, or may have died, is taken out of `waiting`.
    """
    joblib = package("joblib")
    with joblib.parallel_config(**pool.configuration):
        parallel = joblib.Parallel(
            # One job alone would be run in this process.
            n_jobs=max(2, pool.at_once or 2),
            return_as="generator_unordered",
            batch_size=1,
            pre_dispatch=at_once or "all",
        )
    order, suspects = list(waiting), list[int]()
    call = joblib.delayed(attempt_elsewhere)
    try:
        with _quietly_closed(
            parallel(call(index, __version__, work, units[index]) for index in order)
        ) as outcomes:
            for index, outcome in outcomes:
                known = opened(outcome)
                if isinstance(known, Done):
                    taken(index, known)
                else:
                    suspects.append(index)
                waiting.remove(index)
    except BrokenProcessPool:
        # joblib hands units out in order.
        begun = order[: parallel.n_dispatched_tasks]
        suspects += [index for index in begun if index in waiting]
        waiting[:] = [index for index in waiting if index not in suspects]
    return suspects


@contextmanager
def _quietly_closed(outcomes: Any) -> Iterator[Iterator[tuple[int, Outcome]]]:
    """Close joblib's generator; that what is left is cancelled then is no news."""
    try:
        yield outcomes
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            outcomes.close()
