"""The units of a run, a method with a seed each: run those that are missing, write what came out.

What `kondo-ref run` and `kondo-ref reproduce` have in common. It stands between a task, which knows
how one unit is trained, and a run folder, which knows what is finished.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kondo_ref import files, runs, workers

if TYPE_CHECKING:
    from kondo_ref.runs import RunFolder
    from kondo_ref.task import Settings, Task


def names(settings: "Settings") -> list[tuple[str, int]]:
    """Return the units of the settings, as method and seed; seed by seed."""
    return [(method, seed) for seed in range(settings.seeds) for method in settings.methods]


def count_missing(folder: "RunFolder", settings: "Settings") -> int:
    """Return how many units are not finished."""
    return sum(folder.finished(*unit) is None for unit in names(settings))


def run_missing(
    folder: "RunFolder",
    task: "Task",
    settings: "Settings",
    places: dict[str, Any],
    backend: str,
    processes: int,
    progress: Callable[[int], None],
) -> list[dict[str, Any]]:
    """Run the units that are missing, keep each when it is finished, return the results of all.

    Parameters
    ----------
    folder : RunFolder
    task : Task
    settings : Settings
    places : dict
        The options of the task that are places.
    backend : str
        As `load_backend` takes it.
    processes : int
    progress : callable
        Called with the number of steps done so far.

    Returns
    -------
    list of dict
        In the order of `names`.

    Raises
    ------
    KeyboardInterrupt
        Interrupted; what was finished is in the folder.
    """
    units = names(settings)
    results = {unit: folder.finished(*unit) for unit in units}
    missing = [unit for unit in units if results[unit] is None]

    def finished(unit: tuple[Any, ...], result: dict[str, Any]) -> None:
        method, seed = unit[-2:]
        folder.keep(method, seed, result)
        results[method, seed] = result

    workers.run_units(
        task.train,
        [(settings.to_dict(), places, backend, *unit) for unit in missing],
        workers=processes,
        progress=progress,
        finished=finished,
    )
    return [result for unit in units if (result := results[unit]) is not None]


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
        "figures": _figures(folder, task, units, warn),
    }
    if tables:
        report["tables"] = tables
    files.write_json(partial / "result.json", report)
    folder.finish()
    return {**report, "folder": str(folder.final)}


def _figures(
    folder: "RunFolder",
    task: "Task",
    units: list[dict[str, Any]],
    warn: Callable[[str], None],
) -> list[str]:
    """Draw the figures of a task, and return their names.

    A run is not lost for its picture, whatever is wrong with the library that draws it.
    """
    drawn: list[str] = []
    try:
        for name in task.analysis.FIGURES:
            getattr(task.analysis, name)(units, folder.partial / f"{name}.png")
            drawn.append(f"{name}.png")
    except ModuleNotFoundError as error:
        remedy = 'python -m pip install "kondo-ref[plots]"'
        warn(f"no figure without {error.name}: {remedy}")
    except Exception as error:
        warn(f"no figure ({' '.join(str(error).split())})")
    return drawn
