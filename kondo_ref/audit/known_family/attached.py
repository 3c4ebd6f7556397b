"""Coefficients of a member whose gate was not detached, by central differences of its loss."""

from dataclasses import replace

import numpy as np

from kondo_ref.audit.batch import Batch
from kondo_ref.audit.known_family.detached import detached
from kondo_ref.audit.known_family.divisor import divisor
from kondo_ref.audit.known_family.keep import scale
from kondo_ref.audit.known_family.member import Member
from kondo_ref.audit.known_family.prepared import prepare
from kondo_ref.audit.known_family.units import signal_of
from kondo_ref.audit.known_family.weight import weight_of
from kondo_ref.audit.known_parts import Part, price_of, surprisal_part, transform
from kondo_ref.checks import FloatArray


def attached(member: Member, batch: Batch, gate: FloatArray | None) -> FloatArray:
    """Return -dloss/dlog pi of every decision, with parts of the gate attached.

    Parameters
    ----------
    member : Member
        With a leak.
    batch : Batch
    gate : decisions float or None
        The realised gate, where it is drawn.
    """
    plain = replace(member, leak="")
    right = detached(plain, batch, gate)
    if member.leak == "surprisal-factor":  # loss built from U * l * l or the like
        return 2.0 * right
    soft = _soft(member)
    through = _differences(member, soft, batch, gate)
    if member.leak == "straight-through":
        return right + through - detached(soft, batch)
    return right + member.leak_share * (through - right)


def _soft(member: Member) -> Member:
    """Return the gate that is differentiated: the soft one behind a hard or drawn one."""
    plain = replace(member, leak="")
    if member.draw not in ("hard", "top-k", "bernoulli"):
        return plain
    at = member.temperature or member.leak_temperature
    soft = replace(plain, draw="soft", temperature=at)
    return replace(soft, price=("fixed", 0.0)) if member.draw == "top-k" else soft


def _differences(member: Member, soft: Member, batch: Batch, gate: FloatArray | None) -> FloatArray:
    """Return -dloss/dlog pi through the surprisal of the loss and of the gate, as the batch."""
    plain = replace(member, leak="")
    base = prepare(plain, batch)
    valid, level = base.valid, batch.surprisal
    gain = transform(member.advantage, batch.advantages, valid)
    z = divisor(plain, base, batch, base.probability if gate is None else gate)
    if member.leak in ("gate", "straight-through"):
        price = _frozen_price(soft, batch)
        soft = soft if price is None else replace(soft, price=price)

    def loss(l_now: FloatArray) -> float:
        now = prepare(soft, batch, l_now)
        w = weight_of(plain, now, batch, now.probability)
        divide = divisor(plain, now, batch, now.probability) if member.leak == "normalizer" else z
        return float((np.where(valid, w * gain * l_now, 0.0) / divide).sum())

    through = np.zeros(batch.shape)
    for index in np.ndindex(batch.shape):
        h = 1e-6 * max(1.0, float(level[index]))
        up, down = level.copy(), level.copy()
        up[index] += h
        down[index] -= h
        through[index] = (loss(up) - loss(down)) / (2 * h)
    return through


def _frozen_price(member: Member, batch: Batch) -> Part | None:
    """Return the batch's price as a constant, where it is one number."""
    if member.scope != ("batch",) or member.unit != "token" or member.price[0] == "rolling":
        return None
    valid = batch.valid
    signal = signal_of(
        member,
        transform(member.gate_advantage, batch.advantages, valid),
        surprisal_part(member.surprisal, batch.surprisal, batch, valid),
    )
    known = transform(member.signal_transform, signal, valid)[valid]
    return ("fixed", price_of(member.price, known, scale(member, known)))
