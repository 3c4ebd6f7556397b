"""Blocks -> one HTML file with everything in it: no script, no link to anywhere, light and dark."""

from base64 import b64encode
from collections.abc import Sequence
from html import escape
from urllib.parse import quote

from kondo_ref.report.blocks import Block, Code, Heading, Paragraph, Picture, Table, Verdict

STYLE = """
:root { color-scheme: light dark; --ink: #1d2126; --soft: #5a636e; --paper: #ffffff;
  --line: #d9dee4; --shade: #f4f6f8; --good: #1a7f37; --bad: #c5221f; --warn: #9a6700;
  --note: #0b63b8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7eb; --soft: #9aa4af; --paper: #14171a;
  --line: #343a41; --shade: #1e2328; --good: #4ac26b; --bad: #ff7b72; --warn: #d29922;
  --note: #6cb6ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 56rem; padding: 1rem 1rem 4rem; background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 1rem 0; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem; padding-bottom: .25rem;
  border-bottom: 1px solid var(--line); }
h3 { font: 600 1rem/1.4 ui-monospace, monospace; margin: 2rem 0 .25rem; }
p { margin: .5rem 0; }
.verdict { border-left: .35rem solid var(--tone); background: var(--shade);
  padding: .6rem .9rem; border-radius: .25rem; }
.verdict strong { color: var(--tone); letter-spacing: .03em; }
.conforms, .holds { --tone: var(--good); } .deviates, .fails { --tone: var(--bad); }
.unusable { --tone: var(--warn); } .identified, .done { --tone: var(--note); }
table { border-collapse: collapse; width: 100%; margin: .75rem 0; font-size: .93rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .75rem .3rem 0;
  border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; }
table.plain th { width: 11rem; font-weight: 400; }
table.pairs th:first-child { width: 16rem; }
td { overflow-wrap: break-word; } td code { overflow-wrap: anywhere; }
a { color: var(--note); }
code, pre { font: .88em/1.45 ui-monospace, monospace; }
pre { background: var(--shade); padding: .6rem .8rem; border-radius: .25rem;
  white-space: pre-wrap; }
figure { margin: 1.5rem 0; }
figure img { width: 100%; max-width: 42rem; height: auto; display: block; }
figure img.drawn { max-width: 100%; background: #ffffff; padding: .4rem; border-radius: .25rem; }
figcaption { color: var(--soft); font-size: .9rem; margin-top: .4rem; }
@media (max-width: 40rem) {
  thead { position: absolute; left: -100vw; }
  tr { display: block; padding: .45rem 0; border-bottom: 1px solid var(--line); }
  th, td { display: block; width: auto; border: 0; padding: .05rem 0; }
  table.plain th { width: auto; font-size: .85rem; }
  td[data-head]::before { content: attr(data-head) " "; color: var(--soft); font-size: .85rem; }
  td:first-child { font-weight: 600; }
}
"""


def html(blocks: Sequence[Block], title: str) -> str:
    """Return a report as a whole HTML page.

    Parameters
    ----------
    blocks : sequence of Block
    title : str
    """
    body = "\n".join(_block(block) for block in blocks)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _block(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f'<h{level} id="{_anchor(text)}">{escape(text)}</h{level}>'
        case Paragraph(text):
            return f"<p>{escape(text)}</p>"
        case Verdict(verdict, sentence):
            told = f"<strong>{verdict.upper()}</strong> {escape(sentence)}"
            return f'<p class="verdict {verdict}">{told}</p>'
        case Code(text):
            return f"<pre>{escape(text)}</pre>"
        case Picture():
            return _picture(block)
        case Table():
            return _table(block)


def _anchor(text: str) -> str:
    """Return the name of a heading's place: one that is the same wherever the text is."""
    return quote(text, safe="")


def _picture(picture: Picture) -> str:
    caption = escape(picture.caption)
    if not (picture.light and picture.dark):
        source = f'<img class="drawn" alt="{caption}" src="{_uri(picture.png, "png")}">'
    else:
        source = (
            f'<picture><source media="(prefers-color-scheme: dark)" '
            f'srcset="{_uri(picture.dark)}"><img alt="{caption}" src="{_uri(picture.light)}">'
            "</picture>"
        )
    return f"<figure>{source}<figcaption>{caption}</figcaption></figure>"


def _uri(image: bytes, kind: str = "svg+xml") -> str:
    return f"data:image/{kind};base64,{b64encode(image).decode()}"


def _table(table: Table) -> str:
    if not any(table.head):
        rows = "".join(
            f'<tr><th scope="row">{escape(row[0])}</th><td>{escape(row[1])}</td></tr>'
            for row in table.rows
        )
        return f'<table class="plain"><tbody>{rows}</tbody></table>'
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in table.head)
    rows = "".join(f"<tr>{_cells(table, row)}</tr>" for row in table.rows)
    kind = ' class="pairs"' if len(table.head) == 2 else ""
    return f"<table{kind}><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _cells(table: Table, row: tuple[str, ...]) -> str:
    cells = []
    for i, (name, cell) in enumerate(zip(table.head, row, strict=True)):
        text = f"<code>{escape(cell)}</code>" if i in table.code else escape(cell)
        if table.linked and i == 0:
            text = f'<a href="#{_anchor(cell)}">{text}</a>'
        label = f' data-head="{escape(name)}"' if i else ""
        cells.append(f"<td{label}>{text}</td>")
    return "".join(cells)
