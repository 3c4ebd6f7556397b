"""The screening study on a small MNIST: its exact screener is the mnist task, its sums are sums."""

from pathlib import Path
from typing import Any

import pytest
from dying import dies

from kondo_ref.cli import main
from kondo_ref.tasks.mnist import settings as mnist_settings
from kondo_ref.tasks.mnist.train import train as mnist_train
from kondo_ref.tasks.screening import analysis
from kondo_ref.tasks.screening.cost import PARTS
from kondo_ref.tasks.screening.settings import METHODS, Settings
from kondo_ref.tasks.screening.train import train

PLACES = {"data_dir": None}
SMALL = {"steps": 40, "batch": 50, "hidden": (8,), "rate": 0.1, "seeds": 1}


def unit(method: str, **given: Any) -> dict[str, Any]:
    settings = Settings(methods=(method,), **(SMALL | given))
    return train(settings.to_dict(), PLACES, "numpy", method, 1, lambda _: None)


@pytest.fixture(scope="module")
def units() -> dict[str, dict[str, Any]]:
    return {method: unit(method) for method in METHODS}


@pytest.mark.parametrize("gate", ["kondo-top-k", "kondo", "zero-price", "dg"])
def test_the_exact_screener_is_the_mnist_task(gate: str) -> None:
    own = unit("exact", gate=gate)
    options = {key: value for key, value in SMALL.items() if key != "seeds"}
    settings = mnist_settings.Settings(methods=(gate,), seeds=1, **options)  # type: ignore[arg-type]
    plain = mnist_train(settings.to_dict(), PLACES, "numpy", gate, 1, lambda _: None)
    for ours, theirs in zip(own["curve"], plain["curve"], strict=True):
        for key in ("step", "online_error", "test_error", "step_flop", "forward_samples"):
            assert ours[key] == theirs[key], (ours["step"], key)
        assert ours["backward_rows"] == theirs["backward_samples"]
        assert ours["backward_flop"] == theirs["backward_flop"]
    assert own["totals"]["estimate_error"] == 0.0


def test_the_costs_are_those_of_the_parts(units: dict[str, dict[str, Any]]) -> None:
    for method, found in units.items():
        for row in (*found["curve"], found["totals"]):
            parts = {name: row[f"{name}_flop"] for name in PARTS}
            assert row["step_flop"] == sum(parts.values()) - parts["act"], method
            assert row["loop_flop"] == sum(parts.values())
            assert row["operations"] > row["step_flop"] >= row["width_flop"]
        total = found["totals"]
        assert total["backward_rows"] == 40 * 5
        assert total["realised_rate"] == pytest.approx(0.1)
    forward = units["exact"]["totals"]["look_flop"]
    acting = {method: found["totals"]["act_flop"] for method, found in units.items()}
    assert {m for m, flop in acting.items() if flop == 0} == {
        "exact", "additive:0.5", "multiplicative:0.5", "cached:4", "cached-signal:4",
    }  # fmt: skip  # of the memories every look is the first here, and so exact
    assert set(acting.values()) == {0, forward}


def test_what_each_screener_is_worth(units: dict[str, dict[str, Any]]) -> None:
    total = {method: found["totals"] for method, found in units.items()}
    assert total["exact"]["recall"] == total["cached:4"]["recall"] == 1.0
    assert 0.0 < total["bfloat16"]["estimate_error"] < total["int8"]["estimate_error"] < 0.1
    assert total["additive:0.5"]["estimate_error"] == pytest.approx(0.5, abs=0.15)
    assert total["draft:16@0.1"]["recall"] >= total["draft:16"]["recall"]
    assert total["int8"]["width_forwards"] == pytest.approx(total["int8"]["step_forwards"] - 0.75)


def test_a_memory_is_used_from_the_second_epoch_on() -> None:
    found = unit("cached:2", steps=320)
    rows = [row["look_flop"] for row in found["curve"]]
    total = found["totals"]
    assert rows[-1] == total["look_flop"]
    # 160 steps an epoch: the first is exact, in the second nothing is looked at.
    assert total["look_forwards"] == 0.5
    assert total["exact_rows"] == 160 * 50 + 160 * 5
    assert total["loop_forwards"] == pytest.approx(total["step_forwards"] + 0.5)
    assert 0.3 < total["recall"] < 1.0


@pytest.mark.parametrize("method", ["int8", "stale:10", "draft:4", "cached:2"])
def test_a_screener_that_acts_spares_the_dense_forward(method: str) -> None:
    found = unit(method, actor="screener")["totals"]
    assert found["act_flop"] == 0
    assert found["loop_flop"] == found["step_flop"]


def test_the_exact_screener_acts_as_the_exact_policy() -> None:
    assert unit("exact", actor="screener")["curve"] == unit("exact")["curve"]


def test_a_wrong_study_is_seen() -> None:
    def check() -> None:
        found = unit("stale:10", steps=20)["totals"]
        assert found["act_forwards"] == pytest.approx(1.0)
        assert found["loop_flop"] == found["step_flop"] + found["act_flop"]

    target = "tasks.screening.cost.CostTally.counts"
    dies(target, 'step + flop["act"]', "step", check)
    dies("tasks.screening.cost.CostTally.add", "if acted else 0", "if not acted else 0", check)


def curve(method: str, points: list[tuple[float, float]]) -> dict[str, Any]:
    rows = [
        {"method": method, "step": i + 1, "forward_samples": 1, "step_flop": flop,
         "loop_flop": 2 * flop, "width_flop": flop, "online_error": error, "test_error": error}
        for i, (flop, error) in enumerate(points)
    ]  # fmt: skip
    return {"curve": rows, "totals": {}}


def test_the_frontier_is_what_nothing_beats() -> None:
    units = [
        curve("a", [(1.0, 0.9), (4.0, 0.5), (8.0, 0.1)]),
        curve("b", [(2.0, 0.6), (5.0, 0.55), (8.0, 0.2)]),
    ]
    found = analysis.frontier_points(units)
    own = [(r["flop"], r["test_error"], r["method"]) for r in found if r["cost"] == "step_flop"]
    assert own == [(1.0, 0.9, "a"), (2.0, 0.6, "b"), (4.0, 0.5, "a"), (8.0, 0.1, "a")]
    loop = [r["flop"] for r in found if r["cost"] == "loop_flop"]
    assert loop == [2.0, 4.0, 8.0, 16.0]
    text = analysis.show_frontier_points(found)
    assert [line.split()[0] for line in text.splitlines()[-3:]] == ["a", "b", "a"]

    def check() -> None:
        assert len(analysis.frontier_points(units)) == 12

    dies("tasks.screening.analysis.frontier_points", "error < best", "error <= 1.0", check)


def test_the_run_writes_tables_and_a_figure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    words = ["run", "screening", "--methods", "exact", "int8", "draft:4", "--steps", "30"]
    assert main([*words, "--hidden", "8", "--seeds", "1", "--workers", "1", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "mnist (embedded), 30 steps of 100, kondo-top-k at 0.03, actor exact, mean" in printed
    assert max(map(len, printed.replace(str(out), "").splitlines())) <= 120
    names = {path.name for path in out.iterdir()}
    assert {"curves.csv", "summary.csv", "frontier_points.csv", "frontier.png"} <= names
    assert (out / "frontier.png").read_bytes().startswith(b"\x89PNG")
