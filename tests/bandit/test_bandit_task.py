"""The bandit from the command line: report, folder, resumption, budget, refusals."""

import csv
import json
from pathlib import Path

import pytest

from kondo_ref.cli import main
from kondo_ref.tasks.bandit import analysis
from kondo_ref.tasks.bandit.settings import METHODS, Settings
from kondo_ref.tasks.bandit.train import train

SMALL = ["run", "bandit", "--steps", "30", "--contexts", "12", "--arms", "4", "--seeds", "2"]
ALL = ["--methods", *METHODS, "--rate", "0.2"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a small run of every method."""
    out = tmp_path_factory.mktemp("whole") / "run"
    assert main([*SMALL, *ALL, "--out", str(out), "--json"]) == 0
    return out


def test_the_folder_of_a_run(whole: Path) -> None:
    report = json.loads((whole / "result.json").read_text())
    assert report["configuration"]["task"] == "bandit"
    assert [row["method"] for row in report["methods"]] == list(METHODS)
    assert report["figures"] == ["figure.png", "direction.png", "allocation.png"]
    assert {path.name for path in whole.iterdir()} == {
        *("configuration.json", "curves.csv", "summary.csv", "budget.csv", "result.json", "units"),
        *report["figures"],
    }
    by_method = {row["method"]: row for row in report["methods"]}
    assert by_method["kondo-top-k"]["kept_share"] == pytest.approx(0.2)
    assert by_method["kondo-top-k"]["backward_decisions"] == pytest.approx(0.2 * 30 * 12)
    assert by_method["pg"]["backward_decisions"] == 30 * 12
    assert by_method["ce"]["learning_cosine_cross_entropy"] == pytest.approx(1.0)
    with (whole / "budget.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(METHODS) * 5
    assert [json.loads(row["contexts"]) for row in rows[:5]] == [3, 3, 2, 2, 2]
    for method in METHODS:
        for key in ("update_first", "update_learning", "backward_whole"):
            own = [float(row[key]) for row in rows if row["method"] == method]
            assert sum(own) == pytest.approx(1.0)


def test_a_resumed_run_and_one_in_another_process_have_the_same_bytes(
    whole: Path, tmp_path: Path
) -> None:
    run = [*SMALL, *ALL, "--out", str(tmp_path / "run"), "--json", "--workers", "1"]
    assert main(run) == 0
    names = ("curves.csv", "budget.csv", "summary.csv")
    for name in names:
        assert (tmp_path / "run" / name).read_bytes() == (whole / name).read_bytes()
    (tmp_path / "run" / "result.json").unlink()
    (tmp_path / "run").rename(tmp_path / "run.partial")
    (tmp_path / "run.partial" / "units" / "dg-1.json").unlink()
    assert main([*run, "--resume"]) == 0
    for name in names:
        assert (tmp_path / "run" / name).read_bytes() == (whole / name).read_bytes()


def test_tables_for_people(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SMALL, *ALL, "--out", str(whole), "--resume"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.startswith("bandit (12 context(s) of 4 arms), 30 steps, exact gradients")
    for line in ("backward passes to error 1/2", "kondo-top-k: backward, learning", "hardest"):
        assert line in printed.out
    assert f"Results and figures: {whole}" in printed.out
    report = json.loads((whole / "result.json").read_text())
    shown = [row for row in report["methods"] if row["method"] in Settings().methods]
    texts = analysis.table(shown), analysis.show_budget(report["tables"]["budget"])
    for text in (*texts, analysis.LEGEND):
        assert max(map(len, text.splitlines())) <= 120


def test_one_context_has_no_budget_to_divide(tmp_path: Path) -> None:
    settings = Settings.of({"experiment": "single-context", "steps": 5})
    units = [
        train(settings.to_dict(), {}, "numpy", method, 0, lambda _: None)
        for method in ("pg", "zero-price")
    ]
    assert analysis.budget(units) == []
    analysis.allocation(units, tmp_path / "allocation.png")
    assert (tmp_path / "allocation.png").read_bytes().startswith(b"\x89PNG")


def test_nothing_kept_is_no_step() -> None:
    settings = Settings(methods=("kondo",), price="99", temperature=0.0, steps=3, contexts=4)
    unit = train(settings.to_dict(), {}, "numpy", "kondo", 0, lambda _: None)
    errors = [point["error"] for point in unit["curve"]]
    assert errors == [errors[0]] * 3
    assert unit["curve"][-1]["cosine_gradient"] is None
    assert unit["totals"]["learning_kept_right_share"] is None
    row = analysis.summarize([unit])[0]
    assert row["steps_to_half"] is None
    assert " - " in analysis.table([row]) + " "


def test_a_rolling_price_goes_on_from_step_to_step() -> None:
    settings = Settings(
        methods=("kondo",), price="rolling", gradients="sampled", rate=0.1, temperature=0.0,
        steps=40, contexts=20, arms=3,
    )  # fmt: skip
    unit = train(settings.to_dict(), {}, "numpy", "kondo", 0, lambda _: None)
    # Everything is kept in the warm-up, 32 decisions, and not much more after it.
    kept = [point["backward_decisions"] for point in unit["curve"]]
    assert kept[0] == 20
    assert kept[-1] < 0.4 * 40 * 20


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--batch", "3"], "--batch: has no effect here; it belongs to --gradients sampled"),
        (["--baseline-value", ".1"], "--baseline-value: has no effect here; it belongs to --base"),
        (["--methods", "pg", "--price", "1"], "--price: has no effect here; it belongs to --meth"),
        (["--methods", "pg", "--temperature", "1"], "--temperature: has no effect here"),
        (["--methods", "pg", "dg", "--rate", ".1"], "--rate: has no effect here"),
        (["--methods", "kondo", "--price", "1", "--rate", ".1"], "--rate: has no effect here"),
        (["--methods", "ce", "--baseline", "oracle"], "--baseline: has no effect here"),
        (["--methods", "ce", "--gradients", "sampled"], "--gradients: has no effect here"),
        (["--experiment", "one"], "experiment: expected one of many-contexts, single-context"),
        (["--price", "rolling"], "price: a rolling price needs --gradients sampled"),
    ],
)
def test_what_cannot_run_is_said_in_one_line(
    options: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", "bandit", *options]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"kondo-ref: {message}")
    assert printed.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
