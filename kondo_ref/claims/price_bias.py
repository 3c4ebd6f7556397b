"""Claims about the batch-quantile price beside the fixed price that it estimates, as n grows. Ours.

Signals of finitely many values, as of a bandit with finite rewards: inside an atom of the signal's
law the bias falls exponentially, at a gap the price has no limit and the expected update tends to a
mixture. Exact laws of order statistics on one side, bounds on the other; no sampling. For signals
with a density see `kondo_ref.claims.price_density`.
"""

from typing import Any

import numpy as np

from kondo_ref.checks import FloatArray
from kondo_ref.claims.register import Boundary, Claim, Sides, Step, norm
from kondo_ref.exact.atoms import Bandit, FiniteRewards
from kondo_ref.exact.batches import Baseline
from kondo_ref.exact.priced_bandit import (
    ExpectedUpdate,
    Outcomes,
    at_fixed_price,
    at_quantile_price,
    outcomes_of_bandit,
)
from kondo_ref.exact.quantile_law import population_quantile
from kondo_ref.gate import keep_probability

INDEPENDENT = "the decisions of a batch are independent"
ATOM = "1 - rate lies strictly inside an atom of the signal's law"
LARGE = "n is so large that 2 exp(-2 (n - 1) (d - 1/(n - 1))^2) <= 1/n"
POPULATION = "the fixed price is the (1 - rate)-quantile of the signal's law"
GAP = "1 - rate is P(signal <= a) for an atom a, b being the next"
# Of the Berry-Esseen bound for equal summands (Shevtsova, 2013).
BERRY_ESSEEN = 0.469


def _batch(
    outcomes: Outcomes, n: int, rate: float, temperature: float, identical: bool
) -> ExpectedUpdate:
    """Return the expectations at the batch's price; of n copies of one decision if identical."""
    if not identical:
        return at_quantile_price(outcomes, n, rate, temperature)
    own = [keep_probability(np.array([s]), float(s), temperature)[0] for s in outcomes.signals]
    return outcomes.update(np.array(own))


def quantile_price_in_an_atom(
    outcomes: Outcomes,
    n: int,
    rate: float,
    temperature: float,
    *,
    price: float | None = None,
    identical: bool = False,
) -> Sides:
    """Bound the bias of the expected update at the quantile price where the quantile is an atom.

    Hypotheses: independent decisions of finitely many outcomes; F(q-) < 1 - rate < F(q), and d is
    the distance of 1 - rate from these two; n large against d. Claim: the expected updates at the
    batch's quantile price and at the fixed price q differ by at most
    2 max|v| exp(-2 (n - 1) (d - 1/(n - 1))^2), which is below max|v| / n: by Hoeffding's bound the
    price is q itself but for a chance that falls exponentially, given any own signal. Source: ours.

    Parameters
    ----------
    outcomes : Outcomes
        Of one decision, v = U grad log pi(a).
    n : int
        Batch size, >= 2.
    rate, temperature : float
    price : float, optional
        The fixed one, where it is not q.
    identical : bool
        The n decisions are copies of one.

    Returns
    -------
    Sides
        `actual` by the exact law of the price, `claimed` by the smaller bound.
    """
    quantile = population_quantile(outcomes.signal, rate)
    fixed = at_fixed_price(outcomes, quantile.lower if price is None else price, temperature)
    batch = _batch(outcomes, n, rate, temperature, identical)
    inside = max(0.0, quantile.margin - 1.0 / (n - 1))
    chance = 2.0 * np.exp(-2.0 * (n - 1) * inside**2)
    size = outcomes.size
    return Sides(
        norm(batch.mean - fixed.mean),
        size * min(1.0 / n, float(chance)),
        "at most",
        scale=size,
        tolerance=64.0 + 8.0 * n,  # the conditioning of an n-th power
        numbers={
            "n": float(n),
            "margin d": quantile.margin,
            "kept share, batch price": batch.kept_share,
            "kept share, fixed price": fixed.kept_share,
            "bias of the kept share": batch.kept_share - fixed.kept_share,
            "cosine of the two updates": _cosine(batch.mean, fixed.mean),
        },
    )


def _cosine(a: FloatArray, b: FloatArray) -> float:
    sizes = norm(a) * norm(b)
    return float(a @ b) / sizes if sizes > 0.0 else float("nan")


def quantile_price_at_a_gap(
    outcomes: Outcomes, n: int, rate: float, temperature: float, *, identical: bool = False
) -> Sides:
    """Hold the expected update at the quantile price to a mixture, where the quantile is a gap.

    Hypotheses: independent decisions of finitely many outcomes; 1 - rate = P(signal <= a) at an
    atom a, b the next. Claim: the price is a and b with a chance that tends to 1/2 each, so the
    expected update tends to the mean of those at the fixed prices a and b: within
    max|v| C / sqrt(n - 1) by Berry and Esseen, C = (4 .469 (p^2 + r^2) + 6/sqrt(2 pi)) / sqrt(p r),
    p = 1 - r, besides terms that fall exponentially. It tends to no fixed-price update. Source:
    ours.

    Parameters
    ----------
    outcomes, n, rate, temperature, identical
        As in `quantile_price_in_an_atom`.

    Returns
    -------
    Sides
        `actual` by the exact law of the price, `claimed` by the bound.
    """
    signal = outcomes.signal
    above = np.abs(signal.up_to[:-1] - (1.0 - rate))
    a = int(np.argmin(above))
    ends = [
        at_fixed_price(outcomes, float(price), temperature) for price in signal.values[a : a + 2]
    ]
    mixture = 0.5 * (ends[0].mean + ends[1].mean)
    batch = _batch(outcomes, n, rate, temperature, identical)
    m, p = n - 1, 1.0 - rate
    width = (4.0 * BERRY_ESSEEN * (p**2 + rate**2) + 6.0 / np.sqrt(2.0 * np.pi)) / np.sqrt(p * rate)
    atoms = np.maximum(signal.probabilities[a : a + 2] - 2.0 / m, 0.0)
    bound = width / np.sqrt(m) + 2.0 * float(np.exp(-2.0 * m * atoms**2).sum())
    return Sides(
        norm(batch.mean - mixture),
        outcomes.size * bound,
        "at most",
        scale=outcomes.size,
        tolerance=64.0 + 8.0 * n,
        numbers={
            "n": float(n),
            "kept share, batch price": batch.kept_share,
            "kept share, price a": ends[0].kept_share,
            "kept share, price b": ends[1].kept_share,
            "distance from the update at a": norm(batch.mean - ends[0].mean),
            "distance from the update at b": norm(batch.mean - ends[1].mean),
        },
    )


def three_arms(rewards: float = 0.5) -> Outcomes:
    """Return a bandit of three arms, rewards 0 or 1, with a constant baseline of 1/2."""
    chances = np.array([[1.0 - rewards, rewards], [0.75, 0.25], [0.25, 0.75]])
    bandit = Bandit.single(FiniteRewards(np.tile([0.0, 1.0], (3, 1)), chances))
    logits = np.log(np.array([[0.5, 0.25, 0.25]]))
    return outcomes_of_bandit(bandit, logits, baseline=Baseline("constant", 0.5))


def _atom_instance() -> dict[str, Any]:
    return {"outcomes": three_arms(), "n": 1001, "rate": 0.375, "temperature": 0.0}


def _gap_instance() -> dict[str, Any]:
    return {"outcomes": three_arms(), "n": 40001, "rate": 0.25, "temperature": 0.0}


def _apart(s: Sides) -> str:
    n, a, c = s.numbers["n"], float(np.max(s.actual)), float(np.max(s.claimed))
    return f"n = {n:.0f}: the updates are {a:.3g} apart, more than {c:.3g}"


def _from_mixture(s: Sides) -> str:
    n, a, c = s.numbers["n"], float(np.max(s.actual)), float(np.max(s.claimed))
    return f"n = {n:.0f}: {a:.3g} from the mean of both updates, more than {c:.3g}"


def _atom_steps() -> list[Step]:
    instance = _atom_instance()
    outcomes, rate = instance["outcomes"], instance["rate"]
    quantile = population_quantile(outcomes.signal, rate)
    by_size = {
        f"n = {n}": norm(
            at_quantile_price(outcomes, n, rate, 0.0).mean
            - at_fixed_price(outcomes, quantile.lower, 0.0).mean
        )
        for n in (11, 41, 101, 201, 401)
    }
    bounds = {
        f"n = {n}": 2.0 * outcomes.size * float(np.exp(-2.0 * (n - 1) * (0.125 - 1 / (n - 1)) ** 2))
        for n in (11, 41, 101, 201, 401)
    }
    return [
        Step(
            "The price interpolates the order statistics j and j + 1 of the batch, from 0, with "
            "j = floor((n - 1)(1 - rate)).",
            {"n = 1001": int(1000 * (1 - rate))},
        ),
        Step(
            "It is q itself if at most j signals are below q and at least j + 2 are at most q.",
            {"q": quantile.lower, "d": quantile.margin},
        ),
        Step(
            "Given a decision's own signal the others are n - 1 independent ones: by Hoeffding "
            "each of the two fails with a chance of at most exp(-2 (n - 1)(d - 1/(n - 1))^2)."
        ),
        Step("A keep probability changes by at most 1, so an update by at most max|v|.",
             {"max|v|": outcomes.size}),
        Step("The exact bias falls exponentially,", by_size),
        Step("below the bound.", bounds),
    ]  # fmt: skip


def _gap_steps() -> list[Step]:
    instance = _gap_instance()
    outcomes = instance["outcomes"]
    by_size = {}
    for n in (41, 401, 4001, 40001):
        sides = quantile_price_at_a_gap(outcomes, n, 0.25, 0.0)
        by_size[f"n = {n}"] = float(np.max(sides.actual))
    ends = sides.numbers
    return [
        Step("1 - rate = P(signal <= a): every number from a to b is a (1 - rate)-quantile.",
             {"1 - rate": 0.75, "a": float(outcomes.signal.values[2]),
              "b": float(outcomes.signal.values[3])}),
        Step("N signals are at most a, N binomial of mean n (1 - rate): the price is a if N >= "
             "j + 2, b if N <= j, and between them if N = j + 1."),
        Step("N lies on either side of its mean with a chance that tends to 1/2, given an own "
             "signal too; between, with a chance of order 1/sqrt(n)."),
        Step("So the expected update tends to the mean of the updates at a and at b, which are",
             {"distance from the one at a": ends["distance from the update at a"],
              "distance from the one at b": ends["distance from the update at b"]}),
        Step("apart, and the distance from their mean falls like 1/sqrt(n).", by_size),
    ]  # fmt: skip


CLAIMS = (
    Claim(
        id="quantile-price-atom",
        group="price",
        section="ours",
        statement=(
            "Where 1 - rate lies inside an atom of the signal's law, the expected update at the "
            "batch-quantile price differs from that at the fixed quantile by an amount that falls "
            "exponentially in n, faster than 1/n"
        ),
        hypotheses=(ATOM, LARGE, POPULATION, INDEPENDENT),
        source="ours",
        function=quantile_price_in_an_atom,
        instance=_atom_instance,
        value="distance of the expected updates at the batch's and at the fixed price",
        boundaries=(
            Boundary(ATOM, "1 - rate at a gap",
                     lambda: _atom_instance() | {"rate": 0.25}, _apart),
            Boundary(LARGE, "n = 101 with d = .01",
                     lambda: _atom_instance() | {"n": 101, "rate": 0.24}, _apart),
            Boundary(POPULATION, "a fixed price below the quantile",
                     lambda: _atom_instance() | {"price": 0.0}, _apart),
            Boundary(INDEPENDENT, "one decision, n times",
                     lambda: _atom_instance() | {"identical": True, "temperature": 1.0}, _apart),
        ),
        steps=_atom_steps,
        remark=(
            "Not 1/n: a bandit with finite rewards has signals of finitely many values, so the "
            "quantile is an atom for all but finitely many rates"
        ),
    ),
    Claim(
        id="quantile-price-gap",
        group="price",
        section="ours",
        statement=(
            "Where 1 - rate is P(signal <= a) exactly, the batch-quantile price has no limit: the "
            "expected update tends, like 1/sqrt(n), to the mean of those at the fixed prices a and "
            "b, the next atom"
        ),
        hypotheses=(GAP, INDEPENDENT),
        source="ours",
        function=quantile_price_at_a_gap,
        instance=_gap_instance,
        value="distance of the expected update from the mean of those at a and b",
        boundaries=(
            Boundary(GAP, "1 - rate .01 into an atom",
                     lambda: _gap_instance() | {"rate": 0.24}, _from_mixture),
            Boundary(INDEPENDENT, "one decision, n times",
                     lambda: _gap_instance() | {"identical": True}, _from_mixture),
        ),
        steps=_gap_steps,
    ),
)  # fmt: skip
