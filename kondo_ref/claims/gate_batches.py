"""The batch that the claims on the gate's draw are shown on, and what they share.

Four decisions of a bandit with three arms, behind a gate; what rounding is measured against.
"""

from typing import Any

import numpy as np

from kondo_ref.checks import FloatArray
from kondo_ref.claims.register import EPS, Sides
from kondo_ref.exact.draws import GivenBatch
from kondo_ref.gate import Gate
from kondo_ref.gradient import normalizer_count
from kondo_ref.price import Fixed, Quantile

CONSTANT_Z = "Z does not depend on the draw (decisions or none)"
INDEPENDENT = "uniforms of different decisions are independent"

KONDO = Gate(price=Quantile(0.25), temperature=0.5, draw="bernoulli")
EVEN = Gate(signal="uniform", price=Fixed(1.0), draw="bernoulli")  # w = 1/2 for every decision


def unit_norms(batch: GivenBatch) -> FloatArray:
    """Return the norm of every unit's part of the plain update, (units,)."""
    norms: FloatArray = np.linalg.norm(batch.unit_gradients(), axis=1)
    norms /= normalizer_count(batch.screening(), constant_normalizer(batch.normalizer))
    return norms


def constant_normalizer(normalizer: str) -> str:
    """Return the normalizer, with decisions in the place of kept."""
    return "decisions" if normalizer == "kept" else normalizer


def keep_probabilities(batch: GivenBatch) -> FloatArray:
    """Return the keep probability of every unit, flat."""
    return batch.screening().keep_probability.ravel().astype(np.float64)


def covariance_scale(batch: GivenBatch, factors: FloatArray) -> float:
    """Return what a covariance's rounding is measured against.

    Deviations from the mean carry the rounding of the updates, eps M with M the summed norms: so a
    variance V is right to eps (V + M sqrt(V) + eps M^2).
    """
    terms = unit_norms(batch)
    variance, reach = float(factors @ terms**2), float(terms.sum())
    return variance + reach * float(np.sqrt(variance)) + EPS * reach**2


def small_batch(gate: Gate, normalizer: str = "decisions") -> GivenBatch:
    """Return four decisions of a bandit with three arms: the instance of the table."""
    return GivenBatch(
        np.tile(np.log([0.6, 0.3, 0.1]), (4, 1)),
        np.array([0, 1, 2, 2]),
        np.array([-0.5, 0.5, -0.5, 1.5]),
        gate,
        normalizer,
        contexts=np.zeros(4, np.int64),
    )


def given(gate: Gate = KONDO, normalizer: str = "decisions", **rest: Any) -> dict[str, Any]:
    """Return the arguments of a claim: the small batch behind a gate, and more."""
    return {"batch": small_batch(gate, normalizer), **rest}


def norms(sides: Sides) -> str:
    """Say the norms of the expected update and of what it is held to."""
    n = sides.numbers
    other = "norm_dg" if "ratio" in n else "norm_pg"
    name = other.removeprefix("norm_").upper()
    return f"the expected update has norm {n['norm']:.4f}, that of {name} is {n[other]:.4f}"


def variances(sides: Sides) -> str:
    """Say the variance and what the formula gives."""
    claimed = float(np.trace(np.asarray(sides.claimed)))
    return f"total variance {sides.numbers['variance']:.4f}, the formula gives {claimed:.4f}"
