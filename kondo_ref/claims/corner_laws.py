"""The statements at a wrong corner of the simplex ([CE]); `kondo_ref.claims.corner` binds them.

All are about the expected update of one logit an arm, by the exact engine, beside a formula in the
probabilities.
"""

from typing import Any

import numpy as np
from scipy.special import expit

from kondo_ref.checks import FloatArray
from kondo_ref.claims.register import Sides
from kondo_ref.exact.arms import every_arm, expected_arms
from kondo_ref.exact.atoms import Bandit, FiniteRewards
from kondo_ref.exact.bandit import bandit_update
from kondo_ref.exact.batches import Baseline
from kondo_ref.gate import Gate
from kondo_ref.price import Fixed

HARD = Gate(temperature=0.0)
DG = Gate.named("dg")


def _array(values: Any) -> FloatArray:
    return np.asarray(values, dtype=np.float64)


def logit_gap(
    pi: Any,
    values: Any,
    chances: Any,
    *,
    gate: Gate = DG,
    baseline: Baseline | None = None,
    batch: int = 2,
    normalizer: str = "decisions",
) -> Sides:
    """Return how the update moves the logit of arm 1 against that of arm 2 ([CE], gap identity).

    Hypotheses: Z counts every decision; the reward of an arm is certain; gate of a fixed price,
    soft. Claim: the gap is w_1 pi_1 U_1 - w_2 pi_2 U_2 + (pi_2 - pi_1) S with S = sum w pi U; S
    is 0 for PG with the exact baseline. Source: [CE].

    Parameters
    ----------
    pi : (K,) float
    values, chances : (K, R) float
        Rewards of an arm and their probabilities; a certain reward has one of chance 1.
    gate : Gate
    baseline : Baseline, optional
        The exact value by default.
    batch : int
    normalizer : str
    """
    pi, values, chances = _array(pi), _array(values), _array(chances)
    baseline = Baseline("oracle") if baseline is None else baseline
    bandit = Bandit.single(FiniteRewards(values, chances))
    found = bandit_update(
        bandit, np.log(pi)[None], gate, baseline=baseline, batch=batch, normalizer=normalizer
    )
    rewards = np.einsum("kr,kr->k", values, chances)
    b = float(baseline.of_policy(pi[None], rewards[None])[0])
    u = rewards - b
    w = formula_weights(pi, u, gate)
    total = float(np.sum(w * pi * u))
    claimed = w[0] * pi[0] * u[0] - w[1] * pi[1] * u[1] + (pi[1] - pi[0]) * total
    # Every term is at most the largest advantage, a difference of two rounded numbers.
    size = 2.0 * (float(np.abs(values).max()) + abs(b))
    gap = float(found.moments.mean[0] - found.moments.mean[1])
    return Sides(gap, float(claimed), scale=size, numbers={"S": total})


def harmful_arm(pi: Any, rewards: Any, arm: int, gap: float, *, gate: Gate = DG) -> Sides:
    """Return w pi of a harmful arm, what the gate leaves of its probability ([CE]).

    Hypotheses: delight at price 0; the value is at least D/2 above the arm's reward, as it is near
    the corner of an arm that is better by D. Claim: w pi <= pi^(1 + D/(2 temperature)). Source:
    [CE], bound on harmful arms.

    Parameters
    ----------
    pi, rewards : (K,) float
    arm : int
        The harmful one.
    gap : float
        D > 0, in reward.
    gate : Gate
        soft, of a temperature > 0.
    """
    pi, rewards = _array(pi), _array(rewards)
    u = rewards - pi @ rewards
    kept = every_arm(pi, u, gate).weight[arm] * pi[arm]
    power = 1.0 + gap / (2.0 * gate.temperature)
    bound = pi[arm] ** power
    size = float(bound * (1.0 - power * np.log(pi[arm])))  # a power rounds with its exponent
    return Sides(float(kept), float(bound), "at most", scale=size, numbers={"U": float(u[arm])})


def sector_gap(
    pi: Any,
    rewards: Any,
    corner: int,
    *,
    gate: Gate = HARD,
    baseline: float | None = None,
) -> Sides:
    """Return by how much the optimal logit gains on that of the corner ([CE], sector bound).

    Hypotheses: rewards in [0, 1], exact baseline, hard gate, and with eps = 1 - pi_j and D = r_1 -
    r_j: eps <= D / K and pi_1 >= eps / K. Claim: the expected gap of the update, arm 1 over arm
    j, is at least D eps / (4 K). Source: [CE]; the proof in the steps is ours, and so is the
    range eps <= D / K in which it is made.

    Parameters
    ----------
    pi, rewards : (K,) float
        Arm 0 has the largest reward.
    corner : int
        j.
    gate : Gate
    baseline : float, optional
        The exact value by default.
    """
    pi, rewards = _array(pi), _array(rewards)
    # 1 - pi_j as the sum of the others: near the corner the difference would lose its digits.
    eps = float(np.delete(pi, corner).sum())
    gap = float(rewards[0] - rewards[corner])
    u = rewards - rewards[corner]
    u = u - float(np.delete(pi * u, corner).sum()) if baseline is None else rewards - baseline
    update = expected_arms(pi, every_arm(pi, u, gate))
    return Sides(
        float(update[0] - update[corner]),
        gap * eps / (4.0 * pi.size),
        "at least",
        scale=float(np.abs(pi * u).sum()),
        numbers={"eps": eps, "D": gap},
    )


def multiplicative_value(
    pi: Any,
    rewards: Any,
    step: float,
    *,
    gate: Gate = HARD,
    baseline: float | None = None,
    score_function: bool = False,
) -> Sides:
    """Return V' - V after one update, the change of the value ([CE], monotone value).

    Hypotheses: the update multiplies pi by exp(step w U); U = r - V. Claim: V' - V is
    (1 / Z) sum pi U (exp(step w U) - 1), Z the sum of the multiplied pi; every term is >= 0, so
    the value never falls. Source: [CE].

    Parameters
    ----------
    pi, rewards : (K,) float
    step : float
    gate : Gate
    baseline : float, optional
        The exact value by default.
    score_function : bool
        Move the logits along the expected update instead.
    """
    pi, rewards = _array(pi), _array(rewards)
    value = float(pi @ rewards)
    u = rewards - (value if baseline is None else baseline)
    arms = every_arm(pi, u, gate)
    moved = step * (expected_arms(pi, arms) if score_function else arms.weight * u)
    new = pi * np.exp(moved)
    actual = float(new @ (rewards - value) / new.sum())
    w = formula_weights(pi, u, gate)
    grown = pi * np.exp(step * w * u)
    terms = pi * u * np.expm1(step * w * u)
    return Sides(
        actual,
        float(terms.sum() / grown.sum()),
        # r - V is a difference of two rounded numbers.
        scale=float(np.sum(grown * (np.abs(rewards) + abs(value))) / grown.sum()),
        numbers={"per unit of step": actual / step},
    )


def advantage_gate(pi: Any, rewards: Any, arm: int, *, gate: Gate | None = None) -> Sides:
    """Return w of a harmful arm under a gate that sees the advantage alone ([CE]).

    Hypotheses: signal advantage at price 0 and a temperature > 0, rewards in [0, 1]. Claim: w is
    at least sigmoid(-1 / temperature), whatever pi: the arm's share of the update stays of the
    order of pi, while delight makes it a higher power of pi. Source: [CE], "surprisal is
    necessary".

    Parameters
    ----------
    pi, rewards : (K,) float
    arm : int
    gate : Gate, optional
    """
    pi, rewards = _array(pi), _array(rewards)
    gate = Gate(signal="advantage") if gate is None else gate
    u = rewards - pi @ rewards
    w = float(every_arm(pi, u, gate).weight[arm])
    bound = float(expit(-1.0 / gate.temperature)) if gate.temperature else float(expit(-1.0))
    return Sides(w, bound, "at least", numbers={"U": float(u[arm])})


def escape_steps(gap: float, gate: Gate) -> int:
    """Return the steps of size 1 along the expected update until pi_1 > 1/2.

    Rewards (1, 1 - gap, 0), exact baseline and logits (-1, 5, 1): a start in the corner of the
    second-best arm.
    """
    rewards = np.array([1.0, 1.0 - gap, 0.0])
    logits, steps = np.array([-1.0, 5.0, 1.0]), 0
    while True:
        pi = np.exp(logits - logits.max())
        pi /= pi.sum()
        if pi[0] > 0.5:
            return steps
        u = rewards - pi @ rewards
        drift = formula_weights(pi, u, gate) * pi * u
        logits = logits + drift - pi * drift.sum()
        steps += 1


def formula_weights(pi: FloatArray, u: FloatArray, gate: Gate) -> FloatArray:
    """Return w of every arm by the formula, at a fixed price and of delight or 1 as the signal."""
    assert isinstance(gate.price, Fixed)
    signal = np.ones(pi.size) if gate.signal == "uniform" else -u * np.log(pi)
    if gate.temperature == 0.0:
        return (signal > gate.price.value).astype(np.float64)
    w: FloatArray = expit((signal - gate.price.value) / gate.temperature)
    return w
