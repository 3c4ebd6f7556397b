"""JSON values -> tables: records as rows, what has no table of its own as names and values."""

from collections.abc import Mapping, Sequence
from typing import Any

from kondo_ref.report.blocks import Block, Heading, Paragraph, Table
from kondo_ref.report.words import plural, shown, spaced

ROWS = 60  # of a table; a report is read by people
DEEPEST = 4  # of headings
ERROR = "_se"


def pairs(values: Mapping[str, Any]) -> Table:
    """Return names and values, without those that are None."""
    rows = tuple((spaced(k), shown(v)) for k, v in values.items() if v is not None)
    return Table(("", ""), rows, code=())


def records(rows: Sequence[Mapping[str, Any]], without: Sequence[str] = ()) -> list[Block]:
    """Return records as a table; a value and its standard error (``x``, ``x_se``) in one column.

    Parameters
    ----------
    rows : sequence of mapping
        Their values are no mappings.
    without : sequence of str
        Columns to leave out.

    Returns
    -------
    list of Block
        The table, and how many rows it leaves out where there are more than `ROWS`.
    """
    columns = _columns(rows, without)
    body = tuple(tuple(_cell(row, c) for c in columns) for row in rows[:ROWS])
    blocks: list[Block] = [Table(tuple(spaced(c) for c in columns), body, code=())]
    if len(rows) > ROWS:
        blocks.append(Paragraph(f"And {plural(len(rows) - ROWS, 'row')} more, in the file."))
    return blocks


def transposed(rows: Sequence[Mapping[str, Any]], name: str) -> Table:
    """Return records as columns: for few records with many fields.

    Parameters
    ----------
    rows : sequence of mapping
    name : str
        The field that heads a record's column.
    """
    fields = _columns(rows, (name,))
    body = tuple((spaced(f), *(_cell(row, f) for row in rows)) for f in fields)
    return Table(("", *(str(row[name]) for row in rows)), body, code=())


def nested(values: Mapping[str, Any], level: int) -> list[Block]:
    """Return any JSON object as blocks: plain values, then records, then what is inside.

    Parameters
    ----------
    values : mapping
    level : int
        Of the headings.
    """
    plain = {k: v for k, v in values.items() if not isinstance(v, Mapping) and not _are_records(v)}
    blocks: list[Block] = [pairs(plain)] if any(v is not None for v in plain.values()) else []
    for key, value in values.items():
        if key in plain or not value:
            continue
        heading = Heading(spaced(key), level)
        if isinstance(value, Mapping):
            inside = nested(value, level + 1) if level < DEEPEST else [pairs(value)]
            blocks += [heading, *inside]
        else:
            blocks += [heading, *records([{k: _flat(v) for k, v in row.items()} for row in value])]
    return blocks


def _columns(rows: Sequence[Mapping[str, Any]], without: Sequence[str]) -> list[str]:
    """Return the fields that any row has a value for, an error in the column of its value."""
    names = [c for c in dict.fromkeys(key for row in rows for key in row) if c not in without]
    names = [c for c in names if not (c.endswith(ERROR) and c.removesuffix(ERROR) in names)]
    return [c for c in names if any(row.get(c) is not None for row in rows)]


def _are_records(value: Any) -> bool:
    listed = isinstance(value, Sequence) and not isinstance(value, str)
    return listed and bool(value) and all(isinstance(row, Mapping) for row in value)


def _flat(value: Any) -> Any:
    return shown(value) if isinstance(value, Mapping) else value


def _cell(row: Mapping[str, Any], column: str) -> str:
    value, error = row.get(column), row.get(column + ERROR)
    return shown(value) if error is None else f"{shown(value)} ± {shown(error)}"
