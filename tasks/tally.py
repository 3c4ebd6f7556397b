"""The running sums of a training, and its loop: log points, rates, selectivity, times."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from kondo_ref.screening import Screening
from kondo_ref.tasks.comparison import mean_of_known

PROBE_EVERY = 20
REPORT_EVERY = 20
POINTS_A_DECADE = 10


def log_points(steps: int) -> list[int]:
    """Return logarithmic steps, ten a decade back from `steps`; the last window is a fifth."""
    decades = np.arange(0.0, np.log10(steps) + 1e-9, 1.0 / POINTS_A_DECADE)
    return sorted({*np.rint(steps / 10.0**decades).astype(int).tolist(), 1})


def run_steps(
    steps: int,
    step: Callable[[int], None],
    log: Callable[[int], dict[str, Any]],
    report: Callable[[int], None],
) -> list[dict[str, Any]]:
    """Make steps 1..steps, and return what `log` says at the log points.

    Parameters
    ----------
    steps : int
    step : callable
        Makes the step of a number.
    log : callable
        Returns a row of the curve, and begins the next window.
    report : callable
        Called with the steps done since its last call.
    """
    points = set(log_points(steps))
    curve = []
    for number in range(1, steps + 1):
        step(number)
        if number in points:
            curve.append(log(number))
        if number % REPORT_EVERY == 0:
            report(REPORT_EVERY)
    report(steps % REPORT_EVERY)
    return curve


class Tally:
    """What a training's screenings were like: rates of all, selectivity and times of some.

    Rates are means over all updates; selectivity and times are of every `PROBE_EVERY`-th step.
    """

    def __init__(self) -> None:
        self.updates = 0
        self.target: float | None = None
        self.expected: list[float] = []
        self.realised: list[float] = []
        self.selectivity: list[tuple[float, float | None, float | None]] = []
        self.times: dict[str, list[float]] = {}

    def add(self, screening: Screening, *, updated: bool, probe: bool) -> None:
        """Add an update.

        Parameters
        ----------
        screening : Screening
            With NumPy arrays.
        updated : bool
            Whether the optimizer made a step.
        probe : bool
            Whether its selectivity is looked at.
        """
        self.updates += updated
        self.target = screening.target_rate
        self.expected.append(screening.expected_rate)
        self.realised.append(screening.realised_rate)
        if probe:
            found = screening.selectivity
            self.selectivity.append(
                (found.recall, found.negative_share, found.zero_advantage_share)
            )

    @contextmanager
    def timed(self, name: str, *, probe: bool) -> Iterator[None]:
        """Add the CPU time of the block to the times of a name, on a probe."""
        began = time.process_time() if probe else 0.0
        yield
        if probe:
            self.times.setdefault(name, []).append(time.process_time() - began)

    def rates(self) -> dict[str, float | None]:
        """Return the rates but the executed one, which hangs on what is counted as a row."""
        return {
            "target_rate": self.target,
            "expected_rate": float(np.mean(self.expected)),
            "realised_rate": float(np.mean(self.realised)),
        }

    def shares(self) -> dict[str, float | None]:
        """Return the mean selectivity."""
        names = ("recall", "negative_share", "zero_advantage_share")
        return {
            name: mean_of_known(found[i] for found in self.selectivity)
            for i, name in enumerate(names)
        }

    def seconds(self, name: str) -> float | None:
        """Return the median time of a name, None where nothing was timed."""
        return float(np.median(self.times[name])) if name in self.times else None
