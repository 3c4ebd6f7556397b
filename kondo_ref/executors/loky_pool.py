"""The processes of joblib itself (loky), on this machine."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kondo_ref.executors.joblib_based import Pool, package


@contextmanager
def pool(cluster: str | None, workers: int | None, warn: Callable[[str], None]) -> Iterator[Pool]:
    """Give joblib's processes, one BLAS thread each.

    Parameters
    ----------
    cluster : None
    workers : int
    warn : callable
        Not called.
    """
    del cluster, warn
    package("joblib")
    own = {"initializer": begin, "initargs": (os.getpid(),)}
    try:
        yield Pool({"backend": "loky", "inner_max_num_threads": 1, **own}, workers)
    finally:
        # joblib would keep the processes for minutes.
        loky = package("joblib.externals.loky")
        loky.get_reusable_executor(reuse=True).shutdown(wait=True, kill_workers=True)


def begin(parent: int) -> None:
    """Prepare a process: the parent handles interrupts, and the process ends with its parent.

    Parameters
    ----------
    parent : int
        Its process.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def end_with_parent() -> None:
        # A process whose parent is gone is handed to another.
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
