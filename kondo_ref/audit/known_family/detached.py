"""Coefficients and weights of a member whose gate, advantage and price are constants."""

import numpy as np

from kondo_ref.audit.batch import Batch
from kondo_ref.audit.known_family.divisor import divisor
from kondo_ref.audit.known_family.member import Member, as_targets_do
from kondo_ref.audit.known_family.prepared import prepare
from kondo_ref.audit.known_family.weight import weight_of
from kondo_ref.audit.known_parts import transform
from kondo_ref.checks import FloatArray


@as_targets_do
def detached(
    member: Member,
    batch: Batch,
    gate: FloatArray | None = None,
    past: FloatArray | None = None,
) -> FloatArray:
    """Return c = G U / Z of every decision, whatever the member says of leaks and other terms."""
    prepared = prepare(member, batch, past=past)
    g = prepared.probability if gate is None else gate
    weight = weight_of(member, prepared, batch, g)
    gain = transform(member.advantage, batch.advantages, prepared.valid)
    c = weight * gain / divisor(member, prepared, batch, g)
    return np.where(prepared.valid, c, 0.0)


def weights(
    member: Member,
    batch: Batch,
    gate: FloatArray | None = None,
    past: FloatArray | None = None,
) -> FloatArray:
    """Return the weight of every decision, as surfaces without a gradient show it."""
    prepared = prepare(member, batch, past=past)
    g = prepared.probability if gate is None else gate
    return weight_of(member, prepared, batch, g)
