"""A policy and its rewards -> the signal of every arm, and which arm a gate would rank first.

One context, K arms, each taken as one decision: the core's surprisal and priority signals, without
a batch drawn. Public: `skewed_policy`, `signals_of_arms`, `lead`, `log_odds`.
"""

import math

import numpy as np

from kondo_ref import checks
from kondo_ref.checks import FloatArray
from kondo_ref.delight import log_softmax, priority_signal, surprisal


def skewed_policy(p: float, arms: int, skew: float = 1.0) -> FloatArray:
    """Return logits (K,): probability p on arm 0, the last wrong arm `skew` times the others.

    Raises
    ------
    ValueError
        p outside (0, 1), less than two arms, or a skew that is not above 0.
    """
    checks.count("arms", arms, 2)
    if not 0.0 < checks.number("p", p) < 1.0:
        raise ValueError(f"p: expected a number in (0, 1), got {p}")
    if not 0.0 < checks.number("skew", skew) < np.inf:
        raise ValueError(f"skew: expected a finite number > 0, got {skew}")
    logits = np.zeros(arms)
    logits[0] = math.log(p) - math.log1p(-p) + math.log(arms - 2 + skew)
    logits[-1] = math.log(skew)
    return logits


def signals_of_arms(
    logits: FloatArray, rewards: FloatArray, b: float | FloatArray, signal: str, alpha: float | None
) -> FloatArray:
    """Return the core's signal of every arm, (K,), were it drawn; logits and rewards (K,)."""
    k = logits.size
    level = surprisal(log_softmax(np.tile(logits, (k, 1))), np.arange(k))
    return priority_signal(signal, rewards - b, level, alpha)


def lead(
    logits: FloatArray, rewards: FloatArray, b: float | FloatArray, signal: str, alpha: float | None
) -> tuple[float, float]:
    """Return by how much arm 0 of `logits` (K,) leads the best other arm, and the terms' size."""
    s = signals_of_arms(logits, rewards, b, signal, alpha)
    return float(s[0] - s[1:].max()), float(np.abs(s).max())


def log_odds(p: float, arms: int) -> float:
    """Return L = log(p (K - 1)/(1 - p)): the surprisal of a wrong arm less the success's."""
    return math.log(p) - math.log1p(-p) + math.log(arms - 1)
