"""JAX, part three: the door. Input is checked, the stations run, and a Screening comes out.

The checks are those of the reference on NumPy views of the input, which on a CPU copy nothing; the
stations work on JAX arrays. A price is a number of the host: the quantile takes two order
statistics from the device, the calibrated and the rolling price all signals.
"""

from fractions import Fraction
from typing import Any

import numpy as np
from jax import Array
from numpy.typing import NDArray

from kondo_ref import checks
from kondo_ref.backends import jax_stations
from kondo_ref.backends.jax_arrays import own
from kondo_ref.gate import Gate, top_k_count
from kondo_ref.price import Fixed, Quantile, Rolling
from kondo_ref.screening import Screening


def screen(
    surprisals: Array,
    advantages: Any,
    gate: Gate,
    *,
    uniforms: Any = None,
    mask: Any = None,
    history: Any = None,
) -> Screening:
    """Return the screening of a batch, its arrays JAX arrays, its price a float or an array.

    Parameters
    ----------
    surprisals : (N,) or (B, T) float
    advantages, gate, uniforms, mask, history
        As in `kondo_ref.screen`, NumPy or JAX arrays.

    Raises
    ------
    TypeError, ValueError
        As `kondo_ref.screen`.
    """
    if not isinstance(gate, Gate):
        raise TypeError(f"gate: expected a Gate, got {checks.shown(gate)}")
    shape, dtype = surprisals.shape, np.dtype(surprisals.dtype)
    checks.real_array("surprisals", np.asarray(surprisals))
    gain = own(advantages, checks.decision_array("advantages", advantages, shape, dtype))
    checked_mask = checks.mask_array(mask, shape)
    if gate.unit == "sequence" and len(shape) != 2:
        raise ValueError(f"gate: the unit sequence needs a (B, T) batch, got shape {shape}")
    valid = None if checked_mask is None else own(mask, checked_mask)

    signal = jax_stations.priority_signal(gate.signal, gain, surprisals, gate.alpha or 0.0)
    _check_finite(gate.signal, signal)
    units = checked_mask
    if gate.unit == "sequence":
        signal = jax_stations.sequence_signal(signal, valid)
        _check_finite(f"mean {gate.signal}", signal)
        rows = None if units is None else np.asarray(units.any(axis=1))
        units = None if rows is None or rows.all() else rows
    unit_mask = None if units is None else own(None, units)

    u = None
    if uniforms is not None:
        u = own(uniforms, checks.uniform_array(uniforms, signal.shape))
    elif gate.needs_uniforms:
        raise ValueError(
            f"uniforms: the draw bernoulli needs an array of shape {signal.shape}, got None"
        )
    past = None if history is None else checks.real_array("history", history, dtype)
    if past is not None and not isinstance(gate.price, Rolling):
        raise ValueError(f"history: only a rolling price has one, the price is {gate.price}")
    if past is not None and past.ndim != 1:
        raise ValueError(f"history: expected shape (h,), got {past.shape}")

    n = signal.size if units is None else int(np.count_nonzero(units))
    price, after = _price(gate, signal, units, unit_mask, n, past)
    k = top_k_count(gate.rate, n) if gate.rate is not None else 0
    w, weight = jax_stations.keep_and_weigh(
        signal,
        0.0 if price is None else price,
        gate.temperature,
        k,
        u,
        valid,
        unit_mask,
        draw=gate.draw,
        hard=gate.temperature == 0.0,
        shape=shape,
    )
    arrays: tuple[Any, ...] = (surprisals, gain, signal, price, w, weight, valid, unit_mask, after)
    return Screening(gate, *arrays)


def _check_finite(name: str, signal: Array) -> None:
    seen = np.asarray(signal)
    finite = np.isfinite(seen)
    if not finite.all():
        index = checks.first_index(~finite)
        raise ValueError(f"signal: {name} is not finite at index {index} ({seen[index]})")


def _price(
    gate: Gate,
    signal: Array,
    mask: NDArray[np.bool_] | None,
    unit_mask: Array | None,
    n: int,
    past: NDArray[Any] | None,
) -> tuple[float | Array | None, Array | None]:
    """Return the price and the new history: on the device, or from the host's solver."""
    if gate.price is None or isinstance(gate.price, Fixed):
        return (None if gate.price is None else gate.price.value), None
    if isinstance(gate.price, Quantile):
        return _quantile(signal, unit_mask, n, gate.price.rate), None
    seen = np.asarray(signal)
    known = seen.ravel() if mask is None else seen[mask]
    if not isinstance(gate.price, Rolling):
        return gate.price.solve(known, gate.temperature), None
    prices, after = gate.price.stream(known, past)
    everywhere = np.full(seen.shape, -np.inf, dtype=seen.dtype)
    everywhere[np.ones(seen.shape, dtype=np.bool_) if mask is None else mask] = prices
    return own(None, everywhere), own(None, after)


def _quantile(signal: Array, mask: Array | None, n: int, rate: float) -> float:
    """Return the (1 - rate)-quantile of the n valid signals, sorted on the device.

    Position and interpolation are exact and the price is rounded once, as in the reference: a
    position that is rounded can fall on the other side of an order statistic.
    """
    position = (n - 1) * (1 - Fraction(rate))
    low = int(position)
    pair = jax_stations.neighbours(signal, mask, low, min(low + 1, n - 1))
    a, b = (Fraction(float(value)) for value in pair)
    return float(np.dtype(signal.dtype).type(float(a + (position - low) * (b - a))))
