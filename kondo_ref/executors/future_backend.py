"""A backend of joblib for what answers with futures: the workers of a cluster.

joblib has a backend for dask, and ray has one for joblib. Neither is used. The first waits forever
for a unit that dask gives up (its callback is not called), the second hands over nothing until
all is finished (it cannot return a generator). This one is handed how a job is submitted.
"""

from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Any

from kondo_ref.executors.joblib_based import package
from kondo_ref.executors.outcome import Died


def future_backend(
    submit: Callable[[Callable[[], Any]], Any],
    cancel: Callable[[set[Any]], None],
    deaths: tuple[type[BaseException], ...],
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

    Returns
    -------
    joblib.parallel.ParallelBackendBase
    """
    joblib = package("joblib")
    pending: set[Any] = set()

    class FutureBackend(joblib.parallel.ParallelBackendBase):  # type: ignore[misc, name-defined]
        supports_retrieve_callback = True

        def effective_n_jobs(self, n_jobs: int) -> int:
            """Any number but 1, which joblib would run in this process; the cluster has its own."""
            del n_jobs
            return 2

        def submit(self, func: Any, callback: Callable[[Any], None]) -> Any:
            ((_, (index, *_), _),) = func.items
            future = submit(func)
            pending.add(future)

            def done(future: Any) -> None:
                pending.discard(future)
                callback((index, future))

            future.add_done_callback(done)
            return future

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
                raise ChildProcessError(
                    f"executor: a worker could not run a unit; it needs what is installed here, "
                    f"with kondo-ref[cluster] ({reason})"
                ) from error
            return found

        def abort_everything(self, ensure_ready: bool = True) -> None:
            del ensure_ready
            cancel(set(pending))

    return FutureBackend()
