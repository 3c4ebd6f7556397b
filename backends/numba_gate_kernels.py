"""Kernels of the stations: log pi, actions -> surprisal -> signal -> keep probability -> gate.

N decisions, A actions. None stands as an empty array. Every operation is rounded as it is written
and rows are computed alike, so equal rows give equal numbers and a tie stays a tie.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kondo_ref.backends.numba_compile import kernel

Array = NDArray[Any]

DELIGHT, ADVANTAGE, ABS_ADVANTAGE, SURPRISAL, UNIFORM, ADDITIVE = range(6)


@kernel
def signal_rows(
    log_probabilities: Array,
    actions: Array,
    advantages: Array,
    code: int,
    alpha: float,
    surprisal: Array,
    signal: Array,
) -> bool:
    """Fill the surprisal of the actions taken and the priority signal; return whether all is sound.

    Not sound are an action outside 0..A-1 and a surprisal, advantage or signal that is not finite.

    Parameters
    ----------
    log_probabilities : (N, A) float
    actions : (N,) int
    advantages, surprisal, signal : (N,) float
    code : int
        Which signal, as DELIGHT.
    alpha : float
        Weight of the additive signal.

    Notes
    -----
    Cost a row: 1 add for the surprisal; for delight 1 mul, for additive 2 mul and 1 add.
    """
    real = signal.dtype.type
    zero, a, b = real(0), real(alpha), real(1.0 - alpha)
    k = log_probabilities.shape[1]
    sound = True
    for i in range(actions.size):
        action = actions[i]
        if action < 0 or action >= k:
            return False
        level, gain = zero - log_probabilities[i, action], advantages[i]
        value = gain * level
        if code == ADVANTAGE:
            value = gain
        elif code == ABS_ADVANTAGE:
            value = abs(gain)
        elif code == SURPRISAL:
            value = level
        elif code == UNIFORM:
            value = real(1)
        elif code == ADDITIVE:
            value = a * gain + b * level
        surprisal[i] = level
        signal[i] = value
        sound &= np.isfinite(level) and np.isfinite(gain) and np.isfinite(value)
    return sound


@kernel
def sequence_signals(signal: Array, mask: Array, means: Array, unit_mask: Array) -> bool:
    """Fill the mean signal of every row over its valid tokens; return whether all are finite.

    Parameters
    ----------
    signal : (B, T) float
    mask : (B, T) or (0, 0) bool
    means : (B,) float
    unit_mask : (B,) bool
        Receives whether the row has a valid token.

    Notes
    -----
    Cost a row: T add, 1 div.
    """
    sound = True
    for i in range(signal.shape[0]):
        total = signal.dtype.type(0)
        count = 0
        for j in range(signal.shape[1]):
            if mask.size == 0 or mask[i, j]:
                total += signal[i, j]
                count += 1
        unit_mask[i] = count > 0
        means[i] = total / signal.dtype.type(max(count, 1))
        sound &= np.isfinite(means[i])
    return sound


@kernel
def gate_rows(
    signal: Array,
    prices: Array,
    temperature: float,
    uniforms: Array,
    mask: Array,
    keep_probability: Array,
    weight: Array,
    kept: Array,
) -> int:
    """Fill keep probability, gate and the indices of what is kept; return how many are.

    w = sigmoid((signal - price) / temperature), at temperature 0 w = 1 where signal > price; G is
    w, or with uniforms 1 where u < w; both are 0 where masked.

    Parameters
    ----------
    signal, keep_probability, weight : (N,) float
    prices : (1,) or (N,) float
        The keep probability is computed in their dtype.
    temperature : float
    uniforms : (N,) or (0,) float
    mask : (N,) or (0,) bool
    kept : (N,) int

    Notes
    -----
    Cost a row: 2 add, 2 div, 1 exp, 1 cmp; at temperature 0 only 1 cmp; with uniforms 1 cmp.
    """
    real = signal.dtype.type
    zero, one, spread = real(0), real(1), prices.dtype.type(temperature)
    stride = 1 if prices.size > 1 else 0
    count = 0
    for i in range(signal.size):
        w = zero
        g = zero
        if mask.size == 0 or mask[i]:
            excess = signal[i] - prices[i * stride]
            if temperature == 0.0:
                w = one if signal[i] > prices[i * stride] else zero
            else:
                w = real(one / (one + np.exp(-(excess / spread))))
            g = w
            if uniforms.size:
                g = one if uniforms[i] < w else zero
        keep_probability[i] = w
        weight[i] = g
        if g != zero:
            kept[count] = i
            count += 1
    return count


@kernel
def top_rows(signal: Array, mask: Array, k: int, weight: Array, kept: Array) -> None:
    """Mark the k largest valid signals with weight 1, ties to the lowest index; list them.

    Parameters
    ----------
    signal, weight : (N,) float
    mask : (N,) or (0,) bool
    k : int
    kept : (k,) int

    Notes
    -----
    Cost: about 3 N cmp for the selection, 2 N cmp for the marks.
    """
    values = np.empty(signal.size, signal.dtype)
    n = 0
    for i in range(signal.size):
        if mask.size == 0 or mask[i]:
            values[n] = signal[i]
            n += 1
    least = order_statistic(values[:n], n - k)
    above = 0
    for i in range(n):
        if values[i] > least:
            above += 1
    ties = k - above
    count = 0
    for i in range(signal.size):
        chosen = mask.size == 0 or mask[i]
        if chosen and not signal[i] > least:
            chosen = signal[i] == least and ties > 0
            if chosen:
                ties -= 1
        weight[i] = 1 if chosen else 0
        if chosen:
            kept[count] = i
            count += 1


@kernel
def order_statistic(values: Array, k: int) -> Any:
    """Return the number at place k of the sorted values, which are reordered (Hoare's selection).

    Parameters
    ----------
    values : (n,) float
        Finite.
    k : int
        In 0..n-1.

    Notes
    -----
    Cost: about 3 n cmp.
    """
    low, high = 0, values.size - 1
    while low < high:
        first, middle, last = values[low], values[(low + high) // 2], values[high]
        pivot = max(min(first, middle), min(max(first, middle), last))
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if k <= j:
            high = j
        elif k >= i:
            low = i
        else:
            break
    return values[k]


@kernel
def in_unit_interval(uniforms: Array) -> bool:
    """Return whether all of (N,) are in [0, 1). Cost: 2 N cmp."""
    sound = True
    for i in range(uniforms.size):
        sound &= uniforms[i] >= 0.0 and uniforms[i] < 1.0
    return sound
