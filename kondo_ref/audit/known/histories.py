"""Known mistakes of a price that is taken from the signals before: its memory and its warm-up."""

from collections.abc import Iterator

from kondo_ref.audit.known.variant import Variant
from kondo_ref.audit.known_family import Member
from kondo_ref.audit.known_parts import number

_WAYS = (
    ("itself", "price.includes-itself", "a price with the decision's own signal"),
    ("batch", "price.includes-itself", "a price with the whole batch"),
    ("after", "price.history", "a history that grows after the batch"),
    ("kept", "dynamics.drift", "a history of kept signals alone"),
    ("forever", "price.history-size", "a history that forgets nothing"),
    ("drop", "dynamics.warm-up", "dropping during the warm-up"),
    ("gaussian", "price.other", "a Gaussian quantile of the history"),
    ("lower", "price.interpolation", "the lower quantile"),
    ("higher", "price.interpolation", "the higher quantile"),
    ("nearest", "price.interpolation", "the nearest quantile"),
)


def histories(base: Member) -> Iterator[Variant]:
    """Yield what may be done otherwise with a price of earlier signals."""
    rate, size, warmup = (number(base.price, i, 1.0) for i in (1, 2, 3))
    for way, which, name in _WAYS:
        yield Variant(which, name, {"price": ("rolling", rate, size, warmup, way)})
    for n in (*range(1, 33), 50, 64, 100):
        capped = {"price": ("rolling", rate, size, warmup, f"cap={n}")}
        yield Variant("dynamics.drop-cap", f"keeping after {n} drops", capped, primary=False)
    for other in (size / 2, 2 * size, size - 1, size + 1, 4 * size, size / 4):
        longer = {"price": ("rolling", rate, float(int(other)), min(warmup, other))}
        yield Variant("price.history-size", f"a history of {int(other)}", longer, primary=False)
    for start in (0.0, 1.0, warmup - 1, warmup + 1, 2 * warmup, size, warmup / 2):
        later = {"price": ("rolling", rate, size, float(int(start)))}
        yield Variant("dynamics.warm-up", f"a warm-up of {int(start)}", later, primary=False)
