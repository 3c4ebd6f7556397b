"""Known mistakes of a threshold or a count: what is kept at the price, k, and ties."""

from collections.abc import Iterator
from typing import Any

from kondo_ref.audit.known.variant import Variant, ladder, scopes
from kondo_ref.audit.known_family import Member
from kondo_ref.audit.known_parts import Part

_SLACKS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-8)
_RULES = (
    ("ceil", "ceil"),
    ("ceil-float", "ceil"),
    ("floor", "floor"),
    ("floor-float", "floor"),
    ("half-up", "half-up"),
    ("plus-one", "one-extra"),
    ("floor-plus-one", "one-extra"),
    ("minus-one", "one-short"),
    ("drop-floor", "ceil"),
    ("drop-ceil", "floor"),
    ("drop-round", "half-up"),
    ("half-even", ""),
)
_TIES = (
    ("all", "all-kept", "keeping all ties"),
    ("none", "none-kept", "keeping no tie"),
    ("highest", "last-index", "ties to the highest index"),
    ("any", "other", "ties in no order"),
    ("random", "random", "ties at random"),
)
_INVALID = (
    ("k from invalid decisions too", {"count_masked": True}),
    ("ranking invalid decisions too", {"price_masked": True}),
)
_PARTS: tuple[Part, ...] = (
    ("split", 2.0),
    ("split", 4.0),
    ("chunk", 8.0),
    ("chunk", 16.0),
    ("row",),
    ("column",),
    ("chunk", 4.0),
    ("chunk", 32.0),
    ("strided", 2.0),
)


def counts(base: Member) -> Iterator[Variant]:
    """Yield other ways to keep: about a threshold, or of the k largest."""
    if base.draw == "hard":
        yield from _at_the_price()
    if base.draw != "top-k":
        return
    yield from _rules()
    yield from ladder(
        "count.constant",
        "k = {:g} always",
        (1, 2, 3, 4, 5, 8, 10, 16, 32),
        lambda k: {"count": ("constant", 1.0, float(k))},
        (1,),
    )
    yield from _rates(base)
    for name, changes in _INVALID:
        yield Variant("count.includes-masked", name, changes)
    for tie, what, name in _TIES:
        yield Variant(f"ties.{what}", name, {"ties": (tie,)})
    yield from ladder(
        "ties.slack",
        "a slack of {:g}",
        _SLACKS,
        lambda slack: {"ties": ("slack", slack)},
        (1e-3,),
    )
    yield from _quantiles(base)
    yield from scopes("count.per-part", "k of each {}", _PARTS)


def _at_the_price() -> Iterator[Variant]:
    for what, which in (("one", "empty.forced-one"), ("all", "empty.dense-fallback")):
        yield Variant(which, f"{what} kept where nothing is", {"when_empty": what})
    yield Variant("ties.inclusive", "keeping at the price", {"compare": ("ge",)})
    yield Variant("temperature.tie-value", "half a weight at the price", {"compare": ("half",)})
    for slack in _SLACKS:
        for which, name, sign in (("slack", "slack", 1.0), ("margin", "margin", -1.0)):
            changes = {"compare": ("gt", sign * slack)}
            yield Variant(f"ties.{which}", f"a {name} of {slack:g}", changes, slack == 1e-3)


def _rules() -> Iterator[Variant]:
    for rule, what in _RULES:
        if what:
            yield Variant(f"count.{what}", f"k by {rule}", {"count": (rule, 1.0)})
        primary = rule in ("half-even", "floor")
        changes = {"count": (rule, 0.0)}
        yield Variant("count.no-minimum", f"k by {rule}, at least 0", changes, primary)
    yield Variant("count.minimum", "at least 2 kept", {"count": ("half-even", 2.0)})


def _rates(base: Member) -> Iterator[Variant]:
    rest = 1.0 - base.rate
    rates = (0.01, 0.03, 0.05, 0.1, 0.2, 0.25, 0.3, 0.5, rest)
    possible = [rate for rate in rates if 0 < rate <= 1]
    yield from ladder("count.rate", "the rate {:g}", possible, _rate, (0.5, rest))
    per_cent = _rate(min(1.0, base.rate / 100.0))
    yield Variant("count.rate", "the rate in per cent", per_cent, primary=False)
    yield Variant("count.rate", "the rate of the positive ones", {"count_positive": True})


def _rate(rate: float) -> dict[str, Any]:
    return {"rate": rate}


def _quantiles(base: Member) -> Iterator[Variant]:
    for method in ("linear", "lower", "higher", "nearest", "midpoint"):
        for sign, compare in ((">", "gt"), (">=", "ge")):
            changes = {
                "draw": "hard",
                "price": ("quantile", base.rate, method),
                "compare": (compare,),
                "temperature": 0.0,
            }
            name = f"{sign} the {method} quantile"
            yield Variant("count.quantile", name, changes, method == "linear")
