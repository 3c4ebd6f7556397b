"""Keep probabilities of every decision: what a member makes of a batch before anything is drawn."""

from dataclasses import dataclass, replace

import numpy as np

from kondo_ref.audit.batch import Batch
from kondo_ref.audit.known_family.keep import kept, streamed, when_empty
from kondo_ref.audit.known_family.member import Member, as_targets_do
from kondo_ref.audit.known_family.units import (
    Rows,
    aggregated,
    padded,
    shared_labels,
    signal_of,
)
from kondo_ref.audit.known_parts import surprisal_part, transform
from kondo_ref.checks import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Prepared:
    """What a member makes of a batch before anything is drawn; decisions float each.

    Parameters
    ----------
    probability : decisions float
        w, 0 where invalid.
    argument : decisions float
        (signal - price) / temperature.
    gate_signal : decisions float
    surprisal : decisions float
    valid : decisions bool
    """

    probability: FloatArray
    argument: FloatArray
    gate_signal: FloatArray
    surprisal: FloatArray
    valid: BoolArray


@as_targets_do
def prepare(
    member: Member,
    batch: Batch,
    level: FloatArray | None = None,
    past: FloatArray | None = None,
) -> Prepared:
    """Return keep probabilities, from the batch or with another surprisal in its place.

    Parameters
    ----------
    member : Member
    batch : Batch
    level : decisions float, optional
        The surprisal, where it is not the batch's: for differences through an attached gate.
    past : (h,) float, optional
        Valid signals of the batches before, for a price with a history.
    """
    ones = np.ones(batch.shape, dtype=np.bool_)
    valid = ones if member.mask_ignored else batch.valid
    counted = ones if member.price_masked else valid
    level = batch.surprisal if level is None else level
    level = surprisal_part(member.surprisal, level, batch, counted)
    gain = transform(member.gate_advantage, batch.advantages, counted)
    if member.draw == "all":
        passed = valid.astype(np.float64)
        return Prepared(passed, passed, gain * level, level, valid)
    decisions = Rows(gain, level, signal_of(member, gain, level), counted)
    labels = shared_labels(member.unit, batch)
    if labels is not None:
        x, w, units = _shared(member, labels, decisions)
    elif member.unit == "sequence" and len(batch.shape) == 2:
        x, w, units = _everywhere(_whole(member, decisions, past), batch.shape)
    elif member.unit == "batch":
        x, w, units = _everywhere(_whole(member, _one_row(decisions), past), batch.shape)
    else:
        x, w, units = _each(member, decisions.signal, valid, counted, past)
    return Prepared(np.where(valid, w, 0.0), x, units, level, valid)


Gated = tuple[FloatArray, FloatArray, FloatArray]


def _each(
    member: Member,
    signal: FloatArray,
    valid: BoolArray,
    counted: BoolArray,
    past: FloatArray | None,
) -> Gated:
    """Return argument, w and signal of units that are decided each by itself."""
    units = transform(member.signal_transform, signal, counted)
    if member.price[0] == "rolling" and member.draw not in ("top-k", "all"):
        x, w = streamed(member, units, counted, past)
    else:
        x, w = kept(member, units, counted)
    w = np.where(valid, w, 0.0)
    if member.when_empty and member.draw == "hard" and not w.any() and valid.any():
        w = when_empty(member, units, valid)
    return x, w, units


def _whole(member: Member, rows: Rows, past: FloatArray | None) -> Gated:
    """Return argument, w and signal (units,) of the rows that are decided as one."""
    signal, some = aggregated(member.aggregation, rows)
    return _each(member, signal, some, some, past)


def _everywhere(gated: Gated, shape: tuple[int, ...]) -> Gated:
    """Return what holds for a row, or for the one row, at every decision of it."""
    x, w, units = (
        np.broadcast_to(a.reshape(-1, *[1] * (len(shape) - 1)), shape).copy() for a in gated
    )
    return x, w, units


def _one_row(decisions: Rows) -> Rows:
    return Rows(
        decisions.gain.reshape(1, -1),
        decisions.level.reshape(1, -1),
        decisions.signal.reshape(1, -1),
        decisions.counted.reshape(1, -1),
    )


def _shared(member: Member, labels: IntArray, decisions: Rows) -> Gated:
    """Return argument, w and signal where decisions share a gate; nothing is forced or streamed."""
    signal, some = aggregated(member.aggregation, padded(labels, decisions))
    units = transform(member.signal_transform, signal, some)
    x, w = kept(member, units, some)
    shape = decisions.signal.shape
    x, w, units = (a[labels].reshape(shape) for a in (x, np.where(some, w, 0.0), units))
    return x, w, units


def unit_signal(member: Member, batch: Batch) -> FloatArray:
    """Return the signals of the valid units of a batch, (n,), in order."""
    plain = replace(member, price=("none",), draw="soft")
    prepared = prepare(plain, batch)
    if member.unit == "sequence" and len(batch.shape) == 2:
        rows = batch.valid.any(axis=1)
        return prepared.gate_signal[rows, 0]
    return prepared.gate_signal[prepared.valid]
