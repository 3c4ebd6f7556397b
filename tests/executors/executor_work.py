"""Units for the tests of executors: some are killed, really, in the middle of their work.

Every unit leaves a file each time it is begun, so a test can count how often that was.
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

STEPS = 5
SECONDS = 20.0
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")

Unit = tuple[Any, ...]


def begin(name: str, folder: str) -> int:
    """Leave a file, and return how often the unit has been begun."""
    (Path(folder) / f"{name}.{time.time_ns()}").touch()
    return begun(folder)[name]


def begun(folder: str | Path) -> Counter[str]:
    """Return how often each unit has been begun."""
    return Counter(path.name.partition(".")[0] for path in Path(folder).iterdir())


class Killed(Exception):
    """What a pretended worker dies of."""


def kill_myself() -> None:
    """As the kernel does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(SECONDS)


def until(met: Callable[[], bool]) -> None:
    """Wait for something that another does."""
    assert waited(met, SECONDS)


def waited(met: Callable[[], bool], seconds: float) -> bool:
    """Wait for something, and return whether it has come."""
    deadline = time.monotonic() + seconds
    while not met():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def plain(name: str, folder: str, report: Callable[[int], None]) -> dict[str, Any]:
    """Do nothing, in steps; return the threads that BLAS would have."""
    begin(name, folder)
    for _ in range(STEPS):
        report(1)
    if name in ("fourth", "slow", "slower"):
        time.sleep(0.5)  # so that its steps are seen before it ends
    return {"name": name, **{variable: os.environ.get(variable) for variable in THREADS}}


def killed_once(name: str, folder: str, report: Callable[[int], None]) -> dict[str, Any]:
    """Be killed while the neighbour is in work, which goes on until this is begun again."""
    times = begin(name, folder)
    report(2)
    if name == "victim" and times == 1:
        until(lambda: begun(folder)["neighbour"] > 0)
        kill_myself()
    if name == "neighbour" and times == 1:
        waited(lambda: begun(folder)["victim"] > 1, 1.0)
    report(STEPS - 2)
    return {"name": name}


def killed_always(name: str, folder: str, report: Callable[[int], None]) -> dict[str, Any]:
    """As `killed_once`, but there is no second time that is better."""
    if name == "victim" and begun(folder)["victim"]:
        begin(name, folder)
        kill_myself()
    return killed_once(name, folder, report)


def killed(name: str, folder: str, report: Callable[[int], None]) -> dict[str, Any]:
    """Be killed at once."""
    del report
    begin(name, folder)
    kill_myself()
    return {"name": name}


class Awkward(Exception):
    """An error that cannot be unpickled."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(first + second)


def raises(name: str, folder: str, report: Callable[[int], None]) -> dict[str, Any]:
    """Raise what the name says."""
    del folder, report
    if name == "awkward":
        raise Awkward("a", "b")
    if name == "leaves":
        raise SystemExit(3)
    raise ValueError(f"no {name}")


def endless(name: str, folder: str, report: Callable[[int], None]) -> dict[str, Any]:
    """Leave a file with the process, and report until stopped."""
    if name == "quick":
        return {"name": name}
    (Path(folder) / f"{name}.{os.getpid()}").touch()
    while not (Path(folder) / "stop").exists():
        report(0)
        time.sleep(0.02)
    return {"name": name}


def units(folder: str | Path, *names: str) -> list[Unit]:
    """Return a unit for each name."""
    return [(name, str(folder)) for name in names]


def train_or_be_killed(
    values: dict[str, Any],
    places: dict[str, Any],
    backend: str,
    method: str,
    seed: int,
    report: Callable[[int], None],
) -> dict[str, Any]:
    """Train the bandit; one unit is killed for as long as a file is there."""
    if (method, seed) == ("pg", 1) and Path(os.environ["KILL"]).exists():
        kill_myself()
    from kondo_ref.tasks.bandit.train import train

    return train(values, places, backend, method, seed, report)


def never_begins(*_: Any) -> None:
    """Prepare a process: it dies of it."""
    os._exit(7)


def orphaned(done: Any, began: Any, stop: Any) -> None:
    """Prepare a process that does not see its parent end."""
    from kondo_ref.executors import local

    local._shared.update(done=done, began=began, stop=stop)


def alive(processes: Iterable[int]) -> set[int]:
    """Return the processes that there are still."""

    def there(process: int) -> bool:
        try:
            os.kill(process, 0)
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return False
        return state != "Z"

    return {process for process in processes if there(process)}


def killed_when_begun(done: Any, began: Any, stop: Any) -> None:
    """Prepare a process: whatever it begins, it is killed."""
    orphaned(done, began, stop)
    began.value = 1
    kill_myself()
