"""The tutorial about FLOP shows what its commands print, and the files that it names."""

import re
from pathlib import Path

import pytest
from page_commands import DOCS, PAGES, blocks, run, shown

NAME = "count-flops.md"
PAGE = (DOCS / NAME).read_text("utf-8")
HINT = "run python tests/page_commands.py"


def same(text: str) -> str:
    """Return an output without the build of torch, which says nothing of a count."""
    return re.sub(r"^(framework +torch) .*$", r"\1", text, flags=re.M)


@pytest.mark.parametrize("pair", shown(PAGE), ids=lambda pair: pair[0].strip())
def test_the_output_shown_is_what_is_printed(pair: tuple[str, str], tmp_path: Path) -> None:
    command, output = pair
    if "flops-audit" in command:
        pytest.importorskip("torch", reason="the extra torch is not installed")
    assert same(run(command, PAGES[NAME], tmp_path)) == same(output), HINT


def test_every_command_is_shown_with_its_output() -> None:
    assert len(shown(PAGE)) == len(blocks(PAGE, "bash")) >= 10
    assert same("framework  torch 2.0\nrows 3") == "framework  torch\nrows 3"
    assert same("rows 3") != same("rows 4")


def test_the_step_shown_is_the_example() -> None:
    example = (PAGES[NAME] / "step.py").read_text("utf-8")
    shown_step = next(block for block in blocks(PAGE, "python") if "import torch" in block)
    assert shown_step.strip() == example.split('"""\n\n', 1)[1].strip()


def unshown(page: str) -> set[str]:
    """Return the exact numbers that the text of a page says and none of its blocks shows."""
    in_blocks = "".join(re.findall(r"^```.*?^```", page, re.M | re.S))
    text = re.sub(r"^```.*?^```", "", page, flags=re.M | re.S)
    return {n for n in re.findall(r"\d+\.\d{3}|\d+(?:,\d{3})+", text) if n not in in_blocks}


def test_exact_numbers_of_the_text_are_shown_by_an_example() -> None:
    assert unshown(PAGE) == set()
    assert len(re.findall(r"\d+\.\d{3}\b", PAGE)) > 20
    assert unshown("costs 1,234 and 0.500\n```text\n0.500\n```\n") == {"1,234"}
