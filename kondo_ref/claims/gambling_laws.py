"""What the claims about gambling share: hypotheses by name, gains by quadrature, rest points."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import ndtr

from kondo_ref.checks import FloatArray
from kondo_ref.claims.register import Boundary
from kondo_ref.claims.sentences import says
from kondo_ref.delight import priority_signal
from kondo_ref.exact.drift import fixed_points, pair_probabilities
from kondo_ref.exact.gambling import HARD as HARD_GATE
from kondo_ref.exact.gambling import Gambling, advantages
from kondo_ref.exact.gaussian import GatedMoments, numerical_moments, positive_part
from kondo_ref.gate import Gate, keep_probability
from kondo_ref.price import Fixed

EXACT = "the baseline is the exact value pi_1 D"
ALONE = "the noise is on arm 2 alone"
GAUSSIAN = "the noise is Gaussian"
HARD = "the temperature is 0"
FREE = "the price is 0"
UNSEEN = "no decision is kept unseen"
LOW, HIGH, CELLS = -60.0, 60.0, 120
PRICED = Gate.named("dg", price=Fixed(0.2), temperature=0.0)


def unit_policy() -> dict[str, Any]:
    """Return the bandit of `one_bandit` and the policy pi_2 = .27."""
    return {**one_bandit(), "logit": -1.0}


def soft_and_priced(case: Callable[[], dict[str, Any]]) -> tuple[Boundary, Boundary]:
    """Return the boundaries of the hypotheses on temperature and price, for one instance."""
    soft = Gate.named("dg")
    return (
        Boundary(HARD, "temperature 1 (DG)", lambda: {**case(), "gate": soft}, says("Under DG")),
        Boundary(FREE, "price .2", lambda: {**case(), "gate": PRICED}, says("At price .2")),
    )


def one_bandit() -> dict[str, Any]:
    """Return the bandit with D = 1 and sigma = 1 on arm 2."""
    return {"bandit": Gambling(1.0, 1.0)}


def by_nodes(bandit: Gambling, logit: float, gate: Gate) -> tuple[GatedMoments, GatedMoments]:
    """Return what the core's gate leaves of each arm, integrated over the noise node by node."""
    assert isinstance(gate.price, Fixed)
    _, _, *levels = pair_probabilities(logit)
    arms = []
    for mean, sigma, level in zip(
        advantages(bandit, logit), (bandit.sigma_1, bandit.sigma), levels, strict=True
    ):
        if sigma > 0.0:
            arms.append(numerical_moments(mean, sigma, level, gate))
            continue
        u = np.array([mean])
        signal = priority_signal(gate.signal, u, np.array([level]), gate.alpha)
        w = float(keep_probability(signal, gate.price.value, gate.temperature)[0])
        arms.append(GatedMoments(w, w * mean, w * abs(mean)))
    return arms[0], arms[1]


def preference_by_nodes(
    bandit: Gambling, logit: float, gate: Gate = HARD_GATE, reserve: float = 0.0
) -> float:
    """Return E[G U given 2] - E[G U given 1], where `reserve` of all decisions is kept unseen."""
    first, second = by_nodes(bandit, logit, gate)
    means = advantages(bandit, logit)
    return reserve * (means[1] - means[0]) + (1.0 - reserve) * (second.gain - first.gain)


def at_rest(bandit: Gambling, gate: Gate = HARD_GATE, reserve: float = 0.0) -> FloatArray:
    """Return where pi_2 ends when it starts near 0, and when it starts near 1; (2,) float."""

    def drift(logit: float) -> float:
        return preference_by_nodes(bandit, logit, gate, reserve)

    stable = [f.probability for f in fixed_points(drift, LOW, HIGH, CELLS) if f.stable]
    from_low = (stable or [1.0])[0] if drift(LOW) > 0.0 else 0.0
    from_high = (stable or [0.0])[-1] if drift(HIGH) < 0.0 else 1.0
    return np.array([from_low, from_high])


def closed_rest_point(ratio: float) -> float:
    """Return the zero of E(ratio Z - (1 - q))^+ - q, or 1 from ratio = sqrt(2 pi) on.

    By Newton's method from 0: the function falls with slope -Phi((1 - q)/ratio) and is convex, so
    the iterates climb to the zero.

    Parameters
    ----------
    ratio : float
        sigma / D, > 0.
    """
    if ratio >= np.sqrt(2.0 * np.pi):
        return 1.0
    q = 0.0
    for _ in range(100):
        step = (positive_part(q - 1.0, ratio) - q) / float(ndtr((1.0 - q) / ratio))
        q += step
        if step <= 1e-16 * q:
            break
    return q
