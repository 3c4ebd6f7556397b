"""Values in words, as tables of reports show them."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

LISTED = 12


def shown(value: Any) -> str:
    """Return a value in words, numbers to four digits; - for what is not there or not seen."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}" if isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {shown(item)}" for key, item in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        listed = [shown(item) for item in value[:LISTED]]
        more = len(value) - len(listed)
        return f"[{', '.join(listed)}{f', … {more} more' if more > 0 else ''}]"
    return str(value)


def plural(n: int, word: str) -> str:
    """Return a number with its noun."""
    return f"{n} {word}{'' if n == 1 else 's'}"


def spaced(name: str) -> str:
    """Return the name of a field as words."""
    return name.replace("_", " ")
