"""Gate -> the gated policy gradient in the logits: the last station that sees all decisions.

g = (1/Z) sum_i G_i U_i grad log pi(a_i), an ascent direction; as a loss to descend,
-(1/Z) sum_i stop(G_i U_i) log pi(a_i). Rows that the gate dropped never enter: `kept_dlogits`
computes the kept rows alone, which is what a model's backward is fed with.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from kondo_ref import checks
from kondo_ref.checks import FloatArray, IntArray
from kondo_ref.delight import log_softmax, surprisal
from kondo_ref.gate import Gate
from kondo_ref.screening import Screening, screen_surprisal

NORMALIZERS = ("decisions", "kept", "none")


@dataclass(frozen=True, eq=False)
class PolicyGradient:
    """The gated estimator of one batch.

    Parameters
    ----------
    loss : float
        -(1/Z) sum_i stop(G_i U_i) log pi(a_i), in reward * nat.
    dlogits : (N, K) or (B, T, K) float
        Gradient of the loss in the logits; exactly 0 in the rows that were not kept.
    screening : Screening
    normalizer : int
        Z.
    """

    loss: float
    dlogits: FloatArray
    screening: Screening
    normalizer: int


def policy_gradient(
    logits: ArrayLike,
    actions: ArrayLike,
    advantages: ArrayLike,
    gate: Gate,
    *,
    normalizer: str = "decisions",
    uniforms: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    history: ArrayLike | None = None,
) -> PolicyGradient:
    """Screen a batch and return the gated loss and its gradient in the logits.

    Parameters
    ----------
    logits, actions, advantages, gate, uniforms, mask, history
        As in `screen`.
    normalizer : str
        decisions: Z = number of valid decisions, kept or not; with it the gated update estimates
        the ungated one. kept: Z = number of decisions with G > 0; the step is larger by about
        1/rate. none: Z = 1.

    Returns
    -------
    PolicyGradient
        With nothing kept, loss 0 and gradient 0: the caller makes no optimizer step then.

    Raises
    ------
    TypeError, ValueError
        As `screen`; an unknown normalizer.
    """
    checks.one_of("normalizer", normalizer, NORMALIZERS)
    z = checks.logits_array(logits)
    taken = checks.action_array(actions, z.shape[:-1], z.shape[-1])
    log_probabilities = log_softmax(z)
    screening = screen_surprisal(
        surprisal(log_probabilities, taken),
        advantages,
        gate,
        uniforms=uniforms,
        mask=mask,
        history=history,
    )
    rows = screening.kept
    divisor = normalizer_count(screening, normalizer)
    dlogits = np.zeros(z.shape, dtype=z.dtype)
    flat = dlogits.reshape(-1, z.shape[-1])
    coefficients = kept_coefficients(screening, divisor)
    kept_log_probabilities = log_probabilities.reshape(flat.shape)[rows]
    flat[rows] = kept_dlogits(kept_log_probabilities, taken.ravel()[rows], coefficients)
    with np.errstate(over="ignore"):
        loss = float(np.sum(coefficients * screening.surprisal.ravel()[rows]))
    require_finite(loss)
    return PolicyGradient(loss, dlogits, screening, divisor)


def require_finite(loss: float) -> None:
    """Refuse a loss that overflowed, before anything is learned from it."""
    if not math.isfinite(loss):
        raise ValueError(f"advantages: the loss is not finite ({loss}); they are too large")


def normalizer_count(screening: Screening, normalizer: str) -> int:
    """Return Z: the valid decisions, the kept ones, or 1."""
    if normalizer == "none":
        return 1
    return screening.valid if normalizer == "decisions" else max(1, screening.kept.size)


def kept_coefficients(screening: Screening, divisor: int) -> FloatArray:
    """Return c_i = G_i U_i / Z of the kept decisions, (kept,) float."""
    rows = screening.kept
    return screening.weight.ravel()[rows] * screening.advantages.ravel()[rows] / divisor


def kept_dlogits(
    log_probabilities: FloatArray, actions: IntArray, coefficients: FloatArray
) -> FloatArray:
    """Return dloss/dlogits of the kept rows, -c_i (onehot(a_i) - pi_i).

    Parameters
    ----------
    log_probabilities : (kept, K) float
    actions : (kept,) int
    coefficients : (kept,) float
        c_i = G_i U_i / Z.

    Returns
    -------
    (kept, K) float

    Notes
    -----
    1 - pi(a) is taken as -expm1(log pi(a)), so it stays right where pi(a) is near 1.
    Cost a row: K exp, 1 expm1 (counted as exp), K mul.
    """
    index = np.arange(actions.size)
    drows = np.exp(log_probabilities)
    drows[index, actions] = np.expm1(log_probabilities[index, actions])
    drows *= coefficients[:, None]
    return drows
