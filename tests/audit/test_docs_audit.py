"""The pages about the audit show what the programs do: commands, outputs, tables, files."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from page_tables import PAGE, between, catalogue_table

pytest.importorskip("torch", reason="the extra torch is not installed")

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "audit"
TUTORIAL = (ROOT / "docs" / "audit.md").read_text("utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.M | re.S)


def blocks(language: str, page: str = TUTORIAL) -> list[str]:
    return [text for found, text in BLOCK.findall(page) if found == language]


def shown(page: str = TUTORIAL) -> list[tuple[str, str]]:
    """Return the commands that a page shows with their output."""
    found = BLOCK.findall(page)
    pairs = zip(found, found[1:], strict=False)
    return [(b, o) for (one, b), (two, o) in pairs if (one, two) == ("bash", "text")]


def roughly(text: str) -> list[str]:
    """Return lines without what differs between machines: digits after the first, and times."""
    plain = re.sub(r"in \d+\.\d+s.*", "", text)
    plain = re.sub(r"\d+(\.\d+)?(e[-+]?\d+)?", "0", plain)
    return [" ".join(line.split()) for line in plain.splitlines() if line.strip()]


def run(command: str, folder: Path) -> str:
    """Return what the last of some commands prints."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    out = ""
    for line in command.strip().splitlines():
        words = shlex.split(line)
        program = {"kondo-ref": ["-m", "kondo_ref"], "python": []}[words[0]]
        done = subprocess.run(
            [sys.executable, *program, *words[1:]],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in (0, 1), done.stderr
        out = done.stdout
    return out


@pytest.mark.parametrize("pair", shown(), ids=lambda pair: pair[0].splitlines()[-1])
def test_the_output_shown_is_what_is_printed(pair: tuple[str, str], tmp_path: Path) -> None:
    command, output = pair
    (tmp_path / "losses.py").write_text((EXAMPLE / "losses.py").read_text("utf-8"))
    printed = run(command, tmp_path)
    if "pytest" in command:
        printed = "\n".join(line for line in printed.splitlines() if "rootdir" not in line)
    assert roughly(printed) == roughly(output)


def test_what_is_compared_is_compared() -> None:
    assert roughly("a  1.5e-3 b\n\n9 passed in 3.20s (x)") == ["a 0 b", "0 passed"]
    assert roughly("found x") != roughly("found y")
    assert len(shown()) >= 4


def test_the_losses_shown_are_the_example() -> None:
    example = (EXAMPLE / "losses.py").read_text("utf-8")
    assert blocks("python")[0].strip() == example.split('"""\n\n', 1)[1].strip()
    assert blocks("yaml") == [(EXAMPLE / "workflow.yml").read_text("utf-8")]


def test_the_command_of_the_workflow_passes(tmp_path: Path) -> None:
    (tmp_path / "losses.py").write_text((EXAMPLE / "losses.py").read_text("utf-8"))
    workflow = blocks("yaml")[0]
    command = re.search(r"- run: >\n((?: {10}.*\n)+)", workflow)
    assert command is not None
    line = " ".join(command[1].split())
    assert line.startswith("python -m pytest -p kondo_ref.audit.pytest_plugin")
    out = run(line, tmp_path)
    assert "losses.py:dg_loss: CONFORMS" in out
    assert {"audit.html", "audit.json"} <= {path.name for path in tmp_path.iterdir()}


def test_the_example_is_a_project_of_its_own(tmp_path: Path) -> None:
    for path in EXAMPLE.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    assert "1 passed" in run("python -m pytest", tmp_path)
    words = "--kondo-target losses.py:attached_dg_loss --kondo-claim dg"
    out = run(f"python -m pytest {words}", tmp_path)
    assert "FAILED kondo-audit::detach" in out
    assert "1 failed" in out


def test_the_catalogue_is_that_of_the_code() -> None:
    hint = "run python tests/audit/page_tables.py"
    assert between(PAGE.read_text("utf-8"), "catalogue") == catalogue_table(), hint
