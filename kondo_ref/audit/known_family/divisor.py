"""The normaliser Z: a number for the batch, or one for each decision where means are averaged."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kondo_ref.audit.batch import Batch
from kondo_ref.audit.known_family.member import Member
from kondo_ref.audit.known_family.prepared import Prepared
from kondo_ref.audit.known_family.weight import rate_of
from kondo_ref.audit.known_parts import count_of, number
from kondo_ref.checks import BoolArray, FloatArray


@dataclass(frozen=True, eq=False)
class _Counts:
    """What can be counted in a batch and its gate."""

    member: Member
    prepared: Prepared
    batch: Batch
    gate: FloatArray

    @property
    def valid(self) -> BoolArray:
        return self.prepared.valid

    @property
    def n(self) -> int:
        return _number(self.valid)

    @property
    def kept(self) -> BoolArray:
        return np.asarray((self.gate > 0) & self.valid)

    @property
    def of_rows(self) -> bool:
        return len(self.batch.shape) > 1

    @property
    def value(self) -> float:
        """The number that the normaliser itself carries."""
        return number(self.member.normalizer, 1, 1.0)


def _number(marked: BoolArray | FloatArray | np.bool_) -> int:
    return int(np.count_nonzero(marked))


def _norm(of: _Counts) -> float:
    return float(np.linalg.norm(of.gate[of.valid] * of.batch.advantages[of.valid]))


def _valid_sequences(of: _Counts) -> int:
    return _number(of.valid.any(axis=1)) if of.of_rows else of.n


_NUMBERS: dict[str, Callable[[_Counts], float]] = {
    "decisions": lambda of: of.n,
    "all": lambda of: of.valid.size,
    "kept": lambda of: _number(of.kept),
    "none": lambda _: 1,
    "nonzero-advantage": lambda of: _number((of.batch.advantages != 0) & of.valid),
    "weight-sum": lambda of: float(of.gate[of.valid].sum()),
    "probability-sum": lambda of: float(of.prepared.probability[of.valid].sum()),
    "expected-kept": lambda of: rate_of(of.member) * of.n,
    "k": lambda of: count_of(of.member.count, rate_of(of.member), of.n),
    "sequences": lambda of: of.batch.shape[0],
    "length": lambda of: of.batch.shape[1] if of.of_rows else 1,
    "longest": lambda of: int(of.valid.sum(axis=-1).max()) if of.of_rows else 1,
    "valid-sequences": _valid_sequences,
    "one-less": lambda of: of.n - 1,
    "one-more": lambda of: of.n + 1,
    "kept-plus-one": lambda of: _number(of.kept) + 1,
    "positive": lambda of: _number((of.batch.advantages > 0) & of.valid),
    "root": lambda of: of.n**0.5,
    "square": lambda of: of.n * of.n,
    "constant": lambda of: of.value,
    "actions": lambda of: of.n * of.batch.logits.shape[-1],
    "norm": _norm,
}


def _sequence_mean(of: _Counts, counted: BoolArray, otherwise: int) -> float | FloatArray:
    """Of means over the counted of each row, averaged over the rows that have any."""
    if not of.of_rows:
        return float(max(1, otherwise))
    each = np.maximum(counted.sum(axis=1, keepdims=True), 1)
    return np.asarray(each * max(1, _number(counted.any(axis=1))), dtype=np.float64)


def _part_kept(of: _Counts) -> FloatArray:
    """Of means over the kept of each micro-batch, averaged."""
    size = int(number(of.member.normalizer, 1, 8.0))
    flat = np.arange(of.valid.size) // size
    kept = np.bincount(flat, weights=of.kept.ravel().astype(np.float64))
    return np.asarray(np.maximum(kept, 1.0)[flat].reshape(of.batch.shape) * kept.size)


def _part_decisions(of: _Counts) -> FloatArray:
    """Of means over each micro-batch of so many rows, averaged."""
    size = int(number(of.member.normalizer, 1, 8.0))
    label = np.arange(of.valid.shape[0]) // size
    rows = of.valid.reshape(label.size, -1).sum(axis=1)
    each = np.maximum(np.bincount(label, weights=rows), 1.0)
    wide = (each * each.size)[label].reshape(-1, *[1] * (of.valid.ndim - 1))
    return np.asarray(np.broadcast_to(wide, of.batch.shape), dtype=np.float64)


_OF_DECISIONS: dict[str, Callable[[_Counts], float | FloatArray]] = {
    "sequence-mean": lambda of: _sequence_mean(of, of.valid, of.n),
    "kept-sequence-mean": lambda of: _sequence_mean(of, of.kept, _number(of.gate)),
    "part-kept": _part_kept,
    "part-decisions": _part_decisions,
}


def divisor(
    member: Member, prepared: Prepared, batch: Batch, gate: FloatArray
) -> float | FloatArray:
    """Return Z: a number, or one for each decision where means of rows are averaged."""
    name, of = str(member.normalizer[0]), _Counts(member, prepared, batch, gate)
    if name in _OF_DECISIONS:
        return _OF_DECISIONS[name](of)
    z = float(_NUMBERS[name](of))
    return z if z > 0 else 1.0
