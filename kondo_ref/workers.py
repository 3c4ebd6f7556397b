"""Units of work as processes: one BLAS thread each, progress shown, interruptible.

A unit is finished or it is not; what a stopped process had begun is lost, what was finished has
been handed over.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

Work = Callable[..., dict[str, Any]]
Report = Callable[[int], None]

_shared: dict[str, Any] = {}


class Stopped(Exception):
    """Raised inside a unit that has been told to stop."""


def default_workers() -> int:
    """Return the number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_units(
    work: Work,
    units: Sequence[tuple[Any, ...]],
    *,
    workers: int,
    progress: Callable[[int], None],
    finished: Callable[[tuple[Any, ...], dict[str, Any]], None],
) -> None:
    """Run ``work(*unit, report)`` for every unit, in processes.

    Parameters
    ----------
    work : callable
        A function of a module; calls ``report(n)`` now and then with the steps done since the
        last call, and returns a dict.
    units : sequence of tuples
        Arguments of `work`.
    workers : int
        Number of processes.
    progress : callable
        Called here with the number of steps done so far by all units.
    finished : callable
        Called here with a unit and its result, as soon as it has one.

    Raises
    ------
    KeyboardInterrupt
        Interrupted or terminated; units in work were stopped, finished ones handed over.
    ChildProcessError
        A process died.
    """
    context = multiprocessing.get_context("spawn")
    done, stop = context.Value("q", 0), context.Event()
    with (
        _terminate_is_interrupt(),
        ProcessPoolExecutor(
            min(workers, max(1, len(units))), context, _begin, (done, stop)
        ) as executor,
    ):
        waiting: dict[Future[dict[str, Any]], tuple[Any, ...]] = {
            executor.submit(_work, work, unit): unit for unit in units
        }
        try:
            while waiting:
                ready, _ = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
                progress(done.value)
                for future in ready:
                    finished(waiting.pop(future), future.result())
        except BrokenProcessPool:
            stop.set()
            raise ChildProcessError("a worker process died; --resume goes on from there") from None
        except BaseException:
            stop.set()
            executor.shutdown(cancel_futures=True)
            for future, unit in waiting.items():
                if future.done() and not future.cancelled() and future.exception() is None:
                    finished(unit, future.result())
            raise


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


def _begin(done: Any, stop: Any) -> None:
    """Prepare a process: the parent handles interrupts, and the process ends with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _shared.update(done=done, stop=stop)
    parent = multiprocessing.parent_process()
    if parent is not None:

        def end_with_parent() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=end_with_parent, daemon=True).start()


def _work(work: Work, unit: tuple[Any, ...]) -> dict[str, Any]:
    return work(*unit, _report)


def _report(steps: int) -> None:
    if _shared["stop"].is_set():
        raise Stopped
    with _shared["done"].get_lock():
        _shared["done"].value += steps
