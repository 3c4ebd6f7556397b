"""Known mistakes: for each, what it changes in a member of the family, and the finding it is.

A target that differs from its claim is compared with these, one at a time and then in pairs; the
one that reproduces what was observed to rounding is named as the nearest known mistake. Where a
mistake has a number (a temperature, a price), the numbers that people write are tried, and those
that `kondo_ref.audit.identify` estimates.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from kondo_ref.audit.known_family import Member
from kondo_ref.audit.known_parts import Part, number


@dataclass(frozen=True)
class Variant:
    """A known mistake, relative to a member that does not make it.

    Parameters
    ----------
    id : str
        Of the catalogue.
    name : str
        In a few words, after "differs exactly as ... does".
    changes : dict
        Fields of `Member` and their values.
    primary : bool
        Whether it is tried in pairs too.
    """

    id: str
    name: str
    changes: dict[str, Any] = field(default_factory=dict)
    primary: bool = True

    def apply(self, member: Member) -> Member:
        """Return the member that makes this mistake."""
        return replace(member, **self.changes)


def variants(base: Member) -> list[Variant]:
    """Return every known mistake that differs from `base`."""
    seen: list[Variant] = []
    for variant in _all(base):
        if variant.apply(base) != base and _has_a_meaning(variant, base):
            seen.append(variant)
    return seen


def _has_a_meaning(variant: Variant, base: Member) -> bool:
    """Whether a mistake can show at all beside this member."""
    if base.draw == "all" and "draw" not in variant.changes:
        return not variant.changes.keys() <= _GATE_FIELDS
    return True


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


def _all(base: Member) -> Iterator[Variant]:
    yield from _gains(base)
    yield from _normalizers(base)
    yield from _draws(base)
    yield from _counts(base)
    yield from _price_scales(base)
    yield from _prices(base)
    yield from _temperatures(base)
    yield from _signals()
    yield from _surprisals(base)
    yield from _advantages()
    yield from _units(base)
    yield from _detach(base)
    yield from _baselines(base)
    yield Variant("robustness.mask-ignored", "an ignored mask", {"mask_ignored": True})
    yield from _weights(base)


def _normalizers(base: Member) -> Iterator[Variant]:
    for part, what, name in (
        ("decisions", "decisions", "mean-over-all"),
        ("kept", "kept", "mean-over-kept"),
        ("none", "none", "a sum without a normaliser"),
        ("all", "includes-masked", "a mean that counts invalid decisions"),
        ("nonzero-advantage", "nonzero-advantage", "a mean over non-zero advantages"),
        ("weight-sum", "weight-sum", "dividing by the sum of the weights"),
        ("probability-sum", "weight-sum", "dividing by the sum of the keep probabilities"),
        ("sequences", "sequences", "dividing by the number of sequences"),
        ("valid-sequences", "sequences", "dividing by the number of valid sequences"),
        ("sequence-mean", "sequence-mean", "a mean of sequence means"),
        ("kept-sequence-mean", "sequence-mean", "a mean of sequence means over kept tokens"),
        ("length", "length", "dividing by T"),
        ("longest", "length", "dividing by the longest length"),
        ("one-less", "other", "dividing by N - 1"),
        ("one-more", "other", "dividing by N + 1"),
        ("kept-plus-one", "kept", "mean-over-kept plus one"),
        ("positive", "other", "dividing by the number of positive advantages"),
        ("root", "other", "dividing by the root of N"),
        ("square", "other", "dividing by N twice"),
        ("actions", "other", "a mean over decisions and actions"),
        ("norm", "other", "dividing by the norm of the weights"),
    ):
        yield Variant(f"normalizer.{what}", name, {"normalizer": (part,)})
    for size in (2.0, 4.0, 8.0, 16.0, 32.0):
        changes = {"normalizer": ("part-kept", size)}
        yield Variant("normalizer.kept", f"means over the kept of each {size:g}", changes, False)
    for value in (2.0, 8.0, 10.0, 16.0, 32.0, 64.0, 100.0, 128.0, 256.0, 512.0, 1000.0, 1024.0):
        changes = {"normalizer": ("constant", value)}
        yield Variant("normalizer.constant", f"dividing by {value:g}", changes, primary=False)
    if base.draw == "top-k" or base.price[0] in ("quantile", "calibrated"):
        for part, name in (("expected-kept", "dividing by rate * N"), ("k", "dividing by k")):
            yield Variant("normalizer.expected-kept", name, {"normalizer": (part,)})


def _gains(base: Member) -> Iterator[Variant]:
    rate = number(base.price, 1, 1.0) if base.price[0] in ("quantile", "calibrated") else base.rate
    if 0.0 < rate < 1.0:
        yield Variant("weights.inverse-rate", "weighting by 1/rate", {"factor": "inverse-rate"})
    for gain in (2.0, 0.5, -1.0, 4.0, 3.0, 10.0, 0.1, 0.25):
        what = "weights.sign" if gain < 0 else "weights.gain"
        name = "a turned sign" if gain < 0 else f"gain {gain:g}"
        yield Variant(what, name, {"gain": gain}, primary=abs(gain) in (2.0, 0.5, 1.0))


def _weights(base: Member) -> Iterator[Variant]:
    rate = number(base.price, 1, 1.0) if base.price[0] == "quantile" else base.rate
    for power in (2.0, 0.5, 3.0):
        what = "weights.squared" if power == 2.0 else "weights.root"
        yield Variant(what, f"the gate to the power {power:g}", {"power": power})
    for factor, what, name in (
        ("inverse-probability", "weights.inverse-probability", "weighting by 1/p"),
        ("realised-rate", "weights.inverse-rate", "weighting by 1/(realised rate)"),
        ("sigmoid", "draw.chained", "a DG weight on the survivors"),
        ("sigmoid-price", "draw.chained", "the keep probability on the survivors"),
        ("surprisal", "weights.delight", "the delight in place of the advantage"),
        ("signal", "weights.other", "the signal as a second factor"),
        ("probability", "placement.probability", "pi(a) in place of log pi(a)"),
    ):
        if factor != "realised-rate" or 0.0 < rate < 1.0:
            yield Variant(what, name, {"factor": factor})
    for low in (0.01, 0.05, 0.1, 0.2, 0.25, 0.5):
        yield Variant(
            "weights.floor", f"a least weight {low:g}", {"bounds": (low, float("inf"))}, low == 0.1
        )
        yield Variant(
            "placement.ungated-share", f"a share {low:g} not gated", {"mix": low}, low == 0.1
        )
    for high in (0.5, 0.8, 0.9, 0.95, 0.99):
        yield Variant(
            "weights.bounded",
            f"weights capped at {high:g}",
            {"bounds": (-float("inf"), high)},
            high == 0.9,
        )
    for low in (1e-3, 0.01, 0.05, 0.1, 0.2):
        yield Variant(
            "weights.bounded",
            f"weights in [{low:g}, {1 - low:g}]",
            {"bounds": (low, 1 - low)},
            primary=False,
        )
    for sign in ("negative", "positive"):
        yield Variant(
            "placement.negatives-ungated", f"{sign} advantages not gated", {"ungated": sign}
        )


def _draws(base: Member) -> Iterator[Variant]:
    for draw, what in (
        ("soft", "draw.soft"),
        ("bernoulli", "draw.bernoulli"),
        ("all", "draw.all"),
    ):
        at = {"temperature": 1.0} if base.temperature == 0.0 and draw != "all" else {}
        price = {"price": ("fixed", 0.0)} if base.draw in ("top-k", "all") and draw != "all" else {}
        signal = {"signal": "delight"} if base.draw == "all" and draw != "all" else {}
        if base.draw == "hard" and draw in ("soft", "bernoulli"):
            yield Variant(
                "temperature.positive", f"a {draw} gate of temperature 1", {"draw": draw, **at}
            )
            continue
        if base.draw == "top-k" and draw in ("soft", "bernoulli"):
            price = {"price": ("quantile", base.rate, "linear")}
        yield Variant(what, f"the {draw} gate", {"draw": draw, **at, **price, **signal})
    hard = "draw.deterministic" if base.draw == "bernoulli" else "temperature.zero"
    if base.draw in ("soft", "bernoulli"):
        yield Variant(hard, "the limit of temperature 0", {"draw": "hard"})
        yield Variant(
            hard, "a gate that keeps at the price too", {"draw": "hard", "compare": ("ge",)}
        )
    if base.draw == "all":
        zero = {"draw": "hard", "signal": "delight", "price": ("fixed", 0.0)}
        yield Variant("draw.threshold", "the zero price", zero)
    if base.price[0] in ("quantile", "calibrated"):
        rate = number(base.price, 1, 1.0)
        for k in ("half-even", "ceil", "floor", "half-up"):
            changes = {"draw": "top-k", "rate": rate, "count": (k, 1.0)}
            yield Variant("draw.top-k", f"top-k by {k}", changes, primary=k == "half-even")
    if base.draw == "bernoulli":
        yield Variant("draw.twice", "two draws, both to be passed", {"squash": "square"})
        for share in (0.01, 0.02, 0.05, 0.1, 0.2):
            name = f"a reserve of {share:g} kept at random"
            yield Variant("dynamics.reserve", name, {"squash": f"reserve {share:g}"}, share == 0.05)
        yield Variant("draw.complement", "a draw turned round", {"squash": "complement"})
        yield Variant("signal.uniform", "keeping at random at the rate", {"squash": "rate"})
    if base.draw == "top-k":
        at_random = {
            "draw": "bernoulli",
            "squash": "rate",
            "price": ("quantile", base.rate, "linear"),
        }
        yield Variant(
            "signal.uniform", "keeping at random at the rate", {**at_random, "temperature": 1.0}
        )
        yield Variant("signal.uniform", "k decisions at random", {"draw": "random-k"})


def _counts(base: Member) -> Iterator[Variant]:
    if base.draw != "top-k":
        if base.draw == "hard":
            for what, which in (("one", "empty.forced-one"), ("all", "empty.dense-fallback")):
                yield Variant(which, f"{what} kept where nothing is", {"when_empty": what})
            yield Variant("ties.inclusive", "keeping at the price", {"compare": ("ge",)})
            yield Variant(
                "temperature.tie-value", "half a weight at the price", {"compare": ("half",)}
            )
            for slack in (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-8):
                yield Variant(
                    "ties.slack", f"a slack of {slack:g}", {"compare": ("gt", slack)}, slack == 1e-3
                )
                yield Variant(
                    "ties.margin",
                    f"a margin of {slack:g}",
                    {"compare": ("gt", -slack)},
                    slack == 1e-3,
                )
        return
    for rule, what in (
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
    ):
        for least in (1.0, 0.0, 2.0):
            changes = {"count": (rule, least)}
            if least == 1.0 and what:
                yield Variant(f"count.{what}", f"k by {rule}", changes)
            elif least == 0.0:
                yield Variant(
                    "count.no-minimum",
                    f"k by {rule}, at least 0",
                    changes,
                    rule in ("half-even", "floor"),
                )
            elif least == 2.0 and rule == "half-even":
                yield Variant("count.minimum", "at least 2 kept", changes)
    for k in (1, 2, 3, 4, 5, 8, 10, 16, 32):
        changes = {"count": ("constant", 1.0, float(k))}
        yield Variant("count.constant", f"k = {k} always", changes, k == 1)
    for rate in (0.01, 0.03, 0.05, 0.1, 0.2, 0.25, 0.3, 0.5, 1.0 - base.rate):
        if 0 < rate <= 1:
            yield Variant(
                "count.rate",
                f"the rate {rate:g}",
                {"rate": rate},
                primary=rate in (0.5, 1.0 - base.rate),
            )
    yield Variant(
        "count.rate", "the rate in per cent", {"rate": min(1.0, base.rate / 100.0)}, primary=False
    )
    yield Variant("count.rate", "the rate of the positive ones", {"count_positive": True})
    yield Variant("count.includes-masked", "k from invalid decisions too", {"count_masked": True})
    yield Variant("count.includes-masked", "ranking invalid decisions too", {"price_masked": True})
    for tie, what, name in (
        ("all", "all-kept", "keeping all ties"),
        ("none", "none-kept", "keeping no tie"),
        ("highest", "last-index", "ties to the highest index"),
        ("any", "other", "ties in no order"),
        ("random", "random", "ties at random"),
    ):
        yield Variant(f"ties.{what}", name, {"ties": (tie,)})
    for slack in (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-8):
        yield Variant(
            "ties.slack", f"a slack of {slack:g}", {"ties": ("slack", slack)}, slack == 1e-3
        )
    for method in ("linear", "lower", "higher", "nearest", "midpoint"):
        for compare in (("gt",), ("ge",)):
            changes = {
                "draw": "hard",
                "price": ("quantile", base.rate, method),
                "compare": compare,
                "temperature": 0.0,
            }
            sign = ">" if compare == ("gt",) else ">="
            yield Variant(
                "count.quantile", f"{sign} the {method} quantile", changes, method == "linear"
            )
    for part in (
        ("split", 2.0),
        ("split", 4.0),
        ("chunk", 8.0),
        ("chunk", 16.0),
        ("row",),
        ("column",),
        ("chunk", 4.0),
        ("chunk", 32.0),
        ("strided", 2.0),
    ):
        name = " ".join(str(x) for x in part)
        yield Variant(
            "count.per-part",
            f"k of each {name}",
            {"scope": part},
            part in (("split", 2.0), ("row",)),
        )


def _price_scales(base: Member) -> Iterator[Variant]:
    """Yield what a temperature may leave undivided; reads as another price, so it comes first."""
    if base.draw in ("soft", "bernoulli") and base.temperature not in (0.0, 1.0):
        if base.price == ("fixed", 0.0):
            return
        for heat, name in (
            ("signal-only", "a price not divided"),
            ("price-only", "a price alone divided"),
        ):
            yield Variant("temperature.divides-price", name, {"heat": heat})


def _prices(base: Member) -> Iterator[Variant]:
    if base.draw in ("top-k", "all"):
        return
    kind = base.price[0]
    rate = number(base.price, 1, 0.1) if kind in ("quantile", "calibrated") else 0.1
    if kind == "rolling":
        yield from _rolling(base)
    of_batch = kind != "fixed"
    if of_batch:
        for method in ("lower", "higher", "nearest", "midpoint"):
            changes = {"price": ("quantile", rate, method)}
            yield Variant("price.interpolation", f"the {method} quantile", changes)
        if base.draw == "hard":
            for shift in (0.0, -1.0, 1.0, -2.0, 2.0):
                for how in ("floor", "ceil", "round"):
                    changes = {"price": ("index", rate, how, shift)}
                    name = f"the order statistic {how}((1 - rate) N) {shift:+g}"
                    yield Variant("price.order-statistic", name, changes, primary=False)
        for method in (
            "inverted_cdf",
            "hazen",
            "weibull",
            "median_unbiased",
        ):
            changes = {"price": ("quantile", rate, method)}
            yield Variant(
                "price.interpolation",
                f"the {method} quantile",
                changes,
                method in ("lower", "higher"),
            )
        yield Variant(
            "price.inverted", "the rate-quantile", {"price": ("quantile", 1.0 - rate, "linear")}
        )
        yield Variant(
            "price.calibrated", "a price solved for the rate", {"price": ("calibrated", rate)}
        )
        for k in ("half-even", "ceil", "floor"):
            changes = {"price": ("order", rate, k)}
            yield Variant(
                "price.order-statistic", f"the k-th largest, k by {k}", changes, k == "half-even"
            )
            changes = {"price": ("order-next", rate, k)}
            yield Variant(
                "price.order-statistic",
                f"the next after the k-th, k by {k}",
                changes,
                primary=False,
            )
        yield Variant("price.absolute", "a quantile of |chi|", {"price": ("abs-quantile", rate)})
        yield Variant("price.other", "a Gaussian quantile", {"price": ("gaussian", rate)})
        for value in (0.0, 0.5, 1.0, rate):
            yield Variant(
                "price.fixed", f"a price of {value:g}", {"price": ("fixed", value)}, value == 0.0
            )
    else:
        for value in (0.0, 0.1, 0.5, 1.0, -1.0, 0.25, 2.0):
            yield Variant(
                "price.value" if value else "price.missing",
                f"a price of {value:g}",
                {"price": ("fixed", value)},
                primary=False,
            )
    what = "price.rate" if kind == "quantile" else "price.batch"
    for other in (
        0.01,
        0.03,
        0.05,
        0.1,
        0.2,
        0.25,
        0.3,
        0.5,
        0.75,
        0.9,
        rate / 2,
        min(1.0, 2 * rate),
        rate / 100,
    ):
        changes = {"price": ("quantile", other, "linear")}
        yield Variant(what, f"the quantile at rate {other:g}", changes, primary=other == 0.5)
    for part, name in (
        (("mean", 1.0), "the batch's mean"),
        (("mean-positive", 1.0), "the mean of positive delights"),
        (("max", 0.5), "half the largest"),
        (("mean-abs", 1.0), "the mean of |chi|"),
    ):
        yield Variant("price.mean" if "mean" in name else "price.other", name, {"price": part})
    yield Variant("price.missing", "no price", {"price": ("none",)})
    if of_batch:
        yield Variant(
            "price.includes-masked", "a price with invalid decisions", {"price_masked": True}
        )
        for part in (
            ("split", 2.0),
            ("split", 4.0),
            ("chunk", 4.0),
            ("chunk", 8.0),
            ("chunk", 16.0),
            ("chunk", 32.0),
            ("row",),
            ("column",),
            ("strided", 2.0),
        ):
            name = " ".join(str(x) for x in part)
            yield Variant(
                "price.scope",
                f"a price of each {name}",
                {"scope": part},
                part in (("split", 2.0), ("row",)),
            )


def _rolling(base: Member) -> Iterator[Variant]:
    """Yield what may be done otherwise with a price of earlier signals."""
    rate, size, warmup = (number(base.price, i, 1.0) for i in (1, 2, 3))
    for way, which, name in (
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
    ):
        yield Variant(which, name, {"price": ("rolling", rate, size, warmup, way)})
    for n in (*range(1, 33), 50, 64, 100):
        changes = {"price": ("rolling", rate, size, warmup, f"cap={n}")}
        yield Variant("dynamics.drop-cap", f"keeping after {n} drops", changes, primary=False)
    for other in (size / 2, 2 * size, size - 1, size + 1, 4 * size, size / 4):
        changes = {"price": ("rolling", rate, float(int(other)), min(warmup, other))}
        yield Variant("price.history-size", f"a history of {int(other)}", changes, primary=False)
    for start in (0.0, 1.0, warmup - 1, warmup + 1, 2 * warmup, size, warmup / 2):
        changes = {"price": ("rolling", rate, size, float(int(start)))}
        yield Variant("dynamics.warm-up", f"a warm-up of {int(start)}", changes, primary=False)


def _temperatures(base: Member) -> Iterator[Variant]:
    if base.draw not in ("soft", "bernoulli"):
        return
    if base.temperature not in (0.0, 1.0):
        yield Variant(
            "temperature.multiplies", "a temperature that multiplies", {"heat": "multiplies"}
        )
        yield Variant("temperature.value", "temperature 1", {"temperature": 1.0})
        yield Variant(
            "temperature.value", "the root of the temperature", {"heat": "root"}, primary=False
        )
        yield Variant(
            "temperature.value", "the square of the temperature", {"heat": "square"}, primary=False
        )
    for value in (0.01, 0.05, 0.1, 0.25, 0.5, 2.0, 4.0, 5.0, 10.0):
        changes = {"temperature": value * (base.temperature or 1.0)}
        yield Variant(
            "temperature.value",
            f"temperature {changes['temperature']:g}",
            changes,
            value in (0.5, 2.0),
        )
    yield Variant("weights.other", "a softmax over the batch", {"squash": "softmax"})
    for heat in ("std", "std1", "rms", "mean-abs"):
        yield Variant(
            "temperature.adaptive",
            f"a temperature of the batch's {heat}",
            {"heat": heat},
            heat == "std",
        )
    for name in (
        "linear",
        "hard-sigmoid",
        "clip",
        "probit",
        "tanh",
        "positive-tanh",
        "exp",
        "linear-above",
    ):
        yield Variant(
            "temperature.squash",
            f"{name} in place of the sigmoid",
            {"squash": name},
            name in ("linear", "tanh"),
        )


SPREADS: tuple[Part, ...] = tuple(
    (float(ddof), eps, inside)
    for eps, inside in (
        (0.0, 0.0),
        (1e-8, 0.0),
        (1e-6, 0.0),
        (1e-5, 0.0),
        (1e-4, 0.0),
        (1e-3, 0.0),
        (1e-8, 1.0),
        (1e-6, 1.0),
        (1e-5, 1.0),
        (1e-4, 1.0),
        (1e-12, 0.0),
    )
    for ddof in (0, 1)
)


def _spread_parts(name: str) -> Iterator[tuple[Part, bool]]:
    for tail in SPREADS:
        yield (name, *tail), tail == (0.0, 0.0, 0.0)


def _signals() -> Iterator[Variant]:
    for signal in ("abs-delight", "advantage", "abs-advantage", "surprisal", "uniform", "delight"):
        yield Variant(
            f"signal.{signal if signal != 'delight' else 'other'}",
            f"the signal {signal}",
            {"signal": signal},
        )
    for alpha in (0.5, 0.25, 0.75, 0.1, 0.9):
        changes = {"signal": "additive", "alpha": alpha}
        yield Variant(
            "signal.additive", f"an additive signal, alpha {alpha:g}", changes, alpha == 0.5
        )
    yield Variant("signal.additive", "U + l", {"signal": "sum"})
    for part, what, name in (
        (("negate",), "sign", "a turned sign of the delight"),
        (("abs",), "abs-delight", "|delight|"),
        (("centre",), "centred", "a centred delight"),
        (("rank",), "rank", "the rank of the delight"),
        (("scale-rms", 0.0, 0.0), "scaled", "the delight over its RMS"),
        (("scale-max", 0.0, 0.0), "scaled", "the delight over its largest"),
        (("scale-mean-abs", 0.0, 0.0), "scaled", "the delight over its mean size"),
        (("tanh",), "clipped", "tanh of the delight"),
        (("relu",), "clipped", "the positive part of the delight"),
        (("log1p",), "function", "log1p of the delight"),
        (("signed-root",), "function", "the root of the delight"),
    ):
        yield Variant(f"signal.{what}", name, {"signal_transform": part})
    for bound in (1.0, 2.0, 3.0, 5.0, 10.0):
        yield Variant(
            "signal.clipped",
            f"the delight clipped at {bound:g}",
            {"signal_transform": ("clip", bound)},
            primary=False,
        )
    for transformed, what, name in (
        ("whiten", "whitened", "a whitened delight"),
        ("whiten-add-mean", "mean-added-back", "whitening with the mean added back"),
        ("scale-std", "scaled", "the delight over its spread"),
    ):
        for part, primary in _spread_parts(transformed):
            yield Variant(f"signal.{what}", name, {"signal_transform": part}, primary)


def _surprisals(base: Member) -> Iterator[Variant]:
    for bound in (1.0, 2.0, 3.0, 5.0, 10.0, 15.0, 20.0, 30.0):
        yield Variant(
            "surprisal.clamped",
            f"the surprisal clamped at {bound:g}",
            {"surprisal": ("clip-above", bound)},
            bound == 10.0,
        )
    for bound in (0.1, 0.01, 0.5, 1.0, 1e-3):
        yield Variant(
            "surprisal.floored",
            f"a least surprisal of {bound:g}",
            {"surprisal": ("clip-below", bound)},
            bound == 0.1,
        )
        yield Variant(
            "surprisal.floored",
            f"{bound:g} added to the surprisal",
            {"surprisal": ("add", bound)},
            bound == 1.0,
        )
    for eps in (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-10, 1e-12):
        changes = {"surprisal": ("log-eps", eps)}
        name = f"-log(pi + {eps:g}), which is bounded"
        yield Variant("surprisal.clamped", name, changes, primary=False)
    for value in (1.4426950408889634, 0.4342944819032518, 0.5, 2.0):
        yield Variant(
            "surprisal.scaled",
            f"the surprisal times {value:g}",
            {"surprisal": ("times", value)},
            primary=value > 1.4,
        )
    at = (0.5, 2.0, 0.7, 0.1, 1.5, base.temperature)
    for value in at:
        if value not in (0.0, 1.0):
            yield Variant(
                "surprisal.tempered",
                f"the surprisal at temperature {value:g}",
                {"surprisal": ("tempered", value)},
                value == 2.0,
            )
    for part, what, name in (
        (("probability",), "probability", "1 - pi(a)"),
        (("negate",), "sign", "log pi in place of -log pi"),
        (("entropy",), "entropy", "the entropy"),
        (("centred-entropy",), "entropy", "the surprisal less the entropy"),
        (("greedy",), "greedy", "the surprisal of the likeliest action"),
        (("raw-logit",), "raw-logit", "the logit"),
        (("log-k",), "length-normalised", "the surprisal over log K"),
        (("centre",), "centred", "a centred surprisal"),
        (("square",), "other", "the squared surprisal"),
        (("signed-root",), "other", "the root of the surprisal"),
        (("log1p",), "other", "log1p of the surprisal"),
        (("inverse-probability",), "other", "1/pi(a)"),
        (("expm1",), "other", "1/pi(a) - 1"),
        (("tanh",), "other", "tanh of the surprisal"),
        (("times-probability",), "other", "pi(a) times the surprisal"),
        (("focal",), "other", "(1 - pi(a)) squared times the surprisal"),
        (("scale-max", 0.0, 0.0), "whitened", "the surprisal over its largest"),
        (("scale-mean-abs", 0.0, 0.0), "whitened", "the surprisal over its mean"),
        (("minus-min",), "centred", "the surprisal less its least"),
    ):
        yield Variant(f"surprisal.{what}", name, {"surprisal": part})
    for transformed in ("whiten", "whiten-add-mean", "scale-std"):
        for part, primary in _spread_parts(transformed):
            yield Variant(
                "surprisal.whitened", f"a surprisal by {transformed}", {"surprisal": part}, primary
            )


def _advantages() -> Iterator[Variant]:
    for part, what, name in (
        (("abs",), "sign-dropped", "|U|"),
        (("relu",), "positive-only", "the positive part of U"),
        (("sign",), "binarised", "the sign of U"),
        (("one",), "missing", "a coefficient without U"),
        (("signed-square",), "squared", "U * |U|"),
        (("square",), "squared", "U squared"),
        (("cube",), "squared", "U cubed"),
        (("signed-root",), "squared", "the root of U"),
        (("tanh",), "clipped", "tanh of U"),
        (("centre",), "centred", "a centred U"),
        (("leave-one-out",), "centred", "U less its leave-one-out mean"),
        (("minus-median",), "centred", "U less its median"),
        (("scale-max", 0.0, 0.0), "scaled", "U over its largest"),
        (("scale-mean-abs", 0.0, 0.0), "scaled", "U over its mean size"),
        (("scale-rms", 0.0, 0.0), "scaled", "U over its RMS"),
    ):
        yield from _both(part, what, name, True)
    for bound in (1.0, 2.0, 3.0, 5.0, 10.0):
        yield from _both(("clip", bound), "clipped", f"U clipped at {bound:g}", primary=False)
    for transformed, what in (
        ("whiten", "standardised"),
        ("scale-std", "scaled"),
        ("whiten-add-mean", "standardised"),
    ):
        for part, primary in _spread_parts(transformed):
            yield from _both(part, what, f"U by {transformed}", primary)


def _both(part: Part, what: str, name: str, primary: bool) -> Iterator[Variant]:
    """Yield a transform of U everywhere, in the coefficient alone, and in the gate alone."""
    both = {"advantage": part, "gate_advantage": part}
    yield Variant(f"advantage.{what}", f"{name}, in gate and coefficient", both, primary)
    yield Variant(f"advantage.{what}", f"{name}, in the coefficient", {"advantage": part}, primary)
    if part == ("abs",):
        return
    in_gate = "normalised-in-gate"
    yield Variant(f"advantage.{in_gate}", f"{name}, in the gate", {"gate_advantage": part}, primary)


def _units(base: Member) -> Iterator[Variant]:
    yield Variant("units.token-for-sequence", "a gate of every token", {"unit": "token"})
    for how, what in (
        ("mean", ""),
        ("sum", "sum"),
        ("max", "max"),
        ("min", "other"),
        ("median", "other"),
        ("last", "last"),
        ("last-column", "last"),
        ("first", "other"),
        ("product-of-means", "product-of-means"),
        ("sum-surprisal", "sum-surprisal"),
        ("padded-mean", "counts-padding"),
        ("unmasked-mean", "counts-padding"),
        ("root-length", "other"),
    ):
        changes = {"unit": "sequence", "aggregation": how}
        which = f"aggregation.{what}" if what else "units.sequence-for-token"
        yield Variant(
            which,
            f"a gate of sequences by {how}",
            changes,
            how in ("mean", "sum", "max", "product-of-means"),
        )
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


def _baselines(base: Member) -> Iterator[Variant]:
    """Yield baselines that a target of rewards may take, where it takes one at all."""
    if base.baseline == ("none",):
        return
    for name in (
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
    ):
        changes: dict[str, Any] = {"baseline": (name,)}
        yield Variant("advantage.baseline", f"the baseline {name}", changes)
        gate = {"gate_baseline": (name,)}
        yield Variant("advantage.baseline", f"the baseline {name} in the gate alone", gate)
        yield Variant(
            "advantage.baseline",
            f"{name} in the coefficient alone",
            {"gate_baseline": base.baseline, "baseline": (name,)},
        )
    yield Variant(
        "advantage.baseline",
        "a baseline of the gated rewards",
        {"baseline": ("gated", *base.baseline)},
    )
    for name in ("batch-std", "group-std", "group-batch-std", "zero-std"):
        for ddof, eps, inside in SPREADS:
            if not inside:
                changes = {"baseline": (name, ddof, eps)}
                yield Variant(
                    "advantage.standardised",
                    f"the baseline {name}",
                    changes,
                    (ddof, eps) == (0.0, 0.0),
                )


def _detach(base: Member) -> Iterator[Variant]:
    yield Variant(
        "detach.surprisal-factor",
        "an attached surprisal",
        {"factor": "surprisal", "gain": 2.0},
        primary=False,
    )
    if base.draw == "soft":
        yield Variant("detach.gate", "an attached gate", {"leak": "gate"})
        yield Variant(
            "detach.price", "an attached gate with its price", {"leak": "price"}, primary=False
        )
        yield Variant(
            "detach.gate",
            "an attached gate and normaliser",
            {"leak": "normalizer", "normalizer": ("weight-sum",)},
            primary=False,
        )
    else:
        yield Variant(
            "detach.straight-through",
            "a straight-through gate",
            {"leak": "straight-through"},
            primary=False,
        )
