"""The benchmark's own working; its ratios are judged where it is run, not by the test suite."""

import json

import pytest

from kondo_ref.cli import main


def test_bench_reports_ratios_and_rows(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--batch", "60", "--rate", ".1", "--seconds", "0.01", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["schema"] == "kondo-ref/bench/1"
    (row,) = report["rows"]
    assert (row["batch"], row["backend"], row["kept_rows"]) == (60, "numpy", 6.0)
    (size,) = report["sizes"]
    variants = size["variants"]
    assert [v["rows"] for v in variants.values()] == [0, 0, 6, 60]
    forward = variants["numpy forward"]["seconds"]
    assert row["gated_ratio"] == variants["numpy gated"]["seconds"] / forward
    assert row["screening_ratio"] == variants["numpy screening"]["seconds"] / forward
    assert all(v["calls"] >= 7 for v in variants.values())


@pytest.mark.parametrize(
    ("words", "units"),
    [
        (["--batch", "20"], "samples"),
        (
            ["transformer", "--batch", "10", "--length", "4", "--width", "8"],
            "tokens or of sequences",
        ),
    ],
)
def test_bench_says_its_rate_and_dtype(
    words: list[str], units: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *words, "--rate", ".25", "--dtype", "float64", "--seconds", ".01"]) == 0
    header = capsys.readouterr().out.partition("\n\n")[0]
    said = f"A gated step keeps a rate of 0.25 of {units}; float64"
    assert said in " ".join(header.split())
    assert max(len(line) for line in header.splitlines()) <= 110


def test_bench_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--batch", "50", "100", "--seconds", "0.01"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2].split()[:3] == ["50", "numpy", "2.0"]
    assert lines[-1].split()[:3] == ["100", "numpy", "3.0"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--batch", "0"], "batch: expected at least 1, got 0"),
        (["--rate", "2"], "rate: expected a number in (0, 1], got 2.0"),
        (["--backends", "numpy,none"], "backend: expected one of jax, numba, numpy"),
        (["--dtype", "int8"], "dtype: expected one of float32, float64; got 'int8'"),
    ],
)
def test_bad_options_are_refused(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *options]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"kondo-ref: {message}")
    assert error.count("\n") == 1


def test_bench_transformer_reports_every_variant(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--batch", "20", "--length", "4", "--width", "8", "--rate", ".1"]
    assert main(["bench", "transformer", *options, "--seconds", "0.01", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["schema"], report["model"]) == ("kondo-ref/bench/1", "transformer")
    (row,), (size,) = report["rows"], report["sizes"]
    assert (row["batch"], row["length"], row["width"], row["backend"]) == (20, 4, 8, "numpy")
    variants = {name.removeprefix("numpy "): v for name, v in size["variants"].items()}
    kinds = {"rollout", "token", "sequence", "dense", "token recompute", "sequence recompute"}
    assert set(variants) == {"forward"} | kinds
    for kind in kinds:
        ratio = variants[kind]["seconds"] / variants["forward"]["seconds"]
        assert row[f"{kind.replace(' ', '_')}_ratio"] == ratio
    # A tenth of 20 sequences, whole; 4 of 40 tokens, each with its prefix; all with all kept.
    assert variants["sequence"]["rows"] == variants["sequence recompute"]["rows"] == 8
    assert 4 <= variants["token"]["rows"] <= 16
    assert variants["dense"]["rows"] == 80
    held = size["bytes"]
    assert 0 < held["numpy sequence recompute"] < held["numpy sequence"] == held["numpy dense"]
    assert row["held_megabytes"] == held["numpy dense"] / 1e6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--length", "5"], "length: expected an even number of tokens, got 5"),
        (["--batch", "15"], "batch: expected a multiple of 10 samples a prompt, got 15"),
    ],
)
def test_bad_options_of_the_transformer_are_refused(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "transformer", *options]) == 2
    assert capsys.readouterr().err == f"kondo-ref: {message}\n"
