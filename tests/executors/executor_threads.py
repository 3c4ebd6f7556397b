"""A pretended cluster of threads: what its workers do, and die of, is all here."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import executor_work as work

from kondo_ref.executors.future_backend import future_backend
from kondo_ref.executors.joblib_based import Pool, run_units
from kondo_ref.executors.outcome import Raised

SECONDS = 3.0
"""After which nobody is taken to hand over more."""


@dataclass
class Cluster:
    """Two workers, and what they were asked.

    Parameters
    ----------
    blamed : set of str
        Units that a death is said to have cost, though they were never begun.
    broken : bool
        The workers cannot run anything.
    lost : bool
        Nobody answers.
    held : int
        Units end no sooner than so many have been handed over, or nobody hands over more.
    """

    blamed: set[str] = field(default_factory=set)
    broken: bool = False
    lost: bool = False
    held: int = 0
    most: int = 0
    now: int = 0
    cancelled: int = 0
    lock: Any = field(default_factory=threading.Lock)

    @contextmanager
    def pool(self, cluster: Any, workers: int | None, warn: Any) -> Iterator[Pool]:
        """Return the pool, as the module of an executor does."""
        del cluster, warn
        with ThreadPoolExecutor(2) as threads:

            def submit(call: Callable[[], Any]) -> Future[Any]:
                with self.lock:
                    self.now += 1
                    self.most = max(self.most, self.now)
                future = threads.submit(self.run, call)
                future.add_done_callback(self.ended)
                return future

            backend = future_backend(submit, self.cancel, (work.Killed,), workers)
            yield Pool({"backend": backend}, workers)

    def run(self, call: Any) -> Any:
        ((_, (_, _, _, unit), _),) = call.items
        if self.lost:
            raise CancelledError("nobody answers")
        if self.broken:
            raise ModuleNotFoundError("No module named 'kondo_ref'")
        if unit[0] in self.blamed:
            self.blamed.remove(unit[0])
            raise work.Killed
        latest = time.monotonic() + SECONDS
        while self.most < self.held and time.monotonic() < latest:
            time.sleep(0.01)
        found = call()
        for _, outcome in found:
            if isinstance(outcome, Raised) and isinstance(outcome.error, work.Killed):
                raise work.Killed
        return found

    def ended(self, _: Any) -> None:
        with self.lock:
            self.now -= 1

    def cancel(self, futures: set[Any]) -> None:
        self.cancelled += sum(future.cancel() for future in futures)

    def runner(self, workers: int | None = None) -> Any:
        """Return what runs units here, as `executor_checks.at` does."""

        def run(ran: Any, function: Any, units: list[work.Unit]) -> list[work.Unit]:
            with self.pool(None, workers, None) as pool:
                return run_units(function, units, pool, **ran.told())

        return run
