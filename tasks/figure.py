"""Panels side by side, saved as a picture; matplotlib is imported when one is drawn."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def panels(rows: int, columns: int, path: Path, **options: Any) -> Iterator[Any]:
    """Hand out an array of axes (rows, columns), and save them when done.

    Parameters
    ----------
    rows, columns : int
    path : Path
    **options : object
        Of `matplotlib.figure.Figure.subplots`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    canvas = Figure(figsize=(4.8 * columns, 3.9 * rows), layout="constrained")
    FigureCanvasAgg(canvas)
    axes = canvas.subplots(rows, columns, squeeze=False, **options)
    yield axes
    for axis in axes.ravel():
        axis.grid(visible=True, which="major", alpha=0.2)
    canvas.savefig(path, dpi=85)
