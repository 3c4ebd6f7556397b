"""Logits -> surprisal -> delight, and the other priority signals a gate can be given.

The second and third station of the data's way, both on forward quantities alone. Everything is
computed so that it keeps its relative accuracy where a policy is almost deterministic: a surprisal
of 1e-12 nat is right to the rounding of the logits' differences, not to 1e-16 absolute.
"""

import numpy as np

from kondo_ref import checks
from kondo_ref.checks import FloatArray, IntArray

SIGNALS = ("delight", "advantage", "abs_advantage", "surprisal", "uniform", "additive")


def log_softmax(logits: FloatArray) -> FloatArray:
    """Return log pi.

    With m the largest logit of a row, log pi_a = (z_a - m) - log1p(sum of exp(z_j - m) over all j
    but the largest). Both terms are <= 0, so nothing cancels.

    Parameters
    ----------
    logits : (..., K) float

    Returns
    -------
    (..., K) float
        Log-probabilities, in nat, <= 0.

    Notes
    -----
    Cost a row: K cmp, 3 K add, K exp, 1 log.
    """
    rows = logits.reshape(-1, logits.shape[-1])
    index = np.arange(rows.shape[0])
    largest = np.argmax(rows, axis=-1)
    with np.errstate(over="ignore"):  # logits further apart than floats reach: probability 0
        shifted: FloatArray = rows - rows[index, largest][:, None]
    others = np.exp(shifted)
    others[index, largest] = 0.0
    # einsum sums short rows faster than sum(axis=-1). A product with ones would be faster yet, but
    # BLAS may round equal rows differently, and equal rows have to tie.
    shifted -= np.log1p(np.einsum("nk->n", others))[:, None]
    return shifted.reshape(logits.shape)


def surprisal(log_probabilities: FloatArray, actions: IntArray) -> FloatArray:
    """Return l = -log pi(a), the surprisal of the actions taken ([DG], [K]).

    Parameters
    ----------
    log_probabilities : (..., K) float
        From `log_softmax`.
    actions : (...) int
        In 0..K-1.

    Returns
    -------
    (...) float
        In nat, >= 0.

    Raises
    ------
    ValueError
        The shapes do not belong together, or an action is outside 0..K-1.
    """
    actions = checks.action_array(
        actions, log_probabilities.shape[:-1], log_probabilities.shape[-1]
    )
    rows = log_probabilities.reshape(-1, log_probabilities.shape[-1])
    chosen: FloatArray = rows[np.arange(rows.shape[0]), actions.ravel()]
    return (0.0 - chosen).reshape(actions.shape)


def delight(advantages: FloatArray, surprisal: FloatArray) -> FloatArray:
    """Return chi = U * l, in reward * nat ([DG]).

    Parameters
    ----------
    advantages, surprisal : (...) float
        Of one shape.

    Raises
    ------
    ValueError
        The shapes differ.
    """
    checks.require_shape("advantages", advantages, surprisal.shape)
    with np.errstate(over="ignore"):  # the screening refuses what is not finite, by its index
        return advantages * surprisal


def priority_signal(
    signal: str, advantages: FloatArray, surprisal: FloatArray, alpha: float | None = None
) -> FloatArray:
    """Return the number by which a gate ranks or prices decisions.

    Parameters
    ----------
    signal : str
        delight: U * l (default of every named method). advantage: U. abs_advantage: abs(U).
        surprisal: l. uniform: 1. additive: alpha * U + (1 - alpha) * l ([K], Prop. 2).
    advantages, surprisal : (...) float
        Of one shape.
    alpha : float, optional
        Weight of the additive signal.

    Raises
    ------
    ValueError
        An unknown signal, different shapes, or alpha missing for the additive signal.
    """
    checks.one_of("signal", signal, SIGNALS)
    checks.require_shape("advantages", advantages, surprisal.shape)
    if signal == "delight":
        return delight(advantages, surprisal)
    if signal == "advantage":
        return advantages.copy()
    if signal == "abs_advantage":
        return np.abs(advantages)
    if signal == "surprisal":
        return surprisal.copy()
    if signal == "uniform":
        return np.ones_like(surprisal)
    if alpha is None:
        raise ValueError("alpha: the additive signal needs a number, got None")
    return alpha * advantages + (1.0 - alpha) * surprisal
