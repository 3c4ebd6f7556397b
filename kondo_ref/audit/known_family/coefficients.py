"""The coefficient c of every decision of a batch, as a member of the family computes it."""

from dataclasses import replace

from kondo_ref.audit.batch import Batch
from kondo_ref.audit.known_family.attached import attached
from kondo_ref.audit.known_family.detached import detached
from kondo_ref.audit.known_family.member import Member, as_targets_do
from kondo_ref.audit.known_family.prepared import prepare
from kondo_ref.audit.known_parts import Part, baseline_of, extra_part, scaled_by
from kondo_ref.checks import FloatArray


@as_targets_do
def coefficients(
    member: Member,
    batch: Batch,
    gate: FloatArray | None = None,
    past: FloatArray | None = None,
) -> FloatArray:
    """Return c of every decision.

    Parameters
    ----------
    member : Member
    batch : Batch
    gate : decisions float, optional
        The realised gate, for a member that draws; w else.
    past : (h,) float, optional
        As of `prepare`.
    """
    if member.baseline[0] != "none":
        return _of_rewards(member, batch, gate)
    if member.extra[0] != "none":
        plain = replace(member, extra=("none",))
        return coefficients(plain, batch, gate, past) + extra_part(member.extra, batch)
    if member.leak:
        return attached(member, batch, gate)
    return detached(member, batch, gate, past)


def _of_rewards(member: Member, batch: Batch, gate: FloatArray | None) -> FloatArray:
    """Return c of a target that takes rewards, and its baseline from them itself."""
    plain = replace(member, baseline=("none",), gate_baseline=("none",))
    if member.baseline[0] == "gated":  # the gate multiplies the rewards, and then comes the rest
        gated = coefficients(replace(plain, normalizer=("none",)), batch, gate)
        gain = gated - baseline_of(member.baseline[1:], replace(batch, advantages=gated))
        return coefficients(replace(plain, draw="all"), replace(batch, advantages=gain))
    rated = replace(batch, advantages=_advantages(member.baseline, batch))
    if member.gate_baseline == ("none",) or gate is not None:
        return coefficients(plain, rated, gate)
    in_gate = replace(batch, advantages=_advantages(member.gate_baseline, batch))
    g = prepare(plain, in_gate).probability
    return coefficients(replace(plain, leak=""), rated, g)


def _advantages(baseline: Part, batch: Batch) -> FloatArray:
    return scaled_by(baseline, batch.advantages - baseline_of(baseline, batch), batch)
