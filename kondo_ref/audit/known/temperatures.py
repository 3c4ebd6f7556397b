"""Known mistakes of the temperature and of the function that stands where the sigmoid does."""

from collections.abc import Iterator
from typing import Any

from kondo_ref.audit.known.variant import Variant
from kondo_ref.audit.known_family import Member

_SQUASHES = (
    "linear",
    "hard-sigmoid",
    "clip",
    "probit",
    "tanh",
    "positive-tanh",
    "exp",
    "linear-above",
)
_UNDIVIDED = (("signal-only", "a price not divided"), ("price-only", "a price alone divided"))


def price_scales(base: Member) -> Iterator[Variant]:
    """Yield what a temperature may leave undivided; reads as another price, so it comes first."""
    if _tempered(base) and base.price != ("fixed", 0.0):
        for heat, name in _UNDIVIDED:
            yield Variant("temperature.divides-price", name, {"heat": heat})


def temperatures(base: Member) -> Iterator[Variant]:
    """Yield other temperatures, and other functions of the distance to the price."""
    if base.draw not in ("soft", "bernoulli"):
        return
    if _tempered(base):
        yield from _of_another_use()
    at = base.temperature or 1.0

    def changes(factor: float) -> dict[str, Any]:
        return {"temperature": factor * at}

    for factor in (0.01, 0.05, 0.1, 0.25, 0.5, 2.0, 4.0, 5.0, 10.0):
        name = f"temperature {factor * at:g}"
        yield Variant("temperature.value", name, changes(factor), factor in (0.5, 2.0))
    yield Variant("weights.other", "a softmax over the batch", {"squash": "softmax"})
    for heat in ("std", "std1", "rms", "mean-abs"):
        name = f"a temperature of the batch's {heat}"
        yield Variant("temperature.adaptive", name, {"heat": heat}, heat == "std")
    for squash in _SQUASHES:
        name, primary = f"{squash} in place of the sigmoid", squash in ("linear", "tanh")
        yield Variant("temperature.squash", name, {"squash": squash}, primary)


def _tempered(base: Member) -> bool:
    return base.draw in ("soft", "bernoulli") and base.temperature not in (0.0, 1.0)


def _of_another_use() -> Iterator[Variant]:
    yield Variant("temperature.multiplies", "a temperature that multiplies", {"heat": "multiplies"})
    yield Variant("temperature.value", "temperature 1", {"temperature": 1.0})
    for heat in ("root", "square"):
        yield Variant("temperature.value", f"the {heat} of the temperature", {"heat": heat}, False)
