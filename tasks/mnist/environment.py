"""The contextual bandit: batches of images, rewards for actions, the baseline of a batch."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kondo_ref import baselines, randomness
from kondo_ref.checks import FloatArray, IntArray
from kondo_ref.tasks.mnist.data import Mnist, pixels
from kondo_ref.tasks.mnist.settings import Settings

ACTIONS = 10


@dataclass(frozen=True)
class Bandit:
    """MNIST as a bandit: reward 1 for the label, 0 for any other action.

    Parameters
    ----------
    x_train, x_test : (n, 784) float
        Pixels in [0, 1].
    y_train, y_test : (n,) int64
    """

    x_train: FloatArray
    y_train: IntArray
    x_test: FloatArray
    y_test: IntArray

    @classmethod
    def of(cls, data: Mnist, dtype: str) -> "Bandit":
        """Return the bandit of a data set, its pixels in `dtype`."""
        return cls(
            pixels(data.x_train, np.dtype(dtype)),
            data.y_train.astype(np.int64),
            pixels(data.x_test, np.dtype(dtype)),
            data.y_test.astype(np.int64),
        )

    def batches(self, seed: int, batch: int) -> Iterator[tuple[FloatArray, IntArray]]:
        """Yield batches of images (N, 784) and labels (N,); see `indexed_batches`."""
        for x, y, _ in self.indexed_batches(seed, batch):
            yield x, y

    def indexed_batches(
        self, seed: int, batch: int
    ) -> Iterator[tuple[FloatArray, IntArray, IntArray]]:
        """Yield images (N, 784), labels (N,) and their indices (N,) without end, shuffled an epoch.

        Each epoch is shuffled as a whole and handed out in slices, since fetching scattered rows
        for every batch is slower; what is left over at an epoch's end is not used in it.
        The batch is at most the training set: see `Settings.check_data`.
        """
        n = len(self.y_train)
        epoch = 0
        while True:
            order = randomness.permutation(seed, randomness.Purpose.SHUFFLE, epoch, n)
            x, y = self.x_train[order], self.y_train[order]
            for start in range(0, n - batch + 1, batch):
                rows = slice(start, start + batch)
                yield x[rows], y[rows], order[rows]
            epoch += 1


def rewards(actions: IntArray, labels: IntArray, dtype: str) -> FloatArray:
    """Return 1 where the action (N,) is the label (N,), else 0, (N,) float."""
    paid: FloatArray = (actions == labels).astype(dtype)
    return paid


def baseline(
    settings: Settings, reward: FloatArray, probabilities: FloatArray, labels: IntArray
) -> FloatArray:
    """Return the baseline b of every decision, (N,) float; the expected one is the learner's."""
    if settings.baseline == "oracle":
        return baselines.oracle_value(probabilities, np.eye(ACTIONS, dtype=reward.dtype)[labels])
    if settings.baseline == "constant":
        return baselines.constant(reward, settings.baseline_value)
    if settings.baseline == "batch-mean":
        return baselines.batch_mean(reward)
    if settings.baseline == "leave-one-out":
        return baselines.leave_one_out_mean(reward)
    return baselines.zero(reward)
