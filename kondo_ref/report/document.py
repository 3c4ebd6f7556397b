"""Results -> one page: an overview, then a section a result."""

from collections.abc import Sequence

from kondo_ref.report.blocks import Block, Heading, Table
from kondo_ref.report.page import html
from kondo_ref.report.sections import Section, section, section_blocks
from kondo_ref.report.sources import Source


def report(sources: Sequence[Source], title: str) -> tuple[str, list[Section]]:
    """Return a self-contained HTML page on some results, and its sections.

    Parameters
    ----------
    sources : sequence of Source
        At least one.
    title : str

    Raises
    ------
    ValueError
        No sources, or one that is not as its schema says.
    """
    if not sources:
        raise ValueError("PATH: expected at least one result")
    sections = [section(source) for source in sources]
    return html(document(sections, sources, title), title), sections


def document(sections: Sequence[Section], sources: Sequence[Source], title: str) -> list[Block]:
    """Return the whole report as blocks."""
    blocks: list[Block] = [Heading(title, 1)]
    if len(sections) > 1:
        rows = tuple(
            (told.title, told.verdict, told.sentence, source.path.as_posix())
            for told, source in zip(sections, sources, strict=True)
        )
        blocks.append(
            Table(("result", "verdict", "in one line", "file"), rows, code=(3,), linked=True)
        )
    return blocks + [block for told in sections for block in section_blocks(told)]
