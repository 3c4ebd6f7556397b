"""How good an estimate was: for diagnosis, since it needs the exact signal of every decision.

Two numbers, since neither tells the other: an estimate can be far off and rank well, and a small
error where the signals are close moves the gate.
"""

from dataclasses import dataclass

import numpy as np

from kondo_ref.checks import FloatArray
from kondo_ref.gate import top_k, top_k_count
from kondo_ref.screening import Screening


@dataclass(frozen=True)
class Fidelity:
    """An estimated screening beside the exact signal.

    Parameters
    ----------
    error : float or None
        Root of the mean square of (estimated - exact signal), over the standard deviation of the
        exact one; None where that is 0. An estimate that is constant at the mean has 1.
    recall : float
        Share of the exact top-k that was kept; k from the target rate, or as many as were kept if
        there is none. A choice at random has k over the number of valid decisions.
    """

    error: float | None
    recall: float


def fidelity(screening: Screening, exact_signal: FloatArray) -> Fidelity:
    """Return how an estimated screening of single decisions compares with the exact signal.

    Parameters
    ----------
    screening : Screening
        By estimates; of the unit token.
    exact_signal : (N,) float
        The gate's signal of exact surprisals.

    Raises
    ------
    ValueError
        The signal has another shape than the screening's.
    """
    if exact_signal.shape != screening.signal.shape or screening.gate.unit != "token":
        raise ValueError(
            f"exact_signal: expected shape {screening.signal.shape} of single decisions, "
            f"got {exact_signal.shape}"
        )
    valid = ... if screening.mask is None else screening.mask
    exact = exact_signal[valid].astype(np.float64).ravel()
    guess = screening.signal[valid].astype(np.float64).ravel()
    kept = screening.weight[valid].ravel() > 0
    spread = float(np.std(exact))
    error = float(np.sqrt(np.mean((guess - exact) ** 2))) / spread if spread > 0.0 else None
    target, n = screening.target_rate, int(np.count_nonzero(kept))
    k = n if target is None else top_k_count(target, exact.size)
    if k == 0:
        return Fidelity(error, 1.0)
    return Fidelity(error, float(np.count_nonzero(kept & top_k(exact, k))) / k)
