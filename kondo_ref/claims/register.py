"""What a claim is: a statement with its hypotheses, an instance, and a boundary for each of them.

A statement is a function that takes one instance, inside its hypotheses or outside, and returns
both sides of the claim as `Sides`, each side by its own route. It holds where the sides agree to
rounding (or one bounds the other). The same function serves the table, the property test over the
hypothesis space, and the counterexamples, where it must be seen to fail.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

RELATIONS = ("equal", "at most", "at least", "below", "above")
LIMIT = 32.0
EPS = float(np.finfo(np.float64).eps)
SMALLEST = float(np.finfo(np.float64).smallest_normal)  # below it rounding is absolute


def norm(values: ArrayLike) -> float:
    """Return the Euclidean norm of `values` (...), also where squares under- or overflow."""
    array = np.abs(np.asarray(values, dtype=np.float64)).ravel()
    largest = float(array.max(initial=0.0))
    if largest == 0.0 or not np.isfinite(largest):
        return largest
    return largest * float(np.linalg.norm(array / largest))


@dataclass(frozen=True, eq=False)
class Sides:
    """Both sides of a claim for one instance.

    Parameters
    ----------
    actual : float or (...) float
        What is, by the exact engine or by enumeration.
    claimed : float or (...) float
        What the statement says, of the same shape: the value, or the bound.
    relation : str
        How `actual` stands to `claimed`: equal, at most, at least (all to rounding), below, above
        (strictly, by more than rounding).
    scale : float, optional
        What rounding is measured against: the norm of the terms, where `claimed` can cancel or is
        0. By default the norm of `claimed`.
    tolerance : float, optional
        Test ratio, in units of eps * scale, that rounding may reach: 32, or what the conditioning
        of a quadrature or of a root is known to cost (say which where it is set).
    numbers : mapping
        What a reader wants to see, by name.
    """

    actual: ArrayLike
    claimed: ArrayLike
    relation: str = "equal"
    scale: float | None = None
    tolerance: float = LIMIT
    numbers: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.relation not in RELATIONS:
            raise ValueError(f"relation: expected one of {RELATIONS}, got {self.relation!r}")
        if np.shape(self.actual) != np.shape(self.claimed):
            raise ValueError(
                f"claimed: expected shape {np.shape(self.actual)}, got {np.shape(self.claimed)}"
            )

    @property
    def error(self) -> float:
        """Distance of the two sides over eps * scale; of a bound, by how much it is missed."""
        a, b = (np.asarray(side, dtype=np.float64) for side in (self.actual, self.claimed))
        if not (np.isfinite(a).all() and np.isfinite(b).all()):
            return np.inf
        excess = a - b
        if self.relation in ("at most", "below"):
            excess = np.maximum(excess, 0.0) if self.relation == "at most" else excess
        elif self.relation in ("at least", "above"):
            excess = np.maximum(-excess, 0.0) if self.relation == "at least" else -excess
        size = norm(b) if self.scale is None else float(self.scale)
        strict = self.relation in ("below", "above")
        distance = float(excess.max()) if strict else norm(excess)
        if size == 0.0:
            # Nothing to measure rounding against: no strict bound holds, and only 0 equals 0.
            return np.inf if distance > 0.0 else 0.0
        return distance / (EPS * max(size, SMALLEST))

    @property
    def holds(self) -> bool:
        """Whether the claim holds here, to rounding."""
        if self.relation in ("below", "above"):
            return self.error < -self.tolerance
        return self.error <= self.tolerance


@dataclass(frozen=True)
class Boundary:
    """A hypothesis dropped, alone, and an instance where the claim then fails.

    Parameters
    ----------
    hypothesis : str
        The dropped one, letter for letter as it stands in `Claim.hypotheses`.
    instead : str
        What is there in its place, in a few words.
    arguments : callable
        Returns the arguments of the statement.
    shows : callable
        From the sides to the sentence of the counterexample, with its numbers.
    """

    hypothesis: str
    instead: str
    arguments: Callable[[], dict[str, Any]]
    shows: Callable[[Sides], str]


@dataclass(frozen=True)
class Number:
    """A number of the papers, or of a page of reference, beside ours.

    Parameters
    ----------
    label : str
    published : float
        As printed.
    digits : float
        Half a unit of its last printed digit, where it is exact; 5 % of it, where it was sampled.
    compute : callable
        Returns ours.
    sampled : bool
        Whether the published one came from sampling.
    """

    label: str
    published: float
    digits: float
    compute: Callable[[], float]
    sampled: bool = False


@dataclass(frozen=True)
class Step:
    """One step of a derivation: a sentence with a formula, and its numbers in a small instance."""

    text: str
    numbers: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Claim:
    """A statement and all that is known of it.

    Parameters
    ----------
    id : str
        By which ``kondo-ref claims --claim`` finds it.
    group : str
        One of `GROUPS`, and the page of the docs.
    section : str
        Its number in the list of statements, "1" to "10"; "beyond" for a statement of the papers
        that is not in the list; "ours" for one of our own.
    statement : str
        One sentence, plain text.
    hypotheses : tuple of str
        Each in a few words.
    source : str
        Paper and proposition, or "ours".
    function : callable
        The statement, ``function(**arguments) -> Sides``.
    instance : callable
        Returns the arguments of a small instance inside the hypotheses.
    value : str
        What `actual` is, for the table.
    boundaries : tuple of Boundary
        At least one for every hypothesis.
    steps : callable
        Returns the derivation in steps, with the numbers of the small instance.
    numbers : tuple of Number
    remark : str
        Where our derivation disagrees with what is printed elsewhere, or another note.
    """

    id: str
    group: str
    section: str
    statement: str
    hypotheses: tuple[str, ...]
    source: str
    function: Callable[..., Sides]
    instance: Callable[[], dict[str, Any]]
    value: str
    boundaries: tuple[Boundary, ...]
    steps: Callable[[], list[Step]]
    numbers: tuple[Number, ...] = ()
    remark: str = ""

    def __post_init__(self) -> None:
        unknown = {b.hypothesis for b in self.boundaries} - set(self.hypotheses)
        if unknown:
            raise ValueError(f"boundaries: {self.id} has no hypothesis {sorted(unknown)}")

    def check(self) -> Sides:
        """Return both sides for the small instance."""
        return self.function(**self.instance())


GROUPS = {
    "gate": "kondo_ref.claims.gate",
    "price": "kondo_ref.claims.price",
    "zero-price": "kondo_ref.claims.zero_price",
    "signals": "kondo_ref.claims.signals",
    "gambling": "kondo_ref.claims.gambling",
    "contexts": "kondo_ref.claims.contexts",
    "corner": "kondo_ref.claims.corner",
    "distributed": "kondo_ref.claims.distributed",
}


def all_claims() -> tuple[Claim, ...]:
    """Return every claim, group by group in the order of `GROUPS`, each module's ``CLAIMS``."""
    from importlib import import_module

    return tuple(claim for place in GROUPS.values() for claim in import_module(place).CLAIMS)
