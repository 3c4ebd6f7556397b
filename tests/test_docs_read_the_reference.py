"""The tour of the reference: its lines are those of the files, and every break of it is noticed."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from page_commands import BLOCK, DOCS, ROOT

PAGE = (DOCS / "read-the-reference.md").read_text("utf-8")
# Station, minutes, lines and files of a row of the table.
ROW = re.compile(r"^\| *(\d*) *\|[^|]+\|[ *]*(\d+)[ *]*\|([^|]*)\|([^|]*)\|$", re.M)
SLACK = 0.1  # the page says rounded lines; a file that grows by more is another read


@dataclass(frozen=True)
class Break:
    """Lines of a file, what they become, and the tests that are to notice."""

    path: str
    before: str
    after: str
    command: str


def breaks(page: str) -> list[Break]:
    """Return the diffs of a page, each with the command in the block that follows it."""
    found = []
    for (one, diff), (two, command) in pairwise(BLOCK.findall(page)):
        if (one, two) == ("diff", "bash"):
            head, *lines = diff.splitlines()
            sides = ["".join(f"{x[1:]}\n" for x in lines if x[0] == sign) for sign in "-+"]
            found.append(Break(head.removeprefix("--- "), *sides, command.strip()))
    return found


def copied(folder: Path) -> Path:
    """Return a folder with what the tests of the core need."""
    for name in ("kondo_ref", "backends", "tasks", "tests"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=ignored)
    for name in ("pyproject.toml", "conftest.py"):
        shutil.copy(ROOT / name, folder)
    return folder


def outcome(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    words = shlex.split(command)
    assert words[:3] == ["python", "-m", "pytest"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, *words[1:], "-p", "no:cacheprovider"],
        cwd=folder,
        env={**environment, "HYPOTHESIS_PROFILE": "ci", "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def lines_of(files: str) -> int:
    """Return the lines of the files named in a cell."""
    return sum(
        len((ROOT / name).read_text("utf-8").splitlines()) for name in re.findall("`(.+?)`", files)
    )


def is_near(told: str, lines: int) -> bool:
    return abs(int(told.strip("* ").replace(",", "")) - lines) <= SLACK * lines


def test_the_lines_and_the_minutes_are_right() -> None:
    rows = [match.groups() for match in ROW.finditer(PAGE)]
    *stations, total = rows
    assert [row[0] for row in stations] == [str(i + 1) for i in range(len(stations))]
    assert len(stations) == PAGE.count("\n## ") - 2  # not the network and not the end
    read = [row for row in stations if "`" in row[3]]
    for _, _, told, files in read:
        assert is_near(told, lines_of(files)), f"{files}: {lines_of(files)} lines"
    assert is_near(total[2], sum(lines_of(row[3]) for row in read))
    assert int(total[1]) == sum(int(row[1]) for row in stations)
    assert not is_near("100", 115)


@pytest.mark.parametrize("broken", breaks(PAGE), ids=lambda broken: Path(broken.path).stem)
def test_a_break_is_noticed(broken: Break, tmp_path: Path) -> None:
    path = copied(tmp_path) / broken.path
    text = path.read_text("utf-8")
    assert text.count(broken.before) == 1
    path.write_text(text.replace(broken.before, broken.after), "utf-8")
    done = outcome(broken.command, tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    (name,) = re.findall(r"-k (\S+)", broken.command)
    assert re.search(rf"^FAILED \S*{name}", done.stdout, re.M)


def test_what_is_not_broken_passes(tmp_path: Path) -> None:
    found = breaks(PAGE)
    assert len(found) == 6
    done = outcome(found[-1].command, copied(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
