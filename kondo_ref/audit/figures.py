"""Curves -> figures: coefficient, keep probability and rates, each of the target and the claim.

Drawn narrow, to be read on a phone, and twice: for light and for dark surroundings.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from kondo_ref.audit.curves import Curves, Lattice
from kondo_ref.report.blocks import Picture

SIZE = (5.2, 3.8)


@dataclass(frozen=True)
class Theme:
    """Colours of one surrounding.

    Parameters
    ----------
    ink, paper, grid : str
    series : tuple of str
        Told apart with deficient colour vision too.
    """

    ink: str
    paper: str
    grid: str
    series: tuple[str, ...]


LIGHT = Theme("#1d2126", "#ffffff", "#d9dee4", ("#0b63b8", "#c2410c", "#6b7280", "#15803d"))
DARK = Theme("#e4e7eb", "#14171a", "#343a41", ("#6cb6ff", "#ffa657", "#9aa4af", "#56d364"))


def pictures(curves: Curves) -> list[Picture]:
    """Return the figures that the curves have numbers for.

    Parameters
    ----------
    curves : Curves

    Raises
    ------
    ImportError
        matplotlib is not installed.
    """
    lattice = curves.lattice
    found = []
    if lattice.coefficient is not None:
        found.append(_picture("coefficients", _coefficient_caption(lattice), _coefficients, curves))
    if lattice.weight is not None and curves.rates:
        found.append(_picture("keep-probability", _keep_caption(lattice), _keep, curves))
    if any(p.realised is not None or p.executed is not None for p in curves.rates):
        found.append(_picture("rates", RATES_CAPTION, _rates, curves))
    return found


RATES_CAPTION = (
    "What is kept of 100 decisions against the spread of their delight: the rate of the claim, the "
    "expectation of its gate, and what the target kept and executed."
)


def _coefficient_caption(lattice: Lattice) -> str:
    told = "The coefficient of each decision, times N, against its surprisal, a colour an advantage"
    if lattice.repeats > 1:
        told += f"; the mean of {lattice.repeats} calls"
    return told + (
        ". Dots: the target. Lines: the claim."
        if lattice.coefficient_reference is not None
        else "."
    )


def _keep_caption(lattice: Lattice) -> str:
    told = "The weight of the gate against the delight. Dots: the target"
    if lattice.low is not None:
        told += f", the share of {lattice.repeats} calls in which a decision was kept, with exact "
        told += "binomial intervals"
    told += ". Line: the claim." if lattice.weight_reference is not None else "."
    return f"{told} The axis is linear from -1 to 1, and logarithmic beyond."


def _picture(
    name: str, caption: str, draw: Callable[[Any, Curves, Theme], None], curves: Curves
) -> Picture:
    light, dark = (_drawn(draw, curves, theme, "svg") for theme in (LIGHT, DARK))
    return Picture(name, caption, _drawn(draw, curves, LIGHT, "png"), light, dark)


def _drawn(
    draw: Callable[[Any, Curves, Theme], None], curves: Curves, theme: Theme, form: str
) -> bytes:
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # Without a salt and with a date, the same audit would give other bytes.
    settings: Any = {"svg.hashsalt": "kondo-ref", "font.size": 10.0, "svg.fonttype": "path"}
    with mpl.rc_context(settings):
        figure = Figure(figsize=SIZE, layout="constrained", facecolor=theme.paper)
        FigureCanvasAgg(figure)
        axis = figure.subplots()
        axis.set_facecolor(theme.paper)
        for spine in axis.spines.values():
            spine.set_color(theme.grid)
        axis.tick_params(colors=theme.ink, which="both")
        axis.grid(visible=True, color=theme.grid, linewidth=0.6)
        axis.set_axisbelow(True)
        draw(axis, curves, theme)
        for label in (axis.xaxis.label, axis.yaxis.label):
            label.set_color(theme.ink)
        buffer = io.BytesIO()
        metadata = {"Date": None} if form == "svg" else None
        figure.savefig(buffer, format=form, dpi=160, metadata=metadata)
    return buffer.getvalue()


def _coefficients(axis: Any, curves: Curves, theme: Theme) -> None:
    import matplotlib as mpl

    lattice = curves.lattice
    batch = lattice.batch
    assert lattice.coefficient is not None
    values = np.unique(batch.advantages)
    # The middle of the map is too pale on any paper, so the signs take its two ends.
    places = np.where(values < 0, 0.3 + 0.15 * values, 0.7 + 0.15 * values)
    colours = mpl.colormaps["coolwarm"](places)
    for value, colour in zip(values, colours, strict=True):
        own = batch.advantages == value
        order = np.argsort(batch.surprisal[own])
        x = batch.surprisal[own][order]
        if lattice.coefficient_reference is not None:
            y = lattice.coefficient_reference[own][order]
            axis.plot(x, y, color=colour, linewidth=1.3)
        y = lattice.coefficient[own][order]
        axis.plot(x, y, "o", color=colour, markersize=4.5, label=f"{value:+g}")
    axis.set(xscale="log", xlabel="surprisal (nat)", ylabel="coefficient · N")
    axis.xaxis.set_major_formatter(_plain)
    name = "U" if curves.rates else "reward"
    _legend(axis, theme, title=name, ncols=1, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _keep(axis: Any, curves: Curves, theme: Theme) -> None:
    lattice = curves.lattice
    batch = lattice.batch
    assert lattice.weight is not None
    delight = batch.advantages * batch.surprisal
    order = np.argsort(delight, kind="stable")
    x = delight[order]
    if lattice.weight_reference is not None:
        y = lattice.weight_reference[order]
        axis.plot(x, y, color=theme.series[0], linewidth=1.6, label="claim")
    y = lattice.weight[order]
    if lattice.low is not None and lattice.high is not None:
        # Clipping keeps rounding from making a length below 0.
        lengths = np.clip([y - lattice.low[order], lattice.high[order] - y], 0.0, None)
        axis.errorbar(
            x,
            y,
            yerr=lengths,
            fmt="o",
            color=theme.series[1],
            markersize=3,
            elinewidth=0.7,
            label="target",
        )
    else:
        axis.plot(x, y, "o", color=theme.series[1], markersize=3.5, label="target")
    axis.set_xscale("symlog", linthresh=1.0)
    axis.set_xticks([-10, -1, 0, 1, 10])
    axis.xaxis.set_major_formatter(_plain)
    axis.set(xlabel="delight (reward · nat)", ylabel="weight of the gate, G")
    _legend(axis, theme, loc="best")


def _rates(axis: Any, curves: Curves, theme: Theme) -> None:
    series = {
        "claimed": ("rate of the claim", "--", ""),
        "expected": ("expected of its gate", "-", ""),
        "realised": ("kept by the target", "none", "o"),
        "executed": ("executed by the target", "none", "s"),
    }
    colours = (theme.series[2], theme.series[0], theme.series[1], theme.series[3])
    for (name, (label, line, marker)), colour in zip(series.items(), colours, strict=True):
        points = [(p.spread, y) for p in curves.rates if (y := getattr(p, name)) is not None]
        if points:
            x, y = zip(*points, strict=True)
            hollow = {"markerfacecolor": "none", "markersize": 10} if name == "executed" else {}
            look = {"linestyle": line, "marker": marker, "color": colour}
            axis.plot(x, y, label=label, **look, **hollow)
    axis.set(
        xscale="log",
        ylim=(-0.04, 1.04),
        xlabel="spread of the delight (standard deviation)",
        ylabel="share of the decisions",
    )
    axis.xaxis.set_major_formatter(_plain)
    _legend(axis, theme, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)


def _plain(value: float, _: int) -> str:
    """Return the label of a tick, without powers of ten."""
    return f"{value:g}"


def _legend(axis: Any, theme: Theme, **where: Any) -> None:
    legend = axis.legend(
        frameon=True, facecolor=theme.paper, edgecolor=theme.grid, fontsize=9, **where
    )
    for text in (*legend.get_texts(), legend.get_title()):
        text.set_color(theme.ink)
