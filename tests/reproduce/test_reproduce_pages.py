"""The committed results of the studies: what they are of, and what is made of them."""

import csv
import json
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from kondo_ref import runs
from kondo_ref.reproduce import pages, results
from kondo_ref.reproduce.register import STUDIES, load_study
from kondo_ref.runs import configuration_hash
from kondo_ref.task import load_task

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "reproduction.md"
COMMITTED = sorted(path.name for path in (DOCS / pages.RESULTS).iterdir())
LARGEST = 300_000


def settings_of(task: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return all settings of a part, as a configuration has them."""
    module = import_module(f"kondo_ref.tasks.{task.replace('-', '_')}.settings")
    of = getattr(module.Settings, "of", lambda values: module.Settings(**values))
    found: dict[str, Any] = of(given).to_dict()
    return found


def check_folder(name: str, docs: Path) -> None:
    """The results are those of the whole study, and the table is made of them."""
    study, folder = load_study(name), docs / pages.RESULTS / name
    assert {p.name for p in folder.iterdir()} == {
        *("results.csv", "table.csv", "figure.png", "result.json"),
    }
    assert all(path.stat().st_size < LARGEST for path in folder.iterdir())
    kept = json.loads((folder / "result.json").read_text())
    configuration = kept["configuration"]
    assert kept["hash"] == configuration_hash(configuration)
    assert (configuration["study"], configuration["quick"]) == (name, False)
    assert [part["name"] for part in configuration["parts"]] == [p.name for p in study.parts]
    for part, made in zip(study.parts, configuration["parts"], strict=True):
        assert made["task"] == part.task
        seeds = pages.seeds_of(configuration)
        assert made["settings"] == settings_of(part.task, {**part.settings, "seeds": seeds})
    rows = results.stored_table(study, folder)
    assert {row["seeds"] for row in rows} == {pages.seeds_of(configuration)}
    assert (folder / "table.csv").read_text() == runs.csv_text(rows)


@pytest.mark.parametrize("name", COMMITTED)
def test_the_committed_results_are_those_of_the_study(name: str) -> None:
    check_folder(name, DOCS)


def other_seeds(folder: Path) -> None:
    kept = json.loads((folder / "result.json").read_text())
    kept["configuration"]["parts"][0]["settings"]["seeds"] = 3
    kept["hash"] = configuration_hash(kept["configuration"])
    (folder / "result.json").write_text(json.dumps(kept))


def other_steps(folder: Path) -> None:
    kept = json.loads((folder / "result.json").read_text())
    kept["configuration"]["parts"][0]["settings"]["steps"] = 100
    kept["hash"] = configuration_hash(kept["configuration"])
    (folder / "result.json").write_text(json.dumps(kept))


def quick(folder: Path) -> None:
    kept = json.loads((folder / "result.json").read_text())
    kept["configuration"]["quick"] = True
    kept["hash"] = configuration_hash(kept["configuration"])
    (folder / "result.json").write_text(json.dumps(kept))


def other_hash(folder: Path) -> None:
    text = (folder / "result.json").read_text()
    (folder / "result.json").write_text(text.replace('"steps": ', '"steps": 1'))


def better(folder: Path) -> None:
    """Every value of the first seed a tenth lower."""
    with (folder / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        if row["seed"] == "0" and row["value"]:
            row["value"] = f"{0.9 * float(row['value']):.6g}"
    (folder / "results.csv").write_text(runs.csv_text(rows))


def rounder(folder: Path) -> None:
    text = (folder / "table.csv").read_text()
    (folder / "table.csv").write_text(text.replace("ours lower", "inside", 1))


@pytest.mark.parametrize("wrong", [other_seeds, other_steps, quick, other_hash, better, rounder])
def test_the_check_sees(wrong: object, tmp_path: Path) -> None:
    assert callable(wrong)
    folder = tmp_path / pages.RESULTS / "mnist"
    shutil.copytree(DOCS / pages.RESULTS / "mnist", folder)
    check_folder("mnist", tmp_path)
    wrong(folder)
    with pytest.raises(AssertionError):
        check_folder("mnist", tmp_path)


def test_the_page_is_made_of_the_committed_results() -> None:
    page = PAGE.read_text("utf-8")
    assert page == pages.rewritten(page, DOCS)
    shown = [match[2] for match in pages.BLOCK.finditer(page) if match[2]]
    assert sorted(shown) == COMMITTED
    assert set(shown) <= set(STUDIES)


def test_a_page_that_was_edited_is_seen() -> None:
    page = PAGE.read_text("utf-8")
    edited = page.replace("| ours lower |", "| inside |", 1)
    assert edited != page
    assert edited != pages.rewritten(edited, DOCS)


def test_a_quick_run_is_no_block(tmp_path: Path) -> None:
    folder = tmp_path / pages.RESULTS / "mnist"
    shutil.copytree(DOCS / pages.RESULTS / "mnist", folder)
    quick(folder)
    with pytest.raises(ValueError, match="a quick run is not the study"):
        pages.block("mnist", tmp_path)


def test_what_has_no_results_is_said_to_have_none(tmp_path: Path) -> None:
    said = pages.listing(tmp_path)
    assert said.count("**no**") == len(STUDIES)
    assert "seeds" not in said


def test_another_number_of_seeds_is_said(tmp_path: Path) -> None:
    configuration = {
        "study": "mnist",
        "backend": "numba",
        "parts": [{"settings": {"seeds": 3}}],
    }
    assert pages.command(configuration) == "kondo-ref reproduce mnist --backend numba --seeds 3"
    folder = tmp_path / pages.RESULTS / "mnist"
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(json.dumps({"configuration": configuration}))
    assert "| **3 of 10 seeds** |" in pages.listing(tmp_path)
    configuration["parts"] = [{"settings": {"seeds": 10}}]
    assert pages.command(configuration) == "kondo-ref reproduce mnist --backend numba"


@pytest.mark.parametrize("name", STUDIES)
def test_every_task_of_a_study_is_there(name: str) -> None:
    assert all(load_task(part.task) for part in load_study(name).parts)
