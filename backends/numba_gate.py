"""Surprisal -> signal -> price -> gate on NumPy arrays, each station by its own kernel.

Arguments are checked at the door by type and shape; what a kernel finds unsound on its way (an
action out of range, a number that is not finite) is then looked for and named by the checks of the
reference. Only prices that are solved, not selected, are left to `kondo_ref.price`.
"""

from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kondo_ref import checks
from kondo_ref.backends import numba_gate_kernels as kernels
from kondo_ref.backends.numba_compile import for_kernel
from kondo_ref.gate import Gate, top_k_count
from kondo_ref.price import Quantile, Rolling
from kondo_ref.screening import Screening

Array = NDArray[Any]

CODES = {
    "delight": kernels.DELIGHT,
    "advantage": kernels.ADVANTAGE,
    "abs_advantage": kernels.ABS_ADVANTAGE,
    "surprisal": kernels.SURPRISAL,
    "uniform": kernels.UNIFORM,
    "additive": kernels.ADDITIVE,
}
NO_MASK = np.empty(0, dtype=np.bool_)
NO_MASK_ROWS = np.empty((0, 0), dtype=np.bool_)
NO_UNIFORMS = np.empty(0, dtype=np.float64)
INT64 = np.dtype(np.int64)


def actions_for_kernel(actions: ArrayLike, shape: tuple[int, ...], k: int) -> Array:
    """Return actions as a contiguous int64 array of `shape`; the kernel looks at their range."""
    if type(actions) is np.ndarray and actions.dtype == INT64 and actions.shape == shape:
        return for_kernel(actions)
    return checks.action_array(actions, shape, k).astype(np.int64)


def advantages_for_kernel(
    advantages: ArrayLike, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> Array:
    """Return advantages as a contiguous array of `shape` and `dtype`; the kernel looks at them."""
    if type(advantages) is np.ndarray and advantages.dtype == dtype and advantages.shape == shape:
        return for_kernel(advantages)
    return for_kernel(checks.decision_array("advantages", advantages, shape, dtype))


def screen_rows(
    log_probabilities: Array,
    actions: Array,
    advantages: Array,
    gate: Gate,
    uniforms: ArrayLike | None,
    mask: ArrayLike | None,
    history: ArrayLike | None,
) -> Screening:
    """Return the screening of a batch.

    Parameters
    ----------
    log_probabilities : (N, A) float
        The rows of all decisions, in C order of the batch.
    actions, advantages : (N,) or (B, T)
        From `actions_for_kernel` and `advantages_for_kernel`.
    gate, uniforms, mask, history
        As in `kondo_ref.screen`.

    Raises
    ------
    TypeError, ValueError
        As `kondo_ref.screen`.
    """
    if not isinstance(gate, Gate):
        raise TypeError(f"gate: expected a Gate, got {checks.shown(gate)}")
    shape, dtype, n = actions.shape, log_probabilities.dtype, actions.size
    level, signal = np.empty(n, dtype), np.empty(n, dtype)
    if not kernels.signal_rows(
        log_probabilities,
        actions.reshape(-1),
        advantages.reshape(-1),
        CODES[gate.signal],
        0.0 if gate.alpha is None else float(gate.alpha),
        level,
        signal,
    ):
        _refuse(log_probabilities.shape[1], actions, advantages, gate, level, signal)
    valid = None if mask is None else checks.mask_array(mask, shape)
    unit_shape, unit_mask = shape, valid
    if gate.unit == "sequence":
        signal, unit_mask = _sequences(gate, signal.reshape(shape), valid)
        unit_shape = signal.shape
    u = None if uniforms is None else _uniforms(uniforms, unit_shape)
    if u is None and gate.needs_uniforms:
        raise ValueError(
            f"uniforms: the draw bernoulli needs an array of shape {unit_shape}, got None"
        )
    past = None if history is None else _history(history, gate, dtype)

    price, w, weight, kept, after = _gate(gate, signal, u, unit_mask, past)
    if len(shape) == 1:
        screening = Screening(
            gate, level, advantages, signal, price, w, weight, valid, unit_mask, after
        )
        vars(screening)["kept"] = kept  # a cached property, known already
        return screening
    if gate.unit == "sequence":
        weight = np.repeat(weight, shape[1])
        if valid is not None:
            weight[~valid.reshape(-1)] = 0.0
    if isinstance(price, np.ndarray):
        price = price.reshape(unit_shape)
    return Screening(
        gate,
        level.reshape(shape),
        advantages,
        signal.reshape(unit_shape),
        price,
        w.reshape(unit_shape),
        weight.reshape(shape),
        valid,
        unit_mask,
        after,
    )


def _gate(
    gate: Gate, signal: Array, u: Array | None, mask: Array | None, past: Array | None
) -> tuple[float | Array | None, Array, Array, Array, Array | None]:
    """Return price, keep probability, gate, kept units and the history of flat units (N,)."""
    n, dtype = signal.size, signal.dtype
    valid = NO_MASK if mask is None else for_kernel(mask).reshape(-1)
    weight = np.empty(n, dtype)
    if gate.draw == "top_k":
        k = top_k_count(gate.rate or 0.0, n if mask is None else int(np.count_nonzero(mask)))
        kept = np.empty(k, np.int64)
        kernels.top_rows(signal, valid, k, weight, kept)
        return None, weight, weight, kept, None
    price, after = _price(gate, signal, valid, past)
    w, kept = np.empty(n, dtype), np.empty(n, np.int64)
    with np.errstate(over="ignore"):  # a price beyond the dtype is an infinite one
        # A temperature that is 0 or inf in the dtype of the signal divides in float64.
        wide = gate.temperature > 0.0 and not 0.0 < dtype.type(gate.temperature) < np.inf
        prices = np.asarray(price, dtype=np.float64 if wide else dtype).reshape(-1)
    drawn = NO_UNIFORMS if u is None or gate.draw == "soft" else u.reshape(-1)
    count = kernels.gate_rows(signal, prices, gate.temperature, drawn, valid, w, weight, kept)
    return price, w, weight, kept[:count], after


def _price(
    gate: Gate, signal: Array, valid: Array, past: Array | None
) -> tuple[float | Array, Array | None]:
    """Return the price, of every unit where it rolls, and the new history."""
    known = signal[valid] if valid.size else signal
    if isinstance(gate.price, Rolling):
        prices, after = gate.price.stream(known, past)
        if not valid.size:
            return prices, after
        scattered = np.full(signal.shape, -np.inf, dtype=signal.dtype)
        scattered[valid] = prices
        return scattered, after
    if isinstance(gate.price, Quantile):
        return _upper_quantile(known, gate.price.rate), None
    assert gate.price is not None
    return gate.price.solve(known, gate.temperature), None


def _upper_quantile(values: Array, rate: float) -> float:
    """Return the (1 - rate)-quantile by selection; interpolated exactly, and rounded once."""
    low, share = _place(values.size, rate)
    ordered = values.copy()
    a = b = Fraction(float(kernels.order_statistic(ordered, low)))
    if low + 1 < values.size:
        b = Fraction(float(ordered[low + 1 :].min()))
    return float(values.dtype.type(float(a + share * (b - a))))


@lru_cache(maxsize=1024)
def _place(n: int, rate: float) -> tuple[int, Fraction]:
    """Return the place below (n - 1)(1 - rate), and how far beyond it that is."""
    position = (n - 1) * (1 - Fraction(rate))
    return int(position), position - int(position)


def _sequences(gate: Gate, signal: Array, mask: Array | None) -> tuple[Array, Array | None]:
    """Return the signal and the mask of every sequence of a batch (B, T)."""
    if signal.ndim != 2:
        raise ValueError(f"gate: the unit sequence needs a (B, T) batch, got shape {signal.shape}")
    means = np.empty(signal.shape[0], signal.dtype)
    units = np.empty(signal.shape[0], np.bool_)
    tokens = NO_MASK_ROWS if mask is None else for_kernel(mask)
    if not kernels.sequence_signals(signal, tokens, means, units):
        _refuse_signal(f"mean {gate.signal}", means)
    return means, None if units.all() else units


def _uniforms(uniforms: ArrayLike, shape: tuple[int, ...]) -> Array:
    """Return uniforms of `shape`, in [0, 1)."""
    if (
        type(uniforms) is np.ndarray
        and uniforms.dtype in checks.FLOAT_DTYPES
        and uniforms.shape == shape
    ):
        found = for_kernel(uniforms)
        if kernels.in_unit_interval(found.reshape(-1)):
            return found
    return for_kernel(checks.uniform_array(uniforms, shape))


def _history(history: ArrayLike, gate: Gate, dtype: np.dtype[Any]) -> Array:
    """Return the history of a rolling price."""
    past = checks.real_array("history", history, dtype)
    if not isinstance(gate.price, Rolling):
        raise ValueError(f"history: only a rolling price has one, the price is {gate.price}")
    if past.ndim != 1:
        raise ValueError(f"history: expected shape (h,), got {past.shape}")
    return past


def _refuse(
    k: int, actions: Array, advantages: Array, gate: Gate, level: Array, signal: Array
) -> None:
    """Raise the error that names what a kernel found unsound."""
    checks.action_array(actions, actions.shape, k)
    checks.real_array("surprisals", level.reshape(actions.shape))
    checks.real_array("advantages", advantages)
    _refuse_signal(gate.signal, signal.reshape(actions.shape))


def _refuse_signal(name: str, signal: Array) -> None:
    finite = np.isfinite(signal)
    if not finite.all():
        index = checks.first_index(~finite)
        raise ValueError(f"signal: {name} is not finite at index {index} ({signal[index]})")
