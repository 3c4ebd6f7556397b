"""Mean and covariance of an update, and their parts along and across a direction.

Where the exact engine's other stations end: an expectation is compared with grad J by its
direction and length, a covariance by what it adds along grad J and perpendicular to it.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kondo_ref import checks
from kondo_ref.checks import FloatArray


@dataclass(frozen=True, eq=False)
class Split:
    """Moments seen from a direction d.

    Parameters
    ----------
    along_mean : float
        Component of the mean along d, with its sign.
    perpendicular_mean : float
        Norm of the rest of the mean.
    along_variance : float
        Variance of the component along d.
    perpendicular_variance : float
        Summed variance of everything perpendicular to d.
    """

    along_mean: float
    perpendicular_mean: float
    along_variance: float
    perpendicular_variance: float

    @property
    def cosine(self) -> float:
        """Cosine between the mean and d; NaN where the mean is 0."""
        size = float(np.hypot(self.along_mean, self.perpendicular_mean))
        return self.along_mean / size if size > 0.0 else float("nan")


@dataclass(frozen=True, eq=False)
class Moments:
    """The first two moments of an update, an ascent direction.

    Parameters
    ----------
    mean : (D,) float
    covariance : (D, D) float
    """

    mean: FloatArray
    covariance: FloatArray

    @cached_property
    def total_variance(self) -> float:
        """Trace of the covariance."""
        return float(np.trace(self.covariance))

    def split(self, direction: FloatArray) -> Split:
        """Return the parts along and perpendicular to `direction` (D,).

        Raises
        ------
        ValueError
            Another shape, a value that is not finite, or a direction of length 0.
        """
        direction = checks.real_array("direction", direction)
        checks.require_shape("direction", direction, self.mean.shape)
        if not np.isfinite(direction).all():
            raise ValueError(f"direction: expected finite numbers, got {checks.shown(direction)}")
        length = float(np.linalg.norm(direction))
        if length == 0.0:
            raise ValueError("direction: expected one that is not 0, got zeros")
        unit = direction / length
        along = float(unit @ self.mean)
        # The projection is applied from both sides: the difference of two traces would leave
        # rounding of the size of the part along the direction.
        across = np.eye(unit.size) - np.outer(unit, unit)
        return Split(
            along,
            float(np.linalg.norm(self.mean - along * unit)),
            float(unit @ self.covariance @ unit),
            float(np.einsum("ij,jk,ik->", across, self.covariance, across, optimize=True)),
        )


def moments_of(probabilities: FloatArray, vectors: FloatArray) -> Moments:
    """Return the moments of a finite law, the covariance as a sum over deviations from the mean.

    Parameters
    ----------
    probabilities : (A,) float
        >= 0, of sum 1.
    vectors : (A, D) float

    Raises
    ------
    ValueError
        Other shapes, or probabilities that are negative or do not sum to 1.
    """
    probabilities = checks.real_array("probabilities", probabilities)
    vectors = checks.real_array("vectors", vectors)
    if vectors.ndim != 2:
        raise ValueError(f"vectors: expected shape (A, D), got {vectors.shape}")
    checks.require_shape("probabilities", probabilities, vectors.shape[:1])
    if not ((probabilities >= 0.0).all() and abs(float(probabilities.sum()) - 1.0) <= 1e-9):
        raise ValueError(
            f"probabilities: expected numbers >= 0 of sum 1, got {checks.shown(probabilities)}"
        )
    mean: FloatArray = probabilities @ vectors
    deviation = vectors - mean
    return Moments(mean, np.einsum("a,ai,aj->ij", probabilities, deviation, deviation))
