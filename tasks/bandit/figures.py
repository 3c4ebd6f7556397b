"""The bandit's figures: direction of the update, and where the budget goes."""

from pathlib import Path
from typing import Any

import numpy as np

from kondo_ref.tasks.figure import panels

Curves = dict[str, list[dict[str, float]]]


def direction(curves: Curves, path: Path) -> None:
    """Draw the cosine of the update to grad J and to the CE gradient against steps.

    Parameters
    ----------
    curves : dict of list of dict
        The mean curve of every method.
    path : Path
    """
    with panels(1, 2, path, sharey=True) as ((*axes,),):
        for axis, key, of in zip(
            axes,
            ("cosine_gradient", "cosine_cross_entropy"),
            ("grad J", "the cross-entropy gradient"),
            strict=True,
        ):
            for color, (method, curve) in enumerate(curves.items()):
                at = [point["step"] for point in curve]
                value = np.array([point[key] for point in curve])
                error = np.array([point[f"{key}_se"] for point in curve])
                axis.plot(at, value, color=f"C{color}", label=method)
                axis.fill_between(at, value - error, value + error, color=f"C{color}", alpha=0.2)
            axis.set(xscale="log", xlabel="steps of fixed length", title=f"cosine to {of}")
        axes[0].set(ylabel="cosine, mean since the last log point", ylim=(None, 1.03))
        axes[0].legend()


def budget(rows: list[dict[str, Any]], weights: dict[str, list[list[float]]], path: Path) -> None:
    """Draw the weight of a context, and the shares of the bins while learning.

    Parameters
    ----------
    rows : list of dict
        The budget, a row a method and bin.
    weights : dict of list of (p, c)
        Of every context at the first step, one seed.
    path : Path
    """
    with panels(1, 3, path) as ((*axes,),):
        for color, (method, points) in enumerate(weights.items()):
            p, c = np.array(points).T
            shown = c > 0.0
            # Relative to the mean: only the direction of the update counts.
            axes[0].plot(
                p[shown], c[shown] / c.mean() if c.mean() > 0.0 else c[shown], ".",
                color=f"C{color}", label=method, markersize=5,
            )  # fmt: skip
        axes[0].set(
            xscale="log", yscale="log", xlabel="initial p of a context",
            ylabel="coefficient / mean coefficient", title="update at the first step, seed 0",
        )  # fmt: skip
        axes[0].legend()
        for axis, key, title in (
            (axes[1], "update_learning", "share of the update, learning"),
            (axes[2], "backward_learning", "share of the backward passes, learning"),
        ):
            _bars(axis, rows, list(weights), key)
            axis.set(title=title, xlabel="contexts by initial p, hardest first")


def _bars(axis: Any, rows: list[dict[str, Any]], methods: list[str], key: str) -> None:
    bins = max(row["bin"] for row in rows)
    width = 0.8 / len(methods)
    for color, method in enumerate(methods):
        own = [row for row in rows if row["method"] == method]
        at = np.arange(bins) + (color - 0.5 * (len(methods) - 1)) * width
        axis.bar(at, [row[key] or 0.0 for row in own], width, color=f"C{color}", label=method)
    axis.axhline(1.0 / bins, color="0.3", linestyle=":")
    first = [row for row in rows if row["method"] == methods[0]]
    axis.set_xticks(range(bins), [f"p = {row['initial_p']:.3f}" for row in first])


def decisions(curves: Curves, path: Path) -> None:
    """Draw which decisions got a backward pass, against the accuracy p.

    Parameters
    ----------
    curves : dict of list of dict
        The mean curve of every method.
    path : Path
    """
    with panels(1, 2, path) as ((*axes,),):
        for axis, key, title in (
            (axes[0], "kept_share", "decisions with a backward pass"),
            (axes[1], "kept_right_share", "of these, decisions for the right arm"),
        ):
            for color, (method, curve) in enumerate(curves.items()):
                p = [1.0 - point["error"] for point in curve]
                axis.plot(p, [point[key] for point in curve], color=f"C{color}", label=method)
            axis.set(xlabel="p", ylabel="share", title=title, ylim=(-0.03, 1.03))
        axes[0].legend()
