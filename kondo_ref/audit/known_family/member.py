"""A member of the family, as data: everything in which known implementations differ.

The claimed estimator is a member (`of_claim`; a test holds it to
`kondo_ref.gradient.policy_gradient`), and a known mistake is a member that differs in one field or
two.
"""

from dataclasses import dataclass

import numpy as np

from kondo_ref.audit.known_parts import RAW, Part
from kondo_ref.audit.verdict import Claim
from kondo_ref.gate import Gate
from kondo_ref.price import Calibrated, Fixed, Quantile, Rolling

# Of numbers that are not finite, or overflow, a member computes what a target would: no number.
as_targets_do = np.errstate(over="ignore", invalid="ignore", divide="ignore")


@dataclass(frozen=True)
class Member:
    """One estimator of the family; the defaults are DG.

    Parameters
    ----------
    gate_advantage, surprisal, signal_transform, advantage : tuple
        Transforms of U in the gate, of l, of the signal, of U in the coefficient.
    signal : str
        delight, abs-delight, advantage, abs-advantage, surprisal, uniform, additive.
    alpha : float
        Of the additive signal.
    temperature : float
    heat : str
        How it is used: divides, multiplies, signal-only, price-only, std, rms, mean-abs
        (multiples of a spread of the signal).
    squash : str
    price : tuple
    scope : tuple
        Where prices and counts are taken: batch, split, chunk, row, column.
    price_masked, count_masked, count_positive : bool
        Invalid decisions enter the price and the ranking; the count alone; only positive signals
        are counted.
    draw : str
        soft, hard, bernoulli, top-k, all.
    compare : tuple
        ("gt",), ("ge",), ("gt", slack), ("half",): of a hard gate.
    rate : float
        Of top-k.
    count, ties : tuple
    unit, aggregation : str
    power : float
        The weight is w to this power (2: a double gate).
    when_empty : str
        one, all: what is kept all the same where a hard gate keeps nothing.
    gain : float
    bounds : tuple of float
        Weights are clipped to it.
    mix : float
        The weight is (1 - mix) w + mix.
    ungated : str
        "", negative or positive: decisions of this sign pass without the gate.
    factor : str
        one, inverse-probability, inverse-rate, sigmoid (chained), surprisal, 1/surprisal.
    normalizer : tuple
    leak : str
        "", gate, price, straight-through, surprisal-factor.
    leak_share, leak_temperature : float
        Share of the leak, and the temperature of the soft gate behind a straight-through one.
    baseline, gate_baseline : tuple
        Of rewards, where the target takes it itself; of the gate, where that has another one.
    extra : tuple
        Another term of the loss: (kind, factor, mean or sum).
    mask_ignored : bool
    """

    gate_advantage: Part = RAW
    surprisal: Part = RAW
    signal: str = "delight"
    alpha: float = 0.5
    signal_transform: Part = RAW
    temperature: float = 1.0
    heat: str = "divides"
    squash: str = "sigmoid"
    price: Part = ("fixed", 0.0)
    scope: Part = ("batch",)
    price_masked: bool = False
    count_masked: bool = False
    count_positive: bool = False
    draw: str = "soft"
    compare: Part = ("gt",)
    rate: float = 1.0
    count: Part = ("half-even", 1.0)
    ties: Part = ("lowest",)
    unit: str = "token"
    aggregation: str = "mean"
    advantage: Part = RAW
    power: float = 1.0
    when_empty: str = ""
    gain: float = 1.0
    bounds: tuple[float, float] = (-np.inf, np.inf)
    mix: float = 0.0
    ungated: str = ""
    factor: str = "one"
    normalizer: Part = ("decisions",)
    leak: str = ""
    leak_share: float = 1.0
    leak_temperature: float = 1.0
    baseline: Part = ("none",)
    gate_baseline: Part = ("none",)
    extra: Part = ("none",)
    mask_ignored: bool = False

    @property
    def random(self) -> bool:
        """Whether the gate is drawn."""
        return self.draw in ("bernoulli", "random-k") or self.ties[0] in ("random", "any")


def of_gate(gate: Gate, normalizer: str = "decisions") -> Member:
    """Return the member that is the reference's estimator with this gate."""
    price: Part = ("none",)
    if isinstance(gate.price, Fixed):
        price = ("fixed", gate.price.value)
    elif isinstance(gate.price, Quantile):
        price = ("quantile", gate.price.rate, "linear")
    elif isinstance(gate.price, Calibrated):
        price = ("calibrated", gate.price.rate)
    elif isinstance(gate.price, Rolling):
        price = ("rolling", gate.price.rate, gate.price.history, gate.price.warmup)
    draw = "top-k" if gate.draw == "top_k" else gate.draw
    if gate.temperature == 0.0 and draw in ("soft", "bernoulli"):
        draw = "hard"
    if gate.signal == "uniform" and draw == "hard" and price == ("fixed", 0.0):
        draw = "all"
    return Member(
        signal=gate.signal.replace("_", "-"),
        alpha=0.5 if gate.alpha is None else gate.alpha,
        temperature=gate.temperature,
        price=price,
        draw=draw,
        rate=1.0 if gate.rate is None else gate.rate,
        unit=gate.unit,
        normalizer=(normalizer,),
    )


def of_claim(claim: Claim) -> Member:
    """Return the member that a claim describes."""
    return of_gate(claim.gate, claim.normalizer)
