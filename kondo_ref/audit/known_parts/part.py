"""A part as plain data: a name and its numbers."""

Part = tuple[str | float, ...]
RAW: Part = ("raw",)


def number(part: Part, index: int, default: float) -> float:
    """Return the number at `index` of a part, or the default where it has none."""
    return float(part[index]) if len(part) > index else default
