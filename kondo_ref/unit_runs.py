"""The units of a run: those that are missing are run and kept, and what came out is drawn.

What `kondo-ref run` and `kondo-ref reproduce` have in common. It stands between who knows how one
unit is trained, and a run folder, which knows what is finished.
"""

from collections.abc import Callable, Collection, Mapping
from functools import partial as bound
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kondo_ref import files, runs, workers

if TYPE_CHECKING:
    from kondo_ref.runs import RunFolder
    from kondo_ref.task import Task

Unit = tuple[str, int]  # the name under which a folder keeps it, and its seed

NAMED = 5
"""Missing units that a message names; it is one line."""


def missing(folder: "RunFolder", units: Collection[Unit]) -> list[Unit]:
    """Return the units that are not finished."""
    return [unit for unit in units if folder.finished(*unit) is None]


def run_missing(
    folder: "RunFolder",
    work: workers.Work,
    units: Mapping[Unit, tuple[Any, ...]],
    *,
    where: workers.Where,
    progress: Callable[[int], None],
    warn: Callable[[str], None],
    go_on: str,
) -> list[dict[str, Any]]:
    """Run the units that are missing, keep each when it is finished, return the results of all.

    Parameters
    ----------
    folder : RunFolder
    work : callable
        As `workers.run_units` takes it.
    units : mapping
        The arguments of `work` for each unit.
    where : Where
    progress : callable
        Called with the number of steps done so far.
    warn : callable
        Told in a line what is run again.
    go_on : str
        What a user types to run what is missing.

    Returns
    -------
    list of dict
        In the order of the units.

    Raises
    ------
    KeyboardInterrupt
        Interrupted; the message says what was finished and is kept, and how to go on.
    ConnectionError
        No cluster there, or no more; the message says the same of what was finished.
    ChildProcessError
        No worker can run a unit; the message says the same of what was finished. Or the processes
        of units died again when they were run again. All others are finished; the
        message has the units, and how to run just those.
    """

    def finished(arguments: tuple[Any, ...], result: dict[str, Any]) -> None:
        name, seed = arguments[:2]
        folder.keep(name, seed, result)

    def kept() -> str:
        there = len(units) - len(missing(folder, units))
        return (
            f"{there} of {len(units)} units are kept in {folder.partial}; go on with {go_on}"
            if there
            else ""
        )

    def died(arguments: tuple[Any, ...]) -> None:
        warn(f"a worker process died; {_named(arguments)} is run again")

    try:
        lost = workers.run_units(
            _run_unit,
            [(*unit, work, *units[unit]) for unit in missing(folder, units)],
            where=where,
            progress=progress,
            finished=finished,
            died=died,
            warn=warn,
        )
    except KeyboardInterrupt:
        there = kept()
        raise KeyboardInterrupt(
            f"interrupted; {there}"
            if there
            else "interrupted before a unit was finished; nothing is kept"
        ) from None
    except (ConnectionError, ChildProcessError) as error:
        raise type(error)("; ".join(filter(None, (str(error), kept())))) from None
    if lost:
        names = ", ".join(_named(arguments) for arguments in lost[:NAMED])
        more = f" and {len(lost) - NAMED} more" if len(lost) > NAMED else ""
        raise ChildProcessError(
            f"{len(lost)} of {len(units)} units are missing, their worker processes died: "
            f"{names}{more}; "
            + (
                f"the others are kept in {folder.partial}; run just what is missing with {go_on}"
                if len(missing(folder, units)) < len(units)
                else "nothing is kept"
            )
        )
    found = (folder.finished(*unit) for unit in units)
    return [result for result in found if result is not None]


def _named(arguments: tuple[Any, ...]) -> str:
    return f"{arguments[0]} with seed {arguments[1]}"


def _run_unit(name: str, seed: int, work: workers.Work, *arguments: Any) -> dict[str, Any]:
    """Run a unit in a process of its own; name and seed are for who waits for it."""
    del name, seed
    return work(*arguments)


def drawn(
    draws: Mapping[str, Callable[[Path], None]], folder: Path, warn: Callable[[str], None]
) -> list[str]:
    """Draw figures, and return the names of those that could be.

    A run is not lost for its picture, whatever is wrong with the library that draws it.

    Parameters
    ----------
    draws : mapping
        What draws each file, given where.
    folder : Path
    warn : callable
        Told in a line what could not be drawn.
    """
    there: list[str] = []
    try:
        for name, draw in draws.items():
            draw(folder / name)
            there.append(name)
    except ModuleNotFoundError as error:
        remedy = 'python -m pip install "kondo-ref[plots]"'
        warn(f"no figure without {error.name}: {remedy}")
    except Exception as error:
        warn(f"no figure ({' '.join(str(error).split())})")
    return there


def write(
    folder: "RunFolder",
    task: "Task",
    units: list[dict[str, Any]],
    versions: dict[str, str],
    warn: Callable[[str], None],
) -> dict[str, Any]:
    """Write tables and figures, give the folder its name, and return the report.

    Parameters
    ----------
    folder : RunFolder
    task : Task
    units : list of dict
        Of `run_missing`.
    versions : dict
        Of the backend.
    warn : callable
        Told in a line what could not be drawn.
    """
    rows = task.analysis.summarize(units)
    partial = folder.partial
    files.write_text(
        partial / "curves.csv", runs.csv_text(point for unit in units for point in unit["curve"])
    )
    files.write_text(partial / "summary.csv", runs.csv_text(rows))
    tables = {name: getattr(task.analysis, name)(units) for name in task.analysis.TABLES}
    tables = {name: table for name, table in tables.items() if table}
    for name, table in tables.items():
        files.write_text(partial / f"{name}.csv", runs.csv_text(table))
    report: dict[str, Any] = {
        "schema": runs.SCHEMA,
        "hash": folder.digest,
        "configuration": folder.configuration,
        "environment": {**runs.environment(), "backend": versions},
        "methods": rows,
        "figures": drawn(
            {
                f"{name}.png": bound(getattr(task.analysis, name), units)
                for name in task.analysis.FIGURES
            },
            partial,
            warn,
        ),
    }
    if tables:
        report["tables"] = tables
    files.write_json(partial / "result.json", report)
    folder.finish()
    return {**report, "folder": str(folder.final)}
