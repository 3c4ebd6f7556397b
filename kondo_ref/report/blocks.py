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
    linked : bool
        The first column names headings of the same page.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    code: tuple[int, ...] = (0,)
    linked: bool = False


@dataclass(frozen=True)
class Code:
    """Lines to be read, or typed, as they are."""

    text: str
    language: str = ""


@dataclass(frozen=True)
class Picture:
    """A figure.

    Parameters
    ----------
    name : str
        For its file, in one word.
    caption : str
    png : bytes
        On white.
    light, dark : bytes
        The same as SVG, for light and for dark surroundings; empty where it was not drawn so.
    """

    name: str
    caption: str
    png: bytes
    light: bytes = b""
    dark: bytes = b""


@dataclass(frozen=True)
class Verdict:
    """The verdict, which is what a reader looks for first.

    Parameters
    ----------
    verdict : str
        conforms, deviates, unusable or identified of an audit; else holds, fails, or done where
        nothing is judged.
    sentence : str
    """

    verdict: str
    sentence: str


Block = Heading | Paragraph | Table | Code | Picture | Verdict
