"""Two actions, several states, one logit: what a gate does where states cannot be told apart.

rewards of every state -> expected gated update of the shared logit, by enumeration of states and
actions through the core's own `policy_gradient` -> fixed points ([CE], the two-state
counterexample with rewards +10 and -100). Public: `SharedLogit`, `CORNER_ESCAPE`, `shared_drift`,
`hard_drift`, `plain_drift`, `shared_rest_points`.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from kondo_ref import checks
from kondo_ref.checks import FloatArray
from kondo_ref.exact.drift import FixedPoint, fixed_points, pair_probabilities
from kondo_ref.gate import Gate
from kondo_ref.gradient import policy_gradient


@dataclass(frozen=True, eq=False)
class SharedLogit:
    """States with one policy: action 1 with probability p = sigmoid(logit), in each of them.

    Parameters
    ----------
    rewards : (S, 2) float
        Of action 1 and action 2 in every state, deterministic.
    weights : (S,) float, optional
        Probability of every state; equal by default.
    exact_baseline : bool
        Whether the baseline is the value of the state, p r_1 + (1 - p) r_2; else 0.

    Raises
    ------
    ValueError
        Another shape; weights that are negative or do not sum to 1.
    """

    rewards: FloatArray
    weights: FloatArray | None = None
    exact_baseline: bool = True

    def __post_init__(self) -> None:
        rewards = checks.real_array("rewards", self.rewards, np.dtype(np.float64))
        if rewards.ndim != 2 or rewards.shape[1] != 2 or not rewards.shape[0]:
            raise ValueError(f"rewards: expected shape (S, 2), got {rewards.shape}")
        n = rewards.shape[0]
        given = np.full(n, 1.0 / n) if self.weights is None else self.weights
        weights = checks.decision_array("weights", given, (n,), np.dtype(np.float64))
        if (weights < 0.0).any() or abs(weights.sum() - 1.0) > 1e-12:
            raise ValueError(f"weights: expected a distribution, got {weights.tolist()}")
        object.__setattr__(self, "rewards", rewards)
        object.__setattr__(self, "weights", weights)


CORNER_ESCAPE = SharedLogit(np.array([[10.0, 0.0], [-100.0, 0.0]]))
"""The counterexample of [CE]: action 1 pays +10 in one state and -100 in the other."""


def shared_advantages(case: SharedLogit, logit: float) -> FloatArray:
    """Return U (S, 2): with the exact baseline (1 - p) d and -p d, d = r_1 - r_2, else r."""
    if not case.exact_baseline:
        return case.rewards
    p, rest, _, _ = _probabilities(logit)
    gap = case.rewards[:, :1] - case.rewards[:, 1:]
    u: FloatArray = gap * np.array([[rest, -p]])
    return u


def shared_drift(case: SharedLogit, logit: float, gate: Gate) -> float:
    """Return the expected gated update of the logit, at Z = 1 decision.

    Enumerated: every state and action is a decision of one batch, gated and differentiated by
    `policy_gradient`, and weighed by its probability.

    Parameters
    ----------
    case : SharedLogit
    logit : float
        log(p / (1 - p)).
    gate : Gate
        soft, with a fixed price.
    """
    if gate.draw != "soft":
        raise ValueError(f"gate: expected the draw soft, got {gate.draw}")
    p, rest, _, _ = _probabilities(logit)
    n = case.rewards.shape[0]
    assert case.weights is not None
    actions = np.tile([0, 1], n)
    logits = np.tile([float(logit), 0.0], (2 * n, 1))
    found = policy_gradient(
        logits, actions, shared_advantages(case, logit).ravel(), gate, normalizer="none"
    )
    chance = np.repeat(case.weights, 2) * np.tile([p, rest], n)
    return float(-(chance @ found.dlogits[:, 0]))


def plain_drift(case: SharedLogit, logit: float) -> float:
    """Return p (1 - p) times the mean of d = r_1 - r_2: the ungated drift, whatever the baseline.

    For +10 and -100, F_PG = -45 p (1 - p) ([CE]).
    """
    p, rest, _, _ = _probabilities(logit)
    assert case.weights is not None
    gap = case.rewards[:, 0] - case.rewards[:, 1]
    return p * rest * float(case.weights @ gap)


def hard_drift(case: SharedLogit, logit: float) -> float:
    """Return p (1 - p) sum of weight (d^+ (1 - p) - d^- p): exact baseline, kept where U > 0.

    For +10 and -100, F_EG = 5 p (1 - p) (1 - 11 p) ([CE]). Its one zero inside is
    G / (G + L), with G and L the mean of d^+ and of d^-.
    """
    p, rest, _, _ = _probabilities(logit)
    gain, loss = gain_and_loss(case)
    return p * rest * (gain * rest - loss * p)


def gain_and_loss(case: SharedLogit) -> tuple[float, float]:
    """Return the means over states of d^+ and d^-, d = r_1 - r_2, in reward."""
    assert case.weights is not None
    gap = case.rewards[:, 0] - case.rewards[:, 1]
    return float(case.weights @ np.maximum(gap, 0.0)), float(case.weights @ np.maximum(-gap, 0.0))


def shared_rest_points(
    case: SharedLogit, gate: Gate, *, low: float = -30.0, high: float = 30.0, cells: int = 480
) -> tuple[FixedPoint, ...]:
    """Return the fixed points of p inside (0, 1), from the enumerated drift over p (1 - p)."""

    def scaled(logit: float) -> float:
        p, rest, _, _ = _probabilities(logit)
        return shared_drift(case, logit, gate) / (p * rest)

    return fixed_points(scaled, low, high, cells)


def _probabilities(logit: float) -> tuple[float, float, float, float]:
    """Return p, 1 - p and their surprisals; action 1 is the one that the logit is for."""
    rest, p, level_rest, level = pair_probabilities(logit)
    return p, rest, level, level_rest


def soft_balance(gain: float, loss: float, temperature: float, logit: float) -> float:
    """Return the drift of DG over p (1 - p), in closed form, for the exact baseline.

    G ((1 - p) s(G', 1) + p s(-G', 2)) - L ((1 - p) s(-L', 1) + p s(L', 2)), where the four s are
    sigmoids of U l / temperature, for one state that gains and one that loses, equally likely:
    d = 2 G and d = -2 L. Ours.

    Parameters
    ----------
    gain, loss : float
        G and L as of `gain_and_loss`: half of what each state's gap is.
    temperature : float
        > 0.
    logit : float
    """
    p, rest, level, level_rest = _probabilities(logit)
    up, down = 2.0 * gain / temperature, 2.0 * loss / temperature
    first = rest * expit(up * rest * level) + p * expit(-up * p * level_rest)
    second = rest * expit(-down * rest * level) + p * expit(down * p * level_rest)
    return float(gain * first - loss * second)
