"""Known mistakes: for each, what it changes in a member of the family, and the finding it is.

A target that differs from its claim is compared with these, one at a time and then in pairs; the
one that reproduces what was observed to rounding is named as the nearest known mistake. Where a
mistake has a number (a temperature, a price), the numbers that people write are tried, and those
that `kondo_ref.audit.identify` estimates. Each module holds the mistakes of one part, as tables.
"""

from collections.abc import Callable, Iterator

from kondo_ref.audit.known.advantages import advantages
from kondo_ref.audit.known.attached import attached
from kondo_ref.audit.known.baselines import baselines
from kondo_ref.audit.known.counts import counts
from kondo_ref.audit.known.draws import draws
from kondo_ref.audit.known.normalizers import normalizers
from kondo_ref.audit.known.prices import prices
from kondo_ref.audit.known.signals import signals
from kondo_ref.audit.known.surprisals import surprisals
from kondo_ref.audit.known.temperatures import price_scales, temperatures
from kondo_ref.audit.known.units import units
from kondo_ref.audit.known.variant import Variant
from kondo_ref.audit.known.weights import gains, weights
from kondo_ref.audit.known_family import Member

__all__ = ["Variant", "variants"]

_GATE_FIELDS = frozenset(
    {
        "signal",
        "alpha",
        "signal_transform",
        "surprisal",
        "gate_advantage",
        "heat",
        "squash",
        "price",
        "scope",
        "temperature",
        "power",
        "unit",
        "aggregation",
        "leak",
    }
)


def variants(base: Member) -> list[Variant]:
    """Return every known mistake that differs from `base`."""
    return [
        variant
        for group in _GROUPS
        for variant in group(base)
        if variant.differs(base) and _has_a_meaning(variant, base)
    ]


def _has_a_meaning(variant: Variant, base: Member) -> bool:
    """Whether a mistake can show at all beside this member."""
    if base.draw == "all" and "draw" not in variant.changes:
        return not variant.changes.keys() <= _GATE_FIELDS
    return True


def _masks(_: Member) -> Iterator[Variant]:
    yield Variant("robustness.mask-ignored", "an ignored mask", {"mask_ignored": True})


# In order: of two that explain the same, the earlier one is named.
_GROUPS: tuple[Callable[[Member], Iterator[Variant]], ...] = (
    gains,
    normalizers,
    draws,
    counts,
    price_scales,
    prices,
    temperatures,
    signals,
    surprisals,
    advantages,
    units,
    attached,
    baselines,
    _masks,
    weights,
)
