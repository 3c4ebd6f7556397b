"""Known mistakes of the unit that is gated, and of how a sequence becomes one signal."""

from collections.abc import Iterator

from kondo_ref.audit.known.variant import Variant
from kondo_ref.audit.known_family import Member

_AGGREGATIONS = (
    ("mean", "units.sequence-for-token"),
    ("sum", "aggregation.sum"),
    ("max", "aggregation.max"),
    ("min", "aggregation.other"),
    ("median", "aggregation.other"),
    ("last", "aggregation.last"),
    ("last-column", "aggregation.last"),
    ("first", "aggregation.other"),
    ("product-of-means", "aggregation.product-of-means"),
    ("sum-surprisal", "aggregation.sum-surprisal"),
    ("padded-mean", "aggregation.counts-padding"),
    ("unmasked-mean", "aggregation.counts-padding"),
    ("root-length", "aggregation.other"),
)
_IN_PAIRS = ("mean", "sum", "max", "product-of-means")


def units(base: Member) -> Iterator[Variant]:
    """Yield other units of the gate."""
    yield Variant("units.token-for-sequence", "a gate of every token", {"unit": "token"})
    for how, which in _AGGREGATIONS:
        changes = {"unit": "sequence", "aggregation": how}
        yield Variant(which, f"a gate of sequences by {how}", changes, how in _IN_PAIRS)
    yield Variant("units.batch", "one gate for the batch", {"unit": "batch"})
    if base.price[0] == "rolling":
        return
    for size in (2, 4, 8, 16, 32):
        for how in ("mean", "max", "sum"):
            changes = {"unit": f"chunk {size}", "aggregation": how}
            name = f"one gate for {size} decisions, by their {how}"
            yield Variant("units.shared", name, changes, primary=False)
    if base.baseline == ("none",):
        return
    for how in ("mean", "max", "sum"):
        changes = {"unit": "group", "aggregation": how}
        yield Variant("units.shared", f"one gate for a group, by its {how}", changes, how == "mean")
