"""The concrete batches on which every mutant of `targets` is shown to be wrong.

Each name stands for a sequence of batches, handed to a target in order.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from kondo_ref.audit.batch import Batch

K = 6


def random_batch(key: int, *shape: int, scale: float = 1.5, **others: object) -> Batch:
    """Return a batch of normal logits and advantages; no two delights are equal."""
    g = np.random.Generator(np.random.Philox(key))
    return Batch(
        logits=scale * g.normal(size=(*shape, K)),
        actions=g.integers(K, size=shape),
        advantages=scale * g.normal(size=shape),
        **others,
    )


def ragged(key: int, rows: int = 8, columns: int = 6, **others: object) -> Batch:
    """Return sequences of several lengths, one advantage for each token."""
    batch = random_batch(key, rows, columns)
    lengths = 1 + (np.arange(rows) * 5 + 2) % columns
    return replace(batch, mask=np.arange(columns) < lengths[:, None], **others)


def with_advantages(batch: Batch, value: float) -> Batch:
    return replace(batch, advantages=np.full(batch.shape, value))


def equal_delights(key: int, n: int) -> Batch:
    """Return a batch of one row n times: a mass tie of positive delight."""
    one = random_batch(key, 1)
    return replace(
        one,
        logits=np.repeat(one.logits, n, axis=0),
        actions=np.repeat(one.actions, n),
        advantages=np.full(n, 0.7),
    )


def near_ties() -> Batch:
    tied = equal_delights(3, 20)
    return replace(tied, advantages=tied.advantages - 1e-8 * np.arange(20))


def rare() -> Batch:
    """Return actions of 12 to 15 nat, at advantages where the gate is not saturated."""
    batch = random_batch(5, 12)
    logits = np.where(np.arange(K) == batch.actions[:, None], -13.0, 0.1 * batch.logits)
    return replace(batch, logits=logits, advantages=0.03 * batch.advantages)


def skewed() -> Batch:
    """Return small positive delights beside a few large ones."""
    batch = random_batch(7, 40)
    g = np.random.Generator(np.random.Philox(8))
    return replace(batch, advantages=np.exp(2.0 * g.normal(size=40)) - 0.2)


def one_bad(value: float) -> Batch:
    batch = random_batch(9, 16)
    advantages = batch.advantages.copy()
    advantages[4] = value
    return replace(batch, advantages=advantages)


def some_zero_advantages() -> Batch:
    batch = random_batch(11, 24)
    return replace(batch, advantages=np.where(np.arange(24) % 3 == 0, 0.0, batch.advantages))


def dirty_padding() -> Batch:
    batch = ragged(13)
    return replace(batch, advantages=np.where(batch.valid, batch.advantages, 1e9))


def huge_logits() -> Batch:
    batch = random_batch(15, 12)
    return replace(batch, logits=600.0 * batch.logits)


def grouped() -> Batch:
    batch = random_batch(17, 24)
    rewards = np.round(batch.advantages * 2) / 2 + 0.25
    return replace(batch, advantages=rewards, groups=np.repeat(np.arange(6), 4))


def with_mask(batch: Batch, mask_dtype: str = "bool") -> Batch:
    return replace(batch, mask=np.ones(batch.shape, dtype=np.bool_), mask_dtype=mask_dtype)


def empty(batch: Batch) -> Batch:
    return replace(batch, mask=np.zeros(batch.shape, dtype=np.bool_))


def stream() -> Batch:
    """Return a stream that gets better, then suddenly worse."""
    batch = random_batch(19, 240)
    drift = np.concatenate([np.linspace(-1.0, 3.0, 160), np.linspace(-2.0, 0.0, 80)])
    return replace(batch, advantages=batch.advantages + drift)


def nothing(n: int) -> Batch:
    batch = random_batch(21, n)
    return replace(batch, advantages=-np.abs(batch.advantages) - 0.1)


BATCHES: dict[str, Callable[[], Sequence[Batch]]] = {
    "plain": lambda: [random_batch(1, 40), random_batch(2, 40)],
    "small": lambda: [random_batch(1, 12)],
    "sequences": lambda: [random_batch(1, 8, 6)],
    "square": lambda: [random_batch(1, 6, 6)],
    "ones mask": lambda: [with_mask(random_batch(1, 8, 6))],
    "ragged": lambda: [ragged(3)],
    "int mask": lambda: [with_mask(random_batch(1, 8, 6), "int64")],
    "empty mask": lambda: [empty(random_batch(1, 8, 6))],
    "dirty padding": lambda: [dirty_padding()],
    "rare": lambda: [rare()],
    "skewed": lambda: [skewed()],
    "dull": lambda: [random_batch(1, 100, scale=0.05)],
    "sizes": lambda: [random_batch(n, n) for n in (3, 12, 17, 25, 44)],
    "small sizes": lambda: [random_batch(n, 12) for n in range(5)],
    "one": lambda: [random_batch(1, 1)],
    "ties": lambda: [equal_delights(3, 100)],
    "near ties": lambda: [near_ties()],
    "zero advantages": lambda: [with_advantages(random_batch(1, 20), 0.0)],
    "some zero advantages": lambda: [some_zero_advantages()],
    "nothing": lambda: [nothing(20)],
    "full, then nothing": lambda: [random_batch(1, 20), nothing(20)],
    "empty, then full": lambda: [
        empty(random_batch(1, 20)),
        with_mask(random_batch(2, 20)),
        with_mask(random_batch(3, 20)),
    ],
    "two batches": lambda: [random_batch(1, 20), random_batch(2, 20, scale=3.0)],
    "nan": lambda: [one_bad(float("nan"))],
    "float16": lambda: [random_batch(1, 40, dtype="float16")],
    "infinity": lambda: [one_bad(float("inf"))],
    "huge logits": lambda: [huge_logits()],
    "groups": lambda: [grouped()],
    "rewards": lambda: [replace(random_batch(23, 24), advantages=1.0 + np.arange(24) % 3)],
    "stream": lambda: [stream()],
    "constant stream": lambda: [equal_delights(3, 60)],
}
