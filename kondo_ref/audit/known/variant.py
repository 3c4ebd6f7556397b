"""A known mistake as data, and the short ways to write many of them down."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from kondo_ref.audit.known_family import Member
from kondo_ref.audit.known_parts import Part


@dataclass(frozen=True)
class Variant:
    """A known mistake, relative to a member that does not make it.

    Parameters
    ----------
    id : str
        Of the catalogue.
    name : str
        In a few words, after "differs exactly as ... does".
    changes : dict
        Fields of `Member` and their values.
    primary : bool
        Whether it is tried in pairs too.
    """

    id: str
    name: str
    changes: dict[str, Any] = field(default_factory=dict)
    primary: bool = True

    def apply(self, member: Member) -> Member:
        """Return the member that makes this mistake."""
        return replace(member, **self.changes)

    def differs(self, member: Member) -> bool:
        """Whether the mistake changes anything of a member."""
        return any(getattr(member, name) != value for name, value in self.changes.items())


def ladder(
    which: str,
    name: str,
    values: Iterable[float],
    changes: Callable[[float], dict[str, Any]],
    primary: Collection[float] = (),
) -> Iterator[Variant]:
    """Yield one mistake at each of the numbers that people write.

    Parameters
    ----------
    which : str
        Id of the catalogue.
    name : str
        With a place for the number.
    values : iterable of float
    changes : callable
        From the number to the fields of `Member`.
    primary : collection of float
        The numbers that are tried in pairs too.
    """
    for value in values:
        yield Variant(which, name.format(value), changes(value), value in primary)


def scopes(which: str, name: str, parts: Iterable[Part]) -> Iterator[Variant]:
    """Yield what is taken on parts of the batch; halves and rows are tried in pairs too."""
    for part in parts:
        words = " ".join(str(x) for x in part)
        primary = part in (("split", 2.0), ("row",))
        yield Variant(which, name.format(words), {"scope": part}, primary)


# (ddof, epsilon, whether it is added to the variance): how spreads are computed in the wild.
SPREADS: tuple[tuple[float, float, float], ...] = tuple(
    (float(ddof), eps, inside)
    for eps, inside in (
        (0.0, 0.0),
        (1e-8, 0.0),
        (1e-6, 0.0),
        (1e-5, 0.0),
        (1e-4, 0.0),
        (1e-3, 0.0),
        (1e-8, 1.0),
        (1e-6, 1.0),
        (1e-5, 1.0),
        (1e-4, 1.0),
        (1e-12, 0.0),
    )
    for ddof in (0, 1)
)


def spread_parts(name: str) -> Iterator[tuple[Part, bool]]:
    """Yield a transform with every spread, and whether it is tried in pairs too."""
    for tail in SPREADS:
        yield (name, *tail), tail == (0.0, 0.0, 0.0)


def rate_of_price(base: Member, kinds: Collection[str], otherwise: float) -> float:
    """Return the rate of a price of one of these kinds, or what holds for the others."""
    return float(base.price[1]) if base.price[0] in kinds and len(base.price) > 1 else otherwise
