"""``kondo-ref reproduce`` from the words to the folder: whole, resumed, refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from kondo_ref.cli import main
from kondo_ref.reproduce import tidy
from kondo_ref.reproduce.register import STUDIES

QUICK = ["reproduce", "many-contexts", "--quick", "--seeds", "1", "--workers", "1"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a quick study."""
    folder = tmp_path_factory.mktemp("study") / "out"
    assert main([*QUICK, "--out", str(folder)]) == 0
    return folder


def test_the_folder_has_what_it_should(whole: Path) -> None:
    names = {path.name for path in whole.iterdir()}
    assert names == {
        *("configuration.json", "results.csv", "table.csv", "figure.png", "result.json", "units"),
    }
    assert (whole / "figure.png").read_bytes().startswith(b"\x89PNG")
    report = json.loads((whole / "result.json").read_text())
    assert report["schema"] == "kondo-ref/reproduce/1"
    assert report["units"] == 5
    assert report["configuration"]["quick"]
    found = tidy.table_of(tidy.read_rows(whole / "results.csv"))
    assert set(found) == {
        (m, q)
        for m in ("pg", "dg", "kondo", "kondo-top-k", "ce")
        for q in ("error", "backward_decisions")
    }


def test_a_quick_run_says_what_it_is_not(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*QUICK, "--resume", "--out", str(whole)]) == 0
    said = capsys.readouterr().out
    assert "QUICK: this is not the study" in said
    report = json.loads((whole / "result.json").read_text())
    assert {row["verdict"] for row in report["table"]} == {"not the study"}
    assert {row["published"] for row in report["table"]} == {None}


def test_a_finished_study_reused_is_the_same_bit_for_bit(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = tmp_path / "again"
    words = [*QUICK, "--out", str(again), "--reuse", str(whole), "--json"]
    assert main(words) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["reused"] == 5
    assert (again / "results.csv").read_bytes() == (whole / "results.csv").read_bytes()
    assert (again / "table.csv").read_bytes() == (whole / "table.csv").read_bytes()


def test_a_folder_with_nothing_to_reuse_is_said(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = ["reproduce", "gambling", *QUICK[2:]]
    assert main([*other, "--out", str(tmp_path / "a"), "--reuse", str(tmp_path)]) == 0
    assert "--reuse: no finished unit of this study is in there" in capsys.readouterr().err
    assert main([*QUICK, "--out", str(tmp_path / "b"), "--reuse", str(whole)]) == 0
    assert "--reuse" not in capsys.readouterr().err


def test_an_interrupted_study_goes_on(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from kondo_ref import workers

    def interrupted(_: Any, left: list[Any], *, finished: Any, **__: Any) -> None:
        kept = json.loads((whole / "units" / f"{left[0][0]}-0.json").read_text())["result"]
        finished(left[0], kept)
        raise KeyboardInterrupt

    out = tmp_path / "out"
    with monkeypatch.context() as patched:
        patched.setattr(workers, "run_units", interrupted)
        assert main([*QUICK, "--out", str(out)]) == 2
    assert "interrupted; 1 of 5 units are kept" in capsys.readouterr().err
    assert not out.exists()
    assert main([*QUICK, "--out", str(out)]) == 2, "not without --resume"
    assert main([*QUICK, "--out", str(out), "--resume", "--reuse", str(whole)]) == 0
    assert (out / "results.csv").read_bytes() == (whole / "results.csv").read_bytes()
    report = json.loads((out / "result.json").read_text())
    assert report["reused"] == 4


def test_the_list_has_every_study(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "--list"]) == 0
    said = capsys.readouterr().out
    assert all(f"\n{name} " in f"\n{said}" for name in STUDIES)
    assert main(["reproduce", "--list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [study["name"] for study in listed] == list(STUDIES)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "NAME: expected the name of a study"),
        (["imagenet"], "NAME: expected one of mnist"),
        (["many-contexts", "--seeds", "0"], "seeds"),
        (["many-contexts", "--workers", "0"], "workers"),
        (["many-contexts", "--data-dir", "x"], "--data-dir: has no effect here"),
        (["mnist", "--quick", "--data-dir", "x"], "--data-dir: has no effect here"),
        (["many-contexts", "--reuse", "nowhere"], "--reuse: no folder nowhere"),
        (["many-contexts", "--resume"], "--resume: no interrupted run"),
    ],
)
def test_what_cannot_be_run_is_said_in_a_line(
    words: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce", *words]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())
