"""Many contexts, one block of logits each: how much of a step every context gets, and its angle.

policy of every context -> expected gated update of every context -> its weight on the score
e_y - pi -> cosine with the cross-entropy step, which weighs every context by 1 ([DG], Prop. 2).
Public: `block_update` (enumerated through the core), `cross_entropy_update`, `context_weight`,
`weight_slope`, `baseline_weight`, `baselines_of`, `right_rewards`, `cosine_gap`, `weighted_gap`,
`symmetric_logits`.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from kondo_ref import checks
from kondo_ref.baselines import expected_confidence
from kondo_ref.checks import FloatArray, IntArray
from kondo_ref.delight import log_softmax
from kondo_ref.gate import Gate
from kondo_ref.gradient import policy_gradient

BASELINES = ("zero", "half", "exact", "confidence")


def block_update(
    logits: FloatArray, rewards: FloatArray, baselines: FloatArray, gate: Gate
) -> FloatArray:
    """Return the expected gated update of the logits, context by context.

    Every context and action is a decision of one batch, gated and differentiated by the core's
    `policy_gradient`, and weighed by the probability of the action.

    Parameters
    ----------
    logits, rewards : (C, K) float
        Rewards are deterministic.
    baselines : (C,) float
        b of every context.
    gate : Gate
        soft, with a fixed price.

    Returns
    -------
    (C, K) float
        The sum over a of pi_a G U (e_a - pi): an ascent direction at Z = 1.
    """
    z = checks.logits_array(logits)
    c, k = z.shape
    reward = checks.decision_array("rewards", rewards, (c, k))
    b = checks.decision_array("baselines", baselines, (c,))
    if gate.draw != "soft":
        raise ValueError(f"gate: expected the draw soft, got {gate.draw}")
    found = policy_gradient(
        np.repeat(z, k, axis=0),
        np.tile(np.arange(k), c),
        (reward - b[:, None]).ravel(),
        gate,
        normalizer="none",
    )
    pi = np.exp(log_softmax(z))
    update: FloatArray = -np.einsum("ca,caj->cj", pi, found.dlogits.reshape(c, k, k))
    return update


def right_rewards(logits: FloatArray, targets: IntArray) -> FloatArray:
    """Return rewards (C, K), like the logits: 1 for the right arm, `targets` (C,), 0 else."""
    rewards = np.zeros(logits.shape)
    rewards[np.arange(targets.size), targets] = 1.0
    return rewards


def baselines_of(logits: FloatArray, targets: IntArray, kind: str) -> FloatArray:
    """Return b (C,): zero, half, the exact p, or the expected confidence sum of pi^2.

    Raises
    ------
    ValueError
        Another kind.
    """
    checks.one_of("kind", kind, BASELINES)
    pi = np.exp(log_softmax(logits))
    known: dict[str, FloatArray] = {
        "zero": np.zeros(targets.size),
        "half": np.full(targets.size, 0.5),
        "exact": pi[np.arange(targets.size), targets],
        "confidence": expected_confidence(pi),
    }
    return known[kind]


def cross_entropy_update(logits: FloatArray, targets: IntArray) -> FloatArray:
    """Return e_y - pi at logits (C, K), (C, K): the step that knows the right arms y (C,)."""
    z = checks.logits_array(logits)
    y = checks.action_array(targets, z.shape[:1], z.shape[1])
    log_probabilities = log_softmax(z)
    score = -np.exp(log_probabilities)
    rows = np.arange(y.size)
    score[rows, y] = -np.expm1(log_probabilities[rows, y])
    return score


def context_weight(p: ArrayLike, temperature: float) -> FloatArray:
    """Return p / (1 + p^(1/temperature)), by which DG weighs a context's score at b = 0.

    Parameters
    ----------
    p : array_like of float
        Probability of the right arm, in (0, 1].
    temperature : float
        > 0; inf gives p/2, half of the weight of PG.

    Raises
    ------
    ValueError
        An argument out of range.
    """
    p = _chances(p)
    result: FloatArray = p * expit(-np.log(p) / _positive(temperature))
    return result


def weight_slope(p: ArrayLike, temperature: float) -> FloatArray:
    """Return d log(weight)/d log p = 1 - (1/temperature) s / (1 + s), s = p^(1/temperature).

    Between 1 - 1/(2 temperature), at p = 1, and 1, at p = 0. The weight increases with p where it
    is positive. Arguments and errors as in `context_weight`.
    """
    t = _positive(temperature)
    result: FloatArray = 1.0 - expit(np.log(_chances(p)) / t) / t
    return result


def baseline_weight(p: ArrayLike, arms: int, b: ArrayLike, temperature: float) -> FloatArray:
    """Return the weight of a context's score under a baseline, wrong arms equally likely.

    p ((1 - b) w_+ + b w_-), with w_+ = sigmoid((1 - b) l_+ / temperature) of the right arm and
    w_- = sigmoid(-b l_- / temperature) of a wrong one, l_- = log((K - 1)/(1 - p)). Ours.

    Parameters
    ----------
    p : array_like of float
        In (0, 1).
    arms : int
        K >= 2.
    b : array_like of float
        Broadcast against p.
    temperature : float
        > 0.
    """
    p, b = np.asarray(p, dtype=np.float64), np.asarray(b, dtype=np.float64)
    t = _positive(temperature)
    checks.count("arms", arms, 2)
    right = expit(-(1.0 - b) * np.log(p) / t)
    wrong = expit(-b * (np.log(arms - 1.0) - np.log1p(-p)) / t)
    result: FloatArray = p * ((1.0 - b) * right + b * wrong)
    return result


def cosine_gap(first: FloatArray, second: FloatArray) -> float:
    """Return 1 - cos of the angle between two arrays (...), from the distance of directions.

    It is half the squared distance, and its relative rounding that of it, a few eps / distance.

    Raises
    ------
    ValueError
        Arrays of different sizes, or one whose length is 0 or not finite.
    """
    checks.require_shape("second", np.ravel(second), np.ravel(first).shape)
    a, b = _direction("first", first), _direction("second", second)
    return 0.5 * float((a - b) @ (a - b))


def weighted_gap(weights: FloatArray, squares: FloatArray) -> float:
    """Return 1 - cos between sum a_n v_n and sum v_n for perpendicular v_n, from a_n, |v_n|^2 (N,).

    1 - 1/sqrt(1 + c^2), where c is the coefficient of variation of a_n weighed by |v_n|^2: the
    cosine sees the weights by nothing else. Ours.

    Raises
    ------
    ValueError
        Squares that are all 0, or weights that cancel: a sum without a direction.
    """
    if not (squares.sum() > 0.0 and float(squares @ weights) != 0.0):
        raise ValueError("weights: expected sums that are not 0, weighed and not")
    share = squares / squares.sum()
    ratio = weights / float(share @ weights)
    variance = share @ (ratio - share @ ratio) ** 2
    return float(-np.expm1(-0.5 * np.log1p(variance)))


def symmetric_logits(p: ArrayLike, arms: int) -> FloatArray:
    """Return logits (C, K) with the probability `p` (C,) on arm 0, equal ones on the others."""
    chance = np.atleast_1d(np.asarray(p, dtype=np.float64))
    checks.count("arms", arms, 2)
    if not ((chance > 0.0) & (chance < 1.0)).all():
        raise ValueError(f"p: expected numbers in (0, 1), got {checks.shown(chance.tolist())}")
    logits = np.zeros((chance.size, arms))
    logits[:, 0] = np.log(chance) - np.log1p(-chance) + np.log(arms - 1.0)
    return logits


def _direction(name: str, array: FloatArray) -> FloatArray:
    length = float(np.linalg.norm(array))
    if not 0.0 < length < np.inf:
        raise ValueError(f"{name}: expected a finite length above 0, got {length}")
    result: FloatArray = np.ravel(array) / length
    return result


def _chances(p: ArrayLike) -> FloatArray:
    chances = np.asarray(p, dtype=np.float64)
    if not ((chances > 0.0) & (chances <= 1.0)).all():
        raise ValueError(f"p: expected numbers in (0, 1], got {checks.shown(chances.tolist())}")
    return chances


def _positive(temperature: float) -> float:
    number = checks.number("temperature", temperature)
    if not number > 0.0:
        raise ValueError(f"temperature: expected a number > 0, got {number}")
    return number
