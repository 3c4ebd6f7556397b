"""The parts that a report is made of, before it is text, Markdown or HTML."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Heading:
    """A heading of a level from 1."""

    text: str
    level: int


@dataclass(frozen=True)
class Paragraph:
    """Running text."""

    text: str


@dataclass(frozen=True)
class Table:
    """Rows of words under a head.

    Parameters
    ----------
    head : tuple of str
    rows : tuple of tuple of str
    code : tuple of int
        Columns that hold names or numbers.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    code: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class Code:
    """Lines to be read, or typed, as they are."""

    text: str
    language: str = ""


@dataclass(frozen=True)
class Picture:
    """A figure, drawn for light and for dark surroundings.

    Parameters
    ----------
    name : str
        For its file, in one word.
    caption : str
    light, dark : bytes
        SVG.
    png : bytes
        The light one, for where SVG is not shown.
    """

    name: str
    caption: str
    light: bytes
    dark: bytes
    png: bytes


@dataclass(frozen=True)
class Verdict:
    """The verdict, which is what a reader looks for first."""

    verdict: str
    sentence: str


Block = Heading | Paragraph | Table | Code | Picture | Verdict
