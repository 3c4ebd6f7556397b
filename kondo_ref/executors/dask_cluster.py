"""The workers of a dask cluster that is running."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from kondo_ref.executors.future_backend import future_backend
from kondo_ref.executors.joblib_based import Pool, package

SECONDS = 10.0
"""How long to wait for the scheduler's answer."""


@contextmanager
def pool(cluster: str | None, workers: int | None, warn: Callable[[str], None]) -> Iterator[Pool]:
    """Connect to a scheduler.

    A unit whose worker dies is given to another worker by the scheduler, up to its
    ``distributed.scheduler.allowed-failures`` times.

    Parameters
    ----------
    cluster : str or None
        Its address; None for the one that dask is configured with (``DASK_SCHEDULER_ADDRESS``).
        A cluster is never started here.
    workers : int or None
        Units in work at a time; None for as many as there are threads.
    warn : callable
        Told that there is no worker yet.

    Raises
    ------
    ValueError
        No address, or one that is none.
    ConnectionError
        No scheduler there.
    """
    distributed, dask = package("distributed"), package("dask")
    address = _address(cluster, dask.config.get("scheduler-address", None))
    try:
        client = distributed.Client(address, timeout=SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise ConnectionError(
            f"cluster: no dask scheduler at {address} ({' '.join(str(error).split())})"
        ) from None
    with client:
        if not client.nthreads():
            warn(f"no worker at {address} yet; waiting")
        yield Pool({"backend": _backend(client, distributed, workers)}, workers)


def _address(cluster: str | None, configured: str | None) -> str:
    address = cluster or configured
    if not address:
        # Without one, dask would start a cluster of its own.
        raise ValueError(
            "cluster: --executor dask needs the address of a scheduler, --cluster tcp://HOST:PORT "
            "or DASK_SCHEDULER_ADDRESS"
        )
    if re.fullmatch(r"[a-z]+://\S+", address) is None:
        raise ValueError(f"cluster: expected tcp://HOST:PORT, got {address!r}")
    return address


def _backend(client: Any, distributed: Any, at_once: int | None) -> Any:
    def submit(call: Callable[[], Any]) -> Any:
        # Not pure: the key is of this call alone, so an earlier result is never taken for it.
        return client.submit(call, pure=False)

    def cancel(futures: set[Any]) -> None:
        client.cancel(list(futures))

    return future_backend(submit, cancel, (distributed.KilledWorker,), at_once)
