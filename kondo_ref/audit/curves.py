"""Subject -> the numbers behind the figures of a report: a few batches made to be looked at.

They judge nothing; that is done by then. A lattice of advantages and surprisals shows the
coefficient and the keep probability; batches whose delight has one shape and another spread show
how the rate follows the spread.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from kondo_ref.audit.batch import Batch
from kondo_ref.audit.counts import interval
from kondo_ref.audit.observation import Observation, Subject
from kondo_ref.audit.replay import reference
from kondo_ref.audit.verdict import Claim
from kondo_ref.checks import BoolArray, FloatArray

ACTIONS = 4
ADVANTAGES = (-2.0, -1.0, -0.5, 0.5, 1.0, 2.0)
SURPRISALS = tuple(float(x) for x in np.geomspace(0.05, 8.0, 14))
SPREADS = (0.05, 0.2, 1.0, 5.0, 20.0)
DECISIONS = 100
REPEATS, SPREAD_REPEATS = 120, 20
# Of an interval: one in a thousand decisions lies outside its own.
MISSES = 1e-3


@dataclass(frozen=True, eq=False)
class Lattice:
    """Every advantage with every surprisal, in one batch of N decisions.

    Parameters
    ----------
    batch : Batch
    coefficient : (N,) float or None
        N c_i, a mean over repeats of a random gate; None where the surface has none.
    weight : (N,) float or None
        The gate G_i as a mean over repeats; N c_i / U_i where only coefficients are seen.
    low, high : (N,) float or None
        Exact binomial interval of a random gate's keep probability.
    coefficient_reference, weight_reference : (N,) float or None
        Of the claim, a Bernoulli gate in expectation; None without a claim.
    repeats : int
    """

    batch: Batch
    coefficient: FloatArray | None
    weight: FloatArray | None
    low: FloatArray | None
    high: FloatArray | None
    coefficient_reference: FloatArray | None
    weight_reference: FloatArray | None
    repeats: int


@dataclass(frozen=True)
class RatePoint:
    """The rates at one spread of the delight.

    Parameters
    ----------
    spread : float
        Standard deviation of the delight.
    claimed, expected : float or None
        Target rate of the claim; mean keep probability of its gate.
    realised, executed : float or None
        Mean gate of the target; share of the rows that entered its backward.
    """

    spread: float
    claimed: float | None
    expected: float | None
    realised: float | None
    executed: float | None


@dataclass(frozen=True)
class Curves:
    """What the figures show.

    Parameters
    ----------
    lattice : Lattice
    rates : tuple of RatePoint
        Empty on the surface rewards, where the advantages are the target's own.
    """

    lattice: Lattice
    rates: tuple[RatePoint, ...]


def curves(subject: Subject, claim: Claim | None, *, seed: int = 0) -> Curves | None:
    """Measure what the figures show; None where the target does not take the batches.

    Parameters
    ----------
    subject : Subject
    claim : Claim or None
    seed : int
    """
    own = subject.surface == "rewards"  # then what is handed are rewards: no reference for them
    lattice = _lattice(subject, None if own else claim, seed)
    if lattice is None:
        return None
    points = [] if own else [_rates(subject, claim, spread, seed) for spread in SPREADS]
    return Curves(lattice, tuple(point for point in points if point is not None))


def batch_of(advantages: FloatArray, surprisal: FloatArray) -> Batch:
    """Return a batch of decisions with these advantages (N,) and surprisals (N,), all > 0.

    The action taken is 0, 1, 2, 3, 0, ...; the others share the rest of the probability.
    """
    n = advantages.size
    actions = np.arange(n) % ACTIONS
    others = np.log(-np.expm1(-surprisal) / (ACTIONS - 1))
    logits = np.repeat(others[:, None], ACTIONS, axis=1)
    logits[np.arange(n), actions] = -surprisal
    return Batch(logits, actions, advantages)


def _lattice(subject: Subject, claim: Claim | None, seed: int) -> Lattice | None:
    grid = np.meshgrid(ADVANTAGES, SURPRISALS)
    batch = batch_of(grid[0].ravel(), grid[1].ravel())
    seen = _repeated(subject, batch, seed, REPEATS)
    if seen is None:
        return None
    coefficients = _stacked([one.coefficients for one in seen], scale=batch.shape[0])
    weights = _weights(seen, batch)
    low = high = None
    if weights is not None and len(seen) > 1 and (kept := _kept(weights)) is not None:
        low, high = interval(np.count_nonzero(kept, axis=0), len(seen), MISSES)
    both = [reference(batch, claim, quantity) for quantity in ("coefficient", "weight")]
    return Lattice(
        batch,
        None if coefficients is None else coefficients.mean(axis=0),
        None if weights is None else weights.mean(axis=0),
        low,
        high,
        None if both[0] is None else both[0] * batch.shape[0],
        both[1],
        len(seen),
    )


def _rates(subject: Subject, claim: Claim | None, spread: float, seed: int) -> RatePoint | None:
    # Normal scores: a sample of N(0, spread) without its chance.
    scores = ndtri((np.arange(DECISIONS) + 0.5) / DECISIONS)
    shuffled = np.random.default_rng(7).permutation(scores / scores.std())
    batch = batch_of(spread * shuffled, np.ones(DECISIONS))
    seen = _repeated(subject, batch, seed, SPREAD_REPEATS)
    if seen is None:
        return None
    weights = _weights(seen, batch)
    kept = None if weights is None else _kept(weights)
    realised = None if weights is None else float(np.mean(weights if kept is None else kept))
    rows = [
        one.executed_rows / one.dense_rows
        for one in seen
        if one.executed_rows is not None and one.dense_rows
    ]
    expected = reference(batch, claim, "weight")
    return RatePoint(
        spread,
        None if claim is None else claim.gate.target_rate,
        None if expected is None else float(expected.mean()),
        realised,
        float(np.mean(rows)) if rows else None,
    )


def _repeated(subject: Subject, batch: Batch, seed: int, repeats: int) -> list[Observation] | None:
    """Return observations, two of a deterministic target; None where it does not return."""
    seen: list[Observation] = []
    for i in range(repeats):
        one = subject.observe([batch], seed=seed + i)[0]
        if one.outcome != "returned":
            return None
        seen.append(one)
        if i == 1 and _same(*seen):
            break
    return seen[:1] if len(seen) == 2 else seen


def _same(one: Observation, other: Observation) -> bool:
    for name in ("coefficients", "weights"):
        a, b = getattr(one, name), getattr(other, name)
        if a is not None and b is not None and not np.array_equal(a, b, equal_nan=True):
            return False
    return one.executed_rows == other.executed_rows


def _stacked(arrays: Sequence[FloatArray | None], scale: float = 1.0) -> FloatArray | None:
    """Return arrays as one, (repeats, N); None where one is missing."""
    present = [array for array in arrays if array is not None]
    if len(present) < len(arrays):
        return None
    stacked: FloatArray = scale * np.stack(present)
    return stacked


def _weights(seen: Sequence[Observation], batch: Batch) -> FloatArray | None:
    """Return the gate of every repeat and decision, (repeats, N)."""
    weights = _stacked([one.weights for one in seen])
    if weights is not None:
        return weights
    coefficients = _stacked([one.coefficients for one in seen], scale=batch.shape[0])
    return None if coefficients is None else coefficients / batch.advantages


def _kept(weights: FloatArray) -> BoolArray | None:
    """Return what a hard gate kept; None for a gate whose weights are not 0 or one number."""
    kept: BoolArray = weights != 0
    for row, chosen in zip(weights, kept, strict=True):
        positive = row[chosen]
        if positive.size and not np.allclose(positive, positive[0], rtol=1e-4):
            return None
    return kept
