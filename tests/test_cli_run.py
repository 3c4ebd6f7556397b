"""The main job from the command line: output, folder, interruption, errors."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from kondo_ref.cli import main
from kondo_ref.task import DEFAULT
from kondo_ref.tasks.mnist import analysis
from kondo_ref.tasks.mnist.analysis import summarize

SMALL = ["--steps", "40", "--batch", "50", "--seeds", "2", "--hidden", "8"]
# A shell that runs the tests in the background hands on an ignored SIGINT.
INTERRUPTIBLE = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from kondo_ref.cli import main
sys.exit(main(sys.argv[1:]))
"""
TOTALS = {"target_rate", "expected_rate", "realised_rate", "executed_rate", "recall"}


def run(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kondo_ref", "run", *arguments],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def without_times(result: dict[str, Any]) -> dict[str, Any]:
    methods = [
        {k: v for k, v in row.items() if k not in {"step_seconds", "forward_seconds", "step_ratio"}}
        for row in result["methods"]
    ]
    return {"hash": result["hash"], "methods": methods}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the JSON report of a small run of every method."""
    folder = tmp_path_factory.mktemp("whole")
    methods = ["--methods", "pg,dg", "kondo", "zero-price", "kondo-top-k", "ce"]
    done = run("mnist", *SMALL, *methods, "--rate", ".1", "--json", "--out", "run", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    report: dict[str, Any] = json.loads(done.stdout)
    return {"report": report, "folder": folder / "run"}


def test_the_report_has_what_was_asked_for(whole: dict[str, Any]) -> None:
    report = whole["report"]
    assert report["schema"] == "kondo-ref/run/1"
    assert report["configuration"]["hidden"] == [8]
    assert len(report["hash"]) == 12
    assert report["environment"]["blas"]["threads"] == "1"
    rows = {row["method"]: row for row in report["methods"]}
    assert list(rows) == ["pg", "dg", "kondo", "zero-price", "kondo-top-k", "ce"]
    for row in rows.values():
        assert row["forward_samples"] == 2000
        assert row.keys() >= TOTALS
        assert row["backward_samples"] == pytest.approx(2000 * row["executed_rate"])
        assert row["step_ratio"] > 1
    for name in ("pg", "dg", "ce"):
        assert rows[name]["executed_rate"] == 1
    top = rows["kondo-top-k"]
    assert [top[f"{kind}_rate"] for kind in ("target", "expected", "realised", "executed")] == [
        pytest.approx(0.1)
    ] * 4
    assert top["recall"] == 1
    assert rows["kondo"]["realised_rate"] == pytest.approx(rows["kondo"]["executed_rate"])
    assert rows["kondo"]["expected_rate"] > 0.2, "the quantile price does not meet its rate"
    assert rows["zero-price"]["negative_share"] == 0
    assert rows["ce"]["online_error"] < rows["pg"]["online_error"]


def test_the_folder_has_tidy_tables_and_a_figure(whole: dict[str, Any]) -> None:
    folder = whole["folder"]
    assert not folder.with_name("run.partial").exists()
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "configuration.json",
        "curves.csv",
        "figure.png",
        "result.json",
        "summary.csv",
        "units",
    }
    assert len(list((folder / "units").iterdir())) == 12
    with (folder / "curves.csv").open() as file:
        curves = list(csv.DictReader(file))
    assert {row["method"] for row in curves} == {r["method"] for r in whole["report"]["methods"]}
    last = [row for row in curves if row["method"] == "dg" and row["step"] == "40"]
    mean = sum(float(row["online_error"]) for row in last) / 2
    dg = whole["report"]["methods"][1]
    assert dg["online_error"] == pytest.approx(mean)
    assert (folder / "figure.png").read_bytes().startswith(b"\x89PNG")
    stored = json.loads((folder / "result.json").read_text())
    assert stored | {"folder": "run"} == whole["report"]


def test_the_online_error_is_the_one_since_the_last_log_point(whole: dict[str, Any]) -> None:
    unit = json.loads((whole["folder"] / "units" / "pg-0.json").read_text())["result"]
    steps = [point["step"] for point in unit["curve"]]
    widths = [b - a for a, b in zip([0, *steps], steps, strict=False)]
    wrong = [p["online_error"] * w * 50 for p, w in zip(unit["curve"], widths, strict=True)]
    assert all(abs(value - round(value)) < 1e-9 for value in wrong)
    assert steps == sorted(set(steps))
    assert steps[-1] == 40


def test_the_same_run_again_gives_the_same_numbers(whole: dict[str, Any], tmp_path: Path) -> None:
    methods = ["--methods", "pg", "dg", "kondo", "zero-price", "kondo-top-k", "ce"]
    options = [*SMALL, *methods, "--rate", "0.1", "--json", "--out", "again", "--workers", "1"]
    again = json.loads(run(*options, cwd=tmp_path).stdout)
    assert without_times(again) == without_times(whole["report"])
    assert (tmp_path / "again" / "curves.csv").read_text() == (
        whole["folder"] / "curves.csv"
    ).read_text()


def test_a_table_for_people(tmp_path: Path) -> None:
    done = run("--steps", "5", "--seeds", "1", "--methods", "dg", "kondo-top-k", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    for line in ("online error", "test error", "backward samples executed", "executed rate"):
        assert line in done.stdout
    assert max(len(line) for line in done.stdout.splitlines()) <= 120
    (folder,) = (tmp_path / "runs").iterdir()
    assert str(folder.relative_to(tmp_path)) in done.stdout


def test_an_interrupted_run_goes_on_where_it_was(tmp_path: Path) -> None:
    options = ["--steps", "1200", "--batch", "50", "--hidden", "8", "--seeds", "4"]
    options += ["--workers", "1", "--methods", "kondo-top-k", "--out", "run", "--json"]
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE, "run", *options],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    units = tmp_path / "run.partial" / "units"
    deadline = time.monotonic() + 60
    while not (units.exists() and list(units.glob("*.json"))):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    output, error = process.communicate(timeout=60)
    assert (process.returncode, output) == (2, "")
    assert error.count("\n") == 1
    assert "--resume" in error
    kept = {path.name: path.stat().st_mtime_ns for path in units.glob("*.json")}
    assert 1 <= len(kept) < 4
    assert not (tmp_path / "run").exists()

    refused = run(*options, cwd=tmp_path)
    assert refused.returncode == 2
    assert "--resume goes on with it" in refused.stderr
    other = run(*options, "--rate", "0.5", "--resume", cwd=tmp_path)
    assert other.returncode == 2
    assert "another configuration; it differs in rate" in other.stderr

    resumed = run(*options, "--resume", cwd=tmp_path)
    assert resumed.returncode == 0
    finished = tmp_path / "run" / "units"
    for name, changed in kept.items():
        assert (finished / name).stat().st_mtime_ns == changed
    fresh = run(*options[:-2], "fresh", "--json", cwd=tmp_path)
    assert without_times(json.loads(resumed.stdout)) == without_times(json.loads(fresh.stdout))
    again = run(*options, "--resume", cwd=tmp_path)
    assert json.loads(again.stdout) == json.loads(resumed.stdout)


def test_a_damaged_unit_is_run_again(tmp_path: Path) -> None:
    options = ["--steps", "5", "--seeds", "1", "--methods", "dg", "pg", "--out", "run", "--json"]
    first = json.loads(run(*options, cwd=tmp_path).stdout)
    (tmp_path / "run" / "result.json").unlink()
    (tmp_path / "run").rename(tmp_path / "run.partial")
    (tmp_path / "run.partial" / "units" / "dg-0.json").write_text('{"hash": ')
    again = json.loads(run(*options, "--resume", cwd=tmp_path).stdout)
    assert without_times(again) == without_times(first)


def test_no_figure_without_matplotlib(tmp_path: Path) -> None:
    (tmp_path / "matplotlib.py").write_text("raise ModuleNotFoundError('x', name='matplotlib')")
    done = run(
        "--steps", "3", "--seeds", "1", "--methods", "dg", "--json",
        cwd=tmp_path, PYTHONPATH=str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0
    assert done.stderr.count("\n") == 1
    assert "kondo-ref[plots]" in done.stderr
    assert json.loads(done.stdout)["figures"] == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--task", "chess"], "--task: expected one of mnist, token-reversal, ban"),
        (["mnist", "--task", "chess"], "--task: chess contradicts the task mnist"),
        (["--methods", "ppo"], "methods: expected one of pg, dg"),
        (["--methods", "dg", "dg"], "methods: expected distinct names"),
        (["--rate", "0"], "rate: expected a number in (0, 1], got 0.0"),
        (["--rate", "nan"], "rate: expected a number, got nan"),
        (["--price", "0.5"], "--price: has no effect here; it belongs to --methods kondo"),
        (["--methods", "dg", "--rate", ".1"], "--rate: has no effect here"),
        (
            ["--methods", "kondo", "--price", ".3", "--rate", ".1"],
            "--rate: has no effect here; it belongs to --methods kondo-top-k, or kondo without",
        ),
        (["--data-dir", "x"], "--data-dir: has no effect here; it belongs to --data full"),
        (["--learning-rate", "0"], "learning_rate: expected a finite number > 0, got 0.0"),
        (["--learning-rate", "nan"], "learning_rate: expected a number, got nan"),
        (["--baseline", "constant", "--baseline-value", "inf"], "baseline_value: expected a fin"),
        (["--seeds", "99999999999999"], "seeds: expected at most 100000"),
        (["--hidden", "100000000"], "hidden: expected at most 100000"),
        (["--backend", "none"], "backend: expected one of jax"),
        (["--out", "there/../there/file/x"], "--out: cannot make"),
        (["--baseline-value", ".1"], "--baseline-value: has no effect here; it belongs to --base"),
        (["--methods", "kondo", "--temperature", "-1"], "temperature: expected a finite"),
        (["--methods", "kondo", "--price", "cheap"], "price: expected quantile, calibrated"),
        (
            ["--methods", "kondo", "--price", "calibrated", "--temperature", "0"],
            "temperature: a calibrated price needs a temperature > 0",
        ),
        (["--steps", "0"], "steps: expected at least 1, got 0"),
        (["--batch", "9000"], "batch: expected at most the 8000 training images, got 9000"),
        (["--seeds", "0"], "seeds: expected at least 1"),
        (["--workers", "0"], "workers: expected at least 1"),
        (["--baseline", "best"], "baseline: expected one of expected, zero"),
        (["--dtype", "float16"], "dtype: expected one of float32, float64"),
        (["--data", "half"], "data: expected one of embedded, full; got 'half'"),
        (["--data", "full", "--data-dir", "nowhere"], "nowhere"),
        (["--resume"], "--resume: no interrupted run of this configuration under runs"),
        (["--resume", "--out", "none"], "--resume: no interrupted run at none.partial"),
        (["--out", "there"], "--out: there exists; choose another folder"),
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
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").touch()
    assert main(["run", *options]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("kondo-ref: ")
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_an_abbreviated_option_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["run", "--seed", "7"])
    assert stop.value.code == 2
    assert "unrecognized arguments: --seed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "command", "message"),
    [
        (
            ["token-reversal", "--data", "full"],
            "run token-reversal",
            "unrecognized arguments: --da",
        ),
        (["--task", "mnist", "--length", "3"], "run mnist", "unrecognized arguments: --length"),
        (["--length=3"], f"run {DEFAULT}", "unrecognized arguments: --length=3"),
        (["--length", "3"], "run", "unrecognized arguments: --length"),
        (["chess", "--length", "3"], "run", "unrecognized arguments: --length 3"),
        (["--steps", "x"], f"run {DEFAULT}", "argument --steps: invalid int value: 'x'"),
        (["token-reversal", "--steps", "x"], "run token-reversal", "argument --steps: invalid int"),
    ],
)
def test_a_wrong_option_names_the_task_and_its_help(
    words: list[str], command: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["run", *words])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith(f"kondo-ref {command}: {message}")
    assert error.endswith(f"; see kondo-ref {command} --help\n")
    assert error.count("\n") == 1


def test_a_figure_that_fails_does_not_cost_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("no\ncanvas")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(analysis, "figure", broken)
    assert main(["run", "--steps", "3", "--seeds", "1", "--methods", "dg", "--json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["figures"] == []
    assert printed.err == "kondo-ref: no figure (no canvas)\n"


def test_a_run_that_keeps_nothing_has_a_figure(tmp_path: Path) -> None:
    nothing = ["--methods", "kondo", "--price", "inf", "--steps", "30", "--seeds", "1", "--json"]
    report = json.loads(run(*nothing, "--out", "run", cwd=tmp_path).stdout)
    assert (report["figures"], report["methods"][0]["optimizer_steps"]) == (["figure.png"], 0)


def test_a_folder_in_use_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ["run", "--steps", "3", "--seeds", "1", "--methods", "dg", "--out", "run"]
    assert main(options) == 0
    (tmp_path / "run" / "result.json").unlink()
    assert main([*options, "--resume"]) == 2
    assert "run is damaged; remove it and run again" in capsys.readouterr().err
    (tmp_path / "run").rename(tmp_path / "run.partial")
    (tmp_path / "run.partial" / "lock").write_text(str(os.getpid()))
    for more in ([], ["--resume"]):
        assert main([*options, *more]) == 2
        assert f"is in use by a run of process {os.getpid()}" in capsys.readouterr().err
    (tmp_path / "run.partial" / "lock").write_text("999999999")
    assert main([*options, "--resume"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_output_that_cannot_show_a_sign_still_shows_the_table(tmp_path: Path) -> None:
    options = ["--steps", "3", "--seeds", "2", "--methods", "dg"]
    done = run(*options, cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "? " in done.stdout


def unit(method: str, errors: list[float], executed: int = 100) -> dict[str, Any]:
    curve = [
        {
            "method": method,
            "forward_samples": 100 * 2**i,
            "backward_samples": executed * 2**i,
            "step_flop": 1000 * 2**i,
            "online_error": error,
            "test_error": error / 2,
        }
        for i, error in enumerate(errors)
    ]
    times = {"step_seconds": 3.0, "forward_seconds": 2.0}
    return {"curve": curve, "totals": {"backward_samples": executed, "recall": None} | times}


def test_a_summary_by_hand() -> None:
    units = [unit("dg", [0.2, 0.08, 0.02]), unit("pg", [0.9, 0.8, 0.7])]
    units += [unit("dg", [0.4, 0.04, 0.04], executed=200)]
    dg, pg = summarize(units)
    assert (dg["method"], dg["seeds"], pg["seeds"]) == ("dg", 2, 1)
    assert dg["online_error"] == pytest.approx(0.03)
    assert dg["online_error_se"] == pytest.approx(0.01)
    assert dg["test_error"] == pytest.approx(0.015)
    assert dg["backward_samples"] == 150
    assert dg["step_ratio"] == 1.5
    # The mean goes from .06 at 200 to .03 at 400: a third of the way to .05, in the logarithm.
    assert dg["forward_to_threshold"] == pytest.approx(200 * 2 ** (1 / 3))
    assert (pg["forward_to_threshold"], pg["online_error_se"], pg["recall"]) == (None, None, None)
