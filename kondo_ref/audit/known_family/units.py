"""What a gate decides on: one signal for every decision, sequence, group, micro-batch or batch."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kondo_ref.audit.batch import Batch
from kondo_ref.audit.known_family.member import Member
from kondo_ref.checks import BoolArray, FloatArray, IntArray

# (U, l, alpha) -> the signal of a decision.
_SIGNALS: dict[str, Callable[[FloatArray, FloatArray, float], FloatArray]] = {
    "delight": lambda gain, level, _: gain * level,
    "abs-delight": lambda gain, level, _: np.abs(gain) * level,
    "advantage": lambda gain, _level, _alpha: gain,
    "abs-advantage": lambda gain, _level, _alpha: np.abs(gain),
    "surprisal": lambda _gain, level, _alpha: level,
    "uniform": lambda gain, _level, _alpha: np.ones_like(gain),
    "additive": lambda gain, level, alpha: alpha * gain + (1.0 - alpha) * level,
    "sum": lambda gain, level, _: gain + level,
}


def signal_of(member: Member, gain: FloatArray, level: FloatArray) -> FloatArray:
    """Return the signal of every decision, from U in the gate and l; as they are shaped."""
    return np.asarray(_SIGNALS[member.signal](gain, level, member.alpha))


@dataclass(frozen=True, eq=False)
class Rows:
    """Decisions that are gated together, one unit a row.

    Parameters
    ----------
    gain, level, signal : (units, decisions) float
        U in the gate, l, and the signal of every decision.
    counted : (units, decisions) bool
        Decisions that enter the unit's signal.
    """

    gain: FloatArray
    level: FloatArray
    signal: FloatArray
    counted: BoolArray

    @property
    def n(self) -> IntArray:
        """How many decisions are counted, (units,)."""
        return np.asarray(self.counted.sum(axis=1))

    @property
    def tokens(self) -> IntArray:
        """As `n`, but at least 1: what a mean divides by."""
        return np.maximum(self.n, 1)

    def mean(self, values: FloatArray) -> FloatArray:
        """Return the mean of (units, decisions) over the counted ones, 0 where there is none."""
        return np.asarray(np.where(self.counted, values, 0.0).sum(axis=1) / self.tokens)


def _median(rows: Rows) -> FloatArray:
    pairs = zip(rows.signal, rows.counted, strict=True)
    return np.array([np.median(s[c]) if c.any() else 0.0 for s, c in pairs])


def _last(rows: Rows) -> FloatArray:
    last = rows.signal.shape[1] - 1 - rows.counted[:, ::-1].argmax(axis=1)
    return np.asarray(rows.signal[np.arange(len(rows.signal)), last])


def _first(rows: Rows) -> FloatArray:
    return np.asarray(rows.signal[np.arange(len(rows.signal)), rows.counted.argmax(axis=1)])


_AGGREGATIONS: dict[str, Callable[[Rows], FloatArray]] = {
    "mean": lambda rows: rows.mean(rows.signal),
    "sum": lambda rows: rows.mean(rows.signal) * rows.n,
    "max": lambda rows: np.where(rows.counted, rows.signal, -np.inf).max(axis=1),
    "min": lambda rows: np.where(rows.counted, rows.signal, np.inf).min(axis=1),
    "median": _median,
    "last": _last,
    "last-column": lambda rows: rows.signal[:, -1],
    "first": _first,
    "product-of-means": lambda rows: rows.mean(rows.gain) * rows.mean(rows.level),
    "sum-surprisal": lambda rows: rows.mean(rows.gain) * rows.mean(rows.level) * rows.n,
    # Invalid tokens are 0 but count in the length.
    "padded-mean": lambda rows: rows.mean(rows.signal) * rows.n / rows.signal.shape[1],
    "unmasked-mean": lambda rows: rows.signal.mean(axis=1),
    "root-length": lambda rows: rows.mean(rows.signal) * rows.n / np.sqrt(rows.tokens),
}


def aggregated(how: str, rows: Rows) -> tuple[FloatArray, BoolArray]:
    """Return the signal (units,) of every unit, and which have a decision that counts.

    Raises
    ------
    ValueError
        An unknown aggregation.
    """
    if how not in _AGGREGATIONS:
        raise ValueError(f"aggregation: unknown, {how!r}")
    return np.asarray(_AGGREGATIONS[how](rows)), rows.n > 0


def shared_labels(unit: str, batch: Batch) -> IntArray | None:
    """Return which unit each decision belongs to, where units are groups or micro-batches."""
    if unit == "group":
        groups = np.zeros(batch.shape[0]) if batch.groups is None else batch.groups
        _, which = np.unique(groups, return_inverse=True)
        wide = which.reshape(-1, *[1] * (len(batch.shape) - 1))
        return np.broadcast_to(wide, batch.shape).ravel().astype(np.int64)
    if unit.startswith("chunk "):
        return np.arange(batch.actions.size) // int(unit.partition(" ")[2])
    return None


def padded(labels: IntArray, rows: Rows) -> Rows:
    """Return decisions as rows of the unit that each belongs to, padded with uncounted zeros."""
    count = np.bincount(labels)
    place = np.zeros(labels.size, dtype=np.int64)
    for label in range(count.size):
        place[labels == label] = np.arange(count[label])
    shape = (count.size, int(count.max()))

    def wide(values: FloatArray) -> FloatArray:
        result = np.zeros(shape)
        result[labels, place] = values.ravel()
        return result

    counted = wide(rows.counted.astype(np.float64)) > 0
    return Rows(wide(rows.gain), wide(rows.level), wide(rows.signal), counted)
