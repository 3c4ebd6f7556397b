"""What no known mistake explains, named by the dimension in which it shows.

The member that explains the core is held, and the batches of a stage are compared with it: what
differs, a count, a factor, a gate, invalid decisions, tells the dimension.
"""

import numpy as np

from kondo_ref.audit.checks.estimator import finding
from kondo_ref.audit.checks.outside import core_findings
from kondo_ref.audit.checks.pairs import factor_only, kept_counts, numbers, pair_of
from kondo_ref.audit.identify import Identity
from kondo_ref.audit.known_family import Member
from kondo_ref.audit.probes import Probe
from kondo_ref.audit.verdict import Claim, Finding


def unexplained_findings(identity: Identity, claim: Claim) -> list[Finding]:
    """Return one finding for each stage that stays unexplained, or for the core.

    Parameters
    ----------
    identity : Identity
    claim : Claim
    """
    if identity.member is None:
        return core_findings(identity)
    found = []
    for stage, probes in identity.unexplained.items():
        namer = {
            "count": _count,
            "ties": _ties,
            "masked": _masked,
            "sequences": _sequences,
        }.get(stage)
        if namer is None or not probes:
            continue
        which, told, probe = namer(identity, identity.member, probes)
        # A target for (N,) alone, which a square batch only happens to run through, loses no user
        # of it anything.
        mild = "fragile on edge inputs" if which == "robustness.broadcast" else None
        shown = numbers(identity, probe, identity.member)
        found.append(finding(which, told, shown, severity=mild))
    del claim
    return found


def _count(identity: Identity, member: Member, probes: tuple[Probe, ...]) -> tuple[str, str, Probe]:
    if factor_only(identity, member, probes):
        return "normalizer.other", "sizes of batches change a factor of all coefficients", probes[0]
    rows = kept_counts(identity, member, probes)
    if not rows and all(p.batch.actions.size == 1 for p in probes):
        return "robustness.single", "a batch of one decision has no finite answer", probes[0]
    if not rows:
        return "count.other" if member.draw == "top-k" else "price.other", "no answer", probes[0]
    probe, seen, expected = min(rows, key=lambda r: r[0].batch.actions.size)
    told = f"{seen} of {probe.batch.actions.size} are kept, {expected} by the rule"
    if member.draw == "top-k":
        more = {r[1] - r[2] for r in rows}
        which = "count.one-extra" if more == {1} else "count.other"
        which = "count.one-short" if more == {-1} else which
        return which, told, probe
    which = "price.interpolation" if member.price[0] == "quantile" else "price.other"
    return which, told, probe


def _ties(identity: Identity, member: Member, probes: tuple[Probe, ...]) -> tuple[str, str, Probe]:
    if member.draw not in ("top-k", "hard"):
        told = "batches with equal delights are computed in another way"
        return "robustness.constant-signal", told, probes[0]
    rows = kept_counts(identity, member, probes)
    if not rows:
        return "robustness.constant-signal", "no finite answer", probes[0]
    probe, seen, expected = rows[0]
    told = f"{seen} of {probe.batch.actions.size} are kept, {expected} by the rule"
    if all(r[1] == r[2] for r in rows):
        return "ties.other", "as many are kept, but others of the tied ones", probe
    which = "ties.all-kept" if seen > expected else "ties.none-kept"
    if any("slack" in r[0].tags for r in rows) and seen > expected:
        which = "ties.slack"
    return which, told, probe


def _masked(
    identity: Identity, member: Member, probes: tuple[Probe, ...]
) -> tuple[str, str, Probe]:
    for probe in probes:
        pair = pair_of(identity, member, probe)
        if pair is not None and np.any(pair[0][~probe.batch.valid]):
            return "robustness.mask-ignored", "invalid decisions have a coefficient", probe
    ones = [p for p in probes if p.batch.valid.all()]
    if ones:
        return "units.mask-changes-unit", "a mask of ones changes the result", ones[0]
    if factor_only(identity, member, probes):
        return "normalizer.other", "masks change a factor of all coefficients", probes[0]
    which = "count.other" if member.draw == "top-k" else "price.includes-masked"
    return which, "valid decisions are gated in another way beside invalid ones", probes[0]


def _sequences(
    identity: Identity, member: Member, probes: tuple[Probe, ...]
) -> tuple[str, str, Probe]:
    if all("square" in p.tags for p in probes):
        return "robustness.broadcast", "only batches with B = T are computed wrongly", probes[0]
    ones = [p for p in probes if "masked" in p.tags and p.batch.valid.all()]
    if ones and all("masked" in p.tags for p in probes):
        return "units.mask-changes-unit", "a mask of ones changes the result", ones[0]
    budget = [p for p in probes if _rows_lost(identity, member, p)]
    if budget:
        return "units.row-budget", "tokens that the gate kept are lost with their rows", budget[0]
    if factor_only(identity, member, probes):
        return "normalizer.other", "the shape changes a factor of all coefficients", probes[0]
    masked = all("masked" in p.tags for p in probes)
    which, told = _SEQUENCES[member.unit == "sequence", masked]
    return which, told, probes[0]


# (whether sequences are the unit, whether masked ones alone differ) -> id and words.
_SEQUENCES = {
    (True, True): ("aggregation.counts-padding", "ragged sequences alone differ"),
    (True, False): ("aggregation.other", "sequences are gated in another way"),
    (False, True): ("robustness.mask-matters", "masked sequences alone differ"),
    (False, False): ("units.other", "sequences are gated in another way"),
}


def _rows_lost(identity: Identity, member: Member, probe: Probe) -> bool:
    """Whether whole rows of the member's gate are missing, and the others are as they should be."""
    pair = pair_of(identity, member, probe)
    if pair is None:
        return False
    seen, expected = pair
    rows = (seen != 0).any(axis=1)
    right = (expected != 0).any(axis=1)
    if rows.all() or not rows.any() or not (right & ~rows).any():
        return False
    return bool(np.array_equal(seen[rows] != 0, expected[rows] != 0))
