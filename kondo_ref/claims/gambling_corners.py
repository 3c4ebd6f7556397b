"""Gambling at the corners of the policy: what decides there, and what a uniform reserve changes.

Near pi_2 = 0 a draw of arm 2 is so surprising that every gate by delight is a hard one, at any
temperature and price; so the corner of the better arm repels, and only decisions that are kept
unseen can make it attract.
"""

import numpy as np
from scipy.optimize import brentq

from kondo_ref.claims.gambling_laws import (
    ALONE,
    EXACT,
    FREE,
    HARD,
    PRICED,
    UNSEEN,
    by_nodes,
    one_bandit,
    preference_by_nodes,
)
from kondo_ref.claims.register import Boundary, Claim, Sides, Step
from kondo_ref.claims.sentences import says
from kondo_ref.exact.gambling import HARD as HARD_GATE
from kondo_ref.exact.gambling import Gambling, advantages, certain_loss, least_reserve, preference
from kondo_ref.exact.gaussian import positive_part
from kondo_ref.gate import Gate
from kondo_ref.price import Fixed

DELIGHT = "the signal is delight"
FLOOR = -700.0  # logit
CORNER = -1e18  # logit: price and temperature over the surprisal of arm 2 are below eps


def corner_preference(bandit: Gambling, gate: Gate = HARD_GATE, reserve: float = 0.0) -> float:
    """Return the limit of E[G U given 2] - E[G U given 1] as pi_2 -> 0.

    Each arm is taken as deep in the corner as its surprisal is a float64: arm 1's tends to 0 and
    is least at the logit -700, arm 2's grows without bound.
    """
    first, second = by_nodes(bandit, FLOOR, gate)[0], by_nodes(bandit, CORNER, gate)[1]
    unseen = advantages(bandit, CORNER)
    return reserve * (unseen[1] - unseen[0]) + (1.0 - reserve) * (second.gain - first.gain)


def better_corner(bandit: Gambling, gate: Gate = HARD_GATE, reserve: float = 0.0) -> Sides:
    """State the preference for arm 2 as pi_2 -> 0: E(sigma Z - D)^+, whatever temperature, price.

    It is above 0, so the drift leaves that corner and a stable pi_2* > 0 exists.

    Hypotheses: exact baseline, noise on arm 2 alone, the signal is delight, no decision kept
    unseen. Source: ours. Noise on arm 1 changes it at temperature 0 only, where arm 1 then gains
    sigma_1 / sqrt(2 pi); above, its keep probability tends to a constant and its mean gain to 0.
    """
    actual = corner_preference(bandit, gate, reserve)
    claimed = positive_part(-bandit.gap, bandit.sigma)
    t = bandit.gap / bandit.sigma
    return Sides(actual, claimed, scale=claimed * (1.0 + 0.5 * t * t))


def worse_corner(bandit: Gambling, gate: Gate = HARD_GATE, reserve: float = 0.0) -> Sides:
    """State the preference for arm 2 as pi_2 -> 1: sigma / sqrt(2 pi) - D.

    So arm 2 keeps all mass once it has it exactly for sigma >= sqrt(2 pi) D.

    Hypotheses: exact baseline, noise on arm 2 alone, temperature 0, price 0, no decision kept
    unseen. Source: ours.
    """
    actual = preference_by_nodes(bandit, 50.0, gate, reserve)
    size = bandit.sigma / float(np.sqrt(2.0 * np.pi))
    return Sides(
        actual,
        size - bandit.gap,
        scale=size + bandit.gap,
        numbers={"certain loss from sigma": certain_loss(bandit.gap)},
    )


def reserve_threshold(bandit: Gambling, gate: Gate = HARD_GATE) -> Sides:
    """State the reserve from which pi_2 = 0 attracts: c / (1 + c), c = E(sigma Z / D - 1)^+.

    A decision is kept unseen with the chance `reserve`, else the gate decides; kept ones weigh U.
    At any temperature and price. The other side is the root of the integrated preference in the
    reserve (-1 where it has none in [0, 1]).

    Hypotheses: exact baseline, noise on arm 2 alone, the signal is delight. Source: ours.
    """

    def turn(reserve: float) -> float:
        return corner_preference(bandit, gate, reserve)

    root = -1.0
    if turn(0.0) > 0.0 > turn(1.0):
        root = float(brentq(turn, 0.0, 1.0, xtol=1e-300, rtol=8.9e-16, maxiter=500))
    own = Gambling(bandit.gap, bandit.sigma)
    claimed, t = least_reserve(own), bandit.gap / bandit.sigma
    return Sides(root, claimed, scale=claimed * (1.0 + 0.5 * t * t))


def _better_steps() -> list[Step]:
    bandit = Gambling(1.0, 1.0)
    rows = {
        f"temperature {t:g}, logit {x:g}": preference(bandit, x, Gate.named("dg", temperature=t))
        for t in (0.0, 1.0, 10.0)
        for x in (-5.0, -50.0, -5000.0)
    }
    return [
        Step("As pi_2 -> 0 the surprisal l_2 = -log pi_2 grows without bound."),
        Step("sigmoid((U l_2 - price) / temperature) tends to 1 where U > 0 and to 0 where U < 0."),
        Step("Arm 1 has U = pi_2 D -> 0, so m_1 -> 0; arm 2 has U -> -D + sigma Z."),
        Step(
            "m_2 -> E(sigma Z - D)^+ > 0: the corner repels.",
            {"limit": positive_part(-1.0, 1.0), **rows},
        ),
    ]


def _worse_steps() -> list[Step]:
    return [
        Step("As pi_2 -> 1 arm 1 has U = pi_2 D -> D, always kept: m_1 -> D.", {"D": 1.0}),
        Step(
            "Arm 2 has U -> sigma Z, kept where Z > 0: m_2 -> sigma / sqrt(2 pi).",
            {"sigma": 1.0, "m_2": positive_part(0.0, 1.0)},
        ),
        Step(
            "Their difference is above 0 from sigma = sqrt(2 pi) D on.",
            {"noise": certain_loss(1.0)},
        ),
    ]


def _reserve_steps() -> list[Step]:
    rows = {f"sigma/D = {s:g}": least_reserve(Gambling(1.0, s)) for s in (0.3, 0.5, 1.0, 2.0, 5.0)}
    return [
        Step("Kept unseen, both arms add their mean advantage: preference -pi_1 D - pi_2 D = -D."),
        Step("With a reserve e the preference is -e D + (1 - e)(m_2 - m_1)."),
        Step("At pi_2 = 0 it is -e D + (1 - e) E(sigma Z - D)^+, at any temperature and price."),
        Step("It is below 0 exactly for e > c / (1 + c), c = E(sigma Z / D - 1)^+.", rows),
        Step(
            "For the hard gate it falls with pi_2 everywhere, so then arm 1 wins from everywhere."
        ),
    ]


_ADVANTAGE = Gate(signal="advantage", price=Fixed(0.0), temperature=1.0)
_CONSTANT = Gambling(1.0, 1.0, 0.0, 0.5)
_DG = Gate.named("dg")

_KEPT_UNSEEN = Boundary(
    UNSEEN,
    "a tenth kept unseen",
    lambda: {**one_bandit(), "reserve": 0.1},
    says("With a reserve of .1 the preference is"),
)

CLAIMS = (
    Claim(
        id="better-corner-repels",
        group="gambling",
        section="6",
        statement=(
            "As pi_2 -> 0 the preference for arm 2 tends to E(sigma Z - D)^+ > 0, at every "
            "temperature and price."
        ),
        hypotheses=(EXACT, ALONE, DELIGHT, UNSEEN),
        source="ours",
        function=better_corner,
        instance=one_bandit,
        value="m_2 - m_1 at pi_2 = 0",
        boundaries=(
            Boundary(
                EXACT,
                "the constant baseline D/2",
                lambda: {"bandit": _CONSTANT},
                says("With b = .5 arm 1 keeps its advantage of .5 at the corner, and m_2 - m_1 is"),
            ),
            Boundary(
                ALONE,
                "equal noise on both arms, temperature 0",
                lambda: {"bandit": Gambling(1.0, 1.0, 1.0)},
                says("With equal noise the hard gate has a preference of"),
            ),
            Boundary(
                DELIGHT,
                "the gate sees the advantage, temperature 1",
                lambda: {"bandit": Gambling(1.0, 0.5), "gate": _ADVANTAGE},
                says(
                    "An advantage does not harden with surprise, and at sigma/D = .5 m_2 - m_1 is"
                ),
            ),
            _KEPT_UNSEEN,
        ),
        steps=_better_steps,
    ),
    Claim(
        id="worse-corner",
        group="gambling",
        section="6",
        statement="As pi_2 -> 1 the hard gate prefers arm 2 by sigma/sqrt(2 pi) - D.",
        hypotheses=(EXACT, ALONE, HARD, FREE, UNSEEN),
        source="ours",
        function=worse_corner,
        instance=one_bandit,
        value="m_2 - m_1 at pi_2 = 1",
        boundaries=(
            Boundary(
                EXACT,
                "the constant baseline D/2",
                lambda: {"bandit": _CONSTANT},
                says("With b = .5 it is"),
            ),
            Boundary(
                ALONE,
                "equal noise on both arms",
                lambda: {"bandit": Gambling(1.0, 1.0, 1.0)},
                says("With noise on both it is"),
            ),
            Boundary(
                HARD,
                "temperature 1 (DG)",
                lambda: {**one_bandit(), "gate": _DG},
                says("Of DG it is"),
            ),
            Boundary(
                FREE,
                "price .2",
                lambda: {
                    **one_bandit(),
                    "gate": PRICED,
                },
                says("At a price arm 2, no surprise any more, is never kept; it is"),
            ),
            _KEPT_UNSEEN,
        ),
        steps=_worse_steps,
    ),
    Claim(
        id="uniform-reserve",
        group="gambling",
        section="ours",
        statement=(
            "pi_2 = 0 attracts exactly from a reserve c/(1 + c) of uniform keeps on, "
            "c = E(sigma Z / D - 1)^+, at every temperature and price."
        ),
        hypotheses=(EXACT, ALONE, DELIGHT),
        source="ours",
        function=reserve_threshold,
        instance=one_bandit,
        value="reserve at which the corner turns",
        boundaries=(
            Boundary(
                EXACT,
                "the constant baseline 1.2 D",
                lambda: {"bandit": Gambling(1.0, 1.0, 0.0, 1.2)},
                says("With b = 1.2 the corner turns at a reserve of"),
            ),
            Boundary(
                ALONE,
                "equal noise on both arms",
                lambda: {"bandit": Gambling(1.0, 1.0, 1.0)},
                says("With equal noise no reserve is needed (-1: no root)"),
            ),
            Boundary(
                DELIGHT,
                "the gate sees the advantage, temperature 1",
                lambda: {"bandit": Gambling(1.0, 2.0), "gate": _ADVANTAGE},
                says("A soft gate by the advantage turns at a reserve of"),
            ),
        ),
        steps=_reserve_steps,
        remark=(
            "A softer temperature moves the rest point, never the corner; a price above 0 makes it "
            "worse, since arm 1 hardly surprises."
        ),
    ),
)
