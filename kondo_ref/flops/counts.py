"""Typed operation counts: what a stage of a training step computes, as integers.

A count is of scalar operations by type, and of matrix products apart: (m, k) @ (k, n) is 2 m k n
operations, m k n multiplications and as many additions, the first of which adds to zero. A
convention (`conventions`) makes one number of it; nothing here does.
"""

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Self

STAGES = (
    "forward",
    "screen",
    "select",
    "recompute",
    "backward_input",
    "backward_weight",
    "update",
)


@dataclass(frozen=True)
class Counts:
    """How many operations of each type.

    Parameters
    ----------
    matmul : int
        Operations of matrix products, 2 m k n each.
    mul, add, cmp, exp, log, sqrt, div : int
        Elementwise operations and reductions. A subtraction is an add, a maximum a cmp; expm1 and
        erf are counted as exp, log1p as log.
    """

    matmul: int = 0
    mul: int = 0
    add: int = 0
    cmp: int = 0
    exp: int = 0
    log: int = 0
    sqrt: int = 0
    div: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*map(operator.add, _values(self), _values(other)))

    def __sub__(self, other: "Counts") -> "Counts":
        return Counts(*map(operator.sub, _values(self), _values(other)))

    def __mul__(self, times: int) -> "Counts":
        return Counts(*(n * times for n in _values(self)))

    __rmul__ = __mul__

    @classmethod
    def total(cls, counts: Iterable["Counts"]) -> "Counts":
        """Return the sum of some counts."""
        return sum(counts, cls())

    @property
    def scalar(self) -> int:
        """All operations but those of matrix products."""
        return sum(_values(self)) - self.matmul

    def to_dict(self) -> dict[str, int]:
        """Return the counts by type."""
        return dict(zip(TYPES, _values(self), strict=True))


TYPES = tuple(field.name for field in fields(Counts))
_values: Callable[[Counts], tuple[int, ...]] = operator.attrgetter(*TYPES)


@dataclass(frozen=True)
class Step:
    """The counts of a training step, stage by stage.

    Parameters
    ----------
    stages : mapping of str to Counts
        By a name of `STAGES`; a stage that did not run is zero.
    """

    stages: Mapping[str, Counts]

    @classmethod
    def of(cls, **stages: Counts) -> Self:
        """Return a step from some of its stages.

        Raises
        ------
        ValueError
            A stage that there is not.
        """
        unknown = sorted(set(stages) - set(STAGES))
        if unknown:
            raise ValueError(f"stages: expected names of {', '.join(STAGES)}; got {unknown[0]!r}")
        return cls(MappingProxyType({name: stages.get(name, Counts()) for name in STAGES}))

    def __getitem__(self, stage: str) -> Counts:
        return self.stages[stage]

    def __add__(self, other: "Step") -> "Step":
        return Step.of(**{name: self[name] + other[name] for name in STAGES})

    @property
    def backward(self) -> Counts:
        """Both halves of the backward."""
        return self["backward_input"] + self["backward_weight"]

    @property
    def total(self) -> Counts:
        """All stages together."""
        return Counts.total(self.stages.values())
