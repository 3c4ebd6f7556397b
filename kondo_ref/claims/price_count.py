"""Claims about how many decisions the hard gate keeps at the quantile price. Ours.

Strict inequality and linear interpolation keep ceil((n - 1) rate) decisions where the signals
differ; top-k keeps max(1, round(n rate)). The core runs on one side, the counts stand on the other.
"""

from fractions import Fraction
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kondo_ref import checks
from kondo_ref.claims.register import Boundary, Claim, Number, Sides, Step
from kondo_ref.exact.quantile_law import quantile_place
from kondo_ref.gate import Gate, top_k_count
from kondo_ref.price import Quantile
from kondo_ref.screening import screen_surprisal

DISTINCT = "the signals are distinct"
HARD = "the temperature is 0"
NOT_ROUNDED = "the price is not rounded onto the order statistic above it"
QUANTILE = "the price is the batch's quantile"
PERIOD = "n runs over a whole period 2 d of the rate a/d"
NOT_TINY = "n >= 1/(2 rate)"


def hard_gate_count(
    signal: ArrayLike, rate: float, *, temperature: float = 0.0, price_rate: float | None = None
) -> Sides:
    """Count what the hard gate keeps at the quantile price.

    Hypotheses: distinct signals; temperature 0; the quantile price of this rate, not rounded onto
    the order statistic above it. Claim: exactly ceil((n - 1) rate) decisions are kept, the product
    in rational numbers: with h = (n - 1)(1 - rate), those above the order statistic floor(h) from
    0, whether the price is it (h whole, strict inequality) or lies above it. So n - 1 at rate 1,
    and none of a single decision. Source: ours.

    Parameters
    ----------
    signal : (n,) float
    rate : float
        In (0, 1].
    temperature : float
        Above 0 the expected number counts.
    price_rate : float, optional
        The rate of the price, where it is another.

    Returns
    -------
    Sides
        `actual` by the core.
    """
    values = np.asarray(signal, dtype=np.float64)
    price = Quantile(rate if price_rate is None else price_rate)
    gate = Gate(signal="advantage", price=price, temperature=temperature)
    screening = screen_surprisal(np.ones(values.size), values, gate)
    kept = float(screening.keep_probability.sum())
    claimed = ceil((values.size - 1) * Fraction(rate))
    return Sides(
        kept, float(claimed), scale=1.0,
        numbers={"n": float(values.size), "rate": rate, "kept": kept,
                 "top-k": float(top_k_count(rate, values.size))},
    )  # fmt: skip


def hard_gate_beside_top_k(
    rate: float, first: int, *, count: int | None = None, tied: bool = False
) -> Sides:
    """Say for which share of batch sizes the hard gate and top-k keep different numbers.

    Hypotheses: distinct signals; n runs over a whole period of the rate a/d, that is 2 d sizes (2,
    for the round half to even); n >= 1/(2 rate). Claim: the numbers differ by at most 1, and do for
    abs(1/2 - rate) of the sizes to within 2/d: with x the fraction of n rate, top-k rounds up from
    x = 1/2 on, the hard gate from x > rate on. So at rate .03 it keeps one more for 47 % of all n,
    and over all rates a quarter of all pairs is off by one. Source: ours.

    Parameters
    ----------
    rate : float
        A dyadic number a/d, in (0, 1], so that it is exact.
    first : int
        The first n.
    count : int, optional
        How many n; a period by default.
    tied : bool
        All signals are equal.

    Returns
    -------
    Sides
        `actual` is (distance of the share, largest difference), `claimed` (2/d, 1).
    """
    share = Fraction(checks.rate_number("rate", rate))
    sizes = range(first, first + (2 * share.denominator if count is None else count))
    different = []
    for n in sizes:
        signal = np.zeros(n) if tied else np.arange(n, dtype=np.float64)
        kept = int(np.count_nonzero(signal > Quantile(rate).solve(signal, 0.0)))
        different.append(kept - top_k_count(rate, n))
    off = float(np.count_nonzero(different)) / len(different)
    return Sides(
        [abs(off - abs(0.5 - rate)), float(np.abs(different).max())],
        [2.0 / share.denominator, 1.0],
        "at most",
        scale=1.0,
        numbers={"rate": rate, "share": off, "mean difference": float(np.mean(different))},
    )


def _spaced(n: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.arange(n, dtype=np.float64)


def _count_instance() -> dict[str, Any]:
    return {"signal": _spaced(100), "rate": 0.03}


def _share_instance() -> dict[str, Any]:
    return {"rate": 1 / 32, "first": 17}


def _count_shows(s: Sides) -> str:
    n, kept, claimed = s.numbers["n"], s.numbers["kept"], float(np.max(s.claimed))
    return f"n = {n:.0f}, rate {s.numbers['rate']:g}: {kept:.4g} kept, not {claimed:.0f}"


def _share_shows(s: Sides) -> str:
    off, apart = s.numbers["share"], np.ravel(s.actual)[1]
    return (
        f"rate {s.numbers['rate']:g}: {off:.3f} of the sizes differ, by up to {apart:.0f}, where "
        f"{abs(0.5 - s.numbers['rate']):.3f} is claimed"
    )


def _count_steps() -> list[Step]:
    place = quantile_place(100, 0.03)
    sizes = (1, 2, 34, 35, 50, 51, 100, 101)
    kept = {f"n = {n}": hard_gate_count(_spaced(n), 0.03).numbers["kept"] for n in sizes}
    top = {f"n = {n}": top_k_count(0.03, n) for n in sizes}
    return [
        Step("The price stands at h = (n - 1)(1 - rate) among the order statistics from 0.",
             {"n": 100, "floor(h)": place.low, "share of the way": float(place.share)}),
        Step("Kept are those strictly above: n - 1 - floor(h) = ceil((n - 1) rate).", kept),
        Step("Top-k keeps max(1, round(n rate)).", top),
        Step("In float64 a rate is a dyadic number: .1 is a little above 1/10, so 10 * .1 has "
             "the ceiling 2, and h falls short of 9 by this much:",
             {"n": 11, "9 - h": float(9 - quantile_place(11, 0.1).low
                                      - quantile_place(11, 0.1).share)}),
        Step("There the price may round onto the signal above, which is then not kept.",
             {"kept of 0, 1, ..., 10": hard_gate_count(_spaced(11), 0.1).numbers["kept"],
              "kept of 0, ..., 9 less 9": hard_gate_count(_spaced(11) - 9, 0.1).numbers["kept"]}),
    ]  # fmt: skip


def _share_steps() -> list[Step]:
    rates = (1 / 32, 1 / 8, 0.5, 0.75, 1.0)
    sides = [hard_gate_beside_top_k(r, 33) for r in rates]
    return [
        Step("Let n rate = m + x, 0 <= x < 1: top-k keeps m, or m + 1 from x = 1/2 on."),
        Step("The hard gate keeps ceil(m + x - rate): m for x <= rate, else m + 1."),
        Step("They differ for x between rate and 1/2: the gate keeps one more where rate < 1/2, "
             "one fewer where rate > 1/2.",
             {f"rate {r:g}": s.numbers["mean difference"]
              for r, s in zip(rates, sides, strict=True)}),
        Step("Over a period of n the fractions x are spread evenly: abs(1/2 - rate) of them.",
             {f"rate {r:g}": s.numbers["share"] for r, s in zip(rates, sides, strict=True)}),
        Step("The mean of abs(1/2 - rate) over all rates is 1/4.",
             {"mean over rates j/32": float(np.mean(
                 [hard_gate_beside_top_k(j / 32, 17, count=64).numbers["share"]
                  for j in range(1, 33)]))}),
    ]  # fmt: skip


CLAIMS = (
    Claim(
        id="hard-gate-count",
        group="price",
        section="ours",
        statement=(
            "At temperature 0 the quantile price keeps exactly ceil((n - 1) rate) of n decisions"
        ),
        hypotheses=(DISTINCT, HARD, NOT_ROUNDED, QUANTILE),
        source="ours",
        function=hard_gate_count,
        instance=_count_instance,
        value="decisions kept of 100 at rate .03",
        boundaries=(
            Boundary(DISTINCT, "90 of 100 signals tie at 0",
                     lambda: {"signal": np.minimum(_spaced(100) - 10.0, 0.0), "rate": 0.03},
                     _count_shows),
            Boundary(HARD, "temperature 1",
                     lambda: _count_instance() | {"temperature": 1.0}, _count_shows),
            Boundary(NOT_ROUNDED, "11 signals, rate .1: h is 9 less 6e-17 of 10",
                     lambda: {"signal": _spaced(11), "rate": 0.1}, _count_shows),
            Boundary(QUANTILE, "the quantile of another rate",
                     lambda: _count_instance() | {"price_rate": 0.05}, _count_shows),
        ),
        steps=_count_steps,
        numbers=(
            Number("kept of 100 at rate .03", 3.0, 0.5,
                   lambda: hard_gate_count(**_count_instance()).numbers["kept"]),
        ),
        remark=(
            "A rate is a binary number: (n - 1) rate can exceed a whole number by 1e-16, and "
            "whether the ceiling is then met depends on how the price rounds"
        ),
    ),
    Claim(
        id="hard-gate-beside-top-k",
        group="price",
        section="ours",
        statement=(
            "The hard gate at the quantile price and top-k keep numbers that differ by at most 1, "
            "and do for abs(1/2 - rate) of all batch sizes"
        ),
        hypotheses=(DISTINCT, PERIOD, NOT_TINY),
        source="ours",
        function=hard_gate_beside_top_k,
        instance=_share_instance,
        value="distance of the share from abs(1/2 - rate), and largest difference",
        boundaries=(
            Boundary(DISTINCT, "all signals equal: nothing is kept",
                     lambda: _share_instance() | {"first": 65, "tied": True}, _share_shows),
            Boundary(PERIOD, "n = 97 to 100 alone",
                     lambda: {"rate": 1 / 32, "first": 97, "count": 4}, _share_shows),
            Boundary(NOT_TINY, "n from 1 on at rate 1/64",
                     lambda: {"rate": 1 / 64, "first": 1}, _share_shows),
        ),
        steps=_share_steps,
    ),
)  # fmt: skip
