"""Dimension 18: what a target remembers, where its claim has no memory, or another one.

The same batch after others is held to the member that explains a fresh one.
"""

import numpy as np

from kondo_ref.audit.checks.estimator import finding
from kondo_ref.audit.identify import Identity
from kondo_ref.audit.identify_evidence import distance
from kondo_ref.audit.identify_trial import realised
from kondo_ref.audit.known_family import Member, coefficients, prepare, weights
from kondo_ref.audit.known_parts import price_of
from kondo_ref.audit.probes import Probe
from kondo_ref.audit.replay import replay_json
from kondo_ref.audit.verdict import Finding
from kondo_ref.checks import FloatArray

SAME = 1e-5


def memory_findings(identity: Identity) -> list[Finding]:
    """Return what earlier batches change.

    Parameters
    ----------
    identity : Identity
    """
    if identity.warmed:
        probe = identity.warmed
        told = "the first calls are computed in another way; later ones are as claimed or as found"
        return [finding("dynamics.warm-up", told, _evidence(probe))]
    probes = identity.unexplained.get("memory", ())
    member = identity.member
    if not probes or member is None:
        return []
    which, told, probe = named(identity, member, probes)
    return [finding(which, told, _evidence(probe))]


def _evidence(probe: Probe) -> dict[str, object]:
    return {"probe": probe.name, "replay": replay_json(probe.batches, 0)}


def named(identity: Identity, member: Member, probes: tuple[Probe, ...]) -> tuple[str, str, Probe]:
    """Return id, words and probe of what is remembered.

    Parameters
    ----------
    identity : Identity
    member : Member
        What explains a fresh target.
    probes : tuple of Probe
        The batches after others that it does not explain.
    """
    evidence = identity.trial.evidence
    by_name = {p.name: p for p in identity.trial.probes if "memory" in p.tags}
    first = min(probes, key=lambda p: len(p.batches))
    for probe in probes:
        found = remembered(identity, member, probe)
        if found:
            return found[0], found[1], probe
    seen = {name: evidence.response(p) for name, p in by_name.items()}
    hard = member.draw in ("hard", "top-k", "bernoulli")
    followed = hard and all(_threshold(member, p, seen.get(p.name)) for p in probes)
    which, told = _followed(member, seen, followed)
    if which:
        return which, told, first
    if "after many low ones" in {p.name for p in probes} and len(probes) == 1:
        return "dynamics.drop-cap", "after many drops, something is kept all the same", probes[0]
    if followed:
        which = "price.dual-ascent" if _creeps(identity, by_name) else "price.history"
        return which, f"the threshold follows the batches before: kept {_counts(seen)}", first
    return "dynamics.other", "earlier batches change the result", first


def _followed(
    member: Member, seen: dict[str, FloatArray | None], followed: bool
) -> tuple[str, str]:
    """Return id and words where it is the number of calls, or the count, that changes; or empty."""
    high, low, twice = (seen.get(n) for n in ("after a high one", "after a low one", "twice"))
    budget = member.draw == "top-k" and followed
    if high is not None and low is not None and distance(high, low) <= SAME:
        told = "the second call differs from the first, whatever the first batch was"
        if twice is not None and distance(high, twice) <= SAME:
            if budget:
                return "dynamics.reserve", f"{told}: kept {_counts(seen)}"
            return "dynamics.drift", told
    if budget:
        return "dynamics.reserve", f"how many are kept follows the batches before: {_counts(seen)}"
    return "", ""


def _counts(seen: dict[str, FloatArray | None]) -> dict[str, int]:
    return {n: int(np.count_nonzero(s)) for n, s in seen.items() if s is not None}


def remembered(identity: Identity, member: Member, probe: Probe) -> tuple[str, str] | None:
    """Return what of an earlier batch is used with the current one: size, log pi, gate or price."""
    return (
        _size(identity, member, probe)
        or _ratio(identity, member, probe)
        or _old(identity, member, probe)
    )


def _finite(
    identity: Identity, member: Member, probe: Probe
) -> tuple[FloatArray, FloatArray] | None:
    """Return what was seen of the last batch, and what a member makes of it afresh."""
    evidence = identity.trial.evidence
    seen = evidence.response(probe)
    if seen is None or not np.isfinite(seen).all() or identity.trial.random:
        return None
    if not evidence.gradient or member.price[0] == "rolling":
        return None
    expected = coefficients(member, probe.batch)
    return (seen, expected) if np.isfinite(expected).all() and expected.any() else None


def _size(identity: Identity, member: Member, probe: Probe) -> tuple[str, str] | None:
    """Tell a mean over as many as an earlier batch had."""
    pair = _finite(identity, member, probe)
    now = probe.batch.actions.size
    if pair is None:
        return None
    for earlier, name in ((probe.batches[0], "the first"), (probe.batches[-2], "the last")):
        was = earlier.actions.size
        if was != now and distance(pair[0], pair[1] * now / was) <= SAME:
            return "normalizer.constant", f"dividing by the size of {name} batch"
    return None


def _ratio(identity: Identity, member: Member, probe: Probe) -> tuple[str, str] | None:
    """Tell a ratio of probabilities whose old ones are those of an earlier batch.

    A clip may have taken some coefficients away; what is left has the factor of its ratio.
    """
    pair = _finite(identity, member, probe)
    if pair is None:
        return None
    seen, expected = pair
    left = (seen != 0) & (expected != 0)
    if np.count_nonzero(left) < 3:
        return None
    for earlier, name in ((probe.batches[0], "the first"), (probe.batches[-2], "the last")):
        if earlier.shape != probe.batch.shape:
            continue
        ratio = np.exp(earlier.surprisal - probe.batch.surprisal)[left]
        if np.ptp(ratio) > 0 and distance(seen[left], expected[left] * ratio) <= SAME:
            return "dynamics.stale", f"the old log-probabilities are those of {name} batch"
    return None


def _old(identity: Identity, member: Member, probe: Probe) -> tuple[str, str] | None:
    """Return what of an earlier batch stands in for the current one's."""
    evidence = identity.trial.evidence
    seen = evidence.response(probe)
    if seen is None or not np.isfinite(seen).all() or identity.trial.random:
        return None
    now = probe.batch
    for earlier, name in ((probe.batches[-2], "the last batch"), (probe.batches[0], "the first")):
        if earlier.shape != now.shape:
            continue
        with np.errstate(all="ignore"):
            prepared = prepare(member, now, earlier.surprisal)
            old_l = coefficients(member, now, prepared.probability)
            old_gate = prepare(member, earlier).probability
            gated = coefficients(member, now, old_gate)
            if not evidence.gradient:
                old_l, gated = prepared.probability, weights(member, now, old_gate)
            if distance(seen, gated) <= SAME:
                return "dynamics.stale", f"the gate is that of {name}"
            if distance(seen, old_l) <= SAME and not np.allclose(old_l, gated):
                return "surprisal.stale", f"the surprisal is that of {name}"
            if member.price[0] not in ("fixed", "none", "rolling") and member.draw != "top-k":
                known = prepare(member, earlier).gate_signal[earlier.valid]
                at = price_of(member.price, known, member.temperature)
                fixed = prepare(_with_price(member, at), now).probability
                lagged = coefficients(member, now, fixed)
                lagged = lagged if evidence.gradient else weights(member, now, fixed)
                if distance(seen, lagged) <= SAME:
                    return "price.history", f"the price is that of {name}"
    return None


def _with_price(member: Member, value: float) -> Member:
    from dataclasses import replace

    return replace(member, price=("fixed", value))


def _threshold(member: Member, probe: Probe, seen: FloatArray | None) -> bool:
    """Whether what is kept are the largest signals."""
    if seen is None or not np.isfinite(seen).all():
        return False
    kept = realised(seen, probe) > 0
    signal = prepare(member, probe.batch).gate_signal
    if kept.all() or not kept.any():
        return True
    return bool(signal[kept].min() >= signal[~kept].max())


def _creeps(identity: Identity, by_name: dict[str, Probe]) -> bool:
    """Whether the kept share of one batch, shown again and again, moves on with every call."""
    evidence = identity.trial.evidence
    base = next(iter(by_name.values())).batch
    seen = evidence.observe(Probe("again and again", (base,) * 24))
    counts = []
    for one in seen:
        response = evidence.of(one)
        if response is None:
            return False
        counts.append(int(np.count_nonzero(response)))
    return len(set(counts[:12])) > 2
