"""Units -> tidy rows -> series: one observation a row, and back as arrays over seeds and x.

A row has a label, a seed, a quantity, an x and a value. All that is shown of a study is made of
these rows as they are stored, so that a stored file gives the same table again.
"""

import csv
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kondo_ref.checks import FloatArray

if TYPE_CHECKING:
    from kondo_ref.reproduce.study import Part, Read

COLUMNS = ("label", "seed", "quantity", "x", "value")
Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Series:
    """A quantity of a label.

    Parameters
    ----------
    seeds : tuple of int
    x : (P,) float
        In ascending order; NaN where there is none.
    values : (S, P) float
        NaN where nothing was known.
    """

    seeds: tuple[int, ...]
    x: FloatArray
    values: FloatArray


Table = Mapping[tuple[str, str], Series]


def rows_of(part: "Part", reads: Iterable["Read"], unit: Row, method: str, seed: int) -> list[Row]:
    """Return the tidy rows of a unit.

    Parameters
    ----------
    part : Part
    reads : iterable of Read
    unit : dict
        With ``curve`` and ``totals``, as the task returned it.
    method : str
    seed : int

    Returns
    -------
    list of dict
        Numbers of six digits; None where nothing was known.
    """
    label = part.label_of(method)
    return [
        {
            "label": label,
            "seed": seed,
            "quantity": read.quantity,
            "x": _six(x),
            "value": _six(value),
        }
        for read in reads
        for x, value in _points(part, read, unit)
    ]


def _points(part: "Part", read: "Read", unit: Row) -> Iterator[tuple[Any, Any]]:
    if read.needs and not part.settings.get(read.needs):
        return
    if read.how == "curve":
        for point in unit["curve"]:
            yield point[read.x], point[read.column]
    elif read.how == "listed":
        assert read.x is not None
        yield from zip(unit["settings"][read.x], unit["totals"][read.column], strict=True)
    elif read.how == "crossing":
        from kondo_ref.tasks.comparison import crossing

        assert read.x is not None
        assert read.threshold is not None
        found = crossing(unit["curve"], read.x, read.column, read.threshold)
        yield part.x, math.inf if found is None else found
    else:
        whole = unit["curve"][-1] if read.how == "last" else unit["totals"]
        yield part.x, whole[read.column]


def _six(value: float | None) -> str | None:
    """Return a number with six digits; six are more than a mean over seeds can use."""
    return None if value is None else f"{value:.6g}"


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a stored file.

    Raises
    ------
    ValueError
        It has other columns.
    """
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise ValueError(f"{path}: expected the columns {', '.join(COLUMNS)}")
        return list(reader)


def table_of(rows: Iterable[Row]) -> dict[tuple[str, str], Series]:
    """Return the series of every label and quantity.

    Raises
    ------
    ValueError
        A seed has other x than the others, or one twice.
    """
    found: dict[tuple[str, str], dict[int, dict[float, float]]] = {}
    for row in rows:
        own = found.setdefault((row["label"], row["quantity"]), {}).setdefault(int(row["seed"]), {})
        x = _number(row["x"])
        if x in own:
            raise ValueError(f"{row['label']}: {row['quantity']} at {x:g} twice in a seed")
        own[x] = _number(row["value"])
    return {key: _series(key, by_seed) for key, by_seed in found.items()}


def _number(text: str | None) -> float:
    """Return the number; what has no x stands at 0, what is not known is NaN."""
    return math.nan if text in (None, "") else float(str(text))


def _series(key: tuple[str, str], by_seed: Mapping[int, Mapping[float, float]]) -> Series:
    seeds = tuple(sorted(by_seed))
    points = [dict(sorted(by_seed[seed].items())) for seed in seeds]
    x = np.array(list(points[0]))
    for seed, own in zip(seeds, points, strict=True):
        if not np.array_equal(x, np.array(list(own)), equal_nan=True):
            raise ValueError(f"{key[0]}: {key[1]} of seed {seed} has other x than seed {seeds[0]}")
    return Series(seeds, x, np.array([list(own.values()) for own in points]))
