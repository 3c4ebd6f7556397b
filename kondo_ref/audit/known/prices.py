"""Known mistakes of the price: constants, other quantiles, other statistics, parts of the batch."""

from collections.abc import Iterator

from kondo_ref.audit.known.histories import histories
from kondo_ref.audit.known.variant import Variant, ladder, rate_of_price, scopes
from kondo_ref.audit.known_family import Member
from kondo_ref.audit.known_parts import Part

_RATES = (0.01, 0.03, 0.05, 0.1, 0.2, 0.25, 0.3, 0.5, 0.75, 0.9)
_MEANS: tuple[tuple[str, Part, str], ...] = (
    ("mean", ("mean", 1.0), "the batch's mean"),
    ("mean", ("mean-positive", 1.0), "the mean of positive delights"),
    ("other", ("max", 0.5), "half the largest"),
    ("mean", ("mean-abs", 1.0), "the mean of |chi|"),
)
_PARTS: tuple[Part, ...] = (
    ("split", 2.0),
    ("split", 4.0),
    ("chunk", 4.0),
    ("chunk", 8.0),
    ("chunk", 16.0),
    ("chunk", 32.0),
    ("row",),
    ("column",),
    ("strided", 2.0),
)


def prices(base: Member) -> Iterator[Variant]:
    """Yield other prices than that of `base`."""
    if base.draw in ("top-k", "all"):
        return
    kind = base.price[0]
    rate = rate_of_price(base, ("quantile", "calibrated"), 0.1)
    if kind == "rolling":
        yield from histories(base)
    yield from _constants() if kind == "fixed" else _of_the_batch(rate, base.draw == "hard")
    yield from ladder(
        "price.rate" if kind == "quantile" else "price.batch",
        "the quantile at rate {:g}",
        (*_RATES, rate / 2, min(1.0, 2 * rate), rate / 100),
        lambda other: {"price": ("quantile", other, "linear")},
        (0.5,),
    )
    for what, part, name in _MEANS:
        yield Variant(f"price.{what}", name, {"price": part})
    yield Variant("price.missing", "no price", {"price": ("none",)})
    if kind != "fixed":
        masked = {"price_masked": True}
        yield Variant("price.includes-masked", "a price with invalid decisions", masked)
        yield from scopes("price.scope", "a price of each {}", _PARTS)


def _constants() -> Iterator[Variant]:
    for value in (0.0, 0.1, 0.5, 1.0, -1.0, 0.25, 2.0):
        which = "price.value" if value else "price.missing"
        yield Variant(which, f"a price of {value:g}", {"price": ("fixed", value)}, primary=False)


def _of_the_batch(rate: float, hard: bool) -> Iterator[Variant]:
    for method in ("lower", "higher", "nearest", "midpoint"):
        yield _quantile(rate, method, True)
    if hard:
        yield from _order_statistics(rate)
    for method in ("inverted_cdf", "hazen", "weibull", "median_unbiased"):
        yield _quantile(rate, method, False)
    turned = {"price": ("quantile", 1.0 - rate, "linear")}
    yield Variant("price.inverted", "the rate-quantile", turned)
    solved = {"price": ("calibrated", rate)}
    yield Variant("price.calibrated", "a price solved for the rate", solved)
    for k in ("half-even", "ceil", "floor"):
        which, at = "price.order-statistic", {"price": ("order", rate, k)}
        yield Variant(which, f"the k-th largest, k by {k}", at, k == "half-even")
        after = {"price": ("order-next", rate, k)}
        yield Variant(which, f"the next after the k-th, k by {k}", after, primary=False)
    yield Variant("price.absolute", "a quantile of |chi|", {"price": ("abs-quantile", rate)})
    yield Variant("price.other", "a Gaussian quantile", {"price": ("gaussian", rate)})
    yield from ladder(
        "price.fixed",
        "a price of {:g}",
        (0.0, 0.5, 1.0, rate),
        lambda value: {"price": ("fixed", value)},
        (0.0,),
    )


def _quantile(rate: float, method: str, primary: bool) -> Variant:
    changes = {"price": ("quantile", rate, method)}
    return Variant("price.interpolation", f"the {method} quantile", changes, primary)


def _order_statistics(rate: float) -> Iterator[Variant]:
    for shift in (0.0, -1.0, 1.0, -2.0, 2.0):
        for how in ("floor", "ceil", "round"):
            changes = {"price": ("index", rate, how, shift)}
            name = f"the order statistic {how}((1 - rate) N) {shift:+g}"
            yield Variant("price.order-statistic", name, changes, primary=False)
