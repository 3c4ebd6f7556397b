"""Gambling's figures: rates on their formula, the sweep of the noise, what each remedy does."""

from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import logit

from kondo_ref.exact.gambling import false_breakthrough
from kondo_ref.gate import Gate
from kondo_ref.price import Fixed
from kondo_ref.tasks.figure import panels
from kondo_ref.tasks.gambling import theory
from kondo_ref.tasks.gambling.environment import bandit
from kondo_ref.tasks.gambling.settings import Settings

FLOOR = 1e-5
"""The lowest pi_2 that is drawn; what is below lies on it."""
SHOWN_SIGMAS = 5
LINE_POINTS = 13
STRENGTHS = {
    "softer": np.concatenate([[0.0], np.geomspace(0.1, 20.0, 11)]),
    "priced": np.concatenate([[0.0], np.geomspace(1e-3, 0.6, 10)]),
    "reserve": np.concatenate([[0.0], np.geomspace(1e-3, 0.99, 16)]),
}
UNITS = {
    "softer": "temperature, reward * nat",
    "priced": "price, reward * nat",
    "reserve": "reserve, share of all decisions",
}

Row = dict[str, Any]


def breakthrough(settings: Settings, rows: list[Row], path: Path) -> None:
    """Draw measured rates on their formula.

    Parameters
    ----------
    settings : Settings
    rows : list of dict
        One a sigma and pi_1, with ``rate``, ``formula``, ``formula_se``.
    path : Path
    """
    with panels(1, 2, path) as ((left, right),):
        noises = np.geomspace(0.2, max(5.0, *settings.sigma) * 1.2, 100)
        for color, pi_1 in enumerate(settings.chances):
            at = float(logit(1.0 - pi_1))
            own = [row for row in rows if row["pi_1"] == pi_1 and row["sigma"] > 0.0]
            formula = [false_breakthrough(bandit(settings, s), at) for s in noises]
            left.plot(noises, formula, color=f"C{color}", label=f"pi_1 = {pi_1:g}")
            left.plot(
                [row["sigma"] for row in own], [row["rate"] for row in own], "o",
                color=f"C{color}", fillstyle="none",
            )  # fmt: skip
            known = [row for row in own if row["formula_se"] > 0.0]
            off = [(row["rate"] - row["formula"]) / row["formula_se"] for row in known]
            right.plot([row["sigma"] for row in known], off, "o", color=f"C{color}")
        for axis in (left, right):
            _noise_axis(axis, settings)
        left.set(ylabel="P(U > 0 given the worse arm)")
        left.set_title("lines: formula; circles: measured")
        left.legend()
        right.axhspan(-2.0, 2.0, color="0.9")
        right.set(ylabel="standard errors")
        right.set_title("measured less formula")


def sweep(settings: Settings, rows: list[Row], path: Path) -> None:
    """Draw pi_2 and the kept share of every method against the noise.

    Parameters
    ----------
    settings : Settings
    rows : list of dict
        The summary, one a method and sigma.
    path : Path
    """
    with panels(1, 2, path) as ((left, right),):
        positive = [sigma for sigma in settings.sigma if sigma > 0.0]
        noises = np.geomspace(min(positive, default=1), max(positive, default=1), LINE_POINTS)
        for color, method in enumerate(settings.methods):
            own = [row for row in rows if row["method"] == method and row["sigma"] > 0.0]
            at = [row["sigma"] for row in own]
            line = [theory.settles(settings, method, float(sigma)) for sigma in noises]
            if None not in line:
                left.plot(noises, np.maximum(np.array(line, float), FLOOR), color=f"C{color}")
            left.errorbar(
                at, [max(row["mean_pi_2"], FLOOR) for row in own],
                [row["mean_pi_2_se"] or 0.0 for row in own],
                fmt="o", color=f"C{color}", fillstyle="none", label=method,
            )  # fmt: skip
            right.plot(at, [row["kept_share"] for row in own], "o-", color=f"C{color}")
        for axis in (left, right):
            _noise_axis(axis, settings)
        left.set(yscale="log", ylabel="pi_2")
        left.set_title("the worse arm; lines: fixed points")
        left.figure.legend(loc="outside right center")
        right.set(ylabel="kept share", ylim=(-0.03, 1.03))
        right.set_title("decisions with a backward pass")


def _noise_axis(axis: Any, settings: Settings) -> None:
    """Make the noise a logarithmic axis with the run's sigmas on it."""
    axis.set(xscale="log", xlabel="noise / gap")
    shown = [sigma for sigma in settings.sigma if sigma > 0.0]
    axis.set_xticks(shown, [f"{sigma:g}" for sigma in shown])
    axis.minorticks_off()


def remedies(settings: Settings, rows: list[Row], path: Path) -> None:
    """Draw the fixed point and the kept share there against the strength of each remedy.

    Parameters
    ----------
    settings : Settings
    rows : list of dict
        The summary; the measured points are drawn at the strength of the run.
    path : Path
    """
    sigmas = sorted(s for s in settings.sigma if s > 0.0)
    index = np.rint(np.linspace(0, len(sigmas) - 1, SHOWN_SIGMAS)).astype(int)
    picked = [sigmas[i] for i in np.unique(index)] if sigmas else []
    ran = {
        "softer": settings.softer_temperature,
        "priced": settings.fixed_price,
        "reserve": settings.reserve,
    }
    with panels(2, 3, path, sharey="row", sharex="col") as axes:
        for column, (name, strengths) in enumerate(STRENGTHS.items()):
            top, bottom = axes[:, column]
            for color, sigma in enumerate(picked):
                game = bandit(settings, sigma)
                points = []
                for strength in strengths:
                    gate, reserve = remedy(name, float(strength))
                    pi_2 = theory.settles_at(game, gate, reserve, settings.start)
                    points.append((pi_2, theory.keeps(game, gate, reserve, pi_2)))
                pi_2s, kept = np.array(points).T
                label = f"noise / gap = {sigma:g}"
                top.plot(strengths, np.maximum(pi_2s, FLOOR), color=f"C{color}", label=label)
                bottom.plot(strengths, kept, color=f"C{color}")
                for row in rows:
                    if row["method"] == name and row["sigma"] == sigma:
                        for axis, key in ((top, "mean_pi_2"), (bottom, "kept_share")):
                            value = max(row[key], FLOOR)
                            axis.plot(ran[name], value, "o", color=f"C{color}", fillstyle="none")
            for axis in (top, bottom):
                axis.set_xscale("symlog", linthresh=float(strengths[1]))
            top.set(yscale="log", title=name)
            bottom.set(xlabel=UNITS[name], ylim=(-0.03, 1.03))
        axes[0, 0].set(ylabel="fixed point of pi_2 (circles: measured)")
        axes[1, 0].set(ylabel="kept share there")
        axes[0, 1].legend(fontsize="small")


def remedy(name: str, strength: float) -> tuple[Gate, float]:
    """Return the gate and the reserve of a remedy at a strength; at 0 each is the hard gate."""
    hard = Gate.named("zero-price")
    if name == "softer":
        return Gate.named("kondo", price=Fixed(0.0), temperature=strength), 0.0
    if name == "priced":
        return Gate.named("kondo", price=Fixed(strength), temperature=0.0), 0.0
    return hard, strength
