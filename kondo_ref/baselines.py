"""Rewards -> advantages: what is subtracted from the reward.

Each function returns the baseline b, one number a decision, and the advantage is U = R - b;
`group_standardized` returns advantages itself, since it divides too. Baselines are constants of
the update. Which one is used changes the theory: a statement made for one does not hold for
another.
"""

import numpy as np

from kondo_ref import checks
from kondo_ref.checks import BoolArray, FloatArray, IntArray


def zero(rewards: FloatArray) -> FloatArray:
    """Return b = 0, shaped like `rewards`."""
    return np.zeros_like(checks.real_array("rewards", rewards))


def constant(rewards: FloatArray, value: float) -> FloatArray:
    """Return b = value, shaped like `rewards` (...)."""
    return np.full_like(checks.real_array("rewards", rewards), checks.number("value", value))


def batch_mean(rewards: FloatArray, mask: BoolArray | None = None) -> FloatArray:
    """Return the mean reward of the valid decisions, the decision itself included.

    Parameters
    ----------
    rewards : (...) float
    mask : (...) bool, optional
    """
    rewards, valid = _valid(rewards, mask)
    return np.full_like(rewards, rewards[valid].mean())


def leave_one_out_mean(rewards: FloatArray, mask: BoolArray | None = None) -> FloatArray:
    """Return the mean reward of the other valid decisions (RLOO, Kool et al. 2019).

    Invalid decisions get the mean of all valid ones.

    Parameters
    ----------
    rewards : (...) float
    mask : (...) bool, optional

    Raises
    ------
    ValueError
        Fewer than two valid decisions.
    """
    rewards, valid = _valid(rewards, mask)
    n = int(np.count_nonzero(valid))
    if n < 2:
        raise ValueError(f"rewards: a leave-one-out mean needs two valid decisions, got {n}")
    total = rewards[valid].sum()
    b: FloatArray = np.where(valid, (total - rewards) / (n - 1), total / n)
    return b.astype(rewards.dtype, copy=False)


def group_mean(rewards: FloatArray, groups: IntArray) -> FloatArray:
    """Return the mean reward of the decision's group, itself included, no std ([egg]).

    Parameters
    ----------
    rewards : (N,) float
        One for each sample (a whole sequence, say).
    groups : (N,) int
        Group of each sample: samples of one prompt have one number.
    """
    rewards, inverse, sizes = _groups(rewards, groups)
    means = np.bincount(inverse, weights=rewards) / sizes
    return means[inverse].astype(rewards.dtype)


def group_standardized(
    rewards: FloatArray, groups: IntArray, *, ddof: int = 0, epsilon: float = 0.0
) -> FloatArray:
    """Return the advantages (R - group mean) / (group std + epsilon) (GRPO, arXiv 2402.03300).

    Parameters
    ----------
    rewards : (N,) float
    groups : (N,) int
    ddof : int
        0 for the population std, 1 for the sample std (torch's default).
    epsilon : float
        Added to the std, >= 0; some libraries take 1e-4.

    Returns
    -------
    (N,) float
        Exactly 0 in a group whose rewards are all equal, and in one too small for `ddof`.
    """
    rewards, inverse, sizes = _groups(rewards, groups)
    if checks.number("epsilon", epsilon) < 0.0:
        raise ValueError(f"epsilon: expected a number >= 0, got {epsilon}")
    checks.count("ddof", ddof, 0)
    centred = rewards - (np.bincount(inverse, weights=rewards) / sizes)[inverse]
    low, high, reach = (np.full(sizes.size, start) for start in (np.inf, -np.inf, 0.0))
    np.minimum.at(low, inverse, rewards)
    np.maximum.at(high, inverse, rewards)
    np.maximum.at(reach, inverse, np.abs(centred))
    dead = (low == high) | (sizes <= ddof)
    # Scaled by the group's largest deviation, so that no square overflows or vanishes.
    reach = np.where(dead, 1.0, reach)
    relative = centred / reach[inverse]
    squares = np.bincount(inverse, weights=relative * relative)
    std = np.sqrt(squares / np.maximum(sizes - ddof, 1))
    scale = np.where(dead, 1.0, std + epsilon / reach)
    u: FloatArray = np.where(dead[inverse], 0.0, relative / scale[inverse])
    return u.astype(rewards.dtype, copy=False)


def expected_confidence(probabilities: FloatArray) -> FloatArray:
    """Return b = sum over a of pi(a)^2, the MNIST baseline of the author's notebook.

    It is the agent's own estimate of its expected reward: R is 1 for the right action, and the
    agent believes that action a is right with probability pi(a).

    Parameters
    ----------
    probabilities : (..., K) float

    Returns
    -------
    (...) float
    """
    b: FloatArray = np.einsum("...k,...k->...", probabilities, probabilities)
    return b


def oracle_value(probabilities: FloatArray, action_rewards: FloatArray) -> FloatArray:
    """Return the true expected reward, sum over a of pi(a) r(a).

    Parameters
    ----------
    probabilities : (..., K) float
    action_rewards : (..., K) float
        Expected reward of every action; known in simulation only.
    """
    checks.require_shape("action_rewards", action_rewards, probabilities.shape)
    b: FloatArray = np.einsum("...k,...k->...", probabilities, action_rewards)
    return b


def _valid(rewards: FloatArray, mask: BoolArray | None) -> tuple[FloatArray, BoolArray]:
    checked = checks.real_array("rewards", rewards)
    if checked.size == 0:
        raise ValueError("rewards: expected at least one, got an empty array")
    valid = checks.mask_array(mask, checked.shape)
    return checked, np.ones(checked.shape, dtype=np.bool_) if valid is None else valid


def _groups(rewards: FloatArray, groups: IntArray) -> tuple[FloatArray, IntArray, IntArray]:
    checked = checks.real_array("rewards", rewards)
    if checked.ndim != 1 or checked.size == 0:
        raise ValueError(f"rewards: expected shape (N,), N >= 1, got {checked.shape}")
    numbers = checks.any_array("groups", groups)
    if numbers.dtype.kind not in "iu":
        raise TypeError(f"groups: expected integers, got dtype {numbers.dtype}")
    checks.require_shape("groups", numbers, checked.shape)
    _, inverse, sizes = np.unique(numbers, return_inverse=True, return_counts=True)
    return checked, inverse, sizes
