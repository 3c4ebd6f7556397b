"""The small bandits that the claims on the zero price are shown on, and the hypotheses they share.

One context with three arms, the first correct, and the same with one thing changed.
"""

from typing import Any

import numpy as np

from kondo_ref.exact.atoms import Bandit, FiniteRewards, GaussianRewards
from kondo_ref.exact.batches import Baseline
from kondo_ref.gate import Gate
from kondo_ref.price import Fixed

BINARY = "rewards are 0 or 1"
CERTAIN = "rewards are deterministic"
IN_RANGE = "the baseline is constant in the context and in [0, 1)"
LIMIT_ZERO = "temperature 0"
ONE_CORRECT = "one correct arm"
PRICE_ZERO = "price 0"
ONE_CONTEXT = "one context, or one baseline for all contexts"

ZERO_PRICE = Gate.named("zero-price")
HALF = Baseline("constant", 0.5)
PI = [0.2, 0.5, 0.3]


def one_correct(pi: list[float], rewards: list[float] | None = None) -> dict[str, Any]:
    """Return a bandit of one context with these probabilities and certain rewards; 1, 0, 0, ..."""
    chosen = [1.0] + [0.0] * (len(pi) - 1) if rewards is None else rewards
    bandit = Bandit.single(FiniteRewards.certain(np.array(chosen)))
    return {"bandit": bandit, "logits": np.log(np.array([pi]))}


def three_arms(**changes: Any) -> dict[str, Any]:
    """Return three arms, the first correct, with b = 1/2 where nothing else is said."""
    return {**one_correct(PI), **changes}


def noisy() -> dict[str, Any]:
    """Return the three arms with noise of std 1 on a wrong one."""
    rewards = GaussianRewards(np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0]))
    return {**one_correct(PI), "bandit": Bandit.single(rewards)}


def flipped() -> dict[str, Any]:
    """Rewards of 0 or 1 that are a coin's: the second arm succeeds now and then."""
    values = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    chances = np.array([[1.0, 0.0], [0.25, 0.75], [1.0, 0.0]])
    return {**one_correct(PI), "bandit": Bandit.single(FiniteRewards(values, chances))}


def two_contexts() -> dict[str, Any]:
    """Return two contexts of different confidence, with b = sum of pi^2."""
    rewards = (
        FiniteRewards.certain(np.array([1.0, 0.0, 0.0])),
        FiniteRewards.certain(np.array([0.0, 1.0, 0.0])),
    )
    logits = np.log(np.array([[0.9, 0.05, 0.05], [0.4, 0.2, 0.4]]))
    confidence = Baseline("expected-confidence")
    return {"bandit": Bandit(rewards), "logits": logits, "baseline": confidence}


def three_levels() -> dict[str, Any]:
    """Return three arms with three reward levels."""
    return one_correct(PI, [1.0, 0.75, 0.0])


def with_baseline(value: float) -> dict[str, Any]:
    """Return the three arms with a constant baseline."""
    return three_arms(baseline=Baseline("constant", value))


def at_temperature(temperature: float) -> dict[str, Any]:
    """Return the three arms with the soft gate at price 0 and a temperature."""
    return three_arms(gate=Gate(temperature=temperature))


def at_price(price: float, rewards: list[float] | None = None) -> dict[str, Any]:
    """Return the three arms with a hard gate at a price."""
    gate = Gate(price=Fixed(price), temperature=0.0)
    return {**one_correct(PI, rewards), "gate": gate}
