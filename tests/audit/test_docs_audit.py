"""The pages about the audit show what the programs do: commands, outputs, tables, files."""

import json
import re
from pathlib import Path

import pytest
from page_tables import BLOCK, EXAMPLE, PAGE, TUTORIAL, between, catalogue_table, run, shown

from kondo_ref.audit.protocol import HANDED, PROTOCOL, TAKES

pytest.importorskip("torch", reason="the extra torch is not installed")

PAGES = EXAMPLE.parents[1] / "docs"
PAGE_TEXT = TUTORIAL.read_text("utf-8")
HINT = "run python tests/audit/page_tables.py"


def blocks(language: str, page: str = PAGE_TEXT) -> list[str]:
    return [text for found, text in BLOCK.findall(page) if found == language]


def roughly(text: str) -> list[str]:
    """Return lines without what differs between machines: digits after the first, and times."""
    plain = re.sub(r"=* (\d+ passed) in \d+\.\d+s.*", r"\1", text)  # as wide as the time is short
    plain = re.sub(r"\d+(\.\d+)?(e[-+]?\d+)?", "0", plain)
    return [" ".join(line.split()) for line in plain.splitlines() if line.strip()]


@pytest.mark.parametrize("pair", shown(PAGE_TEXT), ids=lambda pair: pair[0].splitlines()[-1])
def test_the_output_shown_is_what_is_printed(pair: tuple[str, str], tmp_path: Path) -> None:
    command, output = pair
    assert roughly(run(command, tmp_path)) == roughly(output), HINT


def test_what_is_compared_is_compared() -> None:
    assert roughly("a  1.5e-3 b\n\n== 9 passed in 3.20s (x) ==") == ["a 0 b", "0 passed"]
    assert roughly("found x") != roughly("found y")
    assert len(shown(PAGE_TEXT)) >= 4


def test_the_losses_shown_are_the_example() -> None:
    example = (EXAMPLE / "losses.py").read_text("utf-8")
    assert blocks("python")[0].strip() == example.split('"""\n\n', 1)[1].strip()
    assert blocks("yaml") == [(EXAMPLE / "workflow.yml").read_text("utf-8")]


def test_the_protocol_shown_is_that_of_the_code() -> None:
    page = (PAGES / "audit-surfaces.md").read_text("utf-8")
    told = page.partition("### The messages")[2].splitlines()
    assert blocks("perl", page) == [(EXAMPLE / "gate.pl").read_text("utf-8")]
    messages = [json.loads(line) for block in blocks("json", page) for line in block.splitlines()]
    sent = {message["type"]: message for message in messages if "type" in message}
    assert set(sent) == {"hello", "call", "loss"}
    assert sent["hello"]["protocol"] == PROTOCOL
    assert set(HANDED["gate"]) < set(sent["call"])
    for surface, handed in HANDED.items():
        row = next(
            line.split("|") for line in told if re.match(rf"\|[^|]*`{re.escape(surface)}`", line)
        )
        named = set(re.findall(r"`(\w+)`", row[2]))
        assert set(handed) <= named <= {*handed, *TAKES}, surface
    for word in TAKES:
        assert f"`{word}`" in page


def test_the_command_of_the_workflow_passes(tmp_path: Path) -> None:
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
    assert between(PAGE.read_text("utf-8"), "catalogue") == catalogue_table(), HINT
