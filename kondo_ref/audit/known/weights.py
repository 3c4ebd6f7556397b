"""Known mistakes of the weight: gains, other factors, bounds, decisions that pass ungated."""

from collections.abc import Iterator

from kondo_ref.audit.known.variant import Variant, ladder, rate_of_price
from kondo_ref.audit.known_family import Member

_FACTORS = (
    ("inverse-probability", "weights.inverse-probability", "weighting by 1/p"),
    ("realised-rate", "weights.inverse-rate", "weighting by 1/(realised rate)"),
    ("sigmoid", "draw.chained", "a DG weight on the survivors"),
    ("sigmoid-price", "draw.chained", "the keep probability on the survivors"),
    ("surprisal", "weights.delight", "the delight in place of the advantage"),
    ("signal", "weights.other", "the signal as a second factor"),
    ("probability", "placement.probability", "pi(a) in place of log pi(a)"),
)


def gains(base: Member) -> Iterator[Variant]:
    """Yield constant factors of all coefficients."""
    if 0.0 < rate_of_price(base, ("quantile", "calibrated"), base.rate) < 1.0:
        yield Variant("weights.inverse-rate", "weighting by 1/rate", {"factor": "inverse-rate"})
    for gain in (2.0, 0.5, -1.0, 4.0, 3.0, 10.0, 0.1, 0.25):
        what = "weights.sign" if gain < 0 else "weights.gain"
        name = "a turned sign" if gain < 0 else f"gain {gain:g}"
        yield Variant(what, name, {"gain": gain}, primary=abs(gain) in (2.0, 0.5, 1.0))


def weights(base: Member) -> Iterator[Variant]:
    """Yield what else is done to the gate before it multiplies the coefficient."""
    for power, what in ((2.0, "squared"), (0.5, "root"), (3.0, "root")):
        yield Variant(f"weights.{what}", f"the gate to the power {power:g}", {"power": power})
    partial = 0.0 < rate_of_price(base, ("quantile",), base.rate) < 1.0
    for factor, which, name in _FACTORS:
        if factor != "realised-rate" or partial:
            yield Variant(which, name, {"factor": factor})
    for low in (0.01, 0.05, 0.1, 0.2, 0.25, 0.5):
        bounds = {"bounds": (low, float("inf"))}
        yield Variant("weights.floor", f"a least weight {low:g}", bounds, low == 0.1)
        mix = {"mix": low}
        yield Variant("placement.ungated-share", f"a share {low:g} not gated", mix, low == 0.1)
    yield from ladder(
        "weights.bounded",
        "weights capped at {:g}",
        (0.5, 0.8, 0.9, 0.95, 0.99),
        lambda high: {"bounds": (-float("inf"), high)},
        (0.9,),
    )
    for low in (1e-3, 0.01, 0.05, 0.1, 0.2):
        name = f"weights in [{low:g}, {1 - low:g}]"
        yield Variant("weights.bounded", name, {"bounds": (low, 1 - low)}, primary=False)
    for sign in ("negative", "positive"):
        name = f"{sign} advantages not gated"
        yield Variant("placement.negatives-ungated", name, {"ungated": sign})
