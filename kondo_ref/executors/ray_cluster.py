"""The workers of a ray cluster that is running."""

import logging
import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from kondo_ref.executors import BLAS_THREAD_VARIABLES
from kondo_ref.executors.future_backend import future_backend
from kondo_ref.executors.joblib_based import Pool, package

SECONDS = 10.0
"""How long to wait for an answer at the address."""

RETRIES = 3
"""How often ray gives a unit whose worker died to another worker."""


@contextmanager
def pool(cluster: str | None, workers: int | None, warn: Callable[[str], None]) -> Iterator[Pool]:
    """Connect to a cluster, unless this process is connected already.

    Parameters
    ----------
    cluster : str or None
        Its address; None for ``RAY_ADDRESS``, or the cluster that runs on this machine. A cluster
        is never started here.
    workers : int or None
        Units in work at a time; None for as many as there are CPUs.
    warn : callable
        Not called: ray warns itself.

    Raises
    ------
    ValueError
        No address.
    ConnectionError
        No cluster there.
    """
    del warn
    ray = package("ray")
    package("joblib")
    ours = not ray.is_initialized()
    if ours:
        _connect(ray, cluster or os.environ.get("RAY_ADDRESS") or "auto")
    try:
        yield Pool({"backend": _backend(ray, workers)}, workers)
    finally:
        if ours:
            ray.shutdown()


def _connect(ray: Any, address: str) -> None:
    if address != "auto":
        # ray itself tries for minutes.
        _answers(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except ConnectionError as error:
        said = (
            "no ray cluster runs here; start one with `ray start --head`, or give its address, "
            "--cluster HOST:PORT"
            if address == "auto"
            else f"no ray cluster at {address} ({' '.join(str(error).split())})"
        )
        raise ConnectionError(f"cluster: {said}") from None
    except (RuntimeError, ValueError) as error:
        raise ConnectionError(
            f"cluster: ray at {address} refused ({' '.join(str(error).split())})"
        ) from None


def _answers(address: str) -> None:
    found = re.fullmatch(r"(?:ray://)?\[?([^/\s]+?)\]?:(\d{1,5})", address)
    if found is None:
        raise ValueError(f"cluster: expected HOST:PORT or ray://HOST:PORT, got {address!r}")
    try:
        socket.create_connection((found[1], int(found[2])), SECONDS).close()
    except (OSError, OverflowError) as error:
        raise ConnectionError(f"cluster: no ray cluster at {address} ({error})") from None


def _backend(ray: Any, at_once: int | None) -> Any:
    one_thread = {"env_vars": dict.fromkeys(BLAS_THREAD_VARIABLES, "1")}

    def kondo_ref_unit(call: Callable[[], Any]) -> Any:
        return call()

    remote = ray.remote(num_cpus=1, max_retries=RETRIES, runtime_env=one_thread)(kondo_ref_unit)

    references: dict[Any, Any] = {}

    def submit(call: Callable[[], Any]) -> Any:
        reference = remote.remote(call)
        future = reference.future()
        references[future] = reference
        future.add_done_callback(references.pop)
        return future

    def cancel(futures: set[Any]) -> None:
        for future in futures:
            if future in references:
                ray.cancel(references[future], force=True)

    errors = ray.exceptions
    deaths = (  # of the process, of its machine, of what it had brought forth
        *(errors.WorkerCrashedError, errors.OutOfMemoryError),
        *(errors.NodeDiedError, errors.LocalRayletDiedError),
        errors.ObjectLostError,
    )
    return future_backend(submit, cancel, deaths, at_once)
