"""The benchmark's own working; its ratios are judged where it is run, not by the test suite."""

import json

import pytest

from kondo_ref.cli import main


def test_bench_reports_ratios_and_rows(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--batch", "60", "--rate", ".1", "--seconds", "0.01", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["schema"] == "kondo-ref/bench/1"
    (row,) = report["rows"]
    assert (row["batch"], row["kept_rows"]) == (60, 6.0)
    assert row["gated_ratio"] == pytest.approx(row["gated_seconds"] / row["forward_seconds"])
    assert row["gated_to_dense"] == pytest.approx(row["gated_seconds"] / row["dense_seconds"])
    assert row["calls"] >= 7


def test_bench_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--batch", "50", "100", "--seconds", "0.01"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2].split()[:2] == ["50", "2.0"]
    assert lines[-1].split()[:2] == ["100", "3.0"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--batch", "0"], "batch: expected at least 1, got 0"),
        (["--rate", "2"], "rate: expected a number in (0, 1], got 2.0"),
        (["--dtype", "int8"], "dtype: expected one of float32, float64; got 'int8'"),
    ],
)
def test_bad_options_are_refused(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *options]) == 2
    assert capsys.readouterr().err == f"kondo-ref: {message}\n"
