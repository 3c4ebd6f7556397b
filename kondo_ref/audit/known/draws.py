"""Known mistakes of the draw: soft, thresholded, drawn, ranked, none, where another is claimed."""

from collections.abc import Callable, Iterator
from typing import Any

from kondo_ref.audit.known.variant import Variant, rate_of_price
from kondo_ref.audit.known_family import Member


def draws(base: Member) -> Iterator[Variant]:
    """Yield the draws that `base` does not have."""
    yield _in_place(base, "soft")
    yield _in_place(base, "bernoulli")
    yield Variant("draw.all", "the all gate", {"draw": "all"})
    for concerns, group in _GROUPS:
        if concerns(base):
            yield from group(base)


def _in_place(base: Member, draw: str) -> Variant:
    """Return a soft or drawn gate in place of the draw of `base`."""
    changes: dict[str, Any] = {"draw": draw}
    if base.temperature == 0.0:
        changes["temperature"] = 1.0
    if base.draw == "hard":
        return Variant("temperature.positive", f"a {draw} gate of temperature 1", changes)
    if base.draw == "top-k":
        changes["price"] = ("quantile", base.rate, "linear")
    elif base.draw == "all":
        changes |= {"price": ("fixed", 0.0), "signal": "delight"}
    return Variant(f"draw.{draw}", f"the {draw} gate", changes)


def _limits(base: Member) -> Iterator[Variant]:
    which = "draw.deterministic" if base.draw == "bernoulli" else "temperature.zero"
    yield Variant(which, "the limit of temperature 0", {"draw": "hard"})
    at_price = {"draw": "hard", "compare": ("ge",)}
    yield Variant(which, "a gate that keeps at the price too", at_price)


def _threshold(_: Member) -> Iterator[Variant]:
    zero = {"draw": "hard", "signal": "delight", "price": ("fixed", 0.0)}
    yield Variant("draw.threshold", "the zero price", zero)


def _ranked(base: Member) -> Iterator[Variant]:
    rate = rate_of_price(base, ("quantile", "calibrated"), 1.0)
    for k in ("half-even", "ceil", "floor", "half-up"):
        changes = {"draw": "top-k", "rate": rate, "count": (k, 1.0)}
        yield Variant("draw.top-k", f"top-k by {k}", changes, primary=k == "half-even")


def _drawn(_: Member) -> Iterator[Variant]:
    yield Variant("draw.twice", "two draws, both to be passed", {"squash": "square"})
    for share in (0.01, 0.02, 0.05, 0.1, 0.2):
        name = f"a reserve of {share:g} kept at random"
        yield Variant("dynamics.reserve", name, {"squash": f"reserve {share:g}"}, share == 0.05)
    yield Variant("draw.complement", "a draw turned round", {"squash": "complement"})
    yield Variant("signal.uniform", "keeping at random at the rate", {"squash": "rate"})


def _blind(base: Member) -> Iterator[Variant]:
    at_random = {
        "draw": "bernoulli",
        "squash": "rate",
        "price": ("quantile", base.rate, "linear"),
        "temperature": 1.0,
    }
    yield Variant("signal.uniform", "keeping at random at the rate", at_random)
    yield Variant("signal.uniform", "k decisions at random", {"draw": "random-k"})


_GROUPS: tuple[tuple[Callable[[Member], bool], Callable[[Member], Iterator[Variant]]], ...] = (
    (lambda base: base.draw in ("soft", "bernoulli"), _limits),
    (lambda base: base.draw == "all", _threshold),
    (lambda base: base.price[0] in ("quantile", "calibrated"), _ranked),
    (lambda base: base.draw == "bernoulli", _drawn),
    (lambda base: base.draw == "top-k", _blind),
)
