"""Time to an error, as a multiple of plain policy gradient's: the published anchor, and ours.

[K] Fig. 3 counts time as forward samples to a threshold, each at the cost 1 + r rate: a forward,
and a backward that costs r forwards for the share that is kept. In the logical currency r is free,
the axis of the figure; in the executed currency r is what was counted for the network.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kondo_ref import checks
from kondo_ref.flops.study import PaperCost

# [K] Fig. 3: time of PG over that of the Kondo gate at rate .03, at r = 0..8, read off the figure.
PUBLISHED_KONDO = (1.41, 2.74, 3.98, 5.17, 6.28, 7.35, 8.36, 9.32, 10.22)
PUBLISHED_DG = 2.25
PUBLISHED_RATE = 0.03
ERRORS = ("online_error", "test_error")
METHODS = ("pg", "dg", "kondo-top-k")


def time_ratio(forward_a: float, forward_b: float, rate: float, r: float) -> float:
    """Return the time of a dense method a over that of a method b with a gate.

    Parameters
    ----------
    forward_a, forward_b : float
        Forward samples that each needs to the same threshold, > 0.
    rate : float
        Share of the samples that b runs backward, in [0, 1]; 1 for a soft gate, which skips none.
    r : float
        Cost of a backward in forwards, >= 0.

    Raises
    ------
    TypeError, ValueError
        A number out of its range.

    Notes
    -----
    forward_a (1 + r) / (forward_b (1 + rate r)); for large r, forward_a / forward_b / rate.
    """
    for name, value in (("forward_a", forward_a), ("forward_b", forward_b)):
        if not 0.0 < checks.number(name, value) < float("inf"):
            raise ValueError(f"{name}: expected a finite number > 0, got {value}")
    if not 0.0 <= checks.number("rate", rate) <= 1.0:
        raise ValueError(f"rate: expected a number in [0, 1], got {rate}")
    return forward_a / forward_b * PaperCost(r).saving(rate)


@dataclass(frozen=True)
class Times:
    """Forward samples to a threshold, by method, for one kind of error.

    Parameters
    ----------
    error : str
        online_error or test_error.
    threshold : float
    forward : mapping of str to float
        By method: pg, dg, kondo-top-k.
    """

    error: str
    threshold: float
    forward: Mapping[str, float]

    def dg(self) -> float:
        """Return the time of PG over that of DG, at every r."""
        return time_ratio(self.forward["pg"], self.forward["dg"], 1.0, 0.0)

    def kondo(self, rate: float, r: float) -> float:
        """Return the time of PG over that of the gate."""
        return time_ratio(self.forward["pg"], self.forward["kondo-top-k"], rate, r)


def read_times(path: Path, error: str, threshold: float = 0.05) -> Times:
    """Return when the mean curves of a ``curves.csv`` of `kondo-ref run mnist` meet a threshold.

    Raises
    ------
    OSError
        The file cannot be read.
    ValueError
        A method or a column is not there, or a method never gets so low.
    """
    import csv

    from kondo_ref.tasks import comparison

    checks.one_of("error", error, ERRORS)
    curves: dict[tuple[str, str], list[dict[str, Any]]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        needed = ("method", "seed", "forward_samples", error)
        missing = [name for name in needed if name not in (reader.fieldnames or ())]
        if missing:
            raise ValueError(f"{path}: no column {missing[0]}")
        for row in reader:
            point = {"method": row["method"], **{key: float(row[key]) for key in needed[2:]}}
            curves.setdefault((row["method"], row["seed"]), []).append(point)
    found = comparison.by_method({"curve": curve} for curve in curves.values())
    forward = {}
    for method in METHODS:
        if method not in found:
            raise ValueError(f"{path}: no curve of {method}")
        mean = comparison.mean_curve(found[method], needed[2:])
        at = comparison.crossing(mean, "forward_samples", error, threshold)
        if at is None:
            raise ValueError(f"{path}: the {error} of {method} never falls to {threshold}")
        forward[method] = at
    return Times(error, threshold, forward)


def time_rows(times: Sequence[Times], rate: float, counted: float) -> list[dict[str, Any]]:
    """Return the table: r = 0..8 in the logical currency, then the counted r in the executed one.

    Parameters
    ----------
    times : sequence of Times
    rate : float
        Of the gate.
    counted : float
        Backward over forward, as counted for the network.
    """
    rows = []
    points = [("logical", float(r)) for r in range(len(PUBLISHED_KONDO))]
    for currency, r in [*points, ("executed", counted)]:
        row: dict[str, Any] = {"currency": currency, "r": r}
        row["published_kondo"] = PUBLISHED_KONDO[int(r)] if currency == "logical" else None
        row["published_formula"] = time_ratio(PUBLISHED_KONDO[0], 1.0, PUBLISHED_RATE, r)
        row["published_dg"] = PUBLISHED_DG
        for own in times:
            row[f"kondo_{own.error}"] = own.kondo(rate, r)
            row[f"dg_{own.error}"] = own.dg()
        rows.append(row)
    return rows
