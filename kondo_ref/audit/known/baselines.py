"""Known mistakes of a target that takes rewards: the baseline that it subtracts itself."""

from collections.abc import Iterator
from typing import Any

from kondo_ref.audit.known.variant import SPREADS, Variant
from kondo_ref.audit.known_family import Member

_BASELINES = (
    "zero",
    "batch",
    "leave-one-out",
    "group",
    "group-leave-one-out",
    "expected",
    "probability",
    "median",
    "max",
    "min",
    "group-median",
    "group-max",
)


def baselines(base: Member) -> Iterator[Variant]:
    """Yield baselines that a target of rewards may take, where it takes one at all."""
    if base.baseline == ("none",):
        return
    for name in _BASELINES:
        yield from _placed(base, name)
    gated = {"baseline": ("gated", *base.baseline)}
    yield Variant("advantage.baseline", "a baseline of the gated rewards", gated)
    for name in ("batch-std", "group-std", "group-batch-std", "zero-std"):
        for ddof, eps, inside in SPREADS:
            if not inside:
                changes = {"baseline": (name, ddof, eps)}
                primary = (ddof, eps) == (0.0, 0.0)
                yield Variant("advantage.standardised", f"the baseline {name}", changes, primary)


def _placed(base: Member, name: str) -> Iterator[Variant]:
    """Yield a baseline everywhere, in the gate alone, and in the coefficient alone."""
    which = "advantage.baseline"
    yield Variant(which, f"the baseline {name}", {"baseline": (name,)})
    yield Variant(which, f"the baseline {name} in the gate alone", {"gate_baseline": (name,)})
    changes: dict[str, Any] = {"gate_baseline": base.baseline, "baseline": (name,)}
    yield Variant(which, f"{name} in the coefficient alone", changes)
