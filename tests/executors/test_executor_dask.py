"""A real dask cluster on this machine: two workers, each a process with a nanny."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import executor_checks as checks
import executor_work as work
import pytest

from kondo_ref.workers import Where, run_units

distributed = pytest.importorskip("distributed", reason="dask is not installed")
pytest.importorskip("joblib", reason="joblib is not installed")


QUIET = {"threads_per_worker": 1, "dashboard_address": ":0", "silence_logs": 50}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patched:
        for variable in work.THREADS:
            patched.delenv(variable)
        started = distributed.LocalCluster(n_workers=2, **QUIET)
    with started:
        yield started


@pytest.fixture
def runner(cluster: Any) -> checks.Runner:
    return checks.at(Where("dask", cluster.scheduler_address))


def test_units_run(runner: checks.Runner, tmp_path: Path) -> None:
    checks.check_cluster(runner, tmp_path)


def test_a_killed_worker_loses_its_unit_alone(runner: checks.Runner, tmp_path: Path) -> None:
    checks.check_killed_once(runner, tmp_path, said=[])


def test_a_unit_that_kills_its_workers_is_given_up(
    cluster: Any, runner: checks.Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Else each of both tries is four deaths. The scheduler blames a unit that the worker had not
    # begun, too, and gives it up at once; it is not lost all the same.
    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 0)
    checks.check_killed_always(runner, tmp_path)


def test_workers_that_come_later_are_waited_for(tmp_path: Path) -> None:
    with distributed.LocalCluster(n_workers=0, processes=False, **QUIET) as cluster:

        def run(ran: checks.Ran, function: Any, units: list[work.Unit]) -> list[work.Unit]:
            def warn(line: str) -> None:
                assert line == f"no worker at {cluster.scheduler_address} yet; waiting"
                cluster.scale(1)

            where = Where("dask", cluster.scheduler_address)
            return run_units(function, units, where=where, warn=warn, **ran.told())

        checks.check_units(run, tmp_path)


def test_a_second_start(cluster: Any, whole: Path, tmp_path: Path) -> None:
    address = cluster.scheduler_address
    checks.check_second_start(whole, tmp_path, "--executor", "dask", "--cluster", address)
    with distributed.dask.config.set({"scheduler-address": address}):
        checks.check_second_start(whole, tmp_path, "--executor", "dask", "--workers", "1")


def test_an_interrupt(cluster: Any, tmp_path: Path) -> None:
    checks.check_interrupt("dask", tmp_path, cluster.scheduler_address, ends=False)
