"""Gambling from the command line: report, folder, resumption, tables, refusals."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from kondo_ref.cli import main
from kondo_ref.tasks.gambling import analysis
from kondo_ref.tasks.gambling.settings import METHODS, Settings
from kondo_ref.tasks.gambling.train import train

SMALL = [
    *("run", "gambling", "--steps", "40", "--batch", "20", "--sigma", "1", "2"),
    *("--draws", "500", "--chances", "0.6"),
]
ALL = ["--methods", *METHODS, "--rate", "0.2"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a small run of every method."""
    out = tmp_path_factory.mktemp("whole") / "run"
    assert main([*SMALL, *ALL, "--out", str(out), "--json"]) == 0
    return out


def test_the_folder_of_a_run(whole: Path) -> None:
    report = json.loads((whole / "result.json").read_text())
    assert report["configuration"]["task"] == "gambling"
    assert [(row["method"], row["sigma"]) for row in report["methods"]] == [
        (method, sigma) for method in METHODS for sigma in (1.0, 2.0)
    ]
    assert report["figures"] == ["breakthrough.png", "sweep.png", "remedies.png"]
    assert {path.name for path in whole.iterdir()} == {
        *("configuration.json", "curves.csv", "summary.csv", "breakthroughs.csv", "result.json"),
        *("units", *report["figures"]),
    }
    (first, second) = report["tables"]["breakthroughs"]
    assert (first["sigma"], second["sigma"], first["draws"]) == (1.0, 2.0, 2 * 500)
    for row in report["methods"]:
        if row["method"] == "kondo-top-k":
            assert row["kept_share"] == pytest.approx(0.2)
        if row["method"] in ("pg", "dg"):
            assert row["kept_share"] == 1.0


def test_a_resumed_run_and_one_in_another_process_have_the_same_bytes(
    whole: Path, tmp_path: Path
) -> None:
    run = [*SMALL, *ALL, "--out", str(tmp_path / "run"), "--json", "--workers", "1"]
    assert main(run) == 0
    names = ("curves.csv", "breakthroughs.csv", "summary.csv")
    for name in names:
        assert (tmp_path / "run" / name).read_bytes() == (whole / name).read_bytes()
    (tmp_path / "run" / "result.json").unlink()
    (tmp_path / "run").rename(tmp_path / "run.partial")
    for unit in ("pg-0", "reserve-1"):
        (tmp_path / "run.partial" / "units" / f"{unit}.json").unlink()
    assert main([*run, "--resume"]) == 0
    for name in names:
        assert (tmp_path / "run" / name).read_bytes() == (whole / name).read_bytes()


def test_breakthroughs_while_training_are_those_expected(whole: Path) -> None:
    """16 sums of Bernoulli draws, each within 5 deviations: fails by chance below 1e-4."""
    with (whole / "summary.csv").open() as file:
        for row in csv.DictReader(file):
            pulls, seen, wanted = (
                float(row[key])
                for key in ("arm_2", "false_breakthroughs", "expected_breakthroughs")
            )
            assert abs(seen - wanted) <= 5 * np.sqrt(wanted) + 1
            assert 0 <= seen <= pulls


def test_tables_for_people(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SMALL, *ALL, "--out", str(whole), "--resume"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.startswith("gambling (noise on the worse arm), 40 steps of 20, baseline ex")
    for line in ("zero-price: pi_2", "fixed point", "pi_1 = 0.6: measured", "formula"):
        assert line in printed.out
    assert max(len(line) for line in printed.out.splitlines()[1:-1]) <= 120
    assert f"Results and figures: {whole}" in printed.out
    assert "noise on both arms" in analysis.headline(Settings(noise="both").to_dict())


def test_without_noise_the_hard_gate_loses_the_worse_arm() -> None:
    settings = Settings(sigma=(0.0, 1.0), steps=200, methods=("zero-price",), draws=10)
    unit = train(settings.to_dict(), {}, "numpy", "zero-price", 0, lambda _: None)
    assert unit["totals"]["mean_pi_2"][0] < 0.05
    assert unit["totals"]["false_breakthroughs"][0] == 0
    assert [row["count"] for row in unit["breakthroughs"] if row["sigma"] == 0.0] == [0, 0, 0]


def test_a_rolling_price_runs() -> None:
    settings = Settings(
        sigma=(1.0,), steps=4, batch=40, methods=("kondo",), price="rolling", temperature=0.0
    )
    unit = train(settings.to_dict(), {}, "numpy", "kondo", 0, lambda _: None)
    kept = [point["kept_share"] for point in unit["curve"]]
    assert kept[0] > 0.5  # the warm-up keeps everything
    assert kept[-1] < 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--methods", "pg", "--price", "1"], "--price: has no effect here; it belongs to --meth"),
        (["--methods", "dg", "--temperature", "2"], "--temperature: has no effect here"),
        (["--methods", "dg", "--rate", ".1"], "--rate: has no effect here"),
        (["--baseline-value", ".1"], "--baseline-value: has no effect here; it belongs to --base"),
        (["--methods", "pg", "--softer-temperature", "2"], "--softer-temperature: has no effect"),
        (["--methods", "pg", "--fixed-price", "2"], "--fixed-price: has no effect here"),
        (["--methods", "pg", "--reserve", ".2"], "--reserve: has no effect here; it belongs to"),
        (["--sigma", "-1"], "sigma: expected a number in [0, 1e+06], got -1.0"),
        (["--noise", "none"], "noise: expected one of worse, both"),
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
    assert main(["run", "gambling", *options]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"kondo-ref: {message}")
    assert printed.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
