"""Logits, actions, advantages -> which decisions are kept. Forward quantities only.

`screen` runs the stations surprisal -> signal -> price -> keep probability -> gate for a batch.
The Screening it returns holds what each station gave, the rates, and the selectivity: a rate
without its selectivity misleads, since a gate can keep the right number almost at random.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kondo_ref import checks
from kondo_ref.checks import BoolArray, FloatArray, IntArray
from kondo_ref.delight import log_softmax, priority_signal, surprisal
from kondo_ref.gate import Gate, keep_probability, top_k, top_k_count
from kondo_ref.price import Rolling


@dataclass(frozen=True)
class Selectivity:
    """What a gate's choice is worth, beside how much it keeps.

    Parameters
    ----------
    recall : float
        Share of the exact top-k (k from the target rate, or as many as were kept if there is no
        target) that was kept.
    negative_share : float or None
        Share of the kept units whose signal is negative; None if nothing was kept.
    zero_advantage_share : float or None
        Share of the kept decisions with advantage 0, whose gradient is 0; None if nothing was kept.
    """

    recall: float
    negative_share: float | None
    zero_advantage_share: float | None


@dataclass(frozen=True, eq=False)
class Screening:
    """The stations of one batch, from surprisal to gate.

    A *unit* is what the gate decides on: a decision, or for unit = "sequence" a row of the batch.
    `decisions` stands for the batch's shape, (N,) or (B, T); `units` for the same or (B,).

    Parameters
    ----------
    gate : Gate
    surprisal : decisions float
        l in nat; given for invalid decisions too.
    advantages : decisions float
        U in reward.
    signal : units float
        What the gate priced or ranked.
    price : float, units float or None
        In the signal's unit; an array for a rolling price, None for top_k.
    keep_probability : units float
        w in [0, 1]; 0 where invalid. For top_k it is G.
    weight : decisions float
        G, by which the policy gradient of each decision is multiplied; 0 where invalid.
    mask : decisions bool or None
        Valid decisions; None if all are.
    unit_mask : units bool or None
        Units with at least one valid decision; None if all have.
    history : (h,) float or None
        The state of a rolling price after this batch.
    """

    gate: Gate
    surprisal: FloatArray
    advantages: FloatArray
    signal: FloatArray
    price: float | FloatArray | None
    keep_probability: FloatArray
    weight: FloatArray
    mask: BoolArray | None
    unit_mask: BoolArray | None
    history: FloatArray | None = None

    def convert(self, function: Callable[[Any], Any]) -> "Screening":
        """Return this screening with `function` applied to every array, as a backend's to NumPy."""
        changed = {
            f.name: function(value)
            for f in fields(self)
            if (value := getattr(self, f.name)) is not None and not isinstance(value, Gate | float)
        }
        return replace(self, **changed)

    @cached_property
    def kept(self) -> IntArray:
        """Flat indices (C order, ascending) of the decisions with weight > 0."""
        return np.flatnonzero(self.weight)

    @property
    def delight(self) -> FloatArray:
        """U * l of every decision, (N,) or (B, T), whatever the gate's signal."""
        return self.advantages * self.surprisal

    @property
    def valid(self) -> int:
        """Number of valid decisions."""
        return self.weight.size if self.mask is None else int(np.count_nonzero(self.mask))

    @property
    def valid_units(self) -> int:
        """Number of units with a valid decision."""
        if self.unit_mask is None:
            return self.signal.size
        return int(np.count_nonzero(self.unit_mask))

    @property
    def target_rate(self) -> float | None:
        """Share of the units that was asked for; None for a fixed price."""
        return self.gate.target_rate

    @property
    def expected_rate(self) -> float:
        """Mean keep probability over the valid units."""
        return float(self.keep_probability.sum(dtype=np.float64)) / self.valid_units

    @property
    def realised_rate(self) -> float:
        """Mean gate G over the valid units."""
        return float(self._unit_weight.sum(dtype=np.float64)) / self.valid_units

    @cached_property
    def selectivity(self) -> Selectivity:
        """Recall of the exact top-k, and what the kept units are like."""
        kept = self._unit_weight > 0
        n = int(np.count_nonzero(kept))
        if n == 0 and self.target_rate is None:
            return Selectivity(1.0, None, None)
        target = self.target_rate
        k = n if target is None else top_k_count(target, self.valid_units)
        recall = float(np.count_nonzero(kept & _top_units(self.signal, self.unit_mask, k))) / k
        if n == 0:
            return Selectivity(recall, None, None)
        negative = float(np.count_nonzero(self.signal[kept] < 0)) / n
        zero = float(np.count_nonzero(self.advantages.ravel()[self.kept] == 0)) / self.kept.size
        return Selectivity(recall, negative, zero)

    @property
    def _unit_weight(self) -> FloatArray:
        if self.signal.shape == self.weight.shape:
            return self.weight
        largest: FloatArray = self.weight.max(axis=1)
        return largest


def screen(
    logits: ArrayLike,
    actions: ArrayLike,
    advantages: ArrayLike,
    gate: Gate,
    *,
    uniforms: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    history: ArrayLike | None = None,
) -> Screening:
    """Decide which decisions of a batch earn a backward pass.

    Computed in the dtype of the logits, float32 or float64. Nothing is broadcast.

    Parameters
    ----------
    logits : (N, K) or (B, T, K) float
    actions : (N,) or (B, T) int
        In 0..K-1.
    advantages : (N,) or (B, T) float
        U in reward, one for each decision: expand an advantage of a sequence explicitly.
    gate : Gate
    uniforms : (N,), (B, T) or, for unit = "sequence", (B,) float, optional
        In [0, 1), one for each unit; needed by a Bernoulli draw at a temperature above 0.
    mask : (N,) or (B, T) bool, optional
        Valid decisions. Invalid ones count in no price, no k and no rate, and get weight 0. Their
        logits, actions and advantages must be proper numbers all the same.
    history : (h,) float, optional
        `Screening.history` of the call before, for a rolling price.

    Returns
    -------
    Screening

    Raises
    ------
    TypeError, ValueError
        A wrong dtype or shape, a value that is not finite, an empty batch, no valid decision,
        uniforms missing. The message names the argument, what came and what was expected.
    """
    z = checks.logits_array(logits)
    shape, k = z.shape[:-1], z.shape[-1]
    taken = checks.action_array(actions, shape, k)
    return screen_surprisal(
        surprisal(log_softmax(z), taken),
        advantages,
        gate,
        uniforms=uniforms,
        mask=mask,
        history=history,
    )


def screen_surprisal(
    surprisals: ArrayLike,
    advantages: ArrayLike,
    gate: Gate,
    *,
    uniforms: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    history: ArrayLike | None = None,
    signal: ArrayLike | None = None,
) -> Screening:
    """Screen a batch whose surprisals are known.

    Parameters
    ----------
    surprisals : (N,) or (B, T) float
        In nat; the batch is computed in their dtype.
    advantages, gate, uniforms, mask, history
        As in `screen`.
    signal : (N,) or (B, T) float, optional
        What the gate prices or ranks in place of what surprisals and advantages give: a delight
        that somebody estimated (`kondo_ref.screeners`).

    Returns
    -------
    Screening

    Raises
    ------
    TypeError, ValueError
        As `screen`.
    """
    if not isinstance(gate, Gate):
        raise TypeError(f"gate: expected a Gate, got {checks.shown(gate)}")
    level = checks.real_array("surprisals", surprisals)
    gain = checks.decision_array("advantages", advantages, level.shape, level.dtype)
    valid = checks.mask_array(mask, level.shape)
    if signal is None:
        of_units, unit_mask = _unit_signal(gate, gain, level, valid)
    else:
        given = checks.decision_array("signal", signal, level.shape, level.dtype)
        of_units, unit_mask = _of_units(gate, given, valid)
    u = None if uniforms is None else checks.uniform_array(uniforms, of_units.shape)
    if u is None and gate.needs_uniforms:
        raise ValueError(
            f"uniforms: the draw bernoulli needs an array of shape {of_units.shape}, got None"
        )
    past = None if history is None else checks.real_array("history", history, level.dtype)
    if past is not None and not isinstance(gate.price, Rolling):
        raise ValueError(f"history: only a rolling price has one, the price is {gate.price}")
    if past is not None and past.ndim != 1:
        raise ValueError(f"history: expected shape (h,), got {past.shape}")

    price, w, after = _price_and_keep(gate, of_units, unit_mask, past)
    drawn = w
    if gate.draw == "bernoulli":
        drawn = w if u is None else (u < w).astype(level.dtype)
    weight = drawn
    if of_units.shape != level.shape:
        weight = np.repeat(drawn[:, None], level.shape[1], axis=1)
        if valid is not None:
            weight[~valid] = 0.0
    return Screening(gate, level, gain, of_units, price, w, weight, valid, unit_mask, after)


def _unit_signal(
    gate: Gate, advantages: FloatArray, surprisals: FloatArray, mask: BoolArray | None
) -> tuple[FloatArray, BoolArray | None]:
    """Return the signal and the mask of every unit."""
    signal = priority_signal(gate.signal, advantages, surprisals, gate.alpha)
    _require_finite(gate.signal, signal)
    return _of_units(gate, signal, mask)


def _of_units(
    gate: Gate, signal: FloatArray, mask: BoolArray | None
) -> tuple[FloatArray, BoolArray | None]:
    """Return the signal and the mask of every unit; sequences by the mean over valid tokens."""
    if gate.unit == "token":
        return signal, mask
    if signal.ndim != 2:
        raise ValueError(f"gate: the unit sequence needs a (B, T) batch, got shape {signal.shape}")
    valid = np.ones(signal.shape, dtype=np.bool_) if mask is None else mask
    tokens = valid.sum(axis=1)
    with np.errstate(over="ignore"):
        total = np.where(valid, signal, 0.0).sum(axis=1)
    means: FloatArray = total / np.maximum(tokens, 1).astype(signal.dtype)
    _require_finite(f"mean {gate.signal}", means)
    return means, None if tokens.all() else tokens > 0


def _require_finite(name: str, signal: FloatArray) -> None:
    finite = np.isfinite(signal)
    if not finite.all():
        index = checks.first_index(~finite)
        raise ValueError(f"signal: {name} is not finite at index {index} ({signal[index]})")


def _price_and_keep(
    gate: Gate, signal: FloatArray, mask: BoolArray | None, history: FloatArray | None
) -> tuple[float | FloatArray | None, FloatArray, FloatArray | None]:
    """Return the price, the keep probability of every unit (0 where invalid), the new history."""
    if gate.draw == "top_k":
        n = signal.size if mask is None else int(np.count_nonzero(mask))
        k = top_k_count(gate.rate or 0.0, n)
        return None, _top_units(signal, mask, k).astype(signal.dtype), None
    known = signal.ravel() if mask is None else signal[mask]
    price: float | FloatArray
    after: FloatArray | None = None
    if isinstance(gate.price, Rolling):
        prices, after = gate.price.stream(known, history)
        price = np.full(signal.shape, -np.inf, dtype=signal.dtype)
        price.reshape(-1)[... if mask is None else mask.ravel()] = prices
    else:
        assert gate.price is not None
        price = gate.price.solve(known, gate.temperature)
    w = keep_probability(signal, price, gate.temperature)
    if mask is not None:
        w[~mask] = 0.0
    return price, w, after


def _top_units(signal: FloatArray, mask: BoolArray | None, k: int) -> BoolArray:
    """Mark the k largest valid signals, ties to the lowest index."""
    chosen = np.zeros(signal.shape, dtype=np.bool_)
    if k > 0:
        valid = ... if mask is None else mask.ravel()
        chosen.reshape(-1)[valid] = top_k(signal.ravel()[valid], k)
    return chosen
