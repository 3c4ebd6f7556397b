"""The weight of a decision: the gate that was realised, and what else multiplies the advantage."""

from collections.abc import Callable

import numpy as np

from kondo_ref.audit.batch import Batch
from kondo_ref.audit.known_family.member import Member, as_targets_do
from kondo_ref.audit.known_family.prepared import Prepared
from kondo_ref.audit.known_parts import number, squash
from kondo_ref.checks import FloatArray


def rate_of(member: Member) -> float:
    """Return the rate at which a member keeps, 1 where it has none."""
    return member.rate if member.draw == "top-k" else number(member.price, 1, 1.0)


@as_targets_do
def weight_of(member: Member, prepared: Prepared, batch: Batch, gate: FloatArray) -> FloatArray:
    """Return the weight of every decision, given the gate G that was realised (w if not drawn)."""
    g = gate**member.power if member.power != 1.0 else gate
    if member.factor in _FACTORS:
        g = _FACTORS[member.factor](g, member, prepared, batch)
    if member.mix:
        g = (1.0 - member.mix) * g + member.mix
    if member.bounds != (-np.inf, np.inf):
        g = np.clip(g, *member.bounds)
    if member.ungated == "negative":
        g = np.where(batch.advantages < 0, 1.0, g)
    elif member.ungated == "positive":
        g = np.where(batch.advantages > 0, 1.0, g)
    return np.where(prepared.valid, g * member.gain, 0.0)


def _inverse_probability(g: FloatArray, _: Member, prepared: Prepared, __: Batch) -> FloatArray:
    return np.where(g > 0, g / prepared.probability, 0.0)


def _realised_rate(g: FloatArray, _: Member, prepared: Prepared, __: Batch) -> FloatArray:
    kept = int(np.count_nonzero(g[prepared.valid]))
    rate = kept / max(1, int(np.count_nonzero(prepared.valid)))
    return np.asarray(g / max(rate, 1e-12))


_FACTORS: dict[str, Callable[[FloatArray, Member, Prepared, Batch], FloatArray]] = {
    "inverse-probability": _inverse_probability,
    "inverse-rate": lambda g, member, _, __: g / max(rate_of(member), 1e-12),
    "realised-rate": _realised_rate,
    "sigmoid": lambda g, _, __, batch: g * squash("sigmoid", batch.advantages * batch.surprisal),
    "sigmoid-price": lambda g, _, prepared, __: g * squash("sigmoid", prepared.argument),
    "surprisal": lambda g, _, __, batch: g * batch.surprisal,
    "signal": lambda g, _, prepared, __: g * np.abs(prepared.gate_signal),
    "probability": lambda g, _, __, batch: g * np.exp(-batch.surprisal),
}
