"""Through joblib: its own processes, and a pretended cluster that does what real ones do."""

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import executor_checks as checks
import executor_work as work
import pytest
from dying import dies

pytest.importorskip("joblib", reason="joblib is not installed")

from executor_threads import Cluster

from kondo_ref import workers
from kondo_ref.executors import joblib_based
from kondo_ref.executors.future_backend import future_backend
from kondo_ref.workers import Where

LOKY = checks.at(Where("joblib", workers=2))


def test_units_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checks.check_units(LOKY, tmp_path)
    checks.check_errors(LOKY, tmp_path)
    for variable in work.THREADS:
        monkeypatch.setenv(variable, "2")
    checks.check_one_thread(LOKY, tmp_path)


def test_one_worker_is_a_process_too(tmp_path: Path) -> None:
    ran = checks.run(checks.at(Where("joblib", workers=1)), tmp_path, work.killed, "only")
    assert (ran.lost, ran.begun) == (["only"], {"only": 2})


def check_killed_once(folder: Path) -> None:
    """A pool that breaks does not tell who died: what was in work is run again, nothing else."""
    both = ["victim", "neighbour"]
    checks.check_killed_once(LOKY, folder, said=both, beside=2)


def test_a_killed_process_loses_what_was_in_work(tmp_path: Path) -> None:
    checks.check_killed_always(LOKY, tmp_path, beside=2)
    begun = "order[: parallel.n_dispatched_tasks]"
    dies("executors.joblib_based._fly", begun, "order", lambda: check_killed_once(tmp_path))


def test_a_second_start(whole: Path, tmp_path: Path) -> None:
    checks.check_second_start(whole, tmp_path, "--executor", "joblib", "--workers", "2")


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a unit that is killed end no more than its thread."""

    def killed() -> None:
        raise work.Killed

    monkeypatch.setattr(work, "kill_myself", killed)


def units(folder: Path) -> None:
    checks.check_units(Cluster().runner(), folder)
    checks.check_errors(Cluster().runner(), folder)


def killed_once(folder: Path) -> None:
    try:
        checks.check_killed_once(Cluster().runner(), folder, said=["victim"])
    except work.Killed:
        raise AssertionError("a death ended the run") from None


def killed_always(folder: Path) -> None:
    """One that was blamed for a death, and never begun, is not lost."""
    checks.check_killed_always(Cluster(blamed={"third"}).runner(), folder)


def one_at_a_time(folder: Path) -> None:
    cluster = Cluster()
    checks.check_units(cluster.runner(workers=1), folder)
    assert cluster.most == 1
    given = Cluster(held=4)
    checks.run(given.runner(), folder, work.plain, *checks.NAMES)
    assert given.most == 4, "a cluster is given all"


def bounded(folder: Path) -> None:
    """No more calls are with a cluster than it is to have; one that ends makes room for one."""
    del folder
    given: list[Future[Any]] = []

    def submit(call: Any) -> Future[Any]:
        del call
        given.append(Future())
        return given[-1]

    backend = future_backend(submit, lambda _: None, (), 2)
    for index in range(5):
        backend.submit(SimpleNamespace(items=[(None, (index,), {})]), lambda _: None)
    assert len(given) == 2
    given[1].set_result([])
    assert len(given) == 3
    backend.abort_everything()
    given[0].set_result([])
    assert len(given) == 3, "what has not begun is let go of"


def cancelled(folder: Path) -> None:
    cluster = Cluster()
    error = checks.caught(cluster.runner(), folder, work.raises, *["first"] * 50)
    assert str(error) == "no first"
    assert cluster.cancelled > 0, "what nobody waits for is let go of"


def another_version(folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(joblib_based, "__version__", "0.0.9")
        error = checks.caught(Cluster().runner(), folder, work.plain, "only")
    assert isinstance(error, ValueError)
    assert str(error).startswith("executor: kondo-ref is 0.0.9 here and")


def disconnected(folder: Path) -> None:
    error = checks.caught(Cluster(lost=True).runner(), folder, work.plain, "only")
    assert isinstance(error, ConnectionError)
    assert str(error) == "cluster: the connection is lost (nobody answers)"


def not_installed(folder: Path) -> None:
    error = checks.caught(Cluster(broken=True).runner(), folder, work.plain, "only")
    assert isinstance(error, ChildProcessError)
    told = "executor: a worker could not run a unit (No module named 'kondo_ref'); it needs what"
    assert str(error).startswith(told)


BASED, BACKEND = "executors.joblib_based.", "executors.future_backend.future_backend"
AGAIN = "[units[i] for i in again if _fly(work, units, [i], pool, 1, taken)]"


@pytest.mark.usefixtures("pretended")
@pytest.mark.parametrize(
    ("check", "target", "old", "new"),
    [
        (units, BASED + "run_units", "settled += done.steps", "settled += 1"),
        (units, BASED + "_fly", "opened(outcome)", "outcome"),
        (units, "executors.outcome.opened", "from WorkerTraceback(outcome.text)", "from None"),
        (killed_once, BASED + "run_units", AGAIN, "[units[i] for i in again]"),
        (killed_once, BACKEND, "return [(index, Died())]", "raise"),
        (killed_always, BASED + "run_units", AGAIN, "[units[i] for i in again]"),
        (killed_always, BASED + "run_units", "[i], pool, 1", "list(again), pool, 1"),
        (bounded, BACKEND, "len(pending) >= at_once", "len(pending) > at_once"),
        (bounded, BACKEND, "start()\n            callback(", "callback("),
        (bounded, BACKEND, "waiting.clear()", "pass"),
        (one_at_a_time, BASED + "_fly", 'at_once or "all"', "at_once or 2"),
        (cancelled, BACKEND, "cancel(set(pending))", "pass"),
        (another_version, "executors.outcome.attempt_elsewhere", "version != __v", "False and __v"),
        (disconnected, BACKEND, "except CancelledError", "except KeyboardInterrupt"),
        (not_installed, BACKEND, "raise ChildProcessError(", "raise type(error)("),
    ],
)
def test_a_cluster(
    check: Callable[[Path], None], target: str, old: str, new: str, tmp_path: Path
) -> None:
    dies(target, old, new, partial(check, tmp_path))


def test_a_second_start_on_a_cluster(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import executor_threads

    monkeypatch.setattr(executor_threads, "pool", Cluster().pool, raising=False)
    monkeypatch.setitem(workers._POOLS, "dask", "executor_threads")
    monkeypatch.setattr("kondo_ref.executors.outcome._a_little_off", off, raising=False)
    honest = "return Done(work(*unit, counted), steps)"
    wrong = "return Done(_a_little_off(work(*unit, counted)), steps)"
    for check in (
        partial(checks.check_second_start, whole, tmp_path, "--executor", "dask"),
        partial(checks.check_study, tmp_path, "--executor", "dask"),
    ):
        dies("executors.outcome.attempt", honest, wrong, check)


def off(result: dict[str, Any]) -> dict[str, Any]:
    """Return a result whose last error is off in the last digit."""
    result["curve"][-1]["error"] *= 1 + 2.0**-52
    return result
