"""A policy over arms with known rewards -> what a gate makes of each arm, by the core itself.

Every arm is one decision of one batch, screened and differentiated by the core; an expectation is
the sum over arms with the probabilities of whoever acts. Serves the statements about corners and
about actors that are not the learner.
"""

from dataclasses import dataclass

import numpy as np

from kondo_ref import checks
from kondo_ref.checks import FloatArray
from kondo_ref.gate import Gate
from kondo_ref.gradient import policy_gradient


@dataclass(frozen=True, eq=False)
class EveryArm:
    """What the gate does with each arm.

    Parameters
    ----------
    weight : (K,) float
        Keep probability w.
    update : (K, K) float
        Row a: w_a U_a (e_a - pi), an ascent direction in the logits.
    """

    weight: FloatArray
    update: FloatArray


def every_arm(pi: FloatArray, advantages: FloatArray, gate: Gate) -> EveryArm:
    """Screen and differentiate each arm once.

    Parameters
    ----------
    pi : (K,) float64
        Of the learner, all > 0.
    advantages : (K,) float64
        Of each arm, deterministic.
    gate : Gate
        soft, with a fixed price.

    Raises
    ------
    ValueError
        Another draw; shapes that do not belong together.
    """
    pi = checks.real_array("pi", pi)
    if gate.draw != "soft":
        raise ValueError(f"gate: expected the draw soft, got {gate.draw}")
    if pi.ndim != 1 or (pi <= 0.0).any():
        raise ValueError(f"pi: expected one row of probabilities > 0, got {checks.shown(pi)}")
    found = policy_gradient(
        np.tile(np.log(pi), (pi.size, 1)),
        np.arange(pi.size),
        advantages,
        gate,
        normalizer="none",
    )
    return EveryArm(found.screening.keep_probability, -found.dlogits)


def expected_arms(chances: FloatArray, arms: EveryArm) -> FloatArray:
    """Return the expected update (K,) when arm a is drawn with the probability `chances` (K,)."""
    update: FloatArray = chances @ arms.update
    return update
