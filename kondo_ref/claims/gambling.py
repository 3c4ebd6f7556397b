"""Gambling: how often a hard gate takes a lucky draw of the worse arm for a success ([K], Prop. 3).

Two arms, arm 1 better by the gap D, Gaussian noise. What is kept is integrated through the core's
own gate, node by node; the claims are closed forms. The drift and where it ends are in
`kondo_ref.claims.gambling_drift`, the corners of the policy in `kondo_ref.claims.gambling_corners`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import ndtr

from kondo_ref.claims import gambling_corners, gambling_drift
from kondo_ref.claims.gambling_laws import (
    EXACT,
    FREE,
    GAUSSIAN,
    HARD,
    by_nodes,
    soft_and_priced,
    unit_policy,
)
from kondo_ref.claims.register import Boundary, Claim, Sides, Step
from kondo_ref.claims.sentences import says
from kondo_ref.exact.drift import pair_probabilities
from kondo_ref.exact.gambling import HARD as HARD_GATE
from kondo_ref.exact.gambling import Gambling, advantages
from kondo_ref.gate import Gate, keep_probability
from kondo_ref.price import Fixed


def breakthrough(
    bandit: Gambling, logit: float, gate: Gate = HARD_GATE, noise: str = "gaussian"
) -> Sides:
    """State how often arm 2 is kept: P(U > 0 given arm 2) = Phi(-pi_1 D / sigma).

    Hypotheses: exact baseline, Gaussian noise, temperature 0, price 0. Source: [K], Prop. 3.
    The other side is the share that the core's gate keeps, integrated over the noise; `noise` may
    be two-point, +-sigma with equal chances.
    """
    actual, t = _kept(bandit, logit, gate, noise)
    claimed = float(ndtr(-t))
    return Sides(actual, claimed, scale=claimed * (1.0 + 0.5 * t * t), numbers={"t": t})


def breakthrough_bound(bandit: Gambling, logit: float, noise: str = "gaussian") -> Sides:
    """State the bound P(U > 0 given arm 2) <= exp(-pi_1^2 D^2 / (2 sigma^2)) / 2.

    Hypotheses: exact baseline, Gaussian noise. Source: [K], Prop. 3.
    """
    actual, t = _kept(bandit, logit, HARD_GATE, noise)
    claimed = 0.5 * float(np.exp(-0.5 * t * t))
    return Sides(actual, claimed, "at most", scale=claimed * (1.0 + 0.5 * t * t))


def _kept(bandit: Gambling, logit: float, gate: Gate, noise: str) -> tuple[float, float]:
    """Return the share of arm 2 that is kept, through the core, and t = pi_1 D / sigma."""
    pi_1, _, _, level = pair_probabilities(logit)
    t = pi_1 * bandit.gap / bandit.sigma
    if noise == "gaussian":
        return by_nodes(bandit, logit, gate)[1].keep, t
    _, mean = advantages(bandit, logit)
    u = mean + bandit.sigma * np.array([-1.0, 1.0])
    assert isinstance(gate.price, Fixed)
    return float(keep_probability(u * level, gate.price.value, gate.temperature).mean()), t


def indistinguishable(
    good: float,
    bad: float,
    chance: float,
    baseline: float,
    surprisal: float,
    gate: Gate = HARD_GATE,
    rule: Callable[[float], float] | None = None,
    other_baseline: float | None = None,
) -> Sides:
    """State that a lucky draw gains what a good arm does: E[G U] = chance * w(good) (good - b).

    Arm 2 pays `good` for certain in one world; in the other it pays `good` with the given chance
    and else `bad`, below the baseline. A gate that sees one decision takes the lucky draw for the
    good arm, and drops the rest: the gain in the second world is `chance` times that in the first,
    however bad the arm is on average.

    Hypotheses: the gate sees one decision at a time, temperature 0, the price is not negative, one
    baseline in both worlds. Source: [K], Prop. 3. `rule` maps the arm's mean advantage to its keep
    probability: a rule that sees more than one decision.
    """
    u = np.array([good, bad]) - (baseline if other_baseline is None else other_baseline)
    law = np.array([chance, 1.0 - chance])
    assert isinstance(gate.price, Fixed)
    w = keep_probability(u * surprisal, gate.price.value, gate.temperature)
    if rule is not None:
        w = np.full(2, rule(float(law @ u)))
    certain = np.array([good - baseline])
    kept = keep_probability(certain * surprisal, gate.price.value, gate.temperature)
    mean = float(law @ u)
    return Sides(
        float(law @ (w * u)),
        chance * float(kept[0] * certain[0]),
        scale=float(law @ np.abs(u)),
        numbers={"mean advantage": mean},
    )


def _breakthrough_steps() -> list[Step]:
    bandit, logit = Gambling(1.0, 1.0), -1.0
    pi_1, pi_2, _, level = pair_probabilities(logit)
    sides = breakthrough(bandit, logit)
    return [
        Step("The policy and the surprisal of arm 2.", {"pi_1": pi_1, "pi_2": pi_2, "l_2": level}),
        Step("With V = pi_1 D, arm 2 has U = -pi_1 D + sigma Z.", {"mean of U": -pi_1}),
        Step("chi = U l with l > 0, so delight is above 0 exactly where U is."),
        Step("P(Z > pi_1 D / sigma) = Phi(-pi_1 D / sigma).", {"Phi": sides.claimed}),
        Step("The core's gate, integrated over Z, keeps as much.", {"kept": sides.actual}),
        Step(
            "Phi(-t) <= exp(-t^2 / 2) / 2: small noise is seldom lucky, large noise half the time.",
            {"bound": 0.5 * float(np.exp(-0.5 * pi_1**2))},
        ),
    ]


def _twins() -> dict[str, Any]:
    return {"good": 1.0, "bad": -1.0, "chance": 0.1, "baseline": 0.5, "surprisal": 3.0}


def _twin_steps() -> list[Step]:
    sides = indistinguishable(**_twins())
    return [
        Step("World A: arm 2 pays 1, V = .5. World B: it pays 1 once in ten, else -1.", _twins()),
        Step("The decision (arm 2, R = 1) is the same in both: one U, one surprisal, one weight."),
        Step("B's other draws have U < 0 and are dropped."),
        Step("So B gains a tenth of what A gains, and not less.", {"gain in B": sides.actual}),
        Step("Yet B's mean advantage is below 0: it is to be left.", dict(sides.numbers)),
    ]


_TWO_POINT = Boundary(
    GAUSSIAN,
    "noise of +-sigma, equal chances",
    lambda: {**unit_policy(), "noise": "two-point"},
    says("With noise of +-1 arm 2 is kept half the time"),
)
_CONSTANT = Gambling(1.0, 1.0, 0.0, 0.5)
_DG = Gate.named("dg")

CLAIMS = (
    Claim(
        id="false-breakthrough",
        group="gambling",
        section="6",
        statement="The hard gate keeps arm 2 with probability Phi(-pi_1 D / sigma).",
        hypotheses=(EXACT, GAUSSIAN, HARD, FREE),
        source="[K], Prop. 3",
        function=breakthrough,
        instance=unit_policy,
        value="share of arm 2 kept",
        boundaries=(
            Boundary(
                EXACT,
                "the constant baseline D/2",
                lambda: {**unit_policy(), "bandit": _CONSTANT},
                says("With b = .5 it keeps Phi(-b / sigma)"),
            ),
            _TWO_POINT,
            *soft_and_priced(unit_policy),
        ),
        steps=_breakthrough_steps,
    ),
    Claim(
        id="false-breakthrough-bound",
        group="gambling",
        section="6",
        statement="P(U > 0 given arm 2) is at most exp(-pi_1^2 D^2 / (2 sigma^2)) / 2.",
        hypotheses=(EXACT, GAUSSIAN),
        source="[K], Prop. 3",
        function=breakthrough_bound,
        instance=unit_policy,
        value="P(U > 0 given arm 2)",
        boundaries=(
            Boundary(
                EXACT,
                "the constant baseline 0",
                lambda: {**unit_policy(), "bandit": Gambling(1.0, 1.0, 0.0, 0.0)},
                says("With b = 0 half of all draws are above it"),
            ),
            _TWO_POINT,
        ),
        steps=_breakthrough_steps,
        remark="Exponentially small in (D/sigma)^2 only while pi_1 stays away from 0.",
    ),
    Claim(
        id="indistinguishable",
        group="gambling",
        section="6",
        statement=(
            "A gate on single decisions gains from an arm that is good with chance q what q times "
            "a good arm gives, however bad the arm is on average."
        ),
        hypotheses=(
            "the gate sees one decision at a time",
            HARD,
            "the price is not negative",
            "both worlds have one baseline",
        ),
        source="[K], Prop. 3",
        function=indistinguishable,
        instance=_twins,
        value="E[G U given arm 2] in the noisy world",
        boundaries=(
            Boundary(
                "the gate sees one decision at a time",
                "a rule on the arm's mean advantage",
                lambda: {**_twins(), "rule": lambda mean: float(mean > 0.0)},
                says("A rule that knows the arm's mean drops it, and gains"),
            ),
            Boundary(
                HARD, "temperature 1 (DG)", lambda: {**_twins(), "gate": _DG}, says("DG gains")
            ),
            Boundary(
                "the price is not negative",
                "price -6",
                lambda: {
                    **_twins(),
                    "gate": Gate.named("dg", price=Fixed(-6.0), temperature=0.0),
                },
                says("At price -6 the failures are kept too, and it gains"),
            ),
            Boundary(
                "both worlds have one baseline",
                "the exact value of the noisy arm, -.8",
                lambda: {**_twins(), "other_baseline": -0.8},
                says("Against its own value the noisy arm gains"),
            ),
        ),
        steps=_twin_steps,
    ),
    *gambling_drift.CLAIMS,
    *gambling_corners.CLAIMS,
)
