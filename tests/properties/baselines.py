"""Laws of the baselines: each against a loop over exact fractions, and two identities."""

import math
from fractions import Fraction

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from strategies import Batch, batches, dyadic, picks

from kondo_ref import baselines
from kondo_ref.delight import log_softmax
from properties.register import EPS, LIMIT, assert_near, holds

samples = st.integers(1, 10).flatmap(
    lambda n: st.tuples(
        dyadic((n,), 4) | dyadic((n,), 1, 1),
        picks((n,), (0, -3, 1, 7)),
    )
)


def exact(values: np.ndarray) -> list[Fraction]:
    return [Fraction(float(v)) for v in values.ravel()]


def size(values: np.ndarray) -> float:
    """Norm of the rewards: differences of rewards are right to rounding of these."""
    return float(np.linalg.norm(values.ravel()))


@holds(batch=batches())
def batch_mean_is_the_mean_of_valid_rewards(batch: Batch) -> None:
    rewards = batch.advantages
    valid = exact(rewards[batch.valid])
    mean = float(sum(valid) / len(valid))
    found = baselines.batch_mean(rewards, batch.mask)
    assert_near(found, np.full(rewards.shape, mean), scale=size(rewards))


@holds(batch=batches())
def leave_one_out_mean_leaves_the_decision_out(batch: Batch) -> None:
    rewards, valid = batch.advantages, batch.valid.ravel()
    n = int(np.count_nonzero(valid))
    assume(n >= 2)
    fractions = exact(rewards)
    desired = []
    for i, is_valid in enumerate(valid):
        others = [fractions[j] for j in np.flatnonzero(valid) if j != i or not is_valid]
        desired.append(float(sum(others) / len(others)))
    found = baselines.leave_one_out_mean(rewards, batch.mask)
    scale = size(rewards) * len(desired)
    assert_near(found, np.array(desired).reshape(rewards.shape), scale=scale)


@holds(batch=batches())
def leave_one_out_advantages_are_stretched_batch_ones(batch: Batch) -> None:
    rewards, valid = batch.advantages, batch.valid
    n = int(np.count_nonzero(valid))
    assume(n >= 2)
    alone = (rewards - baselines.leave_one_out_mean(rewards, batch.mask))[valid]
    centred = (rewards - baselines.batch_mean(rewards, batch.mask))[valid]
    scale = n * size(rewards)
    assert_near(alone, centred * n / (n - 1), scale=scale)
    assert abs(alone.sum()) <= LIMIT * EPS * scale


@holds(batch=batches(sequences=False, masked=False))
def a_leave_one_out_baseline_ignores_its_own_reward(batch: Batch) -> None:
    rewards = batch.advantages
    assume(rewards.size >= 2)
    before = baselines.leave_one_out_mean(rewards)
    moved = rewards.copy()
    moved[0] += 16.0
    after = baselines.leave_one_out_mean(moved)
    assert_near(after[0], before[0], scale=size(moved))
    assert_near(after[1:], before[1:] + 16.0 / (rewards.size - 1), scale=rewards.size * size(moved))


@holds(sample=samples)
def group_mean_includes_the_sample(sample: tuple[np.ndarray, np.ndarray]) -> None:
    rewards, groups = sample
    fractions = exact(rewards)
    desired = []
    for group in groups:
        members = [r for r, g in zip(fractions, groups, strict=True) if g == group]
        desired.append(float(sum(members) / len(members)))
    assert_near(baselines.group_mean(rewards, groups), np.array(desired), scale=size(rewards))


@holds(sample=samples, ddof=st.integers(0, 2), epsilon=st.sampled_from((0.0, 1e-4, 0.5)))
def group_standardized_divides_by_the_std(
    sample: tuple[np.ndarray, np.ndarray], ddof: int, epsilon: float
) -> None:
    rewards, groups = sample
    found = baselines.group_standardized(rewards, groups, ddof=ddof, epsilon=epsilon)
    assert found.shape == rewards.shape
    fractions = exact(rewards)
    for i, group in enumerate(groups):
        members = [r for r, g in zip(fractions, groups, strict=True) if g == group]
        mean = sum(members) / len(members)
        squares = sum((r - mean) ** 2 for r in members)
        if squares == 0 or len(members) <= ddof:
            assert found[i] == 0.0
            continue
        std = math.sqrt(squares / (len(members) - ddof)) + epsilon
        largest = float(max(abs(r) for r in members))
        assert_near(found[i], float(fractions[i] - mean) / std, scale=1.0 + largest / std)


@holds(batch=batches(families=("moderate", "equal", "nearly deterministic")))
def expected_confidence_is_the_oracle_of_its_own_beliefs(batch: Batch) -> None:
    probabilities = np.exp(log_softmax(batch.logits))
    desired = [float(sum(p * p for p in exact(row))) for row in rows(probabilities)]
    confidence = baselines.expected_confidence(probabilities)
    assert_near(confidence, np.array(desired).reshape(batch.shape))
    assert_near(baselines.oracle_value(probabilities, probabilities), confidence)


@holds(batch=batches(families=("moderate", "equal")))
def oracle_value_is_the_expected_reward(batch: Batch) -> None:
    probabilities, action_rewards = np.exp(log_softmax(batch.logits)), batch.logits[..., ::-1]
    desired = [
        float(sum(p * r for p, r in zip(exact(chances), exact(gains), strict=True)))
        for chances, gains in zip(rows(probabilities), rows(action_rewards), strict=True)
    ]
    found = baselines.oracle_value(probabilities, action_rewards)
    assert_near(found, np.array(desired).reshape(batch.shape), scale=size(action_rewards))


def rows(array: np.ndarray) -> np.ndarray:
    return array.reshape(-1, array.shape[-1])


@holds(batch=batches(), value=st.integers(-8, 8).map(lambda n: n / 4))
def zero_and_constant_ignore_the_rewards(batch: Batch, value: float) -> None:
    for found, desired in (
        (baselines.zero(batch.advantages), 0.0),
        (baselines.constant(batch.advantages, value), value),
    ):
        assert found.shape == batch.shape
        assert (found == desired).all()
