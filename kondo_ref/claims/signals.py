"""What a gate may rank by: additive signals change sides, delight does not ([K], Prop. 2).

One success among K arms, rewards 1 and 0, a baseline common to all arms. Signals are the core's
own, one decision for every arm; the claims are closed forms in the policy. The gate as the optimum
of an entropy-regularised problem is in `kondo_ref.claims.gate_optimum`.
"""

import math
from typing import Any

import numpy as np
from scipy.optimize import brentq

from kondo_ref.checks import FloatArray
from kondo_ref.claims import gate_optimum
from kondo_ref.claims.register import Boundary, Claim, Number, Sides, Step
from kondo_ref.claims.sentences import says
from kondo_ref.exact.ranking import lead, log_odds, signals_of_arms, skewed_policy

SYMMETRIC = "the wrong arms are equally likely"
LIKELY = "the success is at least as likely as a wrong arm"
BINARY = "the reward is 1 for the success and 0 else, for certain"
COMMON = "all arms have one baseline"
INTERIOR = "alpha is below 1"
BASELINE = "the baseline is in [0, 1)"


def additive_threshold(
    p: float,
    arms: int,
    b: float = 0.0,
    skew: float = 1.0,
    reward: float = 1.0,
    lift: float = 0.0,
) -> Sides:
    """State from which alpha on alpha U + (1 - alpha) l ranks the success first: L / (1 + L).

    The other side is the sign change in alpha of the core's signals, between 0 and 1; 0 if every
    alpha in (0, 1] ranks it first.

    Hypotheses: wrong arms equally likely, success at least as likely as a wrong arm, rewards 1
    and 0, one baseline. Source: [K], Prop. 2. `skew` is how much likelier the last wrong arm is,
    `reward` the success's, and `lift` what the baseline of the success is above b.
    """
    rewards = np.zeros(arms)
    rewards[0] = reward
    own = np.full(arms, b)
    own[0] += lift
    logits = skewed_policy(p, arms, skew)

    def ahead(alpha: float) -> float:
        return lead(logits, rewards, own, "additive", alpha)[0]

    found = 0.0 if ahead(0.0) >= 0.0 else 1.0
    if ahead(0.0) < 0.0 < ahead(1.0):
        found = float(brentq(ahead, 0.0, 1.0, xtol=1e-16, rtol=8.9e-16, maxiter=500))
    gap = log_odds(p, arms)
    claimed = gap / (1.0 + gap) if gap != -1.0 else math.inf
    # The signals cancel: their rounding is that of U and l, over the slope 1 + L in alpha.
    size = (1.0 + abs(b) + abs(math.log(p)) + abs(gap)) / max(abs(1.0 + gap), 1e-300) + 1.0
    return Sides(found, claimed, scale=size, numbers={"L": gap})


def additive_ranking(p: float, arms: int, alpha: float, b: float = 0.0, skew: float = 1.0) -> Sides:
    """State that the additive signal ranks the success first exactly if alpha > L / (1 + L).

    Both sides are 1 for yes and 0 for no. At the threshold itself the two signals tie.

    Hypotheses: wrong arms equally likely, success at least as likely as a wrong arm. Source: [K],
    Prop. 2; the second hypothesis ours.
    """
    rewards = np.zeros(arms)
    rewards[0] = 1.0
    ahead, _ = lead(skewed_policy(p, arms, skew), rewards, b, "additive", alpha)
    gap = log_odds(p, arms)
    claimed = alpha * (1.0 + gap) > gap if gap >= -1.0 else alpha > gap / (1.0 + gap)
    return Sides(float(ahead > 0.0), float(claimed), scale=1.0, numbers={"L": gap, "lead": ahead})


def every_alpha_fails(alpha: float, arms: int, gap: float | None = None) -> Sides:
    """State that for every alpha < 1 some policy puts a wrong arm ahead of the success.

    With L = 1 + alpha/(1 - alpha) the lead alpha - (1 - alpha) L is -(1 - alpha) < 0. `gap` is
    another L.

    Hypotheses: alpha below 1, the policy of that L. Source: [K], Prop. 2.
    """
    logits = np.zeros(arms)
    logits[0] = 1.0 + alpha / (1.0 - alpha) if gap is None else gap
    ahead, size = lead(logits, np.eye(arms)[0], 0.0, "additive", alpha)
    return Sides(ahead, 0.0, "below", scale=size, numbers={"L": float(logits[0])})


def delight_ranks(
    logits: FloatArray, b: float = 0.0, rewards: FloatArray | None = None, target: int = 0
) -> Sides:
    """State that delight ranks the success first, whatever the policy.

    Hypotheses: rewards 1 and 0 for certain, baseline in [0, 1). Source: [K], Prop. 2. No symmetry
    is needed: chi of the success is (1 - b) l > 0, of any other arm -b l <= 0.
    """
    z = np.array(logits, dtype=np.float64)
    reward = np.eye(z.size)[target] if rewards is None else np.array(rewards, dtype=np.float64)
    s = signals_of_arms(z, reward, b, "delight", None)
    others = np.delete(s, target)
    best = float(others.max())
    return Sides(float(s[target]), best, "above", scale=float(abs(s[target]) + abs(best)))


def _additive() -> dict[str, Any]:
    return {"p": 0.5, "arms": 10}


def _star(p: float, arms: int, published: float) -> Number:
    return Number(
        f"alpha* at K = {arms}, p = {p:g}",
        published,
        0.005,
        lambda: float(additive_threshold(p, arms).actual),  # type: ignore[arg-type]
    )


def _additive_steps() -> list[Step]:
    gap = log_odds(0.5, 10)
    stars = {f"p = {p:g}": additive_threshold(p, 10).claimed for p in (0.2, 0.5, 0.9, 0.99)}
    return [
        Step("K = 10, p = .5: a wrong arm has q = (1 - p)/(K - 1).", {"q": 0.5 / 9}),
        Step("U differs by 1 between success and wrong arm, whatever b: it cancels."),
        Step("l differs by -L, L = log(p/q): the likelier success surprises less.", {"L": gap}),
        Step("The success leads by alpha - (1 - alpha) L.", {"alpha = .5": 0.5 - 0.5 * gap}),
        Step("It is above 0 exactly for alpha > L/(1 + L), for L > -1.", {"K = 10": stars}),
        Step(
            "For p <= 1/K it is, for every alpha in (0, 1]. As p -> 1, alpha* -> 1: none is safe."
        ),
    ]


def _delight_steps() -> list[Step]:
    logits = np.array([2.0, 0.0, -3.0])
    s = signals_of_arms(logits, np.eye(3)[0], 0.5, "delight", None)
    return [
        Step("Success: U = 1 - b > 0, l > 0 unless p = 1, so chi > 0.", {"b": 0.5, "chi": s[0]}),
        Step("Other arms: U = -b <= 0, so chi = -b l <= 0.", {"chi": s[1:]}),
        Step("A positive number is above one that is not: no symmetry, no condition on p."),
        Step("What it needs is that the sign of U is right."),
    ]


CLAIMS = (
    Claim(
        id="additive-threshold",
        group="signals",
        section="5",
        statement=(
            "alpha U + (1 - alpha) l ranks the success first from alpha* = L/(1 + L) on, "
            "L = log(p (K - 1)/(1 - p))."
        ),
        hypotheses=(SYMMETRIC, LIKELY, BINARY, COMMON),
        source="[K], Prop. 2",
        function=additive_threshold,
        instance=_additive,
        value="alpha*",
        boundaries=(
            Boundary(
                SYMMETRIC,
                "one wrong arm a hundred times less likely",
                lambda: {**_additive(), "skew": 0.01},
                says("The rarest wrong arm has to be outranked too; the threshold is"),
            ),
            Boundary(
                LIKELY,
                "p = .01 of K = 10",
                lambda: {"p": 0.01, "arms": 10},
                says("Every alpha in (0, 1] ranks the success first; the threshold is"),
            ),
            Boundary(
                BINARY,
                "the success pays 3",
                lambda: {**_additive(), "reward": 3.0},
                says("With rewards 3 and 0 it is L/(3 + L)"),
            ),
            Boundary(
                COMMON,
                "the success's own baseline is .5 higher",
                lambda: {**_additive(), "lift": 0.5},
                says("With U of the success .5 smaller it is L/(.5 + L)"),
            ),
        ),
        steps=_additive_steps,
        numbers=(
            *(_star(p, 10, a) for p, a in ((0.2, 0.45), (0.5, 0.69), (0.99, 0.87))),
            *(_star(p, 100, a) for p, a in ((0.2, 0.76), (0.5, 0.82), (0.9, 0.87), (0.99, 0.90))),
        ),
        remark=(
            "At K = 10, p = .9 the page of reference prints .82; it is .8146. It needs p >= 1/K: "
            "for L < -1, p below 1/(1 + e (K - 1)), L/(1 + L) is above 1 and read literally says "
            "that no alpha works, where every one does."
        ),
    ),
    Claim(
        id="additive-ranking",
        group="signals",
        section="5",
        statement="The additive signal ranks the success first if and only if alpha > L/(1 + L).",
        hypotheses=(SYMMETRIC, LIKELY),
        source="[K], Prop. 2",
        function=additive_ranking,
        instance=lambda: {**_additive(), "alpha": 0.7, "b": 0.5},
        value="1 if the success is first",
        boundaries=(
            Boundary(
                SYMMETRIC,
                "one wrong arm a hundred times less likely",
                lambda: {**_additive(), "alpha": 0.75, "skew": 0.01},
                lambda s: f"At alpha = .75 > .687 the rare arm leads by {-s.numbers['lead']:.3g}.",
            ),
            Boundary(
                LIKELY,
                "p = .01 of K = 10",
                lambda: {"p": 0.01, "arms": 10, "alpha": 0.5},
                lambda s: f"At alpha = .5 < 1.71 the success leads by {s.numbers['lead']:.3g}.",
            ),
        ),
        steps=_additive_steps,
    ),
    Claim(
        id="no-safe-alpha",
        group="signals",
        section="5",
        statement="For every alpha < 1 some policy puts a wrong arm ahead of the success.",
        hypotheses=(INTERIOR, "the policy is free: L = 1 + alpha/(1 - alpha)"),
        source="[K], Prop. 2",
        function=every_alpha_fails,
        instance=lambda: {"alpha": 0.9, "arms": 10},
        value="lead of the success",
        boundaries=(
            Boundary(
                INTERIOR,
                "alpha = 1, the advantage alone",
                lambda: {"alpha": 1.0, "arms": 10, "gap": 40.0},
                says("The advantage alone ranks the success first, with a lead of"),
            ),
            Boundary(
                "the policy is free: L = 1 + alpha/(1 - alpha)",
                "p = .5",
                lambda: {"alpha": 0.9, "arms": 10, "gap": log_odds(0.5, 10)},
                says("At p = .5 alpha = .9 is enough, and the lead is"),
            ),
        ),
        steps=_additive_steps,
    ),
    Claim(
        id="delight-ranks-first",
        group="signals",
        section="5",
        statement="Delight ranks the success first for every policy and every b in [0, 1).",
        hypotheses=(BASELINE, BINARY),
        source="[K], Prop. 2",
        function=delight_ranks,
        instance=lambda: {"logits": np.array([8.0, 0.0, -3.0, 1.0]), "b": 0.5},
        value="delight of the success, above the best other",
        boundaries=(
            Boundary(
                BASELINE,
                "b = 1.5",
                lambda: {"logits": np.array([-3.0, 1.0, 0.0]), "b": 1.5},
                says("With b = 1.5 a rare success is the greatest disappointment"),
            ),
            Boundary(
                BASELINE,
                "b = -.5",
                lambda: {"logits": np.array([3.0, 0.0, -4.0]), "b": -0.5},
                says("With b = -.5 every arm delights, and the rarest most"),
            ),
            Boundary(
                BINARY,
                "a rare arm that pays .6",
                lambda: {
                    "logits": np.array([3.0, 0.0, -4.0]),
                    "b": 0.3,
                    "rewards": np.array([1.0, 0.0, 0.6]),
                },
                says("A rare arm that pays .6 delights more than the likely one that pays 1"),
            ),
            Boundary(
                BINARY,
                "noise: a wrong arm drew 1.4",
                lambda: {
                    "logits": np.array([0.0, 0.0, 0.0]),
                    "b": 0.3,
                    "rewards": np.array([1.0, 0.0, 1.4]),
                },
                says("A wrong arm with a lucky reward of 1.4 is ahead"),
            ),
        ),
        steps=_delight_steps,
    ),
    *gate_optimum.CLAIMS,
)
