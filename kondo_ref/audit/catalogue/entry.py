"""What the catalogue has of a deviation, and the short way to write down those of a dimension."""

from dataclasses import dataclass

DIMENSIONS = (
    "units",
    "aggregation",
    "surprisal",
    "advantage",
    "signal",
    "temperature",
    "price",
    "count",
    "ties",
    "draw",
    "weights",
    "detach",
    "placement",
    "normalizer",
    "execution",
    "empty",
    "robustness",
    "rate",
    "dynamics",
)

WRONG = "wrong estimator"
RATE = "wrong rate"
SAVING = "no saving"
EDGE = "fragile on edge inputs"
VARIANT = "documented variant"


@dataclass(frozen=True)
class Entry:
    """A deviation of the catalogue.

    Parameters
    ----------
    id : str
    dimension : str
        One of `DIMENSIONS`.
    severity : str
        The default; one of `kondo_ref.audit.verdict.SEVERITIES`.
    expected : str
        The papers' definition, with its source.
    summary : str
        One sentence: what the target does instead.
    """

    id: str
    dimension: str
    severity: str
    expected: str
    summary: str


def entries(dimension: str, expected: str, *rows: tuple[str, str, str]) -> list[Entry]:
    """Return the entries of a dimension from (what, severity, summary)."""
    return [Entry(f"{dimension}.{what}", dimension, s, expected, text) for what, s, text in rows]
