"""Token reversal from the command line: report, folder, resumption, refusals."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from kondo_ref.cli import main
from kondo_ref.tasks.token_reversal.settings import METHODS

SIZES = ["--prompts", "2", "--samples", "3", "--length", "3", "--width", "8", "--feed-forward", "8"]
SMALL = ["run", "token-reversal", "--steps", "6", *SIZES]
ALL = ["--methods", *METHODS, "--seeds", "2", "--rate", "0.4"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a small run of every method."""
    out = tmp_path_factory.mktemp("whole") / "run"
    assert main([*SMALL, *ALL, "--out", str(out), "--json"]) == 0
    return out


def without_times(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {k: v for k, v in row.items() if not k.endswith("_seconds") and k != "step_ratio"}
        for row in rows
    ]


def test_the_folder_of_a_run(whole: Path) -> None:
    report = json.loads((whole / "result.json").read_text())
    assert report["schema"] == "kondo-ref/run/1"
    assert report["configuration"]["task"] == "token-reversal"
    assert report["configuration"]["feed_forward"] == 8
    assert [row["method"] for row in report["methods"]] == list(METHODS)
    assert report["figures"] == ["figure.png"]
    names = {path.name for path in whole.iterdir()}
    assert names == {
        "configuration.json",
        "curves.csv",
        "figure.png",
        "result.json",
        "summary.csv",
        "units",
    }
    with (whole / "curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {(row["method"], row["seed"]) for row in rows} == {
        (method, seed) for method in METHODS for seed in "01"
    }
    by_method = {row["method"]: row for row in report["methods"]}
    assert by_method["kondo-top-k"]["target_rate"] == 0.4
    # Two of six sequences, seven of eighteen tokens: 2.4 and 7.2, rounded.
    assert by_method["kondo-top-k"]["backward_sequences"] == 6 * 2
    assert by_method["kondo-top-k-token"]["backward_tokens"] == 6 * 7


def test_a_resumed_run_has_the_same_curves(whole: Path, tmp_path: Path) -> None:
    run = [*SMALL, *ALL, "--out", str(tmp_path / "run"), "--json", "--workers", "1"]
    assert main(run) == 0
    curves = (whole / "curves.csv").read_bytes()
    assert (tmp_path / "run" / "curves.csv").read_bytes() == curves
    (tmp_path / "run" / "result.json").unlink()
    (tmp_path / "run" / "curves.csv").unlink()
    (tmp_path / "run").rename(tmp_path / "run.partial")
    units = tmp_path / "run.partial" / "units"
    for name in ("ppo-1", "kondo-token-0"):
        (units / f"{name}.json").unlink()
    kept = {path.name: path.stat().st_mtime_ns for path in units.iterdir()}
    assert main([*run, "--resume"]) == 0
    assert (tmp_path / "run" / "curves.csv").read_bytes() == curves
    finished = tmp_path / "run" / "units"
    assert len(list(finished.iterdir())) == 2 * len(METHODS)
    for name, changed in kept.items():
        assert (finished / name).stat().st_mtime_ns == changed
    stored = [json.loads((f / "result.json").read_text()) for f in (whole, tmp_path / "run")]
    assert without_times(stored[0]["methods"]) == without_times(stored[1]["methods"])


def test_a_table_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--task", "token-reversal", "--steps", "6", *SIZES, "--seeds", "1"]
    assert main(["run", *options, "--out", str(tmp_path / "run")]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.startswith("token-reversal (3 tokens of 2, prefix reward), 6 steps of 2 x 3")
    for line in ("executed backward FLOP / dense", "kept tokens that are correct"):
        assert line in printed.out
    assert max(len(line) for line in printed.out.splitlines()[1:]) <= 120
    assert f"Results and figure: {tmp_path / 'run'}" in printed.out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--price", ".5"], "--price: has no effect here; it belongs to --methods kondo or"),
        (["--temperature", ".5"], "--temperature: has no effect here; it belongs to --methods"),
        (
            ["--methods", "dg", "zero-price", "--rate", ".5"],
            "--rate: has no effect here; it belongs to --methods kondo-top-k, or kondo without",
        ),
        (["--methods", "kondo", "--price", "1", "--rate", ".5"], "--rate: has no effect here"),
        (["--reward", "exact", "--kappa", ".5"], "--kappa: has no effect here; it belongs to"),
        (["--baseline-value", ".1"], "--baseline-value: has no effect here; it belongs to --base"),
        (
            ["--methods", "ppo", "pmpo", "--normalizer", "kept"],
            "--normalizer: has no effect here; it belongs to methods other than ppo and pmpo",
        ),
        (["--epochs", "2"], "--epochs: has no effect here; it belongs to --methods ppo"),
        (
            ["--methods", "ppo", "--clip", ".2"],
            "--clip: has no effect here; it belongs to --methods ppo --epochs above 1",
        ),
        (["--alpha", ".5"], "--alpha: has no effect here; it belongs to --methods pmpo"),
        (["--methods", "pmpo", "--epochs", "2"], "epochs: expected 1 with pmpo, got 2"),
        (["--methods", "ce"], "methods: expected one of pg, dg, kondo, kondo-token"),
        (["--heads", "3"], "heads: expected a divisor of the width 64, got 3"),
        (["--samples", "1"], "samples: the baseline group-mean needs at least 2, got 1"),
        (["--workers", "0"], "workers: expected at least 1"),
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
    assert main(["run", "token-reversal", *options]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"kondo-ref: {message}")
    assert printed.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        (["token-reversal", "--data", "full"], "--data full"),
        (["mnist", "--length", "3"], "--length 3"),
        (["--length", "3"], "--length"),
    ],
)
def test_an_option_of_another_task_is_refused(
    words: list[str], extra: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["run", *words])
    assert stop.value.code == 2
    assert f"unrecognized arguments: {extra}" in capsys.readouterr().err
