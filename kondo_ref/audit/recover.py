"""Gradient -> coefficients: what a loss multiplies the gradient of each log-probability by."""

import numpy as np

from kondo_ref.checks import FloatArray, IntArray


def directions(log_probabilities: FloatArray, actions: IntArray) -> FloatArray:
    """Return onehot(a_i) - pi_i, the gradient of log pi(a_i) in the logits.

    Parameters
    ----------
    log_probabilities : (N, K) float64
    actions : (N,) int

    Returns
    -------
    (N, K) float64

    Notes
    -----
    1 - pi(a) is taken as -expm1(log pi(a)), so that it stays right where pi(a) is near 1.
    """
    taken = np.arange(actions.size), actions
    result: FloatArray = -np.exp(log_probabilities)
    result[taken] = -np.expm1(log_probabilities[taken])
    return result


def coefficients(dlogits: FloatArray, direction: FloatArray) -> tuple[FloatArray, float]:
    """Return c with dlogits_i = -c_i direction_i as nearly as can be, and what is left.

    Parameters
    ----------
    dlogits : (N, K) float64
        The gradient of a loss; may hold NaN and infinities.
    direction : (N, K) float64
        Of `directions`.

    Returns
    -------
    c : (N,) float64
        By least squares, row by row. Not finite where the gradient is not, and 0 where direction
        and gradient are both 0: where pi(a) is 1, nothing shows of c.
    residual : float
        Norm of ``dlogits + c direction`` over that of `dlogits`, of the rows that are finite.
    """
    with np.errstate(all="ignore"):
        across = np.einsum("nk,nk->n", dlogits, direction)
        square = np.einsum("nk,nk->n", direction, direction)
        c = np.where((square == 0) & (across == 0), 0.0, -across / square)
    rest = dlogits + c[:, None] * direction
    finite = np.isfinite(rest).all(axis=1)
    if not finite.all():
        rest, dlogits = rest[finite], dlogits[finite]
    size = float(np.linalg.norm(dlogits))
    residual = float(np.linalg.norm(rest)) / size if size > 0 else 0.0
    return c + 0.0, residual
