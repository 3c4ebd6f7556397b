"""A backend of joblib for what answers with futures: the workers of a cluster.

joblib has a backend for dask, and ray has one for joblib. Neither is used. The first waits forever
for a unit that dask gives up (its callback is not called), the second hands over nothing until
all is finished (it cannot return a generator). This one is handed how a job is submitted.
"""

from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError
from threading import Lock
from typing import Any

from kondo_ref.executors.joblib_based import package
from kondo_ref.executors.outcome import Died


def future_backend(
    submit: Callable[[Callable[[], Any]], Any],
    cancel: Callable[[set[Any]], None],
    deaths: tuple[type[BaseException], ...],
    at_once: int | None,
) -> Any:
    """Return a backend of joblib.

    Parameters
    ----------
    submit : callable
        Starts a call on a worker, and returns a future that has ``add_done_callback``.
    cancel : callable
        Lets go of futures that nobody waits for any more.
    deaths : tuple of exception types
        What a future raises whose workers died, after all that the cluster does about it.
    at_once : int or None
        Calls that are with the cluster at a time; None for all. joblib's own bound is passed by a
        call or two where one ends while it hands out the first.

    Returns
    -------
    joblib.parallel.ParallelBackendBase
    """
    joblib = package("joblib")
    pending: set[Any] = set()
    waiting: deque[tuple[Any, Callable[[Any], None]]] = deque()
    lock = Lock()

    def start() -> None:
        """Hand over the call that has waited longest, if the bound allows it."""
        with lock:
            if not waiting or (at_once is not None and len(pending) >= at_once):
                return
            func, callback = waiting.popleft()
            future = submit(func)
            pending.add(future)
        ((_, (index, *_), _),) = func.items

        def done(future: Any) -> None:
            with lock:
                pending.discard(future)
            start()
            callback((index, future))

        future.add_done_callback(done)

    class FutureBackend(joblib.parallel.ParallelBackendBase):  # type: ignore[misc, name-defined]
        supports_retrieve_callback = True

        def effective_n_jobs(self, n_jobs: int) -> int:
            """Any number but 1, which joblib would run in this process; the cluster has its own."""
            del n_jobs
            return 2

        def submit(self, func: Any, callback: Callable[[Any], None]) -> None:
            waiting.append((func, callback))
            start()

        def retrieve_result_callback(self, out: tuple[int, Any]) -> list[Any]:
            index, future = out
            try:
                found: list[Any] = future.result()
            except deaths:
                return [(index, Died())]
            except CancelledError as error:
                raise ConnectionError(f"cluster: the connection is lost ({error})") from error
            except Exception as error:
                # What the unit's code raises comes as a value; this is about the worker.
                # ray's own error is long; the first line of its cause has the reason.
                cause = getattr(error, "cause", None) or error
                reason = str(cause).strip().partition("\n")[0] or type(cause).__name__
                known = "No module named" in str(cause) or isinstance(cause, ImportError)
                needs = "it needs what is installed here, with kondo-ref[cluster]"
                raise ChildProcessError(
                    f"executor: a worker could not run a unit ({reason})"
                    + (f"; {needs}" if known else "")
                ) from error
            return found

        def abort_everything(self, ensure_ready: bool = True) -> None:
            del ensure_ready
            waiting.clear()
            cancel(set(pending))

    return FutureBackend()
