"""Whether a target says the same twice: same batches, same seed, fresh state."""

from collections.abc import Sequence

import numpy as np

from kondo_ref.audit.batch import Batch
from kondo_ref.audit.observation import Observation, Subject


def reproducible(subject: Subject, batches: Sequence[Batch], *, seed: int = 0) -> bool:
    """Observe batches twice from the same seed, and compare bit by bit.

    Parameters
    ----------
    subject : Subject
    batches : sequence of Batch
    seed : int

    Returns
    -------
    bool
        False where a target draws from a generator that no seed reaches, or remembers across
        sequences.
    """
    first = subject.observe(batches, seed=seed)
    second = subject.observe(batches, seed=seed)
    return all(same(a, b) for a, b in zip(first, second, strict=True))


def same(a: Observation, b: Observation) -> bool:
    """Whether two observations hold the same outcome, coefficients, weights, loss and rows."""
    plain = (
        (a.outcome, a.executed_rows, a.stepped, a.mutated)
        == (b.outcome, b.executed_rows, b.stepped, b.mutated)
    )  # fmt: skip
    return plain and all(
        _equal(x, y)
        for x, y in ((a.coefficients, b.coefficients), (a.weights, b.weights), (a.loss, b.loss))
    )


def _equal(x: object, y: object) -> bool:
    if x is None or y is None:
        return x is y
    return bool(np.array_equal(np.asarray(x), np.asarray(y), equal_nan=True))
