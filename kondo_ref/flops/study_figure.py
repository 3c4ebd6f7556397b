"""Figures of cost studies: the cost of a step against what is kept, and the time to an error."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kondo_ref.flops.study_time import (
    PUBLISHED_DG,
    PUBLISHED_KONDO,
    PUBLISHED_RATE,
    Times,
    time_ratio,
)

DASHES = {"cached": "-", "recompute": "--", "draft": ":"}


def sweep_figure(rows: Sequence[dict[str, Any]], title: str, label: str, path: Path) -> None:
    """Draw the step's cost against the kept share of decisions, a line a unit and screening.

    Parameters
    ----------
    rows : sequence of dict
        Of `study_json.flat_row`.
    title, label : str
        The label is that of the cost.
    path : Path
    """
    figure = _figure(6.4, 4.8)
    axis = figure.subplots()
    units = list(dict.fromkeys(row["unit"] for row in rows))
    for unit, screening in dict.fromkeys((row["unit"], row["screening"]) for row in rows):
        own = [row for row in rows if (row["unit"], row["screening"]) == (unit, screening)]
        own.sort(key=lambda row: row["rate"])
        axis.plot(
            [row["rate"] for row in own],
            [row["step"] for row in own],
            linestyle=DASHES[screening],
            color=f"C{units.index(unit)}",
            marker=".",
            label=f"{unit}, {screening}",
        )
    axis.axhline(rows[0]["dense_step"], color="0.5", linewidth=1, label="PG, DG (dense)")
    axis.set(
        xscale="log",
        xlabel="kept share of decisions",
        ylabel=label,
        ylim=(0, None),
    )
    axis.set_title(title, fontsize="medium")
    axis.grid(visible=True, which="both", alpha=0.2)
    figure.legend(loc="outside lower center", ncols=3, fontsize="small")
    figure.savefig(path, dpi=120)


def time_figure(times: Sequence[Times], rate: float, counted: float, path: Path) -> None:
    """Draw the time of PG over that of DG and of the gate against r, published and ours.

    Parameters
    ----------
    times : sequence of Times
    rate : float
        Of our gate.
    counted : float
        Backward over forward of our network, marked.
    path : Path
    """
    figure = _figure(6.4, 5.2)
    axis = figure.subplots()
    published = range(len(PUBLISHED_KONDO))
    grid = [8 * i / 80 for i in range(81)]
    curve = [time_ratio(PUBLISHED_KONDO[0], 1.0, PUBLISHED_RATE, r) for r in grid]
    axis.plot(published, PUBLISHED_KONDO, "o", color="C1", label="Kondo, published")
    axis.plot(grid, curve, color="C1", linewidth=1, label="Kondo, 1.41 (1 + r) / (1 + .03 r)")
    for own, style in zip(times, ("--", ":"), strict=False):
        label = f"Kondo, ours, {own.threshold:.0%} {own.error.replace('_', ' ')}"
        axis.plot(grid, [own.kondo(rate, r) for r in grid], style, color="C1", label=label)
    axis.axhline(PUBLISHED_DG, color="C0", linewidth=1, label="DG, published")
    for own, style in zip(times, ("--", ":"), strict=False):
        label = f"DG, ours, {own.threshold:.0%} {own.error.replace('_', ' ')}"
        axis.axhline(own.dg(), linestyle=style, color="C0", label=label)
    axis.axvline(counted, color="0.5", linewidth=1)
    axis.text(counted + 0.1, 0.3, f"counted: r = {counted:.3f}", color="0.3")
    axis.set(
        xlabel="cost of a backward in forwards, r",
        ylabel="time of PG / time of the method",
        xlim=(0, 8),
        ylim=(0, None),
    )
    axis.grid(visible=True, alpha=0.2)
    figure.legend(loc="outside lower center", ncols=2, fontsize="small")
    figure.savefig(path, dpi=120)


def _figure(width: float, height: float) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure
