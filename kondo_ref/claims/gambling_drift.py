"""Gambling: which way a hard gate drifts, and the policy that it comes to rest at ([K], Prop. 3).

The drift is that of gains integrated through the core's own gate, and rest points are found by its
sign changes; the claims are a closed form and the root of an equation by Newton's method.
"""

import numpy as np

from kondo_ref.claims.gambling_laws import (
    ALONE,
    EXACT,
    FREE,
    HARD,
    PRICED,
    UNSEEN,
    at_rest,
    by_nodes,
    closed_rest_point,
    one_bandit,
    soft_and_priced,
    unit_policy,
)
from kondo_ref.claims.register import Boundary, Claim, Number, Sides, Step
from kondo_ref.claims.sentences import says
from kondo_ref.exact.drift import logit_drift, pair_probabilities
from kondo_ref.exact.gambling import HARD as HARD_GATE
from kondo_ref.exact.gambling import Gambling, hard_preference, rest_points
from kondo_ref.exact.gaussian import positive_part
from kondo_ref.gate import Gate

# Brent stops within 1e-14 + 4 eps abs(logit) <= 290 eps; the quadrature adds (1 + t^2/2) eps twice.
ROOT = 512.0


def hard_drift(bandit: Gambling, logit: float, gate: Gate = HARD_GATE) -> Sides:
    """State the expected update of the logits: pi_1 pi_2 (pi_2 D - E(sigma Z - pi_1 D)^+)(1, -1).

    Hypotheses: exact baseline, noise on arm 2 alone, temperature 0, price 0. Source: [K], Prop. 3;
    closed form ours. The other side is `logit_drift` of gains integrated through the core.
    """
    gains = np.array([m.gain for m in by_nodes(bandit, logit, gate)])
    actual = logit_drift(np.array([0.0, logit]), lambda _: gains)
    pi_1, pi_2, _, _ = pair_probabilities(logit)
    t = pi_1 * bandit.gap / bandit.sigma
    lucky, honest = positive_part(-pi_1 * bandit.gap, bandit.sigma), pi_2 * bandit.gap
    claimed = pi_1 * pi_2 * (honest - lucky) * np.array([1.0, -1.0])
    size = pi_1 * pi_2 * (honest + lucky * (1.0 + 0.5 * t * t))
    return Sides(actual, claimed, scale=size, numbers={"lucky": lucky, "honest": honest})


def rest_point(bandit: Gambling, gate: Gate = HARD_GATE, reserve: float = 0.0) -> Sides:
    """State where the policy ends: at the one pi_2 with pi_2 D = E(sigma Z - (1 - pi_2) D)^+.

    From sigma = sqrt(2 pi) D on there is none and it ends at 1. Both sides have two numbers: the
    end from a policy near arm 1, and the end from one near arm 2. Fixed points by sign changes of
    the integrated drift against Newton's method on the equation.

    Hypotheses: exact baseline, noise on arm 2 alone, temperature 0, price 0, no decision kept
    unseen. Source: [K], Prop. 3; equation, uniqueness and sqrt(2 pi) ours.
    """
    found = closed_rest_point(bandit.sigma / bandit.gap)
    actual = at_rest(bandit, gate, reserve)
    return Sides(actual, np.array([found, found]), tolerance=ROOT, numbers={"pi_2": found})


def never_turned(
    bandit: Gambling, logit: float, gate: Gate = HARD_GATE, baseline_1: float | None = None
) -> Sides:
    """State that the drift prefers the better arm: E[G U given 2] < E[G U given 1].

    Hypotheses: noise on arm 1 at least as large as on arm 2 (equal noise among them), one baseline
    for both arms, temperature 0, price 0. Source: [K], remark to Prop. 3; proof ours: E(x + s Z)^+
    increases in x and in s. `baseline_1` is a baseline of arm 1 alone.
    """
    first, second = by_nodes(bandit, logit, gate)
    if baseline_1 is not None:
        own = Gambling(bandit.gap, bandit.sigma, bandit.sigma_1, baseline_1)
        first = by_nodes(own, logit, gate)[0]
    size = first.magnitude + second.magnitude
    return Sides(second.gain, first.gain, "below", scale=size)


def _drift_steps() -> list[Step]:
    sides = hard_drift(**unit_policy())
    return [
        Step("The logits move by pi_1 pi_2 (m_1 - m_2)(1, -1), m_a = E[G U given a]."),
        Step(
            "Arm 1 has U = pi_2 D > 0, always kept: m_1 = pi_2 D.", {"m_1": sides.numbers["honest"]}
        ),
        Step(
            "Arm 2 is kept where U > 0: m_2 = E(sigma Z - pi_1 D)^+.",
            {"m_2": sides.numbers["lucky"]},
        ),
        Step("E(m + s Z)^+ = m Phi(m/s) + s phi(m/s)."),
        Step(
            "Drift of the logits, integrated and closed.",
            {"is": sides.actual, "claimed": sides.claimed},
        ),
    ]


def _rest_steps() -> list[Step]:
    rows = {f"pi_2* at sigma/D = {s:g}": closed_rest_point(s) for s in (0.5, 1.0, 2.0, 5.0)}
    soft = {f"DG, sigma/D = {s:g}": _soft(s) for s in (0.2, 0.3, 0.5, 1.0, 2.0, 5.0)}
    bandit = Gambling(1.0, 1.0)
    turns = {f"at logit {x:g}": hard_preference(bandit, x) for x in (-20.0, -1.0, 20.0)}
    return [
        Step("Rest means h(pi_2) = E(sigma Z - (1 - pi_2) D)^+ - pi_2 D = 0."),
        Step("At pi_2 = 0, h = E(sigma Z - D)^+ > 0: arm 2 gains there, at any noise.", turns),
        Step("h' = -D Phi((1 - pi_2) D / sigma) < 0: at most one zero, and it is stable."),
        Step("At pi_2 = 1, h = sigma/sqrt(2 pi) - D: below 0 exactly for sigma < sqrt(2 pi) D."),
        Step("h is convex, so Newton's method from 0 climbs to the zero.", rows),
        Step("Under DG at temperature 1 there is a zero too, found at every noise.", soft),
    ]


def _never_steps() -> list[Step]:
    bandit = Gambling(1.0, 1.0, 1.0)
    rows = {f"m_2 - m_1 at logit {x:g}": hard_preference(bandit, x) for x in (-20.0, 0.0, 20.0)}
    both = Gambling(1.0, 0.5, 0.5)
    return [
        Step("Hard gate, price 0: m_a = E(x_a + s_a Z)^+ with x_a = r_a - b."),
        Step("d/dx E(x + s Z)^+ = Phi(x/s) > 0: it increases in the mean reward."),
        Step("d/ds E(x + s Z)^+ = phi(x/s) > 0: it increases in the noise."),
        Step("r_1 > r_2 and s_1 >= s_2 give m_1 > m_2, for any baseline of both.", rows),
        Step(
            "A soft gate turns: near pi_2 = 0 surprising luck on arm 2 weighs 1, arm 1 only 1/2.",
            {f"pi_2* of DG, sigma/D = {both.sigma:g} on both": _soft(0.5, 0.5)},
        ),
    ]


def _soft(sigma: float, sigma_1: float = 0.0) -> float:
    """Return the rest point of DG at temperature 1, D = 1."""
    return rest_points(Gambling(1.0, sigma, sigma_1), Gate.named("dg"))[0].probability


def _hard_number(sigma: float, published: float, digits: float) -> Number:
    label = f"pi_2* of the hard gate at sigma/D = {sigma:g}"
    return Number(label, published, digits, lambda: float(at_rest(Gambling(1.0, sigma))[0]))


def _soft_number(sigma: float, published: float, digits: float) -> Number:
    label = f"pi_2* of DG, temperature 1, at sigma/D = {sigma:g}, D = 1"
    return Number(label, published, digits, lambda: _soft(sigma))


_CONSTANT = Gambling(1.0, 1.0, 0.0, 0.5)
_BOTH = Gambling(1.0, 1.0, 1.0)
_DG = Gate.named("dg")

CLAIMS = (
    Claim(
        id="gambling-drift",
        group="gambling",
        section="6",
        statement=(
            "The hard gate moves the logits by pi_1 pi_2 (pi_2 D - E(sigma Z - pi_1 D)^+)(1, -1)."
        ),
        hypotheses=(EXACT, ALONE, HARD, FREE),
        source="[K], Prop. 3; closed form ours",
        function=hard_drift,
        instance=unit_policy,
        value="expected update of the two logits",
        boundaries=(
            Boundary(
                EXACT,
                "the constant baseline D/2",
                lambda: {**unit_policy(), "bandit": _CONSTANT},
                says("With b = .5 logit 2 moves by"),
            ),
            Boundary(
                ALONE,
                "equal noise on both arms",
                lambda: {**unit_policy(), "bandit": _BOTH},
                says("With noise on both logit 2 moves by"),
            ),
            *soft_and_priced(unit_policy),
        ),
        steps=_drift_steps,
    ),
    Claim(
        id="gambling-rest-point",
        group="gambling",
        section="6",
        statement=(
            "From every policy the hard gate leads to the one pi_2 that solves "
            "pi_2 D = E(sigma Z - (1 - pi_2) D)^+, and to pi_2 = 1 for sigma >= sqrt(2 pi) D."
        ),
        hypotheses=(EXACT, ALONE, HARD, FREE, UNSEEN),
        source="[K], Prop. 3; uniqueness and sqrt(2 pi) ours",
        function=rest_point,
        instance=one_bandit,
        value="pi_2 at rest, from either side",
        boundaries=(
            Boundary(
                EXACT,
                "the constant baseline D/2",
                lambda: {"bandit": _CONSTANT},
                says("With b = .5 the preference does not depend on the policy, and pi_2 ends at"),
            ),
            Boundary(
                ALONE,
                "equal noise on both arms",
                lambda: {"bandit": _BOTH},
                says("pi_2 ends at"),
            ),
            Boundary(
                HARD,
                "temperature 1 (DG)",
                lambda: {**one_bandit(), "gate": _DG},
                says("DG ends at pi_2 ="),
            ),
            Boundary(
                HARD,
                "temperature .1",
                lambda: {**one_bandit(), "gate": Gate.named("dg", temperature=0.1)},
                says("A little temperature makes it worse, pi_2 ends at"),
            ),
            Boundary(
                FREE,
                "price .2",
                lambda: {**one_bandit(), "gate": PRICED},
                says("A price drops arm 1 while its delight is below it: pi_2 is held at"),
            ),
            Boundary(
                UNSEEN,
                "a tenth kept unseen",
                lambda: {**one_bandit(), "reserve": 0.1},
                says("A reserve of .1 leads to pi_2 ="),
            ),
        ),
        steps=_rest_steps,
        numbers=(
            _hard_number(0.3, 3e-5, 0.5e-5),
            _hard_number(0.5, 0.004, 0.0005),
            _hard_number(0.75, 0.035, 0.0005),
            _hard_number(1.0, 0.10, 0.005),
            _hard_number(2.0, 0.62, 0.005),
            _hard_number(5.0, 1.0, 0.005),
            _soft_number(0.5, 3e-4, 0.5e-4),
            _soft_number(0.75, 0.017, 0.0005),
            _soft_number(1.0, 0.078, 0.0005),
            _soft_number(2.0, 0.49, 0.005),
        ),
        remark=(
            "For DG at temperature 1 the page of reference finds no point at sigma/D <= .3 and .86 "
            "at 5. There is one at every noise, as both corners repel: 2.2e-10 at .3, 1.9e-22 at "
            ".2; at 5 it is .866."
        ),
    ),
    Claim(
        id="equal-noise",
        group="gambling",
        section="6",
        statement="With equal noise on both arms the hard gate always prefers the better arm.",
        hypotheses=(
            "the noise on arm 1 is at least that on arm 2",
            "both arms have one baseline",
            HARD,
            FREE,
        ),
        source="[K], remark to Prop. 3; proof ours",
        function=never_turned,
        instance=lambda: {"bandit": _BOTH, "logit": -8.0},
        value="E[G U given arm 2], below E[G U given arm 1]",
        boundaries=(
            Boundary(
                "the noise on arm 1 is at least that on arm 2",
                "noise on arm 2 alone",
                lambda: {"bandit": Gambling(1.0, 1.0), "logit": -8.0},
                says("Arm 2 gains more than arm 1"),
            ),
            Boundary(
                "both arms have one baseline",
                "the exact value for arm 2, 1.5 D for arm 1",
                lambda: {"bandit": Gambling(1.0, 1.0, 1.0), "logit": 3.0, "baseline_1": 1.5},
                says("Arm 2 gains more than arm 1"),
            ),
            Boundary(
                HARD,
                "temperature 1 (DG)",
                lambda: {"bandit": _BOTH, "logit": -8.0, "gate": _DG},
                says("Under DG arm 2 gains more than arm 1"),
            ),
            Boundary(
                FREE,
                "price .2",
                lambda: {"bandit": _BOTH, "logit": -8.0, "gate": PRICED},
                says("At price .2 arm 1, hardly surprising, is dropped and arm 2 gains more"),
            ),
        ),
        steps=_never_steps,
        remark=(
            "True for any noise on arm 1 that is at least that on arm 2, and for any baseline of "
            "both. Of the hard gate only: DG turns under equal noise too."
        ),
    ),
)
