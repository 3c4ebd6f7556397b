"""What the pages of the audit have from programs: tables, and the output of commands.

``python tests/audit/page_tables.py`` writes it into the pages.
"""

import os
import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from kondo_ref.audit.catalogue import CATALOGUE, DIMENSIONS

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "audit"
TUTORIAL = ROOT / "docs" / "audit.md"
PAGE = ROOT / "docs" / "audit-findings.md"
KONDO_GATE = ROOT / "docs" / "audit-kondo-gate.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.M | re.S)


def catalogue_table() -> str:
    """Return all findings as Markdown, a table a dimension."""
    parts = []
    for dimension in DIMENSIONS:
        entries = [entry for entry in CATALOGUE.values() if entry.dimension == dimension]
        by_definition: dict[str, list[str]] = {}
        for entry in entries:
            row = f"| `{entry.id}` | {escaped(entry.summary)} | {entry.severity} |"
            by_definition.setdefault(entry.expected, []).append(row)
        parts.append(f"### {dimension}")
        for expected, rows in by_definition.items():
            head = f"Defined: {escaped(expected)}.\n\n| id | what the target does | severity |\n"
            parts.append(f"{head}|---|---|---|\n" + "\n".join(rows))
    return "\n\n".join(parts)


def escaped(text: str) -> str:
    """Return text in which nothing is taken for Markdown."""
    for character in "\\*_|<>[]":
        text = text.replace(character, f"\\{character}")
    return text


def between(page: str, name: str) -> str:
    """Return what stands between the marks of a table."""
    after = page.partition(f"<!--- {name}: begin -->\n")[2]
    return after.partition(f"\n<!--- {name}: end -->")[0]


def replaced(page: str, name: str, table: str) -> str:
    """Return the page with another table between its marks."""
    begin, end = f"<!--- {name}: begin -->\n", f"\n<!--- {name}: end -->"
    before, _, rest = page.partition(begin)
    return f"{before}{begin}{table}{end}{rest.partition(end)[2]}"


def shown(page: str) -> list[tuple[str, str]]:
    """Return the commands that a page shows with their output."""
    found = BLOCK.findall(page)
    return [(b, o) for (one, b), (two, o) in pairwise(found) if (one, two) == ("bash", "text")]


def run(command: str, folder: Path) -> str:
    """Return what the last of some commands prints, in a folder that has the example's losses."""
    (folder / "losses.py").write_text((EXAMPLE / "losses.py").read_text("utf-8"))
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    environment["COLUMNS"] = "80"
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
    kept = (
        line for line in out.splitlines() if not line.startswith(("platform", "rootdir", "plug"))
    )
    return "\n".join(line.rstrip() for line in kept) + "\n"


def main() -> None:
    """Write the tables, and what the commands of the tutorial print."""
    from kill_matrix import (
        RESULTS,
        committed,
        dimension_table,
        held_out_table,
        kill_table,
        summary,
    )

    page = PAGE.read_text("utf-8")
    page = replaced(page, "catalogue", catalogue_table())
    if RESULTS.exists():
        results = committed()
        page = replaced(page, "summary", summary(results))
        page = replaced(page, "dimensions", dimension_table(results))
        page = replaced(page, "mutants", kill_table(results))
        page = replaced(page, "held-out", held_out_table(results))
    PAGE.write_text(page, "utf-8")
    from kondo_gate_targets import rows

    page = KONDO_GATE.read_text("utf-8")
    KONDO_GATE.write_text(replaced(page, "kondo-gate", rows()), "utf-8")
    page = TUTORIAL.read_text("utf-8")
    for command, output in shown(page):
        with TemporaryDirectory() as folder:
            printed = run(command, Path(folder))
        before = f"```bash\n{command}```\n\n```text\n"
        page = page.replace(f"{before}{output}```", f"{before}{printed}```")
    TUTORIAL.write_text(page, "utf-8")


if __name__ == "__main__":
    main()
