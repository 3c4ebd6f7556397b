"""What a gate does at a wrong corner of the simplex ([CE]): gaps, harmful arms, escape, value.

Near the corner of a suboptimal arm j the plain gradient is as small as what is left of the other
arms. The hard gate (price 0, temperature 0) keeps the better arms alone, and the optimal one gains
on j. The statements are in `kondo_ref.claims.corner_laws`.
"""

from functools import partial
from typing import Any

import numpy as np
from scipy.special import expit

from kondo_ref.claims.corner_laws import (
    DG,
    HARD,
    advantage_gate,
    escape_steps,
    formula_weights,
    harmful_arm,
    logit_gap,
    multiplicative_value,
    sector_gap,
)
from kondo_ref.claims.register import Boundary, Claim, Number, Sides, Step
from kondo_ref.gate import Gate
from kondo_ref.price import Fixed

PG = Gate.named("pg")

ALL_COUNT = "Z counts every decision, kept or not"
CERTAIN = "the reward of an arm is certain"
ZERO_PRICE = "price 0"
DELIGHT = "the signal is the delight"
NEAR = "the value is at least D/2 above the arm's reward"
BEST_SHARE = "pi_1 >= eps/K"
SMALL_EPS = "eps <= D/K"
UNIT_REWARDS = "rewards in [0, 1]"
EXACT_BASELINE = "the baseline is the value V"
HARD_GATE = "the hard gate: price 0, temperature 0"
MULTIPLICATIVE = "the update multiplies pi by exp(step w U)"
ADVANTAGE = "the signal is the advantage"
WARM = "temperature > 0"

PI = (0.05, 0.9, 0.03, 0.02)
REWARDS = (1.0, 0.8, 0.3, 0.0)
SECTOR: dict[str, Any] = {
    "pi": (0.0025, 0.99, 0.005, 0.0025),
    "rewards": (1.0, 0.9, 0.4, 0.0),
    "corner": 1,
}
FALLS: dict[str, Any] = {
    "pi": tuple(np.array((0.0478, 0.9181, 0.0342)) / 1.0001),
    "rewards": (0.963, 0.803, 0.034),
    "step": 1.0,
}


def _gap(**rest: Any) -> dict[str, Any]:
    certain = {"values": np.array(REWARDS)[:, None], "chances": np.ones((4, 1))}
    return {"pi": PI, **certain, **rest}


def _noisy() -> dict[str, Any]:
    values = np.array([[2.0, 0.0], [0.8, 0.8], [0.3, 0.3], [0.0, 0.0]])
    return _gap(values=values, chances=np.full((4, 2), 0.5))


def _harmful(**rest: Any) -> dict[str, Any]:
    return {"pi": PI, "rewards": REWARDS, "arm": 3, "gap": 0.8, **rest}


def _sector(**rest: Any) -> dict[str, Any]:
    return {**SECTOR, **rest}


def _says(what: str, than: str, sides: Sides) -> str:
    actual, claimed = (float(np.asarray(side)) for side in (sides.actual, sides.claimed))
    return f"{what} is {actual:.3g}, {than} {claimed:.3g}."


_gap_says = partial(_says, "The gap of the update", "the formula gives")
_harm_says = partial(_says, "w pi", "above")
_sector_says = partial(_says, "The gain of arm 1 on arm j", "below")
_value_says = partial(_says, "V' - V", "the formula gives")
_advantage_says = partial(_says, "w", "below")


def _gap_steps() -> list[Step]:
    pi, rewards = np.array(PI), np.array(REWARDS)
    u = rewards - pi @ rewards
    w = formula_weights(pi, u, DG)
    m = w * pi * u
    return [
        Step("A decision of arm i adds w_i U_i (e_i - pi) to the logits; arm i comes with pi_i.",
             {"w": w, "U": u}),
        Step("So the expected update of logit a is w_a pi_a U_a - pi_a S, with S = sum w pi U.",
             {"w pi U": m, "S": float(m.sum())}),
        Step("Two logits differ by w_1 pi_1 U_1 - w_2 pi_2 U_2 + (pi_2 - pi_1) S.",
             {"gap": float(m[0] - m[1] + (pi[1] - pi[0]) * m.sum())}),
        Step("For PG with the exact baseline S = sum pi U = 0, and nothing is left of the third "
             "term; a gate at price 0 makes S > 0, which helps the rarer arm.",
             {"S of PG": float(pi @ u)}),
    ]  # fmt: skip


def _harmful_steps() -> list[Step]:
    sides = harmful_arm(**_harmful())
    u, pi = sides.numbers["U"], PI[3]
    return [
        Step("The arm's advantage is U = r - V <= -D/2: V is near the better arm's reward.",
             {"U": u}),
        Step("Delight at price 0: w = sigmoid(-U log pi / temperature) <= "
             "exp(-U log pi / temperature) = pi^(-U / temperature), as sigmoid(x) <= e^x.",
             {"w": float(expit(-u * np.log(pi))), "pi^(-U)": pi**-u}),
        Step("-U >= D/2 and pi < 1, so w <= pi^(D / (2 temperature)).", {"pi^(D/2)": pi**0.4}),
        Step("Times pi: the harmful arm weighs a higher power of its probability.",
             {"w pi": sides.actual, "bound": sides.claimed}),
    ]  # fmt: skip


def _sector_steps() -> list[Step]:
    pi, r = np.array(SECTOR["pi"]), np.array(SECTOR["rewards"])
    u = r - pi @ r
    s = float(np.maximum(pi * u, 0.0).sum())
    eps, d = 1.0 - pi[1], r[0] - r[1]
    sides = sector_gap(**_sector())
    return [
        Step("The hard gate keeps U > 0: S = sum of pi U over those, at least pi_1 U_1.",
             {"U": u, "S": s}),
        Step("If U_j <= 0, arm j is dropped: the gap is pi_1 U_1 + (pi_j - pi_1) S >= "
             "pi_1 U_1 (1 + pi_j - pi_1), and V <= r_j + eps D gives U_1 >= D (1 - eps)."),
        Step("If U_j > 0, S >= pi_1 U_1 + pi_j U_j: the gap is at least pi_1 U_1 (1 + pi_j - pi_1) "
             "- pi_j U_j (1 - pi_j + pi_1), with U_1 >= D.",
             {"first": pi[0] * u[0] * (1 + pi[1] - pi[0]),
              "second": pi[1] * max(u[1], 0.0) * (eps + pi[0])}),
        Step("There U_j <= eps - pi_1 as rewards lie in [0, 1], so the second term is at most "
             "(eps - pi_1)(eps + pi_1) <= eps^2 <= eps D/K.", {"eps^2": eps**2}),
        Step("With pi_1 >= eps/K and 1 + pi_j - pi_1 >= 2 (1 - eps) the first is at least "
             "2 (1 - eps) D eps/K: what is left is (1 - 2 eps) D eps/K, or 2 (1 - eps)^2 D eps/K "
             "where arm j is dropped.", {"(1 - 2 eps) D eps / K": (1 - 2 * eps) * d * eps / 4}),
        Step("eps <= 1/3 for K >= 3, and two arms are of the other kind with eps <= 1/2: in each "
             "case at least D eps/(4 K).", {"gap": sides.actual, "bound": sides.claimed}),
    ]  # fmt: skip


def _value_steps() -> list[Step]:
    pi, r = np.array(FALLS["pi"]), np.array(FALLS["rewards"])
    u = r - pi @ r
    grown = np.exp(formula_weights(pi, u, HARD) * u)
    sides = multiplicative_value(**FALLS)
    falls = multiplicative_value(**{**FALLS, "step": 1e-6}, score_function=True)
    return [
        Step("pi' = pi exp(step w U) / Z, so V' - V = (1/Z) sum pi (r - V) exp(step w U).",
             {"Z": float(pi @ grown)}),
        Step("sum pi U = 0, which may be taken away: V' - V = (1/Z) sum pi U (exp(step w U) - 1).",
             {"V' - V": sides.actual}),
        Step("U and exp(step w U) - 1 have one sign, so no term is negative: the value never "
             "falls, whatever w >= 0.", {"terms": pi * u * (grown - 1.0)}),
        Step("The score-function update moves logit a by w_a pi_a U_a - pi_a S instead, and there "
             "the value can fall.", {"dV per unit of step": falls.numbers["per unit of step"]}),
    ]  # fmt: skip


def _advantage_steps() -> list[Step]:
    sides = advantage_gate(PI, REWARDS, 3)
    return [
        Step("Rewards in [0, 1] give U >= -1.", {"U": sides.numbers["U"]}),
        Step("w = sigmoid(U / temperature) grows in U: it is at least sigmoid(-1 / temperature).",
             {"w": sides.actual, "bound": sides.claimed}),
        Step("That does not depend on pi. The arm's share w pi stays of the order of pi, where "
             "delight leaves a higher power.",
             {"w of delight": advantage_gate(PI, REWARDS, 3, gate=DG).actual}),
    ]  # fmt: skip


def _falls_per_step() -> float:
    return multiplicative_value(**{**FALLS, "step": 1e-6}, score_function=True).numbers[
        "per unit of step"
    ]


def _escape(name: str, gate: Gate, gap: float, steps: int) -> Number:
    label = f"steps to pi_1 > 1/2, {name}, D = {gap:g}"
    return Number(label, steps, 0.5, lambda: float(escape_steps(gap, gate)))


CLAIMS = (
    Claim(
        id="logit-gap",
        group="corner",
        section="beyond",
        statement="The expected update moves logit 1 against logit 2 by w_1 pi_1 U_1 - w_2 pi_2 "
        "U_2 + (pi_2 - pi_1) S, S = sum w pi U.",
        hypotheses=(ALL_COUNT, CERTAIN),
        source="[CE] gap identity",
        function=logit_gap,
        instance=_gap,
        value="gap of the expected update",
        boundaries=(
            Boundary(ALL_COUNT, "Z = kept", lambda: _gap(gate=HARD, normalizer="kept"), _gap_says),
            Boundary(CERTAIN, "arm 1 pays 2 or 0", _noisy, _gap_says),
        ),
        steps=_gap_steps,
    ),
    Claim(
        id="harmful-arm",
        group="corner",
        section="beyond",
        statement="Near the corner of an arm that is better by D, DG leaves a harmful arm at most "
        "pi^(1 + D/(2 temperature)) of its probability pi.",
        hypotheses=(DELIGHT, ZERO_PRICE, NEAR),
        source="[CE] bound on harmful arms",
        function=harmful_arm,
        instance=_harmful,
        value="w pi of the arm",
        boundaries=(
            Boundary(DELIGHT, "the advantage alone",
                     lambda: _harmful(gate=Gate(signal="advantage")), _harm_says),
            Boundary(ZERO_PRICE, "price -3",
                     lambda: _harmful(gate=Gate(price=Fixed(-3.0))), _harm_says),
            Boundary(NEAR, "a value of .09",
                     lambda: _harmful(pi=(0.05, 0.05, 0.89, 0.01), rewards=(1.0, 0.8, 0.0, 0.0)),
                     _harm_says),
        ),
        steps=_harmful_steps,
    ),
    Claim(
        id="corner-sector",
        group="corner",
        section="beyond",
        statement="Near the corner of a suboptimal arm j the optimal logit gains on it by at least "
        "D eps/(4 K) under the hard gate, eps = 1 - pi_j, D = r_1 - r_j.",
        hypotheses=(HARD_GATE, EXACT_BASELINE, UNIT_REWARDS, SMALL_EPS, BEST_SHARE),
        source="[CE] sector bound",
        function=sector_gap,
        instance=_sector,
        value="gain of logit 1 on logit j",
        boundaries=(
            Boundary(HARD_GATE, "PG", lambda: _sector(gate=PG), _sector_says),
            Boundary(HARD_GATE, "DG at temperature 1, D = .01",
                     lambda: _sector(pi=(0.0011, 0.9967, 0.0022), rewards=(1.0, 0.99, 0.94),
                                     gate=DG), _sector_says),
            Boundary(EXACT_BASELINE, "baseline 0", lambda: _sector(baseline=0.0), _sector_says),
            Boundary(UNIT_REWARDS, "an arm that pays -100",
                     lambda: _sector(rewards=(1.0, 0.9, 0.4, -100.0)), _sector_says),
            Boundary(SMALL_EPS, "eps = .3, 30 D/K",
                     lambda: _sector(pi=(0.03, 0.7, *(0.27 / 8,) * 8),
                                     rewards=(1.0, 0.9, *(0.0,) * 8)), _sector_says),
            Boundary(BEST_SHARE, "pi_1 = 1e-6",
                     lambda: _sector(pi=(1e-6, 0.99, 0.005, 0.004999)), _sector_says),
        ),
        steps=_sector_steps,
        numbers=(
            _escape("PG", PG, 0.5, 1412),
            _escape("PG", PG, 0.1, 46493),
            _escape("DG", DG, 0.5, 609),
            _escape("DG", DG, 0.1, 5586),
            _escape("DG", DG, 0.02, 53199),
            _escape("hard gate", HARD, 0.5, 459),
            _escape("hard gate", HARD, 0.1, 2845),
            _escape("hard gate", HARD, 0.02, 20968),
        ),
        remark="The range eps <= D/K is that of our proof; DG has a bound of its own, D eps/(8 K), "
        "only where eps is small against the temperature too.",
    ),
    Claim(
        id="monotone-value",
        group="corner",
        section="beyond",
        statement="A multiplicative gated update changes the value by (1/Z) sum pi U (exp(step w "
        "U) - 1), which is never negative.",
        hypotheses=(MULTIPLICATIVE, EXACT_BASELINE),
        source="[CE] monotone value",
        function=multiplicative_value,
        instance=lambda: dict(FALLS),
        value="V' - V",
        boundaries=(
            Boundary(MULTIPLICATIVE, "the score-function update",
                     lambda: {**FALLS, "score_function": True}, _value_says),
            Boundary(EXACT_BASELINE, "baseline 0",
                     lambda: {**FALLS, "baseline": 0.0}, _value_says),
        ),
        steps=_value_steps,
        numbers=(
            Number("dV/dt of the score-function flow, hard gate", -2.5e-5, 0.05e-5,
                   _falls_per_step),
        ),
        remark="Which update the theorem of [CE] is about is not known to us; for the "
        "score-function update the value can fall.",
    ),
    Claim(
        id="surprisal-needed",
        group="corner",
        section="beyond",
        statement="A gate that sees the advantage alone keeps a harmful arm with probability at "
        "least sigmoid(-1/temperature), however rare it is.",
        hypotheses=(ADVANTAGE, ZERO_PRICE, WARM, UNIT_REWARDS),
        source="[CE] surprisal is necessary",
        function=advantage_gate,
        instance=lambda: {"pi": PI, "rewards": REWARDS, "arm": 3},
        value="w of the arm",
        boundaries=(
            Boundary(ADVANTAGE, "delight",
                     lambda: {"pi": PI, "rewards": REWARDS, "arm": 3, "gate": DG},
                     _advantage_says),
            Boundary(ZERO_PRICE, "price 1",
                     lambda: {"pi": PI, "rewards": REWARDS, "arm": 3,
                              "gate": Gate(signal="advantage", price=Fixed(1.0))},
                     _advantage_says),
            Boundary(WARM, "temperature 0",
                     lambda: {"pi": PI, "rewards": REWARDS, "arm": 3,
                              "gate": Gate(signal="advantage", temperature=0.0)},
                     _advantage_says),
            Boundary(UNIT_REWARDS, "rewards in [0, 10]",
                     lambda: {"pi": PI, "rewards": tuple(10 * r for r in REWARDS), "arm": 3},
                     _advantage_says),
        ),
        steps=_advantage_steps,
    ),
)  # fmt: skip
