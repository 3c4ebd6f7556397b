"""The first page: the two commands, the figure and its numbers, and a place for every page."""

import csv
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from page_commands import DOCS, blocks
from test_project import RUN_COMMAND, TEST_COMMAND

from kondo_ref.vectors.load import PUBLISHED, load_vectors

PAGE = (DOCS / "index.md").read_text("utf-8")
FIGURE = DOCS / "results" / "home" / "figure.py"
TUTORIALS = ["audit", "count-flops", "write-a-backend", "read-the-reference"]


def figure_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("home_figure", FIGURE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def groups(page: str) -> dict[str, list[str]]:
    """Return the pages of every table of contents by its caption."""
    found = re.findall(
        r"^```\{toctree\}\n:caption: (.+)\n(?::.*\n)*\n((?:[\w-]+\n)+)```", page, re.M
    )
    return {caption: pages.split() for caption, pages in found}


def three_digits(value: float) -> str:
    return f"{float(f'{value:.3g}'):,.0f}"


def test_the_two_commands_are_those_of_the_readme() -> None:
    lines = [line for line in blocks(PAGE, "bash")[0].splitlines() if line[0] != "#"]
    assert lines == [RUN_COMMAND, TEST_COMMAND]


def test_every_page_has_one_place() -> None:
    found = groups(PAGE)
    assert found["Tutorials"] == TUTORIALS
    placed = [page for pages in found.values() for page in pages]
    assert sorted(placed) == sorted(path.stem for path in DOCS.glob("*.md") if path.stem != "index")
    assert PAGE.count("{toctree}") == len(found)


def test_the_golden_cases_are_counted() -> None:
    told = re.search(r"against (\d+) golden cases", PAGE)
    assert told is not None
    assert int(told[1]) == len(load_vectors(PUBLISHED))


def test_the_readme_names_the_tutorials() -> None:
    readme = (DOCS.parent / "README.md").read_text("utf-8")
    for name in TUTORIALS:
        assert f"docs/{name}.md" in readme


def test_the_numbers_below_the_figure_are_those_of_the_runs() -> None:
    figure = figure_module()
    runs = figure.table()
    told = re.search(r"^\*To 5 % online error.*?\*$", PAGE, re.M | re.S)
    assert told is not None
    numbers = re.findall(r"\d+,\d{3}", told[0])
    asked = [("pg", "backward"), ("dg", "backward"), ("kondo-top-k", "backward")]
    asked += [("kondo-top-k", "forward")]
    found = [figure.samples_to_threshold(runs, *words) for words in asked]
    with (DOCS / "results/reproduce/mnist/table.csv").open(encoding="utf-8") as file:
        (row,) = (
            row
            for row in csv.DictReader(file)
            if (row["label"], row["what"]) == ("pg", "forward samples to 0.05 online error")
        )
    found += [float(row["low"]), float(row["high"])]
    assert numbers == [three_digits(value) for value in found]
    assert len(runs["pg", "online_error"].seeds) == 10
    assert "mean curve of ten seeds" in told[0]
    assert found[3] > figure.samples_to_threshold(runs, "dg", "forward")
    assert 15 < found[1] / found[2] < 25  # "about a twentieth", in the words for who cannot see it


def test_the_figure_is_made_of_the_runs(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra plots is not installed")
    subprocess.run([sys.executable, str(FIGURE), "--out", str(tmp_path)], check=True)
    committed = {path.name: path for path in FIGURE.parent.glob("*.svg")}
    assert {path.name for path in tmp_path.iterdir()} == set(committed)
    assert all(f"results/home/{name}" in PAGE for name in committed)
    for name, path in committed.items():
        drawn, kept = curves(tmp_path / name), curves(path)
        assert [colour for colour, _ in kept] == [colour for colour, _ in drawn]
        assert len(kept) == 3
        for (_, points), (_, expected) in zip(drawn, kept, strict=True):
            assert points == pytest.approx(expected, abs=0.5), f"run python {FIGURE.name}"


def curves(path: Path) -> list[tuple[str, list[float]]]:
    """Return the colour of every long line of a drawing, and its coordinates in points."""
    lines = re.findall(
        r'<path d="([^"]+)"[^>]*?style="[^"]*?stroke: (#\w+)', path.read_text("utf-8")
    )
    numbers = [(colour, [float(x) for x in re.findall(r"-?[\d.]+", d)]) for d, colour in lines]
    return [(colour, points) for colour, points in numbers if len(points) > 40]
