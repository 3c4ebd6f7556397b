"""Units of work on workers: one BLAS thread each, progress shown, interruptible.

The seam between a sweep and what runs it (`kondo_ref.executors`). A unit is finished or it is not:
what a stopped process had begun is lost, what was finished has been handed over.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from kondo_ref import checks
from kondo_ref.executors import EXECUTORS
from kondo_ref.executors.outcome import Report, Unit, Work

__all__ = ["Report", "Unit", "Where", "Work", "default_workers", "run_units"]

# The module with the function `pool`; local processes need none.
_POOLS = {
    "joblib": "kondo_ref.executors.loky_pool",
    "dask": "kondo_ref.executors.dask_cluster",
    "ray": "kondo_ref.executors.ray_cluster",
}
_CLUSTERS = ("dask", "ray")


@dataclass(frozen=True)
class Where:
    """Where units are run.

    Parameters
    ----------
    executor : str
        One of `kondo_ref.executors.EXECUTORS`.
    cluster : str, optional
        The address of the cluster of dask or ray.
    workers : int, optional
        Units in work at a time; without it the cores of this machine, or all that a cluster has.

    Raises
    ------
    TypeError, ValueError
        An executor that there is not, an address that it has no use for, fewer than one worker.
    """

    executor: str = "local"
    cluster: str | None = None
    workers: int | None = None

    def __post_init__(self) -> None:
        checks.one_of("executor", self.executor, EXECUTORS)
        if self.workers is not None:
            checks.count("workers", self.workers, 1)
        if self.cluster is not None and self.executor not in _CLUSTERS:
            raise ValueError(
                f"--cluster: has no effect here; it belongs to --executor {' and '.join(_CLUSTERS)}"
            )


def default_workers() -> int:
    """Return the number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_units(
    work: Work,
    units: Sequence[Unit],
    *,
    where: Where,
    progress: Callable[[int], None],
    finished: Callable[[Unit, dict[str, Any]], None],
    died: Callable[[Unit], None],
    warn: Callable[[str], None],
) -> list[Unit]:
    """Run ``work(*unit, report)`` for every unit, on workers.

    Parameters
    ----------
    work : callable
        A function of a module; calls ``report(n)`` now and then with the steps done since the
        last call, and returns a dict.
    units : sequence of tuples
        Arguments of `work`.
    where : Where
    progress : callable
        Called here with the number of steps done so far by all units: now and then, or where the
        workers are not ours, after each unit.
    finished : callable
        Called here with a unit and its result, as soon as it has one.
    died : callable
        Called here with a unit that is run again, since a process died.
    warn : callable
        Told in a line what stops nothing.

    Returns
    -------
    list of tuples
        The units whose processes died again and again; all others are finished.

    Raises
    ------
    KeyboardInterrupt
        Interrupted or terminated; units in work were stopped, finished ones handed over.
    ChildProcessError
        No process can begin anything.
    ConnectionError, ModuleNotFoundError, ValueError
        No cluster there, or what speaks to it is not installed.
    """
    if not units:
        return []
    here = default_workers() if where.workers is None else where.workers
    if where.executor == "local":
        from kondo_ref.executors import local

        with _terminate_is_interrupt():
            return local.run_units(
                *(work, units), workers=here, progress=progress, finished=finished, died=died
            )
    from kondo_ref.executors import joblib_based

    pool: joblib_based.Open = import_module(_POOLS[where.executor]).pool
    at_once = where.workers if where.executor in _CLUSTERS else here
    # Inside the pool: ray has a handler of its own.
    with pool(where.cluster, at_once, warn) as opened, _terminate_is_interrupt():
        return joblib_based.run_units(
            *(work, units, opened), progress=progress, finished=finished, died=died
        )


@contextmanager
def _terminate_is_interrupt() -> Iterator[None]:
    """Treat SIGTERM as SIGINT, so that the processes are told to stop."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
