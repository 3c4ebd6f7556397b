"""The figures of the claims, each from the exact engine alone: ``kondo-ref claims --figures DIR``.

A title says what the figure shows. Colours are those of Okabe and Ito, which stay apart for
colour-blind eyes, and no line is told by its colour alone. `FIGURES` has them by name.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit, logit

from kondo_ref.exact import cosine, gambling
from kondo_ref.exact import realised_rate as law
from kondo_ref.exact.atoms import Bandit, FiniteRewards
from kondo_ref.exact.bandit import bandit_update
from kondo_ref.exact.batches import Baseline
from kondo_ref.gate import Gate

BLUE, ORANGE, GREEN, RED, PURPLE, BLACK = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#000000",
)
ARMS, BATCH = 1000, 100
RARE = (0.01, 0.02, 0.04, 0.08, 0.15, 0.3)
DG = Gate.named("dg")


def cosine_against_p(path: Path) -> None:
    """Draw the expected cosine of a batch with grad J, and the backward passes that .9 takes."""
    figure, (left, right) = _figure(8.4, 4.4, 2)
    p = np.geomspace(1e-3, 0.95, 45)
    rare = np.array(RARE)
    for name, (b, style) in _estimators().items():
        at = [cosine.expected_cosine(x, ARMS, b(x), BATCH) for x in p]
        left.plot(p, at, label=name, **style)
        if name == "hard gate, price 0":
            needed = [x * cosine.success_batch(x, 0.9) for x in rare]
        else:
            needed = [cosine.batch_for_cosine(x, ARMS, b(x), 0.9) for x in rare]
        right.plot(rare, needed, **style)
    left.set(
        xscale="log",
        xlabel="p, probability of the one correct arm",
        ylabel="expected cosine with grad J",
        ylim=(0, 1.03),
    )
    left.set_title(f"after {BATCH} forward passes", fontsize="medium")
    right.set(
        xscale="log",
        yscale="log",
        xlabel="p, probability of the one correct arm",
        ylabel="backward passes",
    )
    right.set_title("to an expected cosine of 0.9", fontsize="medium")
    for slope, start, text in ((-2, 60.0, "$1/p^2$"), (-1, 2.9, "$1/p$")):
        right.plot(rare, start * (rare / 0.3) ** slope, color="0.6", linewidth=0.8)
        place = (0.06, start * 0.2**slope)
        right.annotate(
            text,
            place,
            (2, 3 if slope == -2 else -14),
            textcoords="offset points",
            color="0.4",
            fontsize="small",
        )
    _title(figure, f"A rare success points along grad J; failures drown it (K = {ARMS})")
    _legend(figure, 4)
    _save(figure, path)


def _estimators() -> dict[str, tuple[Callable[[float], float], dict[str, Any]]]:
    """Return by name the baseline at which PG has the same cosine, as a function of p."""
    return {
        "PG, b = 1/2": (lambda _: 0.5, {"color": RED, "linestyle": "-"}),
        "PG, b = p": (lambda p: p, {"color": ORANGE, "linestyle": "--"}),
        "DG, b = 1/2": (dg_baseline, {"color": BLUE, "linestyle": "-."}),
        "hard gate, price 0": (lambda _: 0.0, {"color": BLACK, "linestyle": ":", "linewidth": 2.2}),
    }


def dg_baseline(p: float, arms: int = ARMS) -> float:
    """Return the baseline at which PG weighs failures against successes as DG does at b = 1/2.

    DG multiplies both by w = sigmoid(U l) of their own, (1 - b) w_+ and b w_-.
    """
    wrong = (1.0 - p) / (arms - 1)
    success, failure = expit(-0.5 * np.log(p)), expit(0.5 * np.log(wrong))
    return float(failure / (success + failure))


def perpendicular_variance(path: Path) -> None:
    """Draw the perpendicular variance and the angle of the expected update against temperature."""
    figure, (left, right) = _figure(8.4, 4.4, 2)
    temperatures = np.geomspace(0.02, 50, 60)
    p, b, arms = 0.3, 0.5, 10
    even = np.full(arms - 1, 1.0 / (arms - 1))
    uneven = 2.0 ** -np.arange(arms - 1.0)
    bandit = Bandit.single(FiniteRewards.certain(np.eye(arms)[0]))
    for name, share, colour in (
        ("symmetric wrong arms", even, BLUE),
        ("asymmetric wrong arms", uneven / uneven.sum(), RED),
    ):
        logits = np.log(np.concatenate([[p], (1 - p) * share]))[None]

        def split(gate: Gate, logits: Any = logits) -> Any:
            update = bandit_update(bandit, logits, gate, baseline=Baseline("constant", b))
            return update.moments.split(update.direction)

        plain = split(Gate.named("pg")).perpendicular_variance
        for draw, dash in (("bernoulli", "--"), ("soft", "-")):
            at = [split(Gate(temperature=t, draw=draw)) for t in temperatures]
            left.plot(
                temperatures,
                [s.perpendicular_variance / plain for s in at],
                color=colour,
                linestyle=dash,
                label=f"{name}, {draw}",
            )
        angle = [np.degrees(np.arctan2(s.perpendicular_mean, s.along_mean)) for s in at]
        right.plot(temperatures, angle, color=colour)
        where = temperatures[0] if max(angle) < 1.0 else 1.2
        right.text(where, max(angle) + 0.15, name.split()[0], color=colour, fontsize="small")
    few = temperatures[::6]
    w = expit(b * np.log((1 - p) / (arms - 1)) / few)
    rings = {"color": BLACK, "markersize": 3.5, "fillstyle": "none"}
    left.plot(few, w, "s", label="$w_-$", **rings)
    left.plot(few, w**2, "o", label="$w_-^2$", **rings)
    left.axhline(1.0, color="0.6", linewidth=0.8)
    left.text(temperatures[0], 1.0, "PG", color="0.4", va="bottom", fontsize="small")
    left.set(
        xscale="log",
        yscale="log",
        ylim=(1e-6, 2.5),
        xlabel="temperature",
        ylabel="variance / that of PG",
    )
    left.set_title(f"variance across grad J (K = {arms}, p = {p}, b = 1/2)", fontsize="medium")
    right.set(
        xscale="log",
        xlabel="temperature",
        ylabel="degrees",
        ylim=(-0.3, 8.0),
    )
    right.set_title("angle between the expected update and grad J", fontsize="medium")
    _title(figure, "A cold gate removes the noise; a warm one turns where wrong arms differ")
    _legend(figure, 3)
    _save(figure, path)


def gambling_drift(path: Path) -> None:
    """Draw the preference for the worse arm in the gambling bandit, and its sign over the noise."""
    figure, axes = _figure(8.0, 6.8, 2, rows=2)
    logits = np.linspace(logit(1e-4), logit(0.98), 97)
    noise = {0.5: (GREEN, "-."), 1.0: (BLUE, "-"), 2.0: (ORANGE, "--"), 5.0: (PURPLE, ":")}
    for column, (name, gate) in enumerate(
        (("hard gate, price 0", gambling.HARD), ("DG, temperature 1", DG))
    ):
        lines, field = axes[:, column]
        for sigma, (colour, dash) in noise.items():
            bandit = gambling.Gambling(1.0, sigma)
            at = [gambling.preference(bandit, x, gate) for x in logits]
            label = rf"$\sigma/\Delta$ = {sigma:g}"
            lines.plot(logits, at, color=colour, linestyle=dash, label=label)
            for point in gambling.rest_points(bandit, gate, low=logits[0], high=logits[-1]):
                for axis, y in ((lines, 0.0), (field, sigma)):
                    axis.plot(point.logit, y, "o", color=colour, markeredgecolor=BLACK, zorder=3)
        lines.axhline(0.0, color=BLACK, linewidth=0.8)
        lines.set_yscale("symlog", linthresh=0.01)
        ticks = (-1, -0.1, -0.01, 0, 0.01, 0.1, 1)
        lines.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        lines.minorticks_off()
        lines.set_ylim(-5, 5)
        lines.set_title(name, fontsize="medium")
        _field(field, gate, logits)
        for axis in (lines, field):
            shown = (1e-4, 1e-3, 1e-2, 0.1, 0.5, 0.9)
            axis.set_xticks([logit(x) for x in shown], [f"{x:g}" for x in shown])
            axis.set_xlim(logits[0], logits[-1])
        field.set(xlabel=r"$\pi_2$, the noisy worse arm (log-odds scale)")
    axes[0, 0].set(ylabel=r"(E[GU | arm 2] - E[GU | arm 1]) / $\Delta$")
    axes[1, 0].set(ylabel=r"noise on arm 2, $\sigma/\Delta$")
    axes[0, 0].text(logits[2], 2.9, "towards arm 2", color="0.3", fontsize="small", va="center")
    axes[0, 0].text(logits[2], -2.9, "towards arm 1", color="0.3", fontsize="small", va="center")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    handles.append(axes[0, 0].plot([], [], "o", color="0.7", markeredgecolor=BLACK)[0])
    _legend(figure, 5, handles, [*labels, "stable point"])
    _title(figure, "Noise on the worse arm alone leaves a gate resting on a share of it")
    _save(figure, path)


def _field(axis: Any, gate: Gate, logits: Any) -> None:
    """Draw the sign of the drift for every noise, and the curve on which it rests."""

    def drift(x: float, s: float) -> float:
        return gambling.preference(gambling.Gambling(1.0, s), x, gate)

    levels = np.geomspace(0.2, 6.0, 32)
    grid = np.array([[drift(x, s) for x in logits[::3]] for s in levels])
    axis.contourf(logits[::3], levels, grid, [-1e9, 0.0, 1e9], colors=["#D5E8F5", "#FCE8C8"])
    axis.contour(logits[::3], levels, grid, [0.0], colors=BLACK, linewidths=1.2)
    words = {"color": "0.3", "fontsize": "small", "ha": "center"}
    axis.text(logit(0.004), 2.2, "the worse arm grows", **words)
    axis.text(logit(0.5), 0.4, "the worse arm shrinks", **words)
    for s in (0.3, 0.7, 1.4, 3.5):
        for x in logits[6::12]:
            tip = x + 0.6 * np.sign(drift(x, s))
            if drift(tip, s) * drift(x, s) > 0.0:
                arrow = {"arrowstyle": "->", "color": "0.35", "lw": 0.9}
                axis.annotate("", (tip, s), (x, s), arrowprops=arrow)
    axis.set(yscale="log")
    axis.set_yticks([0.2, 0.5, 1, 2, 5], ["0.2", "0.5", "1", "2", "5"])
    axis.minorticks_off()


def realised_rate(path: Path) -> None:
    """Draw the rate that a Bernoulli gate keeps at the quantile price of a Gaussian signal."""
    figure, (axis,) = _figure(6.4, 4.4, 1)
    ratios = np.geomspace(0.01, 300, 120)
    for rate, (colour, dash) in {
        0.3: (ORANGE, "--"),
        0.1: (GREEN, "-."),
        0.03: (BLUE, "-"),
        0.01: (PURPLE, ":"),
    }.items():
        kept = law.realised_rate(ratios, rate)
        axis.plot(ratios, kept, color=colour, linestyle=dash, label=f"rate {rate:g}")
        axis.axhline(rate, color=colour, linestyle=dash, linewidth=0.6, alpha=0.6)
    for s in (0.05, 1.0, 5.0):
        one = float(law.realised_rate(s, 0.03))
        axis.plot(s, one, "o", color=BLUE, markersize=4)
        axis.annotate(
            f"{one:.3f}".lstrip("0"), (s, one), (6, 4), textcoords="offset points", color=BLUE
        )
    axis.set(
        xscale="log",
        yscale="log",
        xlabel="standard deviation of the signal over the temperature",
        ylabel="share kept",
        ylim=(0.008, 0.65),
    )
    axis.set_yticks([0.01, 0.03, 0.1, 0.3, 0.5], ["0.01", "0.03", "0.1", "0.3", "0.5"])
    axis.minorticks_off()
    _title(figure, "At the quantile price a Bernoulli gate keeps its rate only if it is cold")
    _legend(figure, 4)
    _save(figure, path)


def _figure(width: float, height: float, columns: int, rows: int = 1) -> tuple[Any, Any]:
    """Return a figure and its axes, with a light grid."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.grid(visible=True, alpha=0.25)
        axis.set_axisbelow(True)
    return figure, axes if rows > 1 else axes[0]


def _title(figure: Any, text: str) -> None:
    figure.suptitle(text, fontsize="large")


def _legend(figure: Any, columns: int, *content: Any) -> None:
    figure.legend(*content, loc="outside lower center", ncols=columns, fontsize="small")


def _save(figure: Any, path: Path) -> None:
    # Without a date in it the same figure is the same file.
    figure.savefig(path, dpi=100, metadata={"Software": None}, pil_kwargs={"optimize": True})


FIGURES: dict[str, Callable[[Path], None]] = {
    "cosine": cosine_against_p,
    "perpendicular-variance": perpendicular_variance,
    "gambling": gambling_drift,
    "realised-rate": realised_rate,
}
