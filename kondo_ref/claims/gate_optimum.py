"""The gate as an optimum: sigmoid((chi - price)/temperature) balances delight and entropy.

([K], Eq. 1.) The maximiser is searched for by value alone, golden section in decimal arithmetic
with as many digits as its flat top needs; the claim is the core's own keep probability.
"""

import math
from decimal import Decimal, localcontext
from typing import Any

import numpy as np

from kondo_ref.claims.register import Boundary, Claim, Sides, Step
from kondo_ref.claims.sentences import says
from kondo_ref.gate import keep_probability

ENTROPY = "the regulariser is the binary entropy"
POSITIVE = "the temperature is above 0"
WHOLE = "w ranges over all of [0, 1]"
NO_TIE = "delight is not the price"
DIGITS = 20  # of a maximiser


def objective(w: Decimal, x: Decimal, temperature: Decimal, regulariser: str) -> Decimal:
    """Return x w + temperature H(w), with x = chi - price and H(0) = H(1) = 0.

    H is the binary entropy -w log w - (1 - w) log(1 - w); quadratic: 2 w (1 - w), with the same
    symmetry and no infinite slope at the ends; none: 0.
    """
    if regulariser == "none" or w in (0, 1):
        return x * w
    if regulariser == "quadratic":
        return x * w + temperature * 2 * w * (1 - w)
    return x * w - temperature * (w * w.ln() + (1 - w) * (1 - w).ln())


def search(
    x: float, temperature: float, regulariser: str = "entropy", most: float = 1.0
) -> tuple[float, float, float]:
    """Return the least and the greatest maximiser of the objective in [0, most], and its value.

    Parameters
    ----------
    x : float
        chi - price, in reward * nat.
    temperature : float
        >= 0.
    regulariser : str
        entropy, quadratic or none.
    most : float
        Largest w allowed.

    Notes
    -----
    A maximum is flat: a value right to d digits gives the place to d/2. The digits are twice those
    of the answer, and those of a keep probability as small as exp(-abs(x)/temperature) on top.
    """
    tail = int(abs(x) / temperature / math.log(10)) + 1 if temperature else 0
    with localcontext() as context:
        context.prec = 2 * (DIGITS + tail) + 20
        given = (Decimal(x), Decimal(temperature), regulariser)
        width = Decimal(10) ** -(DIGITS + tail)
        first, last = (_golden(*given, most, width, leftmost) for leftmost in (True, False))
        return float(first), float(last), float(objective(first, *given))


def _golden(
    x: Decimal, temperature: Decimal, regulariser: str, most: float, width: Decimal, leftmost: bool
) -> Decimal:
    """Return an end of the set of maximisers, by golden section, ties towards that end."""

    def f(w: Decimal) -> Decimal:
        return objective(w, x, temperature, regulariser)

    golden = (Decimal(5).sqrt() - 1) / 2
    low, high = Decimal(0), Decimal(most)
    left, right = high - golden * (high - low), low + golden * (high - low)
    f_left, f_right = f(left), f(right)
    while high - low > width:
        if f_left > f_right or (f_left == f_right and leftmost):
            high, right, f_right = right, left, f_left
            left = high - golden * (high - low)
            f_left = f(left)
        else:
            low, left, f_left = left, right, f_right
            right = low + golden * (high - low)
            f_right = f(right)
    known = {w: f(w) for w in (Decimal(0), Decimal(most), (low + high) / 2)}
    tied = [w for w, value in known.items() if value == max(known.values())]
    return min(tied) if leftmost else max(tied)


def gate_optimum(
    delight: float,
    price: float,
    temperature: float,
    regulariser: str = "entropy",
    most: float = 1.0,
) -> Sides:
    """State that the keep probability is the one maximiser of (chi - price) w + temperature H(w).

    Both sides have two numbers, the least and the greatest maximiser, which are one.

    Hypotheses: H is the binary entropy, temperature above 0, w in all of [0, 1]. Source: [K],
    Eq. 1.
    """
    x = delight - price
    first, last, _ = search(x, temperature, regulariser, most)
    w = float(keep_probability(np.array([delight]), price, temperature)[0])
    # w rounds with its argument: by abs(x)/temperature eps
    size = math.hypot(w, w) * (1.0 + (abs(x) / temperature if temperature else 0.0))
    return Sides(np.array([first, last]), np.array([w, w]), scale=size or 1.0)


def softplus_value(
    delight: float,
    price: float,
    temperature: float,
    regulariser: str = "entropy",
    most: float = 1.0,
) -> Sides:
    """State that the maximum is temperature log(1 + exp((chi - price)/temperature)).

    Hypotheses: H is the binary entropy, temperature above 0 (at 0 the limit is (chi - price)^+),
    w in all of [0, 1]. Source: [K], Eq. 1 (the softplus potential); its derivative is w.
    """
    x = delight - price
    _, _, value = search(x, abs(temperature), regulariser, most)
    if temperature < 0.0:  # convex then: the maximum is at an end
        value = max(0.0, x * most)
    claimed = temperature * float(np.logaddexp(0.0, x / temperature))
    return Sides(value, claimed, scale=abs(claimed) * (1.0 + abs(x / temperature)))


def sharp_limit(delight: float, price: float, temperature: float) -> Sides:
    """State that a cold gate is 1{chi > price}, the core's temperature 0, to rounding.

    The distance is at most exp(-abs(chi - price)/temperature).

    Hypotheses: chi is not the price, temperature at most abs(chi - price)/40. Source: [K].
    """
    signal = np.array([delight])
    cold, sharp = (float(keep_probability(signal, price, t)[0]) for t in (temperature, 0.0))
    return Sides(cold, sharp, scale=1.0)


def flat_limit(delight: float, price: float, temperature: float) -> Sides:
    """State that a hot gate keeps half of everything: w = 1/2, so the update is half of PG's.

    The distance is at most abs(chi - price)/(4 temperature).

    Hypotheses: temperature at least 2^52 abs(chi - price). Source: [K].
    """
    return Sides(float(keep_probability(np.array([delight]), price, temperature)[0]), 0.5)


def _case() -> dict[str, Any]:
    return {"delight": 1.5, "price": 0.5, "temperature": 0.5}


def _steps() -> list[Step]:
    x, t = 1.0, 0.5
    w = float(keep_probability(np.array([1.5]), 0.5, t)[0])
    first, _, value = search(x, t)
    return [
        Step("chi = 1.5, price = .5, temperature = .5: f(w) = w + H(w)/2.", {"x": x}),
        Step("f'' = -temperature/(w (1 - w)) < 0: strictly concave.", {"f''": -t / (w * (1 - w))}),
        Step("f' = x + temperature log((1 - w)/w) runs from +inf to -inf: one zero inside."),
        Step("f' = 0 gives w = sigmoid(x/temperature).", {"w": w, "found by value": first}),
        Step(
            "Put in, f = temperature log(1 + exp(x/temperature)), the softplus.",
            {"closed": t * math.log1p(math.exp(x / t)), "found": value},
        ),
        Step("Its derivative in x is w (envelope): the gate is the slope of the potential."),
        Step("temperature -> 0: softplus -> x^+, w -> 1{x > 0}; temperature -> inf: w -> 1/2."),
    ]


_HALF = {"most": 0.5}
_COLD = "the temperature is at most abs(chi - price)/40"
_HOT = "the temperature is at least 2^52 abs(chi - price)"

CLAIMS = (
    Claim(
        id="gate-optimum",
        group="signals",
        section="8",
        statement=(
            "sigmoid((chi - price)/temperature) is the one maximiser over w in [0, 1] of "
            "(chi - price) w + temperature H(w)."
        ),
        hypotheses=(ENTROPY, POSITIVE, WHOLE),
        source="[K], Eq. 1",
        function=gate_optimum,
        instance=_case,
        value="least and greatest maximiser",
        boundaries=(
            Boundary(
                ENTROPY,
                "H(w) = 2 w (1 - w)",
                lambda: {**_case(), "regulariser": "quadratic"},
                says("A quadratic is maximal at 1/2 + x/(4 temperature), clipped to [0, 1]"),
            ),
            Boundary(
                POSITIVE,
                "temperature 0, delight at the price",
                lambda: {"delight": 0.5, "price": 0.5, "temperature": 0.0},
                says("Every w in [0, 1] is a maximiser, the greatest is"),
            ),
            Boundary(
                WHOLE,
                "w in [0, 1/2]",
                lambda: {**_case(), **_HALF},
                says("With w at most 1/2 the maximiser is"),
            ),
        ),
        steps=_steps,
    ),
    Claim(
        id="softplus-value",
        group="signals",
        section="8",
        statement="The maximum is temperature log(1 + exp((chi - price)/temperature)).",
        hypotheses=(ENTROPY, POSITIVE, WHOLE),
        source="[K], Eq. 1",
        function=softplus_value,
        instance=_case,
        value="greatest value",
        boundaries=(
            Boundary(
                ENTROPY,
                "no regulariser",
                lambda: {**_case(), "regulariser": "none"},
                says("Without it the maximum is (chi - price)^+"),
            ),
            Boundary(
                POSITIVE,
                "temperature -.5",
                lambda: {**_case(), "temperature": -0.5},
                says("At a negative temperature the objective is convex and its maximum"),
            ),
            Boundary(
                WHOLE,
                "w in [0, 1/2]",
                lambda: {**_case(), **_HALF},
                says("With w at most 1/2 the maximum is"),
            ),
        ),
        steps=_steps,
    ),
    Claim(
        id="cold-gate",
        group="signals",
        section="8",
        statement="As the temperature tends to 0 the gate tends to 1{chi > price}.",
        hypotheses=(NO_TIE, _COLD),
        source="[K]",
        function=sharp_limit,
        instance=lambda: {"delight": 1.5, "price": 0.5, "temperature": 0.02},
        value="keep probability",
        boundaries=(
            Boundary(
                NO_TIE,
                "delight at the price",
                lambda: {"delight": 0.5, "price": 0.5, "temperature": 0.0125},
                says("A tie is kept half the time at every temperature, and never at 0: w is"),
            ),
            Boundary(
                _COLD,
                "temperature 1",
                lambda: {"delight": 1.5, "price": 0.5, "temperature": 1.0},
                says("At temperature 1 the keep probability is"),
            ),
        ),
        steps=_steps,
    ),
    Claim(
        id="hot-gate",
        group="signals",
        section="8",
        statement="As the temperature tends to infinity the gate tends to 1/2.",
        hypotheses=(_HOT,),
        source="[K]",
        function=flat_limit,
        instance=lambda: {"delight": 1.5, "price": 0.5, "temperature": 2.0**52},
        value="keep probability",
        boundaries=(
            Boundary(
                _HOT,
                "temperature 1",
                lambda: {"delight": 1.5, "price": 0.5, "temperature": 1.0},
                says("At temperature 1 the keep probability is"),
            ),
        ),
        steps=_steps,
    ),
)
