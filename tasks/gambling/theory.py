"""Where the expected update leads, and what it keeps there: `kondo_ref.exact.gambling`, by method.

A gate with a fixed price has an exact drift. A price or a rank taken from the batch has none of its
own; its limit for a large batch has: the price is then the quantile of the distribution of delight
itself, which moves with the policy. Ours.
"""

from functools import cache

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit, ndtr

from kondo_ref.exact.drift import fixed_points, pair_probabilities
from kondo_ref.exact.gambling import Gambling, advantages, arm_moments, preference, rest_points
from kondo_ref.gate import Gate
from kondo_ref.price import Fixed, Quantile
from kondo_ref.tasks.gambling.environment import bandit
from kondo_ref.tasks.gambling.settings import Settings

EDGE = 1e-6
"""Half the distance in logits between the two sides of a point."""
LOW, HIGH, CELLS = -40.0, 40.0, 80


@cache
def settles(settings: Settings, method: str, sigma: float) -> float | None:
    """Return the pi_2 to which the drift of a method leads from the start; 0 and 1 are corners.

    None for what has no drift here: top-k, a calibrated or rolling price, and a quantile price at
    temperature 0 or with noise on both arms.

    Parameters
    ----------
    settings : Settings
    method : str
    sigma : float
        In gaps.
    """
    game, gate = bandit(settings, sigma), settings.gate(method)
    if isinstance(gate.price, Fixed):
        return settles_at(game, gate, settings.reserve_of(method), settings.start)
    quantile = isinstance(gate.price, Quantile) and gate.temperature > 0.0
    if not quantile or game.sigma_1 > 0.0 or game.sigma == 0.0:
        return None

    def drift(x: float) -> float:
        return preference(game, x, priced(game, gate, x))

    points = fixed_points(drift, LOW, HIGH, CELLS)
    start = float(logit(settings.start))
    return _led_to(drift(start), start, [point.logit for point in points])


def settles_at(game: Gambling, gate: Gate, reserve: float, start: float) -> float:
    """Return the pi_2 to which a gate with a fixed price leads from pi_2 = start."""
    points = rest_points(game, gate, reserve, low=LOW, high=HIGH, cells=CELLS)
    x = float(logit(start))
    return _led_to(preference(game, x, gate, reserve), x, [point.logit for point in points])


def _led_to(direction: float, start: float, points: list[float]) -> float:
    """Return the first point in the direction, or the corner behind all of them."""
    if direction == 0.0:
        return float(expit(start))
    if direction > 0.0:
        return float(expit(min((x for x in points if x > start), default=np.inf)))
    return float(expit(max((x for x in points if x < start), default=-np.inf)))


def keeps(game: Gambling, gate: Gate, reserve: float, pi_2: float) -> float:
    """Return the expected share of the decisions that a gate with a fixed price keeps at rest.

    Where the drift jumps over 0 the policy is held at the edge, on either side so often that the
    mean drift is 0. At a corner it is the share of the arm that is left: its surprisal there is 0.
    """
    x = float(np.clip(logit(pi_2), LOW, HIGH))
    kept, pull = [], []
    for side in (-EDGE, EDGE):
        first, second = arm_moments(game, x + side, gate, reserve)
        p = float(expit(x + side))
        kept.append((1.0 - p) * first.keep + p * second.keep)
        pull.append(second.gain - first.gain)
    if pull[0] > 0.0 > pull[1]:
        above = pull[0] / (pull[0] - pull[1])
        return (1.0 - above) * kept[0] + above * kept[1]
    return 0.5 * (kept[0] + kept[1])


def priced(game: Gambling, gate: Gate, x: float) -> Gate:
    """Return a gate with a quantile price as one with the price of a large batch at this policy.

    Parameters
    ----------
    game : Gambling
        With noise on arm 2 alone.
    gate : Gate
        On delight, with a quantile price.
    x : float
        log(pi_2 / pi_1).
    """
    assert isinstance(gate.price, Quantile)
    price = upper_quantile(game, x, gate.price.rate)
    return Gate(price=Fixed(price), temperature=gate.temperature, draw=gate.draw)


def upper_quantile(game: Gambling, x: float, rate: float) -> float:
    """Return the delight above which there are `rate` of the decisions.

    That of arm 1 is one number, with probability pi_1; that of arm 2 is Gaussian.
    """
    pi_1, pi_2, level_1, level_2 = pair_probabilities(x)
    first, second = advantages(game, x)
    atom, center, spread = first * level_1, second * level_2, game.sigma * level_2

    def above(price: float) -> float:
        return pi_2 * float(ndtr((center - price) / spread))

    if above(atom) <= rate <= above(atom) + pi_1:
        return atom
    wanted = rate if above(atom) > rate else rate - pi_1
    reach = 40.0 * spread
    root: float = brentq(lambda price: above(price) - wanted, center - reach, center + reach)
    return root
