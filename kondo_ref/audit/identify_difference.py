"""Two members -> the mistakes between them, one for each dimension that differs.

Needed where a target was found from estimated numbers: its temperature, price or rate is in no
list of known mistakes, but what deviates from the claim still has a name.
"""

from dataclasses import fields, replace

from kondo_ref.audit.known import Variant, variants
from kondo_ref.audit.known_family import Member
from kondo_ref.audit.known_parts import number

_DRAW = {
    "soft": "draw.soft",
    "bernoulli": "draw.bernoulli",
    "top-k": "draw.top-k",
    "all": "draw.all",
    "random-k": "draw.fixed-count",
}
_FALLBACK = {
    "gate_advantage": "advantage.normalised-in-gate",
    "surprisal": "surprisal.other",
    "signal_transform": "signal.other",
    "signal": "signal.other",
    "alpha": "signal.additive",
    "temperature": "temperature.value",
    "heat": "temperature.adaptive",
    "squash": "temperature.squash",
    "scope": "price.scope",
    "price_masked": "price.includes-masked",
    "count_positive": "count.rate",
    "count_masked": "count.includes-masked",
    "compare": "ties.other",
    "rate": "count.rate",
    "count": "count.other",
    "ties": "ties.other",
    "unit": "units.other",
    "aggregation": "aggregation.other",
    "advantage": "advantage.other",
    "power": "weights.root",
    "gain": "weights.gain",
    "bounds": "weights.bounded",
    "mix": "placement.ungated-share",
    "ungated": "placement.negatives-ungated",
    "factor": "weights.other",
    "normalizer": "normalizer.other",
    "leak": "detach.other",
    "when_empty": "empty.forced-one",
    "leak_share": "detach.partial",
    "leak_temperature": "detach.other",
    "baseline": "advantage.baseline",
    "gate_baseline": "advantage.baseline",
    "extra": "placement.extra-term",
    "mask_ignored": "robustness.mask-ignored",
}


def relevant(member: Member) -> Member:
    """Return the member with the fields that its draw does not use at their defaults."""
    clean = Member()
    kept = member
    if member.draw in ("hard", "top-k", "all", "random-k"):
        kept = replace(kept, temperature=clean.temperature, heat=clean.heat, squash=clean.squash)
    if member.draw in ("top-k", "all", "random-k"):
        kept = replace(kept, price=clean.price, compare=clean.compare)
    if member.draw not in ("top-k", "random-k"):
        kept = replace(kept, rate=clean.rate, count=clean.count, ties=clean.ties)
    if member.draw != "hard":
        kept = replace(kept, compare=clean.compare)
    if member.draw == "all":
        kept = replace(
            kept,
            signal=clean.signal,
            alpha=clean.alpha,
            unit=clean.unit,
            surprisal=clean.surprisal,
            gate_advantage=clean.gate_advantage,
            signal_transform=clean.signal_transform,
            scope=clean.scope,
        )
    if member.signal != "additive":
        kept = replace(kept, alpha=clean.alpha)
    if member.unit != "sequence":
        kept = replace(kept, aggregation=clean.aggregation)
    return kept


def difference(claimed: Member, found: Member) -> tuple[Variant, ...]:
    """Return the mistakes that lead from the claimed member to the found one.

    Parameters
    ----------
    claimed, found : Member

    Returns
    -------
    tuple of Variant
        At most one a field; empty where both compute the same.
    """
    a, b = relevant(claimed), relevant(found)
    table = variants(claimed)
    made: list[Variant] = []
    if a.draw != b.draw:
        made.append(_draw(claimed, found))
    if a.price != b.price and b.draw not in ("top-k", "all", "random-k"):
        if a.draw not in ("top-k", "all", "random-k"):
            made.append(_price(a, b, table))
        elif b.price[0] == "fixed" and a.draw == "top-k":
            made.append(Variant("price.fixed", f"a price of {b.price[1]:g}", {"price": b.price}))
    same_draw = a.draw == b.draw
    for field in fields(Member):
        name = field.name
        left, right = getattr(a, name), getattr(b, name)
        if left == right or name in ("draw", "price"):
            continue
        if not same_draw and name in ("temperature", "rate", "count", "ties", "compare"):
            continue
        if a.draw == "all" and name in ("signal", "alpha", "surprisal", "unit"):
            continue
        listed = [v for v in table if v.changes == {name: right}]
        if listed:
            made.append(listed[0])
        else:
            what = f"{name.replace('_', ' ')} {_words(right)}"
            made.append(Variant(_FALLBACK[name], what, {name: right}))
    return tuple(made)


def _words(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(_words(v) for v in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _draw(a: Member, b: Member) -> Variant:
    changes = {"draw": b.draw}
    if b.draw == "hard":
        if a.draw == "bernoulli":
            return Variant("draw.deterministic", "a threshold", changes)
        if a.draw == "soft":
            return Variant("temperature.zero", "the limit of temperature 0", changes)
        if a.draw == "top-k" and b.price[0] == "quantile":
            return Variant("count.quantile", "a threshold at a quantile", changes)
        return Variant("draw.threshold", "a threshold", changes)
    if a.draw == "hard" and b.draw in ("soft", "bernoulli"):
        name = f"a {b.draw} gate of temperature {b.temperature:g}"
        return Variant("temperature.positive", name, changes)
    return Variant(_DRAW[b.draw], f"the {b.draw} gate", changes)


def _price(a: Member, b: Member, table: list[Variant]) -> Variant:
    changes = {"price": b.price}
    listed = [v for v in table if v.changes == changes]
    if listed:
        return listed[0]
    name = " ".join(_words(p) for p in b.price)
    if b.price[0] == "fixed":
        which = "price.value" if a.price[0] == "fixed" else "price.fixed"
        return Variant(which, f"a price of {number(b.price, 1, 0.0):g}", changes)
    if b.price[0] == "quantile":
        if a.price[0] != "quantile":
            return Variant("price.batch", f"the price {name}", changes)
        return Variant("price.rate", f"the price {name}", changes)
    return Variant("price.other", f"the price {name}", changes)
