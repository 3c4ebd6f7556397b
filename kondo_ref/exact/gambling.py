"""The gambling bandit: two arms, the worse one noisy, and what a gate makes of its lucky draws.

Arm 1 pays `gap` on average, arm 2 pays 0, with Gaussian noise on either; the policy is given by
one logit, log(pi_2 / pi_1). Gate and baseline -> expected gain of each arm -> preference for arm 2
-> drift of pi_2 -> fixed points ([K], Prop. 3).

Public: `Gambling` (gap, noise of both arms, baseline); `advantages`, `false_breakthrough`,
`arm_moments` (share kept and gain of each arm), `preference` (gain of arm 2 less that of arm 1),
`hard_preference` (its closed form at price 0, temperature 0), `drift` (d pi_2/dt),
`rest_points` (fixed points), `certain_loss` (noise from which arm 2 takes all) and
`least_reserve` (share of uniform keeps that restores the direction). Every gate is a
`kondo_ref.gate.Gate` with a fixed price; `reserve` keeps that share of all decisions unseen.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from kondo_ref import checks
from kondo_ref.exact.drift import FixedPoint, fixed_points, pair_probabilities
from kondo_ref.exact.gaussian import GatedMoments, gated_moments, positive_part, require_sigma
from kondo_ref.gate import Gate
from kondo_ref.price import Fixed

HARD = Gate.named("zero-price")
"""The gate of [K], Prop. 3: kept where delight > 0."""


@dataclass(frozen=True)
class Gambling:
    """A bandit of two arms with mean rewards `gap` and 0.

    Parameters
    ----------
    gap : float
        By how much arm 1 is better, in reward.
    sigma : float
        Standard deviation of the noise on arm 2, >= 0, in reward.
    sigma_1 : float
        The same on arm 1.
    baseline : float, optional
        A constant b; None for the exact value pi_1 gap.
    """

    gap: float = 1.0
    sigma: float = 1.0
    sigma_1: float = 0.0
    baseline: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "gap", require_sigma("gap", self.gap))
        object.__setattr__(self, "sigma", require_sigma("sigma", self.sigma))
        object.__setattr__(self, "sigma_1", require_sigma("sigma_1", self.sigma_1))
        if self.baseline is not None:
            b = checks.number("baseline", self.baseline)
            if not np.isfinite(b):
                raise ValueError(f"baseline: expected a finite number, got {b}")
            object.__setattr__(self, "baseline", b)


def advantages(bandit: Gambling, logit: float) -> tuple[float, float]:
    """Return the mean advantage of arm 1 and of arm 2: with the exact baseline pi_2 D, -pi_1 D."""
    if bandit.baseline is not None:
        return bandit.gap - bandit.baseline, -bandit.baseline
    pi_1, pi_2, _, _ = pair_probabilities(logit)
    return pi_2 * bandit.gap, -pi_1 * bandit.gap


def false_breakthrough(bandit: Gambling, logit: float) -> float:
    """Return P(U > 0 given arm 2), how often the worse arm looks like a success.

    Phi(-pi_1 D / sigma) with the exact baseline ([K], Prop. 3).
    """
    _, mean = advantages(bandit, logit)
    if bandit.sigma == 0.0:
        return float(mean > 0.0)
    return float(ndtr(mean / bandit.sigma))


def arm_moments(
    bandit: Gambling, logit: float, gate: Gate = HARD, reserve: float = 0.0
) -> tuple[GatedMoments, GatedMoments]:
    """Return what the gate keeps of each arm: E[G], E[G U] and E[G abs(U)] given the arm.

    Parameters
    ----------
    bandit : Gambling
    logit : float
        log(pi_2 / pi_1).
    gate : Gate
        soft or bernoulli (their means are equal), with a fixed price; its signal is any but
        abs_advantage.
    reserve : float
        In [0, 1]: a decision is kept unseen with this probability, else the gate decides.

    Raises
    ------
    ValueError
        A gate without a fixed price, the signal abs_advantage, a reserve outside [0, 1].
    """
    if not isinstance(gate, Gate) or not isinstance(gate.price, Fixed):
        raise ValueError(f"gate: expected a Gate with a fixed price, got {checks.shown(gate)}")
    reserve = checks.number("reserve", reserve)
    if not 0.0 <= reserve <= 1.0:
        raise ValueError(f"reserve: expected a number in [0, 1], got {reserve}")
    _, _, *surprisals = pair_probabilities(logit)
    arms = []
    for mean, sigma, level in zip(
        advantages(bandit, logit), (bandit.sigma_1, bandit.sigma), surprisals, strict=True
    ):
        slope, rest = _affine(gate, level)
        m = gated_moments(mean, sigma, slope, gate.price.value - rest, gate.temperature)
        if reserve:
            size = 2.0 * positive_part(mean, sigma) - mean
            m = GatedMoments(
                reserve + (1.0 - reserve) * m.keep,
                reserve * mean + (1.0 - reserve) * m.gain,
                reserve * size + (1.0 - reserve) * m.magnitude,
            )
        arms.append(m)
    return arms[0], arms[1]


def _affine(gate: Gate, surprisal: float) -> tuple[float, float]:
    """Return slope and rest of the signal slope * U + rest."""
    alpha = gate.alpha or 0.0
    lines = {
        "delight": (surprisal, 0.0),
        "advantage": (1.0, 0.0),
        "surprisal": (0.0, surprisal),
        "uniform": (0.0, 1.0),
        "additive": (alpha, (1.0 - alpha) * surprisal),
    }
    if gate.signal not in lines:
        raise ValueError(f"gate: its signal must be one of {', '.join(lines)}; got {gate.signal}")
    return lines[gate.signal]


def preference(bandit: Gambling, logit: float, gate: Gate = HARD, reserve: float = 0.0) -> float:
    """Return E[G U given arm 2] - E[G U given arm 1], in reward.

    Its sign is the direction of the drift: positive towards the worse arm. Arguments as in
    `arm_moments`.
    """
    first, second = arm_moments(bandit, logit, gate, reserve)
    return second.gain - first.gain


def hard_preference(bandit: Gambling, logit: float) -> float:
    """Return E(mean_2 + sigma Z)^+ - E(mean_1 + sigma_1 Z)^+, the preference of the hard gate.

    With noise on arm 2 and the exact baseline, E(sigma Z - pi_1 D)^+ - pi_2 D ([K], Prop. 3;
    closed form ours).
    """
    first, second = advantages(bandit, logit)
    return positive_part(second, bandit.sigma) - positive_part(first, bandit.sigma_1)


def drift(bandit: Gambling, logit: float, gate: Gate = HARD, reserve: float = 0.0) -> float:
    """Return d pi_2/dt = 2 (pi_1 pi_2)^2 preference, for gradient flow in the two logits.

    Each logit moves by pi_1 pi_2 times the preference, in opposite directions. Arguments as in
    `arm_moments`.
    """
    pi_1, pi_2, _, _ = pair_probabilities(logit)
    return 2.0 * (pi_1 * pi_2) ** 2 * preference(bandit, logit, gate, reserve)


def rest_points(
    bandit: Gambling,
    gate: Gate = HARD,
    reserve: float = 0.0,
    *,
    low: float = -60.0,
    high: float = 60.0,
    cells: int = 480,
) -> tuple[FixedPoint, ...]:
    """Return the fixed points of pi_2 between the corners; `probability` is pi_2.

    Parameters
    ----------
    bandit, gate, reserve
        As in `arm_moments`.
    low, high, cells
        The grid of logits, as in `fixed_points`. A soft gate has its point near exp(-1/s^2) at
        s = sigma / gap: below s = .13 it lies beyond the default grid.
    """
    return fixed_points(lambda x: preference(bandit, x, gate, reserve), low, high, cells)


def certain_loss(gap: float) -> float:
    """Return sqrt(2 pi) gap, the noise on arm 2 from which the hard gate gives arm 2 all mass.

    The preference falls in pi_2 with slope -gap Phi(pi_1 gap / sigma), and at pi_2 = 1 it is
    sigma / sqrt(2 pi) - gap: there is one zero, stable, below that noise and none from it on. Ours.
    """
    return float(np.sqrt(2.0 * np.pi) * require_sigma("gap", gap))


def least_reserve(bandit: Gambling) -> float:
    """Return the share of uniform keeps from which the hard gate drives pi_2 to 0 from everywhere.

    c / (1 + c) with c = E(sigma Z / D - 1)^+, for noise on arm 2 and the exact baseline. With less,
    a stable point remains. Ours.
    """
    if bandit.sigma_1 != 0.0 or bandit.baseline is not None or bandit.gap == 0.0:
        raise ValueError(
            f"bandit: expected a gap, noise on arm 2 alone and the exact baseline, got {bandit}"
        )
    c = positive_part(-1.0, bandit.sigma / bandit.gap)
    return c / (1.0 + c)
