"""Log points, the training loop, and the running sums of screenings."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from dying import dies

from kondo_ref.gate import Gate
from kondo_ref.screening import screen
from kondo_ref.tasks import tally
from kondo_ref.tasks.tally import Tally, log_points, run_steps


def test_log_points_are_ten_a_decade_and_end_with_the_last_step() -> None:
    for steps in (1, 2, 9, 40, 600, 5000):
        points = log_points(steps)
        assert points == sorted(set(points))
        assert (points[0], points[-1]) == (1, steps)
        large = [p for p in points if p >= 100]
        ratios = [b / a for a, b in pairwise(large)]
        assert ratios == [pytest.approx(10**0.1, rel=0.01)] * len(ratios)


def test_the_loop_logs_and_reports_every_step_once() -> None:
    done: list[int] = []
    reported: list[int] = []
    rows = run_steps(45, done.append, lambda n: {"n": n, "done": len(done)}, reported.append)
    assert done == list(range(1, 46))
    assert [row["n"] for row in rows] == log_points(45)
    assert all(row["n"] == row["done"] for row in rows)
    assert (sum(reported), max(reported)) == (45, tally.REPORT_EVERY)


def screening(advantages: list[float]) -> Any:
    n = len(advantages)
    gate = Gate.named("kondo-top-k", rate=0.5)
    return screen(np.zeros((n, 2)), np.zeros(n, dtype=int), np.array(advantages), gate)


def test_rates_of_all_updates_and_selectivity_of_the_probes() -> None:
    sums = Tally()
    sums.add(screening([1.0, 2.0, 3.0, 4.0]), updated=True, probe=False)
    sums.add(screening([1.0, -1.0, -2.0]), updated=True, probe=True)
    sums.add(screening([-1.0, -1.0, -2.0, -3.0]), updated=False, probe=True)
    assert sums.updates == 2
    # Two of four, two of three, two of four.
    assert sums.rates() == {
        "target_rate": 0.5,
        "expected_rate": pytest.approx(5 / 9),
        "realised_rate": pytest.approx(5 / 9),
    }
    assert sums.shares() == {"recall": 1.0, "negative_share": 0.75, "zero_advantage_share": 0.0}


def test_nothing_probed_is_nothing_known() -> None:
    sums = Tally()
    with sums.timed("step", probe=False):
        pass
    assert sums.seconds("step") is None
    assert set(sums.shares().values()) == {None}


def test_the_time_of_a_name_is_its_median() -> None:
    sums = Tally()
    with sums.timed("step", probe=True):
        pass
    assert sums.seconds("step") is not None
    sums.times["step"] = [1.0, 9.0, 2.0]
    assert sums.seconds("step") == 2.0


@pytest.mark.parametrize(
    ("function", "old", "new", "check"),
    [
        ("log_points", "1.0 / POINTS_A_DECADE", "1.5 / POINTS_A_DECADE",
         test_log_points_are_ten_a_decade_and_end_with_the_last_step),
        ("run_steps", "if number in points", "if number % 2",
         test_the_loop_logs_and_reports_every_step_once),
        ("run_steps", "report(steps % REPORT_EVERY)", "report(REPORT_EVERY)",
         test_the_loop_logs_and_reports_every_step_once),
        ("Tally.add", "if probe:", "if True:",
         test_rates_of_all_updates_and_selectivity_of_the_probes),
        ("Tally.add", "self.updates += updated", "self.updates += 1",
         test_rates_of_all_updates_and_selectivity_of_the_probes),
        ("Tally.seconds", "np.median", "np.mean", test_the_time_of_a_name_is_its_median),
    ],
)  # fmt: skip
def test_wrong_sums_are_seen(function: str, old: str, new: str, check: Callable[[], None]) -> None:
    dies(f"tasks.tally.{function}", old, new, check)
