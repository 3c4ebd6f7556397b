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
        f"{seeds_of(kept['configuration'])} seeds, {kept['units']} units{_taken(kept)}. Made by",
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
    name, seeds = configuration["study"], seeds_of(configuration)
    own = {part.settings["seeds"] for part in load_study(name).parts}
    other = "" if {seeds} == own else f" --seeds {seeds}"
    return f"kondo-ref reproduce {name} --backend {configuration['backend']}{other}"


def seeds_of(configuration: dict[str, Any]) -> int:
    """Return the number of seeds, which all parts of a study have.

    Raises
    ------
    ValueError
        They have several.
    """
    found = {part["settings"]["seeds"] for part in configuration["parts"]}
    if len(found) != 1:
        raise ValueError(f"{configuration['study']}: expected one number of seeds, got {found}")
    return int(found.pop())


def listing(docs: Path) -> str:
    """Return the table of all studies, and which have results here."""
    lines = ["| study | what | run here |", "|---|---|---|"]
    for name in STUDIES:
        study = load_study(name)
        lines.append(_line([f"`{name}`", study.summary, _state(docs / RESULTS / name)]))
    return "\n".join(lines) + "\n"


def _taken(kept: dict[str, Any]) -> str:
    taken = kept["reused"]
    return f" ({taken} of them taken from other runs of the same settings)" if taken else ""


def _state(folder: Path) -> str:
    path = folder / "result.json"
    if not path.exists():
        return "**no**"
    configuration = json.loads(path.read_text("utf-8"))["configuration"]
    seeds = seeds_of(configuration)
    planned = load_study(configuration["study"]).parts[0].settings["seeds"]
    return f"{seeds} seeds" if seeds == planned else f"**{seeds} of {planned} seeds**"


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


def main(paths: list[str]) -> None:
    """Rewrite the blocks of pages."""
    for name in paths:
        path = Path(name)
        files.write_text(path, rewritten(path.read_text("utf-8"), path.parent))


if __name__ == "__main__":
    main(sys.argv[1:])
