"""The blocks of the documentation that are made of the committed results of the studies.

On a page, ``<!-- studies -->`` and ``<!-- reproduce NAME -->`` begin what `listing` and `block`
give, and ``<!-- end -->`` ends it. ``python -m kondo_ref.reproduce.pages FILE...`` writes them
anew; a test compares the pages with what the functions give.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

from kondo_ref import files
from kondo_ref.reproduce import compare, results
from kondo_ref.reproduce.register import STUDIES, load_study

BLOCK = re.compile(r"<!-- (studies|reproduce ([a-z-]+)) -->\n(.*?)<!-- end -->\n", re.S)
RESULTS = Path("results") / "reproduce"


def block(name: str, docs: Path) -> str:
    """Return what a page shows of a study: its table, its command, its figure.

    Parameters
    ----------
    name : str
    docs : Path
        The folder of the pages, with the results in it.

    Raises
    ------
    OSError
        The study has no results there.
    ValueError
        The results are those of a quick run.
    """
    study, folder = load_study(name), docs / RESULTS / name
    kept = json.loads((folder / "result.json").read_text("utf-8"))
    if kept["configuration"]["quick"]:
        raise ValueError(f"{name}: a quick run is not the study")
    rows = results.stored_table(study, folder)
    known = any(row["published"] is not None for row in rows)
    head = compare.HEAD if known else compare.HEAD[:4]
    lines = [
        f"Source: {study.source}.",
        "",
        _line(head),
        _line(["---"] * len(head)),
        *(_line(compare.cells(row)[: len(head)]) for row in rows),
        "",
        f"{_seeds(rows)} seeds, {kept['units']} units. Made by",
        "",
        "```bash",
        command(kept["configuration"]),
        "```",
        "",
        f"![{study.summary}]({(RESULTS / name / 'figure.png').as_posix()})",
    ]
    return "\n".join(lines) + "\n"


def command(configuration: dict[str, Any]) -> str:
    """Return the command that made the results of a configuration."""
    return f"kondo-ref reproduce {configuration['study']} --backend {configuration['backend']}"


def listing(docs: Path) -> str:
    """Return the table of all studies, and which have results here."""
    lines = ["| study | what | run here |", "|---|---|---|"]
    for name in STUDIES:
        study = load_study(name)
        here = (docs / RESULTS / name / "result.json").exists()
        lines.append(_line([f"`{name}`", study.summary, "yes" if here else "**no**"]))
    return "\n".join(lines) + "\n"


def rewritten(page: str, docs: Path) -> str:
    """Return a page with its blocks as `listing` and `block` give them.

    Parameters
    ----------
    page : str
    docs : Path
    """

    def one(match: re.Match[str]) -> str:
        text = listing(docs) if match[2] is None else block(match[2], docs)
        return f"<!-- {match[1]} -->\n{text}<!-- end -->\n"

    return BLOCK.sub(one, page)


def _line(cells: Any) -> str:
    return f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in cells)} |"


def _seeds(rows: list[dict[str, Any]]) -> str:
    return " or ".join(str(seeds) for seeds in sorted({row["seeds"] for row in rows}))


def main(paths: list[str]) -> None:
    """Rewrite the blocks of pages."""
    for name in paths:
        path = Path(name)
        files.write_text(path, rewritten(path.read_text("utf-8"), path.parent))


if __name__ == "__main__":
    main(sys.argv[1:])
