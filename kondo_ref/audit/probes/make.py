"""Decisions to make batches of: exact in float32, with delights that lie apart."""

import numpy as np

from kondo_ref.audit.batch import Batch
from kondo_ref.checks import BoolArray, FloatArray, IntArray

ACTIONS = 5


def exact(values: FloatArray) -> FloatArray:
    """Return the values rounded to float32, as float64."""
    return np.asarray(values, dtype=np.float32).astype(np.float64)


def make(
    advantages: FloatArray,
    surprisal: FloatArray,
    generator: np.random.Generator,
    *,
    mask: BoolArray | None = None,
    groups: IntArray | None = None,
    actions: int = ACTIONS,
) -> Batch:
    """Return a batch with these advantages and (to the rounding of float32) these surprisals.

    Parameters
    ----------
    advantages, surprisal : (N,) or (B, T) float
        Surprisals > 0, in nat.
    generator : numpy.random.Generator
        For the other logits and the actions.
    mask : (N,) or (B, T) bool, optional
    groups : (N,) int, optional
    actions : int
        K.
    """
    u = exact(np.asarray(advantages, dtype=np.float64))
    level = np.asarray(surprisal, dtype=np.float64)
    logits = generator.normal(0.0, 0.7, (*u.shape, actions))
    taken: IntArray = generator.integers(0, actions, u.shape)
    np.put_along_axis(logits, taken[..., None], -np.inf, axis=-1)
    rest = np.log(np.exp(logits).sum(axis=-1))
    with np.errstate(over="ignore"):
        own = rest - np.where(level > 30.0, level, np.log(np.expm1(np.minimum(level, 30.0))))
    np.put_along_axis(logits, taken[..., None], own[..., None], axis=-1)
    return Batch(exact(logits), taken, u, mask, groups)


def generic(
    n: int, generator: np.random.Generator, *, scale: float = 1.2, shift: float = 0.0
) -> Batch:
    """Return n decisions with mixed advantages and surprisals, none near 0, delights apart."""
    u = scale * spread(n, generator) + shift
    u += 0.05 * scale * np.where(u >= 0, 1.0, -1.0)
    level = 0.08 + 4.5 * generator.permutation((np.arange(n) + 0.5) / n) ** 1.5
    return make(u, level, generator)


def spread(n: int, generator: np.random.Generator) -> FloatArray:
    """Return about normal numbers at jittered quantiles, in random order: never near each other."""
    grid = (np.arange(n) + generator.uniform(0.25, 0.75, n)) / n
    u = np.log(grid / (1.0 - grid)) / 1.7
    return np.asarray(generator.permutation(u))


def spaced(n: int, generator: np.random.Generator, *, scale: float = 4.0) -> Batch:
    """Return n decisions whose delights are evenly spaced about 0, surprisals mixed."""
    chi = scale * (2.0 * (generator.permutation(n) + 0.5) / n - 1.0 + 0.11 / n)
    level = 0.3 + 3.0 * generator.uniform(0.0, 1.0, n)
    return make(chi / level, level, generator)
