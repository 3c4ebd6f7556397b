"""What was seen of a probe beside what a member makes of it: the pairs that the checks compare."""

from typing import Any

import numpy as np

from kondo_ref.audit.checks.estimator import comparison
from kondo_ref.audit.identify import Identity
from kondo_ref.audit.identify_trial import realised
from kondo_ref.audit.known_family import Member
from kondo_ref.audit.probes import Probe
from kondo_ref.audit.replay import replay_json
from kondo_ref.checks import FloatArray

LOOSE = 1e-6


def numbers(identity: Identity, probe: Probe, member: Member | None) -> dict[str, Any]:
    """Return the numbers of one probe beside a member, and its replay."""
    evidence: dict[str, Any] = {"probe": probe.name, "replay": replay_json(probe.batches, 0)}
    pair = None if member is None else pair_of(identity, member, probe)
    if pair is not None:
        evidence |= comparison(*pair, identity.trial.evidence.precision)
    return evidence


def pair_of(
    identity: Identity, member: Member, probe: Probe
) -> tuple[FloatArray, FloatArray] | None:
    """Return what was seen of a probe and what a member makes of it; None where either is none."""
    trial = identity.trial
    seen = trial.evidence.response(probe)
    if seen is None or not np.isfinite(seen).all():
        return None
    gate = realised(seen, probe) if trial.random or member.draw == "bernoulli" else None
    with np.errstate(all="ignore"):
        expected = trial.evidence.predict(member, probe, gate)
    return (seen, expected) if np.isfinite(expected).all() else None


def kept_counts(
    identity: Identity, member: Member, probes: tuple[Probe, ...]
) -> list[tuple[Probe, int, int]]:
    """Return how many are kept of each probe, and how many the member keeps."""
    rows = []
    for probe in probes:
        pair = pair_of(identity, member, probe)
        if pair is not None:
            some = probe.batch.advantages != 0
            rows.append(
                (probe, int(np.count_nonzero(pair[0])), int(np.count_nonzero(pair[1] * some)))
            )
    return rows


def factor_only(identity: Identity, member: Member, probes: tuple[Probe, ...]) -> bool:
    """Whether each probe differs from the member by one factor, where coefficients are seen."""
    if not identity.trial.evidence.gradient:
        return False
    for probe in probes:
        pair = pair_of(identity, member, probe)
        if pair is None:
            return False
        a, b = pair
        na, nb = float(np.linalg.norm(a)), float(np.linalg.norm(b))
        if na == 0 or nb == 0 or abs(float((a * b).sum())) / (na * nb) < 1 - LOOSE:
            return False
    return True
