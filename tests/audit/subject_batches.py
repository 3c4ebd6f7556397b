"""Batches for the tests of subjects, and the coefficients that the examples must give on them."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from kondo_ref.audit.batch import Batch
from kondo_ref.audit.rounding import handed

N, K = 32, 5
# Spec: the limit for two honest results of one dtype.
RATIO = 32.0


def plain(n: int = N, key: int = 7, **others: Any) -> Batch:
    generator = np.random.default_rng(key)
    return Batch(
        2.0 * generator.normal(size=(n, K)),
        generator.integers(0, K, n),
        generator.normal(size=n),
        **others,
    )


def sequences(**others: Any) -> Batch:
    batch = plain()
    return Batch(
        batch.logits.reshape(4, 8, K),
        batch.actions.reshape(4, 8),
        batch.advantages.reshape(4, 8),
        **others,
    )


def masked(batch: Batch) -> Batch:
    mask = np.random.default_rng(3).random(batch.shape) < 0.7
    return Batch(batch.logits, batch.actions, batch.advantages, mask=mask)


def gate(batch: Batch) -> np.ndarray:
    seen = handed(batch)
    return (seen.advantages * seen.surprisal > 0).astype(float)


def coefficients(batch: Batch) -> np.ndarray:
    """Of the zero-price gate over the valid decisions, at the numbers that are handed."""
    c = gate(batch) * handed(batch).advantages * batch.valid
    return c / np.count_nonzero(batch.valid)


def ratio(found: Any, expected: np.ndarray, dtype: str = "float64") -> float:
    """Return the test ratio of spec section 8."""
    eps = {"float64": 2.0**-52, "float32": 2.0**-23, "bfloat16": 2.0**-7, "float16": 2.0**-10}
    return float(np.linalg.norm(found - expected) / (eps[dtype] * np.linalg.norm(expected)))


def dtypes() -> Iterator[str]:
    yield from ("float64", "float32", "bfloat16", "float16")
