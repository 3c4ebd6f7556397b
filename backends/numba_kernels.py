"""Kernels of the network: what stands between the matrix products, one pass each.

N rows in the forward, K kept rows in the backward, O outputs of a layer, P parameters, A actions.
The stations before the gate and the gate itself are in `numba_gate`; products stay with BLAS.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kondo_ref.backends.numba_compile import kernel, reordered

Array = NDArray[Any]


@reordered
def bias_forward(x: Array, bias: Array) -> bool:
    """Add the bias in place; return whether all sums are finite.

    Parameters
    ----------
    x : (N, O) float
    bias : (O,) float

    Notes
    -----
    Cost: add N O. The finite check is not counted.
    """
    infinity = x.dtype.type(np.inf)
    sound = True
    for i in range(x.shape[0]):
        row = x[i]
        for j in range(bias.size):
            value = row[j] + bias[j]
            row[j] = value
            sound &= abs(value) < infinity
    return sound


@reordered
def bias_relu_forward(x: Array, bias: Array) -> bool:
    """Add the bias and take max(x, 0), in place; NaN stays NaN. Return as `bias_forward`.

    The check looks at the sum before the ReLU, which would hide -inf.

    Parameters
    ----------
    x : (N, O) float
    bias : (O,) float

    Notes
    -----
    Cost: add N O, cmp N O. The finite check is not counted.
    """
    zero, infinity = x.dtype.type(0), x.dtype.type(np.inf)
    sound = True
    for i in range(x.shape[0]):
        row = x[i]
        for j in range(bias.size):
            value = row[j] + bias[j]
            row[j] = zero if value < zero else value
            sound &= abs(value) < infinity
    return sound


@reordered
def relu_backward(dout: Array, out: Array, dbias: Array) -> None:
    """Set dout to 0 where the forward's output was not positive; fill dbias with its row sum.

    From out = max(x @ weight + bias, 0): d(x @ weight) = dout where out > 0, else 0, in place of
    `dout`, and dbias is its sum over rows.

    Parameters
    ----------
    dout, out : (K, O) float
    dbias : (O,) float

    Notes
    -----
    Cost: cmp K O, mul K O (a selection), add K O.
    """
    zero = dout.dtype.type(0)
    dbias[:] = zero
    for i in range(dout.shape[0]):
        row, source = dout[i], out[i]
        for j in range(dbias.size):
            value = row[j] if source[j] > zero else zero
            row[j] = value
            dbias[j] += value


@kernel
def gather_dlogits(
    log_probabilities: Array,
    actions: Array,
    advantages: Array,
    surprisal: Array,
    weight: Array,
    kept: Array,
    divisor: int,
    dlogits: Array,
    dbias: Array,
) -> float:
    """Fill dloss/dlogits of the kept rows and its sum over them; return the loss.

    With c = G U / Z, dlogits = c (pi - onehot(a)), where pi(a) - 1 is expm1(log pi(a)), right also
    where pi(a) is near 1; loss = sum of c * surprisal, summed in float64.

    Parameters
    ----------
    log_probabilities : (N, A) float
    actions, advantages, surprisal, weight : (N,)
    kept : (K,) int
    divisor : int
        Z.
    dlogits : (K, A) float
    dbias : (A,) float

    Returns
    -------
    float

    Notes
    -----
    Cost a row: A exp (one of them expm1), A mul, A add, and 3 mul or div, 1 add for c and loss.
    """
    z = advantages.dtype.type(divisor)
    loss = 0.0
    dbias[:] = 0
    for i in range(kept.size):
        n = kept[i]
        c = weight[n] * advantages[n] / z
        loss += c * surprisal[n]
        row, drow = log_probabilities[n], dlogits[i]
        for j in range(row.size):
            if j == actions[n]:
                drow[j] = np.expm1(row[j]) * c
            else:
                drow[j] = np.exp(row[j]) * c
            dbias[j] += drow[j]
    return loss


@kernel
def adam_step(
    theta: Array,
    gradient: Array,
    first: Array,
    second: Array,
    beta1: float,
    beta2: float,
    rate: float,
    epsilon: float,
) -> None:
    """Adam on flat buffers, in place; the bias correction is in `rate` and `epsilon`.

    Rounded as written: reordered, (1 - beta2) g^2 + beta2 v becomes g^2 - beta2 (g^2 - v), which
    loses three digits to cancellation.

    Parameters
    ----------
    theta, gradient, first, second : (P,) float
    beta1, beta2 : float
    rate : float
        learning_rate * sqrt(1 - beta2**steps) / (1 - beta1**steps).
    epsilon : float
        The optimizer's, times sqrt(1 - beta2**steps).

    Notes
    -----
    Cost an entry: mul 6, add 4, sqrt 1, div 1.
    """
    real = theta.dtype.type
    b1, b2, a1, a2 = real(beta1), real(beta2), real(1.0 - beta1), real(1.0 - beta2)
    step, least = real(rate), real(epsilon)
    for i in range(theta.size):
        g = gradient[i]
        m = b1 * first[i] + a1 * g
        v = b2 * second[i] + a2 * (g * g)
        first[i] = m
        second[i] = v
        theta[i] -= step * (m / (np.sqrt(v) + least))


@kernel
def flush(moment: Array, below: float) -> None:
    """Set entries smaller than `below` to 0, before they become denormal. Cost: cmp P."""
    zero, least = moment.dtype.type(0), moment.dtype.type(below)
    for i in range(moment.size):
        if abs(moment[i]) < least:
            moment[i] = zero


@kernel
def sgd_step(theta: Array, gradient: Array, learning_rate: float) -> None:
    """Descend on flat buffers (P,), in place. Cost: mul P, add P."""
    rate = theta.dtype.type(learning_rate)
    for i in range(theta.size):
        theta[i] -= rate * gradient[i]
