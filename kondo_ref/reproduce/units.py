"""The units of a study: those that are finished elsewhere are taken, the others are run.

A unit, a method with a seed under a task's settings, is the same wherever it was run: its hash is
that of everything that determines its numbers. So studies share units, and a unit of `kondo-ref
run` counts too.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kondo_ref import unit_runs
from kondo_ref.reproduce.study import Part, Study
from kondo_ref.runs import RunFolder, configuration_hash
from kondo_ref.task import load_task
from kondo_ref.workers import Where

Result = dict[str, Any]


@dataclass(frozen=True)
class Planned:
    """A part with the settings that it runs at.

    Parameters
    ----------
    part : Part
    settings : dict
        All of them, as the task's ``to_dict`` gives them.
    work : int
        The steps that each of its units reports as its progress.
    places : dict
    """

    part: Part
    settings: dict[str, Any]
    work: int
    places: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Unit:
    """A method with a seed, in a part.

    Parameters
    ----------
    plan : Planned
    method : str
    seed : int
    digest : str
        `unit_hash` of it.
    """

    plan: Planned
    method: str
    seed: int
    digest: str

    @property
    def name(self) -> str:
        """Under which a run folder keeps it, before the seed."""
        return f"{self.plan.part.name}.{self.method}"


def plan(
    study: Study, *, quick: bool, seeds: int | None, places: Mapping[str, Any]
) -> tuple[Planned, ...]:
    """Return the parts with their settings, checked by their tasks.

    Parameters
    ----------
    study : Study
    quick : bool
        Take the settings of the quick run over those of the parts.
    seeds : int, optional
        In place of the study's own.
    places : mapping
        Given for the study's tasks, None where not; a quick run takes none.

    Raises
    ------
    TypeError, ValueError
        A setting out of range.
    """
    planned = []
    for part in study.parts_of(quick=quick):
        task = load_task(part.task)
        given = {**part.settings, **(study.quick if quick else {})}
        if seeds is not None:
            given["seeds"] = seeds
        known = [option.name for option in task.options if option.place]
        own = {name: None if quick else places.get(name) for name in known}
        settings = task.configure(given, own)
        planned.append(Planned(part, settings.to_dict(), settings.work, own))
    return tuple(planned)


def unit_hash(task: str, backend: str, settings: Mapping[str, Any], method: str, seed: int) -> str:
    """Return the hash of a unit: of all its settings, but for which others were run beside it."""
    own = {key: value for key, value in settings.items() if key not in ("methods", "seeds")}
    return configuration_hash(
        {"task": task, "backend": backend, **own, "method": method, "seed": seed}
    )


def units_of(plans: Iterable[Planned], backend: str) -> list[Unit]:
    """Return all units, seed by seed, so that an interrupted study has the first seeds whole."""
    units = [
        Unit(p, method, seed, unit_hash(p.part.task, backend, p.settings, method, seed))
        for p in plans
        for method in p.settings["methods"]
        for seed in range(p.settings["seeds"])
    ]
    return sorted(units, key=lambda unit: unit.seed)


def finished_elsewhere(folders: Iterable[Path]) -> dict[str, Result]:
    """Return the finished units in folders of `kondo-ref run` and `kondo-ref reproduce`, by hash.

    Parameters
    ----------
    folders : iterable of Path
        Run folders, whole or interrupted, or folders that such are in.

    Raises
    ------
    FileNotFoundError
        A folder is not there.
    """
    found: dict[str, Result] = {}
    for folder in folders:
        if not folder.is_dir():
            raise FileNotFoundError(f"--reuse: no folder {folder}")
        for path in sorted(folder.rglob("configuration.json")):
            found.update(_units_in(path.parent))
    return found


def _units_in(folder: Path) -> Iterator[tuple[str, Result]]:
    known = json.loads((folder / "configuration.json").read_text("utf-8"))
    configuration = known["configuration"]
    for path in sorted((folder / "units").glob("*.json")):
        kept = json.loads(path.read_text("utf-8"))
        if kept["hash"] != known["hash"]:
            continue
        result = kept["result"]
        if "unit" in result:
            yield result["unit"], result
        elif "study" not in configuration:
            method, _, seed = path.stem.rpartition("-")
            settings = {k: v for k, v in configuration.items() if k not in ("task", "backend")}
            task, backend = configuration["task"], configuration["backend"]
            yield unit_hash(task, backend, settings, method, int(seed)), result


def run(
    folder: RunFolder,
    units: list[Unit],
    elsewhere: Mapping[str, Result],
    backend: str,
    *,
    where: Where,
    progress: Callable[[int], None],
    warn: Callable[[str], None],
) -> dict[Unit, Result]:
    """Take the units that are finished, run the others, and keep each in the folder.

    Parameters
    ----------
    folder : RunFolder
    units : list of Unit
    elsewhere : mapping
        Of `finished_elsewhere`.
    backend : str
    where : Where
    progress : callable
        Called with the number of steps done so far.
    warn : callable
        Told in a line what is run again.

    Raises
    ------
    KeyboardInterrupt
        Interrupted; what was finished is in the folder.
    ChildProcessError
        Units are missing, since their processes died; see `unit_runs.run_missing`.
    """
    for unit in missing(folder, units):
        if unit.digest in elsewhere:
            result = {**elsewhere[unit.digest], "unit": unit.digest}
            folder.keep(unit.name, unit.seed, result)
    results = unit_runs.run_missing(
        folder,
        train_unit,
        {
            (u.name, u.seed): (
                *(u.digest, u.plan.part.task, u.plan.settings, u.plan.places),
                *(backend, u.method, u.seed),
            )
            for u in units
        },
        where=where,
        progress=progress,
        warn=warn,
        go_on="--resume and the same options",
    )
    return dict(zip(units, results, strict=True))


def missing(folder: RunFolder, units: Iterable[Unit]) -> list[Unit]:
    """Return the units that are not finished in the folder."""
    return [unit for unit in units if folder.finished(unit.name, unit.seed) is None]


def train_unit(
    digest: str,
    task: str,
    settings: dict[str, Any],
    places: dict[str, Any],
    backend: str,
    method: str,
    seed: int,
    report: Callable[[int], None],
) -> Result:
    """Train a unit of any task; its hash is kept with what came out."""
    result = load_task(task).train(settings, places, backend, method, seed, report)
    return {**result, "unit": digest}
