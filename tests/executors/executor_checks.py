"""What every executor has to do with units that are killed, raise, or just run."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import executor_work as work

from kondo_ref.cli import main
from kondo_ref.workers import Where, run_units

NAMES = ("victim", "neighbour", "third", "fourth")


@dataclass
class Ran:
    """What a caller of `run_units` was told."""

    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    shown: list[int] = field(default_factory=list)
    died: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    begun: dict[str, int] = field(default_factory=dict)

    def told(self) -> dict[str, Callable[..., None]]:
        return {
            "progress": self.shown.append,
            "finished": lambda unit, result: self.results.update({unit[0]: result}),
            "died": lambda unit: self.died.append(unit[0]),
        }


Runner = Callable[[Ran, Any, list[work.Unit]], list[work.Unit]]


def at(where: Where) -> Runner:
    """Return what runs units there."""
    return lambda ran, function, units: run_units(
        function, units, where=where, warn=ran.said.append, **ran.told()
    )


def run(runner: Runner, folder: Path, function: Any, *names: str) -> Ran:
    """Run units that leave their files in a folder of their own."""
    own = folder / f"{len(list(folder.iterdir()))}"
    own.mkdir()
    ran = Ran()
    ran.lost = [unit[0] for unit in runner(ran, function, work.units(own, *names))]
    ran.begun = dict(work.begun(own))
    return ran


def check_units(runner: Runner, folder: Path) -> None:
    """Every unit runs once, its result is handed over, and the steps add up."""
    ran = run(runner, folder, work.plain, *NAMES)
    assert ran.begun == dict.fromkeys(NAMES, 1)
    assert {name: result["name"] for name, result in ran.results.items()} == {n: n for n in NAMES}
    assert (ran.lost, ran.died) == ([], [])
    check_progress(ran)


def check_progress(ran: Ran) -> None:
    assert ran.shown[-1] == len(ran.results) * work.STEPS
    assert max(ran.shown) == ran.shown[-1], "steps were counted twice"


def check_one_thread(runner: Runner, folder: Path) -> None:
    """NumPy finds one thread for BLAS in a worker."""
    ran = run(runner, folder, work.plain, "only")
    assert {ran.results["only"][variable] for variable in work.THREADS} == {"1"}


def check_cluster(runner: Runner, folder: Path) -> None:
    """What holds of a cluster whose workers live."""
    check_units(runner, folder)
    check_errors(runner, folder)
    check_one_thread(runner, folder)


def check_killed_once(runner: Runner, folder: Path, *, said: list[str], beside: int = 1) -> None:
    """A killed worker loses its unit alone, which is begun again.

    Parameters
    ----------
    said : list of str
        The units that `run_units` begins again itself, and says so.
    beside : int
        How often the neighbour is begun, which is in work at that moment.
    """
    ran = run(runner, folder, work.killed_once, *NAMES)
    assert ran.lost == []
    assert ran.results.keys() == set(NAMES)
    assert ran.begun == {"victim": 2, "neighbour": beside, "third": 1, "fourth": 1}
    assert ran.died == said
    check_progress(ran)


def check_killed_always(runner: Runner, folder: Path, *, tries: int = 2, beside: int = 1) -> None:
    """A unit that is killed each time is given up, and all others are finished."""
    ran = run(runner, folder, work.killed_always, *NAMES)
    assert ran.lost == ["victim"]
    assert ran.results.keys() == set(NAMES[1:])
    assert ran.begun == {"victim": tries, "neighbour": beside, "third": 1, "fourth": 1}
    check_progress(ran)


def check_errors(runner: Runner, folder: Path) -> None:
    """An error of a unit's code arrives as it is, with the frames of the worker as its cause."""
    for name, kind, message in (
        ("value", ValueError, "no value"),
        # Some clusters know how to pickle even this one.
        ("awkward", (RuntimeError, work.Awkward), "(Awkward: )?ab"),
        ("leaves", SystemExit, "3"),
    ):
        error = caught(runner, folder, work.raises, name)
        assert isinstance(error, kind)
        assert re.fullmatch(message, str(error))
        assert "in raises" in str(error.__cause__)


def caught(runner: Runner, folder: Path, function: Any, *names: str) -> BaseException | None:
    """Return the error that running units ends with."""
    try:
        run(runner, folder, function, *names)
    except BaseException as error:
        return error
    return None


SWEEP = ["run", "bandit", "--steps", "30", "--contexts", "12", "--arms", "4", "--seeds", "2"]
SWEEP += ["--methods", "dg", "pg", "--json"]
TABLES = ("curves.csv", "summary.csv", "budget.csv")


def check_second_start(whole: Path, folder: Path, *options: str) -> None:
    """A second start finishes what the first left, elsewhere, and nothing tells that it did.

    Parameters
    ----------
    whole : Path
        A run of `SWEEP` in processes of this machine.
    folder : Path
    *options : str
        Of the second start.
    """
    run = folder / "run"
    partial = folder / "run.partial"
    shutil.rmtree(run, ignore_errors=True)
    shutil.copytree(whole, partial)
    for name in ("result.json", *TABLES, "units/pg-0.json", "units/dg-1.json"):
        (partial / name).unlink()
    kept = {path.name: path.stat().st_mtime_ns for path in (partial / "units").iterdir()}
    assert main([*SWEEP, "--out", str(run), "--resume", *options]) == 0
    for name in TABLES:
        assert (run / name).read_bytes() == (whole / name).read_bytes()
    for unit in (whole / "units").iterdir():
        assert (run / "units" / unit.name).read_bytes() == unit.read_bytes()
    again = {name: (run / "units" / name).stat().st_mtime_ns for name in kept}
    assert again == kept, "what was finished is not run again"


def check_study(folder: Path, *options: str) -> None:
    """A study has the same tables, whoever ran its units."""
    study = ["reproduce", "many-contexts", "--quick", "--seeds", "1", "--json"]
    shutil.rmtree(folder / "there", ignore_errors=True)
    if not (folder / "here").exists():
        assert main([*study, "--out", str(folder / "here"), "--workers", "1"]) == 0
    assert main([*study, "--out", str(folder / "there"), *options]) == 0
    names = ["results.csv", "table.csv"]
    names += [f"units/{path.name}" for path in (folder / "here" / "units").iterdir()]
    for name in names:
        assert (folder / "here" / name).read_bytes() == (folder / "there" / name).read_bytes()


MAIN = Path(__file__).with_name("executor_main.py")


def endless(
    executor: str, folder: Path, cluster: str = ""
) -> tuple[subprocess.Popen[bytes], set[int]]:
    """Start units that never end; return the program, and the processes that they are in."""

    def begun() -> dict[str, int]:
        return {path.stem: int(path.suffix[1:]) for path in folder.iterdir()}

    program = subprocess.Popen([sys.executable, MAIN, executor, cluster, folder])
    work.until(lambda: program.poll() is not None or len(begun()) == 3)
    assert program.poll() is None
    assert "finished-quick" in begun(), "what is finished is handed over at once"
    return program, {process for process in begun().values() if process}


def check_interrupt(executor: str, folder: Path, cluster: str, *, ends: bool) -> None:
    """Who waits for a cluster ends when it is told to.

    Parameters
    ----------
    executor : str
    folder : Path
    cluster : str
    ends : bool
        The processes of its units end with it.
    """
    program, processes = endless(executor, folder, cluster)
    program.terminate()
    assert program.wait(work.SECONDS) == 5
    if ends:
        work.until(lambda: not work.alive(processes))
    assert work.alive(processes) == (set() if ends else processes)
    (folder / "stop").touch()
