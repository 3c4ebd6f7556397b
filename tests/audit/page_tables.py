"""The tables of docs/audit-findings.md: the catalogue, and the kill matrix.

``python tests/audit/page_tables.py`` writes them into the page.
"""

import sys
from pathlib import Path

from kondo_ref.audit.catalogue import CATALOGUE, DIMENSIONS

PAGE = Path(__file__).parents[2] / "docs" / "audit-findings.md"


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
    return page.split(f"<!--- {name}: begin -->\n")[1].split(f"\n<!--- {name}: end -->")[0]


def replaced(page: str, name: str, table: str) -> str:
    """Return the page with another table between its marks."""
    return page.replace(between(page, name), table)


def main() -> None:
    """Write the tables."""
    page = PAGE.read_text("utf-8")
    page = replaced(page, "catalogue", catalogue_table())
    PAGE.write_text(page, "utf-8")


if __name__ == "__main__":
    sys.exit(main())
