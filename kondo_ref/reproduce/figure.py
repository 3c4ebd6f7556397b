"""The figure of a study: our curves with their intervals, and the published points on them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kondo_ref.reproduce.intervals import KEY
from kondo_ref.reproduce.statistics import means
from kondo_ref.reproduce.study import LEVEL, Panel, Study
from kondo_ref.reproduce.tidy import Series, Table

if TYPE_CHECKING:
    from kondo_ref.checks import FloatArray

BAND_RESAMPLES = 999
MARKS = "osD^vP*X<>"
WIDTH, HEIGHT, DPI = 5.2, 4.2, 100
SHORT = 3.0  # decades


def draw(
    study: Study, table: Table, rows: list[dict[str, Any]], path: Path, *, quick: bool = False
) -> None:
    """Draw a study's panels side by side.

    Parameters
    ----------
    study : Study
    table : mapping
    rows : list of dict
        Of `kondo_ref.reproduce.compare.compared`.
    path : Path
    quick : bool
        Say on the figure that it is not the study.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    count = len(study.panels)
    columns = 2 if count == 4 else min(count, 3)
    lines = -(-count // columns)
    canvas = Figure(figsize=(WIDTH * columns, HEIGHT * lines), layout="constrained")
    FigureCanvasAgg(canvas)
    axes = canvas.subplots(lines, columns, squeeze=False).ravel()
    labels = list(dict.fromkeys(label for label, _ in table))
    for axis, panel in zip(axes, study.panels, strict=False):
        (_compared if panel.quantity == "" else _curves)(axis, panel, table, rows, labels)
        axis.set(title=panel.title)
        _titles(axis, study, panel)
        if not axis.has_data():
            axis.text(0.5, 0.5, "nothing to draw", transform=axis.transAxes, ha="center")
            continue
        axis.set(xscale=panel.xscale, yscale=panel.yscale)
        if panel.yscale == "log":
            _plain_ticks(axis.yaxis)
        if panel.xscale == "log" and decades(axis.xaxis) < SHORT:
            _plain_ticks(axis.xaxis)
        axis.grid(visible=True, which="major", alpha=0.25)
        if axis.get_legend_handles_labels()[0]:
            axis.legend(fontsize=8)
    for axis in axes[count:]:
        axis.set_axis_off()
    note = "quick run: not the study" if quick else f"bands and bars: {LEVEL:.0%} over seeds"
    canvas.supxlabel(note, fontsize=8, color="0.4")
    canvas.savefig(path, dpi=DPI)


def decades(axis: Any) -> float:
    """Return how many powers of ten a logarithmic axis spans."""
    low, high = axis.get_view_interval()
    return float(np.log10(high / low))


def _plain_ticks(axis: Any) -> None:
    """Write the numbers of a logarithmic axis as they are read: .02, not 2 x 10^-2."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades(axis) < SHORT else (1,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _titles(axis: Any, study: Study, panel: Panel) -> None:
    read = study.read(panel.quantity) if panel.quantity else None
    x_title = study.read(panel.against).title if panel.against else read.x_title if read else ""
    axis.set_xlabel(panel.xlabel or x_title)
    axis.set_ylabel(panel.ylabel or (read.title if read else ""))


def _curves(
    axis: Any, panel: Panel, table: Table, rows: list[dict[str, Any]], labels: list[str]
) -> None:
    """Draw a quantity against its x, and the published points of it."""
    marked = False
    for number, label in enumerate(labels):
        series = table.get((label, panel.quantity))
        if series is None or (panel.labels and label not in panel.labels):
            continue
        color, mark = f"C{number % 10}", MARKS[number % len(MARKS)]
        style = "-" if number < 10 else "--"
        mean = series.values.mean(axis=0)
        if np.isnan(series.x).all():  # it stands nowhere on the axis
            axis.axhline(mean[0], color=color, ls=":", lw=1.4, label=label)
            continue
        low, high = band(series)
        x = series.x
        if panel.against:
            x = table[label, panel.against].values.mean(axis=0)
        # A logarithmic axis has no place for 0.
        seen = mean > 0 if panel.yscale == "log" else np.isfinite(mean)
        seen &= ((x > 0) | (panel.xscale != "log")) & np.isfinite(mean)
        if not seen.any():
            continue
        floor = mean[seen].min() / 10 if panel.yscale == "log" else -np.inf
        few = {"marker": ".", "ms": 7} if x.size <= 12 else {}
        axis.plot(x[seen], mean[seen], style, color=color, lw=1.4, label=label, **few)
        axis.fill_between(
            x[seen],
            np.maximum(low, floor)[seen],
            high[seen],
            color=color,
            alpha=0.18,
            lw=0,
        )
        points = [
            (row["at"], row["published"])
            for row in rows
            if not panel.against
            and row["label"] == label
            and row["quantity"] == panel.quantity
            and None not in (row["at"], row["published"])
            and row["ours"] is not None
        ]
        if points:
            axis.plot(*zip(*points, strict=True), mark, mfc="white", mec=color, mew=1.5, ms=6)
            marked = True
    if marked:
        axis.plot([], [], "o", mfc="white", mec="0.3", mew=1.5, ms=6, label="published")


def _compared(
    axis: Any, panel: Panel, table: Table, rows: list[dict[str, Any]], labels: list[str]
) -> None:
    """Draw the comparisons at their x: ours with intervals, the published beside them."""
    del table
    shown = [row for row in rows if row["at"] is not None and np.isfinite(row["ours"])]
    for number, label in enumerate(labels):
        own = [row for row in shown if row["label"] == label]
        if not own or (panel.labels and label not in panel.labels):
            continue
        for quantity in dict.fromkeys(row["quantity"] for row in own):
            if panel.quantities and quantity not in panel.quantities:
                continue
            here = [row for row in own if row["quantity"] == quantity]
            at = np.array([row["at"] for row in here])
            ours = np.array([row["ours"] for row in here])
            ends = np.array([[row[k] or row["ours"] for row in here] for k in ("low", "high")])
            color = f"C{number % 10}"
            bars = np.abs(ends - ours)
            axis.errorbar(at, ours, bars, color=color, marker=".", capsize=3, label=label)
            published = [(row["at"], row["published"]) for row in here if row["published"]]
            if published:
                axis.plot(
                    *zip(*published, strict=True),
                    MARKS[number % len(MARKS)],
                    mfc="white",
                    mec=color,
                    mew=1.5,
                    ms=6,
                    label=f"{label}, published",
                )


def band(series: Series) -> "tuple[FloatArray, FloatArray]":
    """Return the percentile bootstrap band of a mean curve, (P,) and (P,) float."""
    seeds = len(series.seeds)
    if seeds < 2:
        return series.values[0], series.values[0]
    generator = np.random.Generator(np.random.Philox(key=KEY))
    curves = means(series, generator.integers(0, seeds, (BAND_RESAMPLES, seeds)))
    with np.errstate(invalid="ignore"):  # between inf and inf, where seeds never get there
        low, high = np.quantile(curves, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return low, high
