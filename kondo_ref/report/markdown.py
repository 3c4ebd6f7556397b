"""Blocks -> Markdown, for a pull request, an issue or a page of documentation."""

from collections.abc import Callable, Sequence

from kondo_ref.report.blocks import Block, Code, Heading, Paragraph, Picture, Table, Verdict

MARKS = {"conforms": "✅", "deviates": "❌", "unusable": "⚠️", "identified": "🔎"}
SPECIAL = str.maketrans({c: f"\\{c}" for c in "\\`*_[]<>|#$~"})


def markdown(blocks: Sequence[Block], place: Callable[[Picture], str]) -> str:
    """Return a report as GitHub-flavoured Markdown.

    Parameters
    ----------
    blocks : sequence of Block
    place : callable
        Picture -> the link to its file.
    """
    return "\n\n".join(_block(block, place) for block in blocks) + "\n"


def _block(block: Block, place: Callable[[Picture], str]) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {escaped(text)}"
        case Paragraph(text):
            return escaped(text)
        case Verdict(verdict, sentence):
            return f"**{MARKS[verdict]} {verdict.upper()}.** {escaped(sentence)}"
        case Code(text, language):
            fence = "```" if "```" not in text else "````"
            return f"{fence}{language}\n{text}\n{fence}"
        case Picture():
            return f"![{escaped(block.caption)}]({place(block)})\n\n*{escaped(block.caption)}*"
        case Table(head, rows, code):
            lines = [_row([escaped(cell) for cell in head]), "|" + "---|" * len(head)]
            for row in rows:
                cells = [_coded(c) if i in code else escaped(c) for i, c in enumerate(row)]
                lines.append(_row(cells))
            return "\n".join(lines)


def escaped(text: str) -> str:
    """Return text in which nothing is taken for Markdown."""
    return " ".join(text.split()).translate(SPECIAL)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _coded(text: str) -> str:
    """Return text as code inside a table, where a bar would end the cell."""
    plain = " ".join(text.split()).replace("|", "¦")
    if not plain:
        return ""
    return f"`` {plain} ``" if "`" in plain else f"`{plain}`"
