"""Processes of this machine: who dies takes nothing with it but its unit."""

import os
import signal
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import executor_checks as checks
import executor_work as work
import pytest
from dying import dies

from kondo_ref.cli import main
from kondo_ref.executors import local
from kondo_ref.workers import Where

LOCAL = checks.at(Where(workers=2))


def test_units_run(tmp_path: Path) -> None:
    checks.check_units(LOCAL, tmp_path)
    checks.check_errors(LOCAL, tmp_path)


def test_no_units_need_no_process() -> None:
    assert LOCAL(checks.Ran(), work.plain, []) == []


def test_a_killed_process_loses_its_unit_alone(tmp_path: Path) -> None:
    checks.check_killed_once(LOCAL, tmp_path, said=["victim"])
    checks.check_killed_always(LOCAL, tmp_path)


def one_pool(ran: checks.Ran, function: Any, units: list[work.Unit]) -> list[work.Unit]:
    """One pool for all: a death breaks it, and all that was in work is begun again."""
    for _ in range(local.TRIES):
        left = [unit for unit in units if unit[0] not in ran.results]
        with ProcessPoolExecutor(2, get_context("spawn")) as pool:
            futures = [(unit, pool.submit(function, *unit, abs)) for unit in left]
            for unit, future in futures:
                try:
                    ran.results[unit[0]] = future.result()
                except BrokenProcessPool:
                    ran.died.append(unit[0])
    ran.shown.append(len(ran.results) * work.STEPS)
    return [unit for unit in units if unit[0] not in ran.results]


def test_one_pool_for_all_is_seen(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        checks.check_killed_once(one_pool, tmp_path, said=["victim"])


KILLED_ONCE = partial(checks.check_killed_once, said=["victim"])


@pytest.mark.parametrize(
    ("target", "old", "new", "check"),
    [
        ("run_units", "tries[index] < TRIES", "tries[index] < 1", KILLED_ONCE),
        ("run_units", "tries[index] < TRIES", "tries[index] < 3", checks.check_killed_always),
        ("run_units", "waiting.appendleft(index)", "pass", KILLED_ONCE),
        ("run_units", "settled += known.steps", "settled += 1", checks.check_units),
        ("Slot.submit", "self.done.value = 0", "pass", checks.check_units),
    ],
)
def test_the_checks_see(target: str, old: str, new: str, check: Any, tmp_path: Path) -> None:
    dies(f"executors.local.{target}", old, new, lambda: check(LOCAL, tmp_path))


def test_processes_that_never_begin_stop_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "_begin", work.never_begins)
    with pytest.raises(ChildProcessError, match="workers: processes die before they begin"):
        checks.run(LOCAL, tmp_path, work.plain, *checks.NAMES)


def test_one_thread_for_blas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in work.THREADS:
        monkeypatch.delenv(variable)
    with pytest.raises(AssertionError):
        checks.check_one_thread(LOCAL, tmp_path)
    assert main(["reproduce", "--list", "--json"]) == 0  # any command sets the variables
    checks.check_one_thread(LOCAL, tmp_path)


@pytest.mark.parametrize("executor", ["local", "joblib"])
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_processes_end_with_their_parent(
    executor: str, how: signal.Signals, tmp_path: Path
) -> None:
    if executor == "joblib":
        pytest.importorskip("joblib", reason="joblib is not installed")
    program, processes = checks.endless(executor, tmp_path)
    assert work.alive(processes) == processes
    program.send_signal(how)
    assert program.wait(work.SECONDS) == (5 if how == signal.SIGTERM else -how)
    work.until(lambda: not work.alive(processes))


def test_processes_that_outlive_their_parent_are_seen(tmp_path: Path) -> None:
    program, processes = checks.endless("orphan", tmp_path)
    program.kill()
    program.wait()
    outlived = not work.waited(lambda: not work.alive(processes), 1.5)
    for process in work.alive(processes):
        os.kill(process, signal.SIGKILL)
    assert outlived
