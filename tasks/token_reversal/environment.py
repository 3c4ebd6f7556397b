"""Token reversal: prompts, what the model reads, rewards, baselines, and the layout of decisions.

B sequences a step: P prompts, S samples of each, prompt by prompt. A prompt has H tokens out of M,
the answer is its reverse. The model reads the prompt, a separator (token M), and the answer but
for its last token: T = 2 H positions, of which the last H are the decisions.
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from kondo_ref import baselines, checks, randomness
from kondo_ref.checks import BoolArray, FloatArray, IntArray
from kondo_ref.randomness import Purpose
from kondo_ref.tasks.token_reversal.settings import Settings

Scalar = TypeVar("Scalar", bound=np.generic)


def prompts(settings: Settings, seed: int, step: int) -> IntArray:
    """Return the prompt of every sequence of a step.

    Tokens are uniform: floor(M u), which no u < 1 takes to M. With `zero_prompts`, that share of
    the prompts, each by a uniform of its own, is all zeros instead.

    Returns
    -------
    (B, H) int64
        Each prompt `samples` times, one after the other.
    """
    p, h = settings.prompts, settings.length
    draws = randomness.uniforms(seed, Purpose.ENVIRONMENT, step, (p * h + p,))
    tokens = (draws[: p * h].reshape(p, h) * settings.vocabulary).astype(np.int64)
    tokens[draws[p * h :] < settings.zero_prompts] = 0
    return np.repeat(tokens, settings.samples, axis=0)


def questions(asked: IntArray, separator: int) -> IntArray:
    """Return prompts (B, H) with the separator after them, (B, H + 1) int64."""
    return np.pad(asked, ((0, 0), (0, 1)), constant_values=separator)


def observations(asked: IntArray, answers: IntArray, separator: int) -> IntArray:
    """Return what the model reads of prompts (B, H) and answers (B, H), (B, 2 H) int64."""
    checks.require_shape("answers", answers, asked.shape)
    return np.concatenate([questions(asked, separator), answers[:, :-1]], axis=1)


def correct(asked: IntArray, answers: IntArray) -> BoolArray:
    """Return which tokens of the answers are the prompt's, from its end, (B, H) bool."""
    checks.require_shape("answers", answers, asked.shape)
    right: BoolArray = answers == asked[:, ::-1]
    return right


def rewards(right: BoolArray, kind: str, kappa: float = 1.0) -> FloatArray:
    """Return one reward a sequence, in [0, 1].

    Parameters
    ----------
    right : (B, H) bool
        Which tokens are correct.
    kind : str
        fraction: the share of correct tokens. prefix: the length of the correct prefix over H.
        exact: 1 if all are correct, else 0.
    kappa : float
        The reward is kappa * graded + (1 - kappa) * exact.

    Returns
    -------
    (B,) float64

    Notes
    -----
    Source: fraction and prefix are the two rewards of [egg] ("bag of tokens" in [DG], Fig. 7, and
    ``reward_to_first_error``); the mixture is ours, reconstructed: the released code has a kappa
    and prints it as 1 only.
    """
    exact: FloatArray = np.asarray(right.all(axis=1), dtype=np.float64)
    if kind == "exact":
        return exact
    counted = np.logical_and.accumulate(right, axis=1) if kind == "prefix" else right
    graded: FloatArray = counted.mean(axis=1)
    return kappa * graded + (1.0 - kappa) * exact


def noise(
    settings: Settings, seed: int, step: int, asked: IntArray, answers: IntArray
) -> FloatArray:
    """Return what `noisy_zero` adds to the rewards: N(0, std^2) on a right answer of only zeros.

    Prompt and answer have to be zero throughout, so it is the best answer that is noisy: the
    gambling study's landmine (the zeros_prompt_wrapper of [egg]).

    Returns
    -------
    (B,) float64
    """
    batch = len(asked)
    if settings.noisy_zero == 0.0:
        return np.zeros(batch)
    # The words before these are those of the prompts of this step.
    before = settings.prompts * (settings.length + 1)
    draws = randomness.normals(seed, Purpose.ENVIRONMENT, step, (before + batch,))[before:]
    zero = ~(asked.any(axis=1) | answers.any(axis=1))
    return np.where(zero, settings.noisy_zero * draws, 0.0)


def advantages(settings: Settings, reward: FloatArray) -> FloatArray:
    """Return U = R - b of every sequence.

    The group mean includes the sample itself and is not divided by a standard deviation ([egg]);
    leave-one-out is the mean of the group's others. In a group whose rewards are all equal both
    give exactly 0: the rounding of a mean is nothing to rank or to learn from.

    Parameters
    ----------
    settings : Settings
    reward : (B,) float

    Returns
    -------
    (B,) float
    """
    checks.require_shape("reward", reward, (settings.prompts * settings.samples,))
    if settings.baseline == "zero":
        return reward - baselines.zero(reward)
    if settings.baseline == "constant":
        return reward - baselines.constant(reward, settings.baseline_value)
    groups = reward.reshape(settings.prompts, settings.samples)
    if settings.baseline == "group-mean":
        numbers = np.arange(reward.size) // settings.samples
        b = baselines.group_mean(reward, numbers).reshape(groups.shape)
    else:
        b = np.stack([baselines.leave_one_out_mean(group) for group in groups])
    equal = groups.min(axis=1) == groups.max(axis=1)
    gain: FloatArray = np.where(equal[:, None], 0.0, groups - b).ravel()
    return gain


def lay_out(values: NDArray[Scalar]) -> NDArray[Scalar]:
    """Return values of decisions (B, H) on the model's positions, (B, 2 H), zeros before them."""
    return np.pad(values, ((0, 0), (values.shape[1], 0)))
