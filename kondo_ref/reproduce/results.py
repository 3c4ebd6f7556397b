"""The results of a study as files: tidy rows, the table, the figure, and what was run.

``results.csv`` has the rows; ``table.csv`` and ``figure.png`` are made of it, and can be made again
of it alone. ``result.json`` has the table too, the configuration, the environment, and how many
units were taken from other runs.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kondo_ref import files, runs, unit_runs
from kondo_ref.reproduce import compare, figure, tidy
from kondo_ref.reproduce.study import LEVEL, Study
from kondo_ref.reproduce.units import Result, Unit
from kondo_ref.runs import RunFolder

SCHEMA = "kondo-ref/reproduce/1"


def write(
    study: Study,
    folder: RunFolder,
    results: Mapping[Unit, Result],
    versions: Mapping[str, str],
    warn: Callable[[str], None],
    *,
    reused: int = 0,
) -> dict[str, Any]:
    """Write the files of a finished study, name its folder, and return the report.

    Parameters
    ----------
    study : Study
    folder : RunFolder
    results : mapping of Unit to dict
    versions : mapping
        Of the backend.
    warn : callable
        Told in a line what could not be drawn.
    reused : int
        Units that were taken from other runs.
    """
    rows = [
        row
        for unit, result in results.items()
        for row in tidy.rows_of(unit.plan.part, study.reads, result, unit.method, unit.seed)
    ]
    partial, quick = folder.partial, bool(folder.configuration["quick"])
    files.write_text(partial / "results.csv", runs.csv_text(rows))
    table = stored_table(study, partial, quick=quick)
    files.write_text(partial / "table.csv", runs.csv_text(table))
    figures = draw(study, partial, warn, quick=quick)
    report = {
        "schema": SCHEMA,
        "hash": folder.digest,
        "configuration": folder.configuration,
        "environment": {**runs.environment(), "backend": dict(versions)},
        "level": LEVEL,
        "units": len(results),
        "reused": reused,
        "table": table,
        "figures": figures,
    }
    files.write_json(partial / "result.json", report)
    folder.finish()
    return {**report, "folder": str(folder.final)}


def stored_table(study: Study, folder: Path, *, quick: bool = False) -> list[dict[str, Any]]:
    """Return the study's table from the rows that are stored in a folder."""
    rows = tidy.read_rows(folder / "results.csv")
    return compare.compared(study, tidy.table_of(rows), quick=quick)


def draw(
    study: Study, folder: Path, warn: Callable[[str], None], *, quick: bool = False
) -> list[str]:
    """Draw the figure from the rows that are stored in a folder, and return its name."""

    def draw_at(path: Path) -> None:
        table = tidy.table_of(tidy.read_rows(folder / "results.csv"))
        rows = compare.compared(study, table, quick=quick)
        figure.draw(study, table, rows, path, quick=quick)

    return unit_runs.drawn({"figure.png": draw_at}, folder, warn)
