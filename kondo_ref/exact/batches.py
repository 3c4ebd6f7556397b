"""Every batch that a bandit and a policy can give, with its probability.

For prices and baselines that look at the whole batch there is no law of one decision that says it
all: the batches themselves are enumerated, and handed to the core one by one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from kondo_ref import baselines, checks
from kondo_ref.checks import FloatArray, IntArray
from kondo_ref.exact.atoms import Atoms
from kondo_ref.exact.draws import GivenBatch
from kondo_ref.gate import Gate

LARGEST_BATCHES = 200_000
OF_POLICY = ("zero", "constant", "expected-confidence", "oracle")
OF_BATCH = ("batch-mean", "leave-one-out", "group-mean", "group-standardized")


@dataclass(frozen=True)
class Baseline:
    """What is subtracted from the reward.

    Parameters
    ----------
    kind : str
        Of the policy: zero, constant (`value`), expected-confidence, oracle. Of the batch:
        batch-mean, leave-one-out, group-mean and group-standardized (a group is a context).
    value : float
        Of the constant baseline.

    Raises
    ------
    ValueError
        Another kind, or a value that is not finite.
    """

    kind: str = "zero"
    value: float = 0.0

    def __post_init__(self) -> None:
        checks.one_of("kind", self.kind, OF_POLICY + OF_BATCH)
        if not np.isfinite(checks.number("value", self.value)):
            raise ValueError(f"value: expected a finite number, got {self.value}")

    def of_policy(self, pi: FloatArray, mean: FloatArray) -> FloatArray:
        """Return b (C,) of every context, from pi and the mean rewards, (C, K) each."""
        if self.kind == "expected-confidence":
            return baselines.expected_confidence(pi)
        if self.kind == "oracle":
            return baselines.oracle_value(pi, mean)
        return np.full(pi.shape[0], self.value if self.kind == "constant" else 0.0)

    def advantages(self, rewards: FloatArray, contexts: IntArray) -> FloatArray:
        """Return U (N,) of a batch for a baseline of the batch."""
        if self.kind == "group-standardized":
            return baselines.group_standardized(rewards, contexts)
        if self.kind == "group-mean":
            return rewards - baselines.group_mean(rewards, contexts)
        if self.kind == "leave-one-out":
            return rewards - baselines.leave_one_out_mean(rewards)
        return rewards - baselines.batch_mean(rewards)


def every_batch(
    law: Atoms,
    logits: FloatArray,
    gate: Gate,
    baseline: Baseline,
    b: FloatArray,
    batch: int,
    normalizer: str,
    history: FloatArray | None,
) -> Iterator[tuple[float, GivenBatch]]:
    """Yield the probability of every ordered batch of independent decisions, and the batch.

    Parameters
    ----------
    law : Atoms
        Of one decision.
    logits : (C, K) float64
    gate : Gate
    baseline : Baseline
    b : (C,) float
        A baseline of the policy; unused for one of the batch.
    batch : int
        Decisions.
    normalizer : str
    history : (h,) float or None

    Raises
    ------
    ValueError
        The law is a quadrature, or there are more than `LARGEST_BATCHES` batches.
    """
    if not law.exact:
        raise ValueError(
            f"rewards: a Gaussian reward needs a fixed price and a baseline of the policy, got "
            f"{gate.price or gate.draw} and {baseline.kind}"
        )
    count = law.probability.size
    if count**batch > LARGEST_BATCHES:
        raise ValueError(
            f"batch: {count} atoms and {batch} decisions make {count**batch} batches, expected "
            f"at most {LARGEST_BATCHES}"
        )
    for chosen in product(range(count), repeat=batch):
        rows = np.array(chosen)
        contexts, rewards = law.context[rows], law.reward[rows]
        if baseline.kind in OF_POLICY:
            advantages = rewards - b[contexts]
        else:
            advantages = baseline.advantages(rewards, contexts)
        yield float(law.probability[rows].prod()), GivenBatch(
            logits[contexts], law.action[rows], advantages, gate, normalizer,
            history=history, contexts=contexts,
        )  # fmt: skip
