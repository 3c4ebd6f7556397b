"""The blocks of the documentation that come from the claims themselves.

On a page, ``<!-- claim ID -->`` and ``<!-- end -->`` enclose what `block` gives for the claim: its
values, its counterexamples, its published numbers. ``python -m kondo_ref.claims.pages FILE...``
writes them anew; a test compares the pages with what the functions give.
"""

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kondo_ref import files
from kondo_ref.claims import register, report

BLOCK = re.compile(r"<!-- claim ([a-z0-9-]+) -->\n(.*?)<!-- end -->\n", re.S)
SIGNS = {"equal": "=", "at most": "≤", "at least": "≥", "below": "<", "above": ">"}


def block(record: Mapping[str, Any]) -> str:
    """Return what a page shows of a claim.

    Parameters
    ----------
    record : mapping
        Of `kondo_ref.claims.report.evaluate`, with numbers.
    """
    actual, claimed, what = report.named_pair(record)
    sides = f"{_digits(actual)} {SIGNS[record['relation']]} {_digits(claimed)}"
    function = f"{{py:func}}`~{record['function']}`"
    lines = [
        f"*{_plain(record['statement'])}* Source: {record['source']}. Statement: {function}.",
        "",
        f"Small instance: {what}, {sides}.",
        "",
        "| needs | without it | and then |",
        "|---|---|---|",
    ]
    lines += [
        _row(boundary["hypothesis"], boundary["instead"], boundary["shows"])
        for boundary in record["boundaries"]
    ]
    if record["numbers"]:
        lines += ["", "| published | | ours |", "|---|---|---|"]
        for number in record["numbers"]:
            kind = " (sampled)" if number["sampled"] else ""
            lines.append(
                _row(number["label"], f"{number['published']:g}{kind}", _digits(number["ours"]))
            )
    if record["remark"]:
        lines += ["", _plain(record["remark"])]
    return "\n".join(lines) + "\n"


def rewritten(page: str, record_of: Callable[[str], Mapping[str, Any]]) -> str:
    """Return a page with its blocks as `block` gives them.

    Parameters
    ----------
    page : str
    record_of : callable
        From a claim's id to its record.
    """

    def one(match: re.Match[str]) -> str:
        name = match[1]
        return f"<!-- claim {name} -->\n{block(record_of(name))}<!-- end -->\n"

    return BLOCK.sub(one, page)


def record_of(name: str) -> dict[str, Any]:
    """Return the record of a registered claim, with its published numbers.

    Raises
    ------
    ValueError
        No such claim.
    """
    (claim,) = report.chosen(register.all_claims(), [name])
    return report.evaluate(claim, numbers=True)


def _digits(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.5g}"


def _row(*cells: str) -> str:
    return f"| {' | '.join(_plain(cell) for cell in cells)} |"


def _plain(text: str) -> str:
    """Return plain text as Markdown, in one line."""
    return " ".join(text.split()).replace("*", "\\*").replace("|", "\\|")


def main(paths: list[str]) -> None:
    """Rewrite the blocks of pages."""
    for name in paths:
        path = Path(name)
        files.write_text(path, rewritten(path.read_text("utf-8"), record_of))


if __name__ == "__main__":
    main(sys.argv[1:])
