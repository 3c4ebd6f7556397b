"""Units in processes of this machine: one unit a process, one BLAS thread each, interruptible.

Each process is a pool of its own, so that one that dies takes nothing with it but its unit. The
unit is tried once more in a fresh process.
"""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import SpawnContext
from typing import Any

from kondo_ref.executors.outcome import Died, Done, Outcome, Unit, Work, attempt, opened

TRIES = 2

_shared: dict[str, Any] = {}


class Stopped(Exception):
    """Raised inside a unit that has been told to stop."""


class Slot:
    """A place for one process, and the steps that it has reported of its unit.

    Parameters
    ----------
    context : SpawnContext
    """

    def __init__(self, context: SpawnContext) -> None:
        self._context = context
        # Without locks: a process that is killed while it holds one would stop all others. Each
        # value has a single writer.
        self.done = context.Value("q", 0, lock=False)
        self._began = context.Value("b", 0, lock=False)
        self._stop = context.Value("b", 0, lock=False)
        self._pool = self._fresh()

    def _fresh(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(1, self._context, _begin, (self.done, self._began, self._stop))

    @property
    def began(self) -> bool:
        """Whether a process of this slot has ever begun a unit."""
        return bool(self._began.value)

    def submit(self, work: Work, unit: Unit) -> Future[Outcome]:
        """Start a unit in the process, or in a fresh one where it has died."""
        self.done.value = 0
        try:
            return self._pool.submit(_run, work, unit)
        except BrokenProcessPool:
            self._pool.shutdown()
            self._pool = self._fresh()
            return self._pool.submit(_run, work, unit)

    def stop(self) -> None:
        """Tell the process to stop, and do not wait for it."""
        self._stop.value = 1
        self._pool.shutdown(wait=False, cancel_futures=True)

    def join(self) -> None:
        """Wait until the process has ended."""
        self._pool.shutdown()


def run_units(
    work: Work,
    units: Sequence[Unit],
    *,
    workers: int,
    progress: Callable[[int], None],
    finished: Callable[[Unit, dict[str, Any]], None],
    died: Callable[[Unit], None],
) -> list[Unit]:
    """Run units in at most `workers` processes; see `kondo_ref.workers.run_units`.

    Parameters
    ----------
    work : callable
    units : sequence of tuple
    workers : int
    progress : callable
    finished : callable
    died : callable
        Called with a unit that is run again since its process died.

    Returns
    -------
    list of tuple
        The units whose process died again.

    Raises
    ------
    ChildProcessError
        Processes do not live long enough to begin anything.
    """
    context = multiprocessing.get_context("spawn")
    slots = [Slot(context) for _ in range(min(workers, len(units)))]
    waiting, tries = deque(range(len(units))), [0] * len(units)
    busy: dict[Future[Outcome], tuple[Slot, int]] = {}
    idle, lost, settled = list(slots), [], 0
    try:
        while waiting or busy:
            while waiting and idle:
                slot, index = idle.pop(), waiting.popleft()
                tries[index] += 1
                busy[slot.submit(work, units[index])] = slot, index
            ready, _ = wait(busy, timeout=0.2, return_when=FIRST_COMPLETED)
            for future in ready:
                slot, index = busy[future]
                known = opened(_outcome(future))
                if isinstance(known, Done):
                    finished(units[index], known.result)
                    settled += known.steps
                elif tries[index] < TRIES:
                    died(units[index])
                    waiting.appendleft(index)
                elif not any(each.began for each in slots):
                    raise ChildProcessError("workers: processes die before they begin a unit")
                else:
                    lost.append(units[index])
                # Only now: what an interrupt finds in `busy` is handed over below.
                del busy[future]
                idle.append(slot)
            progress(settled + sum(slot.done.value for slot, _ in busy.values()))
    finally:
        for slot in slots:
            slot.stop()
        for slot in slots:
            slot.join()
        for future, (_, index) in busy.items():
            outcome = Died() if future.cancelled() else _outcome(future)
            if isinstance(outcome, Done):
                finished(units[index], outcome.result)
    return lost


def _outcome(future: Future[Outcome]) -> Outcome:
    try:
        return future.result()
    except BrokenProcessPool:
        return Died()


def _begin(done: Any, began: Any, stop: Any) -> None:
    """Prepare a process: the parent handles interrupts, and the process ends with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _shared.update(done=done, began=began, stop=stop)
    parent = multiprocessing.parent_process()
    if parent is not None:

        def end_with_parent() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=end_with_parent, daemon=True).start()


def _run(work: Work, unit: Unit) -> Outcome:
    _shared["began"].value = 1
    return attempt(work, unit, _report)


def _report(steps: int) -> None:
    if _shared["stop"].value:
        raise Stopped
    _shared["done"].value += steps
