"""Rows of cells -> an aligned text table, for tables whose columns are not methods."""

from collections.abc import Sequence


def grid_text(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return the lines under their heads, the first column to the left and all others to the right.

    A title too long for the first column stands on a line of its own.

    Parameters
    ----------
    head : sequence of str
        The title of the first column, then a head a column.
    lines : sequence of sequence of str
        As long as the head each.
    """
    title, *heads = head
    first = max(len(line[0]) for line in lines)
    above = [title] if len(title) > first else []
    grid = [["" if above else title, *heads], *lines]
    widths = [max(len(line[i]) for line in grid) for i in range(len(head))]
    text = []
    for name, *cells in grid:
        right = (cell.rjust(w) for cell, w in zip(cells, widths[1:], strict=True))
        text.append("  ".join([name.ljust(widths[0]), *right]).rstrip())
    rule = "-" * max(map(len, text))
    return "\n".join([*above, text[0], rule, *text[1:]])
