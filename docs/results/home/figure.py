"""The figure of the first page: error against forward passes and against backward passes.

    python docs/results/home/figure.py [--out FOLDER]

Draws the online error of PG, DG and the Kondo gate on MNIST, from the committed runs of
`kondo-ref reproduce mnist`, in two panels, each for a light and for a dark page: four SVG files
beside this one, without a background. Needs the extra plots.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from kondo_ref.reproduce.statistics import Crossing, means
from kondo_ref.reproduce.tidy import Table, read_rows, table_of

HERE = Path(__file__).parent
RUNS = HERE.parent / "reproduce" / "mnist" / "results.csv"
THRESHOLD = 0.05
# The x of a panel, None for that of the rows, which is forward samples.
PANELS = {"forward": None, "backward": "backward_samples"}
LABELS = {"pg": "PG", "dg": "DG", "kondo-top-k": "Kondo gate, 3 %"}
THEMES = {
    "light": {"text": "#3b3f46", "pg": "#6b7280", "dg": "#0b6fb8", "kondo-top-k": "#c2410c"},
    "dark": {"text": "#cfd3d9", "pg": "#9aa3b0", "dg": "#5ab4f0", "kondo-top-k": "#ff9a5c"},
}
INCHES = (3.75, 2.5)  # 360 by 240 pixels of a page: two of them side by side


def table() -> Table:
    """Return the committed runs, by label and quantity."""
    return table_of(read_rows(RUNS))


def samples_to_threshold(runs: Table, label: str, panel: str) -> float:
    """Return the samples of a panel's kind after which the mean error is at the threshold."""
    seeds = len(runs[label, "online_error"].seeds)
    crossing = Crossing(label, "online_error", THRESHOLD, PANELS[panel])
    return float(crossing(runs, np.arange(seeds)[None])[0])


def curve(runs: Table, label: str, panel: str) -> tuple[Any, Any]:
    """Return x (P,) and the mean online error over seeds (P,) of a label."""
    series = runs[label, "online_error"]
    everyone = np.arange(len(series.seeds))[None]
    against = PANELS[panel]
    x = series.x if against is None else means(runs[label, against], everyone)[0]
    return x, means(series, everyone)[0]


def draw(runs: Table, panel: str, theme: str, path: Path) -> None:
    """Draw one panel in the colours of one theme."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, NullFormatter

    colours = THEMES[theme]
    text = colours["text"]
    # Outlines for letters: the page looks the same whatever fonts there are. Fixed names inside.
    with mpl.rc_context({"svg.fonttype": "path", "svg.hashsalt": "kondo_ref", "font.size": 9}):
        figure = Figure(figsize=INCHES, layout="constrained")
        FigureCanvasSVG(figure)
        axis = figure.subplots()
        for label, name in LABELS.items():
            x, error = curve(runs, label, panel)
            axis.plot(x, error, color=colours[label], label=name, linewidth=1.8)
            at = samples_to_threshold(runs, label, panel)
            axis.plot(at, THRESHOLD, "o", color=colours[label], markersize=5)
        axis.axhline(THRESHOLD, color=text, linewidth=0.8, linestyle=":")
        axis.set(xscale="log", yscale="log", ylim=(0.0155, 1.1), xlim=(300, 1.2e6))
        axis.set_yticks([0.02, 0.05, 0.1, 0.2, 0.5, 1])
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.yaxis.set_minor_formatter(NullFormatter())
        axis.set_xlabel(f"{panel} passes (samples)", color=text)
        axis.set_ylabel("online error", color=text)
        axis.tick_params(which="both", colors=text)
        axis.grid(visible=True, color=text, alpha=0.15)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
        for side in ("left", "bottom"):
            axis.spines[side].set_color(text)
        if panel == "forward":
            axis.legend(
                labelcolor="linecolor",
                frameon=False,
                loc="lower left",
                borderpad=0,
                labelspacing=0.2,
            )
        figure.savefig(path, transparent=True, metadata={"Date": None, "Creator": None})


def main() -> None:
    """Draw every panel for every theme."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, default=HERE)
    out = parser.parse_args().out
    runs = table()
    for panel in PANELS:
        for theme in THEMES:
            draw(runs, panel, theme, out / f"{panel}-{theme}.svg")


if __name__ == "__main__":
    main()
