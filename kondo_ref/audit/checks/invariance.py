"""What leaves a target as it is: shown for a target that no member of the family explains.

A factor that neither U nor l changes is a normaliser; weights that stay where the delights keep
their order are of ranks; a decision that changes its neighbours' gates alone is gated in a block.
"""

from dataclasses import replace

import numpy as np

from kondo_ref.audit.batch import Batch
from kondo_ref.audit.checks.pairs import pair_of
from kondo_ref.audit.identify import Identity
from kondo_ref.audit.identify_evidence import Evidence, distance
from kondo_ref.audit.known_family import Member
from kondo_ref.audit.known_parts import baseline_of, scaled_by
from kondo_ref.audit.probes import Probe, exact, take, with_advantages
from kondo_ref.checks import FloatArray

SAME = 1e-6
# Batches of one size, with other advantages, or others of them next to each other.
OF_ONE_SIZE = ("generic", "permuted", "all negative", "all positive", "shifted")
FAR = 7.0  # an advantage beyond all of an ordinary batch


def gains(member: Member, batch: Batch) -> FloatArray:
    """Return U of every decision: as given, or what the member makes of rewards."""
    if member.baseline[0] in ("none", "gated"):
        return batch.advantages
    left = batch.advantages - baseline_of(member.baseline, batch)
    return scaled_by(member.baseline, left, batch)


def shares(evidence: Evidence, member: Member, probe: Probe) -> FloatArray | None:
    """Return c / U, or the weight, of every decision; None where it is not finite."""
    seen = evidence.response(probe)
    if seen is None or not np.isfinite(seen).all():
        return None
    if not evidence.gradient:
        return seen
    u = gains(member, probe.batch)
    return np.divide(seen, u, out=np.zeros_like(seen), where=u != 0)


def keeps_ratios(identity: Identity, origin: Member) -> bool:
    """Whether found over claimed is one vector for all batches of a size, whatever is in them."""
    ratios = []
    for probe in identity.trial.probes:
        if probe.name not in OF_ONE_SIZE:
            continue
        pair = pair_of(identity, origin, probe)
        if pair is None or (pair[1] == 0).any() != (pair[0] == 0).any():
            return False
        if (pair[1] == 0).any():
            return False
        ratios.append(pair[0] / pair[1])
    if len(ratios) < 3 or distance(ratios[0], np.ones_like(ratios[0])) <= SAME:
        return False  # what differs from the claim elsewhere is no factor of places
    return all(distance(r, ratios[0]) <= SAME for r in ratios[1:])


def keeps_weights(evidence: Evidence, origin: Member, probe: Probe) -> bool:
    """Whether weights stay as they are where all delights are cubed."""
    if origin.baseline[0] != "none":
        return False
    batch = probe.batch
    delight = batch.advantages * batch.surprisal
    cubed = with_advantages(batch, batch.advantages * delight**2)
    first = shares(evidence, origin, probe)
    again = shares(evidence, origin, Probe(f"{probe.name}, cubed", (cubed,), probe.tags))
    return first is not None and again is not None and distance(again, first) <= SAME


def order_matters(evidence: Evidence, probe: Probe) -> bool:
    """Whether a permuted batch gives other than the permuted response."""
    order = np.random.default_rng(5).permutation(probe.batch.actions.shape[0])
    turned = Probe("generic, turned", (take(probe.batch, order),), probe.tags)
    a, b = evidence.response(probe), evidence.response(turned)
    if a is None or b is None:
        return False
    scale = float(np.abs(a).max())
    return bool(np.abs(a[order] - b).max() > 1e-4 * max(scale, 1e-300))


def influence(identity: Identity, origin: Member, probe: Probe) -> str:
    """Return whose gates one decision changes: those of later ones, or of its neighbours.

    Parameters
    ----------
    identity : Identity
    origin : Member
    probe : Probe
        Of (N,) decisions, in whose order something lies.

    Returns
    -------
    str
        later, shared (neighbours with one gate), block, or nothing of these.
    """
    base = shares(identity.trial.evidence, origin, probe)
    sets = [] if base is None else _changed(identity.trial.evidence, origin, probe, base)
    some = [(j, changed) for j, changed in sets if changed]
    if base is None or not some:
        return ""
    if all(min(changed) > j for j, changed in some):
        return "later"
    wide = max(max(*changed, j) - min(*changed, j) for j, changed in some)
    if wide > base.size // 2:
        return ""
    blocks = [sorted({j, *changed}) for j, changed in some]
    one = all(np.ptp(base[block]) <= SAME * np.abs(base).max() for block in blocks)
    return "shared" if one else "block"


def _changed(
    evidence: Evidence, origin: Member, probe: Probe, base: FloatArray
) -> list[tuple[int, set[int]]]:
    """Return some decisions, and whose gates change with the advantage of each."""
    sets: list[tuple[int, set[int]]] = []
    for j in range(1, base.size, 3):
        changed: set[int] = set()
        for far in (FAR, -FAR):
            u = probe.batch.advantages.copy()
            u[j] = far
            moved = replace(probe.batch, advantages=exact(u))
            other = shares(evidence, origin, Probe(f"{j} at {far:g}", (moved,), probe.tags))
            if other is None:
                return []
            changed |= set(np.flatnonzero(_differs(base, other)).tolist()) - {j}
        sets.append((j, changed))
    return sets


def _differs(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return where two gates differ; where none stays, but for the factor of a normaliser."""
    both = (a != 0) & (b != 0)
    ratios = a[both] / b[both]
    stays = ratios.size == 0 or np.abs(ratios - 1.0).min() <= SAME
    factor = 1.0 if stays else float(np.median(ratios))
    return np.asarray(np.abs(a - factor * b) > 1e-6 * np.abs(a).max())
