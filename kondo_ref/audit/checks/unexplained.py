"""What no known mistake explains, named by the dimension in which it shows.

The member that explains the core is held, and the batches of a stage are compared with it: what
differs, a count, a factor, a gate, invalid decisions, tells the dimension.
"""

from typing import Any

import numpy as np
from scipy.special import logit

from kondo_ref.audit.checks.estimator import comparison, finding
from kondo_ref.audit.identify import Identity
from kondo_ref.audit.identify_evidence import Evidence, distance
from kondo_ref.audit.identify_search import realised
from kondo_ref.audit.known_family import Member, prepare
from kondo_ref.audit.probes import Probe, make, take
from kondo_ref.audit.replay import replay_json
from kondo_ref.audit.verdict import Claim, Finding
from kondo_ref.checks import FloatArray

LOOSE = 1e-6
COARSE = 2.0**-6


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
        found.append(finding(which, told, _numbers(identity, probe, identity.member)))
    del claim
    return found


def _numbers(identity: Identity, probe: Probe, member: Member | None) -> dict[str, Any]:
    evidence: dict[str, Any] = {"probe": probe.name, "replay": replay_json(probe.batches, 0)}
    pair = None if member is None else _pair(identity, member, probe)
    if pair is not None:
        evidence |= comparison(*pair, identity.trial.evidence.precision)
    return evidence


def _pair(identity: Identity, member: Member, probe: Probe) -> tuple[FloatArray, FloatArray] | None:
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
        pair = _pair(identity, member, probe)
        if pair is not None:
            some = probe.batch.advantages != 0
            rows.append(
                (probe, int(np.count_nonzero(pair[0])), int(np.count_nonzero(pair[1] * some)))
            )
    return rows


def _factor_only(identity: Identity, member: Member, probes: tuple[Probe, ...]) -> bool:
    """Whether each probe differs from the member by one factor."""
    for probe in probes:
        pair = _pair(identity, member, probe)
        if pair is None:
            return False
        a, b = pair
        na, nb = float(np.linalg.norm(a)), float(np.linalg.norm(b))
        if na == 0 or nb == 0 or abs(float((a * b).sum())) / (na * nb) < 1 - LOOSE:
            return False
    return True


def _count(identity: Identity, member: Member, probes: tuple[Probe, ...]) -> tuple[str, str, Probe]:
    if _factor_only(identity, member, probes):
        return "normalizer.other", "sizes of batches change a factor of all coefficients", probes[0]
    rows = kept_counts(identity, member, probes)
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
        pair = _pair(identity, member, probe)
        if pair is not None and np.any(pair[0][~probe.batch.valid]):
            return "robustness.mask-ignored", "invalid decisions have a coefficient", probe
    ones = [p for p in probes if p.batch.valid.all()]
    if ones:
        return "units.mask-changes-unit", "a mask of ones changes the result", ones[0]
    if _factor_only(identity, member, probes):
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
    if _factor_only(identity, member, probes):
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
    pair = _pair(identity, member, probe)
    if pair is None:
        return False
    seen, expected = pair
    rows = (seen != 0).any(axis=1)
    right = (expected != 0).any(axis=1)
    if rows.all() or not rows.any() or not (right & ~rows).any():
        return False
    return bool(np.array_equal(seen[rows] != 0, expected[rows] != 0))


def core_findings(identity: Identity) -> list[Finding]:
    """Return the deviation of a target outside the known family, by the dimension it shows in.

    Parameters
    ----------
    identity : Identity
    """
    origin = identity.origin
    if origin is None:
        return []
    able = [p for p in identity.failing if not p.tags & {"ties", "count", "memory", "drawn"}]
    able = able or list(identity.failing) or list(identity.trial.probes)
    probe = able[0]
    which, told = _core(identity, origin, probe)
    many = f"{len(identity.failing)} of {len(identity.trial.probes)} batches are not the claim's"
    evidence = _numbers(identity, probe, origin)
    evidence["residual"] = identity.trial.evidence.last(probe).residual
    return [finding(which, f"{told}; {many}", evidence, nearest=nearest(identity, origin, probe))]


def _core(identity: Identity, origin: Member, probe: Probe) -> tuple[str, str]:
    trial = identity.trial
    evidence = trial.evidence
    seen = evidence.response(probe)
    limit = 1e-9 if evidence.precision == "float64" else 1e-4
    residual = evidence.last(probe).residual
    if residual > limit:
        told = f"{residual:.2g} of the gradient is no function of log pi of the action alone"
        return "placement.extra-term", told
    if seen is None or not np.isfinite(seen).all():
        return "robustness.raises", "an ordinary batch gives no finite answer"
    if trial.random:
        return _random(identity, origin, probe, seen)
    if origin.price[0] == "rolling" or evidence.subject.surface == "stream":
        return "price.other", "what is kept follows another price"
    if probe.name == "generic" and _order_matters(evidence, probe):
        return "robustness.order", "the same decisions in another order give another result"
    pair = _pair(identity, origin, probe)
    if _roughly(identity, origin):
        return "robustness.dtype", "every batch is as claimed to three digits, not to more"
    gradient = evidence.gradient
    core = tuple(p for p in identity.failing if not p.tags & {"ties", "count", "memory"})
    if pair is not None and gradient and _factor_only(identity, origin, core):
        return "normalizer.other", "all coefficients of a batch have another factor"
    u = probe.batch.advantages
    share = np.divide(seen, u, out=np.zeros_like(seen), where=u != 0)
    if not evidence.gradient:
        share = seen
    dropped = share == 0
    if dropped.any():
        levels = np.abs(share[~dropped])
        if levels.size and np.ptp(levels) > LOOSE * levels.max():
            return "weights.other", "kept decisions have weights of many sizes"
        if origin.draw in ("hard", "top-k", "bernoulli"):
            return _selection(origin, probe, share)
        return (
            "draw.deterministic" if origin.draw == "bernoulli" else "temperature.zero",
            "a threshold",
        )
    if origin.draw in ("hard", "top-k", "bernoulli"):
        return "draw.soft", "every decision has a weight, of many sizes"
    return _soft(evidence, origin, probe, share)


def _roughly(identity: Identity, origin: Member) -> bool:
    """Whether the claim explains the core but for the rounding of a 16-bit number."""
    gaps = []
    for probe in identity.trial.only("core").probes:
        pair = _pair(identity, origin, probe)
        if pair is None:
            return False
        gaps.append(distance(*pair))
    return bool(gaps) and max(gaps) < COARSE


def _random(identity: Identity, origin: Member, probe: Probe, seen: FloatArray) -> tuple[str, str]:
    u = probe.batch.advantages
    share = np.divide(seen, u, out=np.zeros_like(seen), where=u != 0)
    if not identity.trial.evidence.gradient:
        share = seen
    levels = np.unique(np.round(share / max(np.abs(share).max(), 1e-300), 6))
    if levels.size > 3:
        return "draw.other", "weights are random numbers of many sizes, not a gate of 0 or 1"
    if origin.draw != "bernoulli":
        return "draw.bernoulli", "the gate is drawn"
    return "draw.other", "keep probabilities are those of no known gate"


def _selection(origin: Member, probe: Probe, share: FloatArray) -> tuple[str, str]:
    kept = share != 0
    prepared = prepare(origin, probe.batch)
    signal = prepared.gate_signal
    cut = signal[kept].min() if kept.any() else np.inf
    below = signal[~kept].max() if not kept.all() else -np.inf
    n, k = kept.size, int(kept.sum())
    wanted = int(np.count_nonzero(prepared.probability > 0.5))
    told = f"{k} of {n} are kept, {wanted} by the claim"
    if cut > below:
        which = "count.other" if origin.draw == "top-k" else "price.other"
        return which, f"{told}, the largest signals"
    return "signal.other", f"{told}, not the largest signals"


def _soft(evidence: Evidence, origin: Member, probe: Probe, share: FloatArray) -> tuple[str, str]:
    """Tell which of U, l or the rest of the batch a soft weight follows otherwise."""
    if not np.all(share > 0) and not np.all(share < 0):
        return "advantage.other", "the coefficient does not have the sign of U"
    alone = Probe("part of generic", (take(probe.batch, np.arange(12)),), probe.tags)
    part = evidence.response(alone)
    if part is not None:
        u = alone.batch.advantages
        other = np.divide(part, u, out=np.zeros_like(part), where=u != 0)
        other = other if evidence.gradient else part
        ratio = other / share[:12]
        if np.ptp(ratio) > LOOSE * np.abs(ratio).max():
            which = "price.batch" if origin.price[0] == "fixed" else "price.other"
            return which, "a decision's weight follows the rest of the batch"
    if origin.draw == "all":
        return "weights.other", "coefficients have another factor than U"
    found = _response_of(evidence)
    if found:
        return found
    return "signal.other", "the weight is another function of U and l"


def _response_of(evidence: Evidence) -> tuple[str, str] | None:
    """Return what a soft weight is a function of: of U f(l), of U and l, or of more than these.

    Five advantages times four surprisals, each twice with other logits of the other actions.
    """
    g = np.random.default_rng(29)
    u, level = (a.ravel() for a in np.meshgrid([0.4, 0.8, 1.2, -0.6, -1.0], [0.3, 0.8, 1.6, 3.0]))
    batches = [make(u, level, g) for _ in range(2)]
    shares = []
    for i, batch in enumerate(batches):
        seen = evidence.response(Probe(f"grid {i}", (batch,)))
        if seen is None or not np.isfinite(seen).all():
            return None
        shares.append(seen * u.size / batch.advantages if evidence.gradient else seen)
    a, b = shares
    if np.abs(a - b).max() > 1e-4 * np.abs(a).max():
        return (
            "surprisal.other",
            "the weight follows more of the policy than the action's surprisal",
        )
    if (a <= 0).any() or (a >= 1).any():
        return "signal.function", "the weight is another function of U and l"
    x = logit(a).reshape(4, 5)
    singular = np.linalg.svd(x, compute_uv=False)
    if singular[1] < 1e-4 * singular[0]:
        return "signal.function", "the signal is U times another function of l"
    return None


def _order_matters(evidence: Evidence, probe: Probe) -> bool:
    """Whether a permuted batch gives other than the permuted response."""
    order = np.random.default_rng(5).permutation(probe.batch.actions.shape[0])
    turned = Probe("generic, turned", (take(probe.batch, order),), probe.tags)
    a, b = evidence.response(probe), evidence.response(turned)
    if a is None or b is None:
        return False
    scale = float(np.abs(a).max())
    return bool(np.abs(a[order] - b).max() > 1e-4 * max(scale, 1e-300))


def nearest(identity: Identity, origin: Member, probe: Probe) -> str:
    """Return the known mistake whose coefficients are nearest, and how near it comes."""
    from kondo_ref.audit.known import variants

    seen = identity.trial.evidence.response(probe)
    if seen is None or identity.trial.random or not np.isfinite(seen).all():
        return ""
    best, name = np.inf, ""
    for variant in variants(origin):
        member = variant.apply(origin)
        if not variant.primary or member.random:
            continue
        pair = _pair(identity, member, probe)
        if pair is None:
            continue
        gap = float(np.linalg.norm(pair[0] - pair[1])) / max(float(np.linalg.norm(seen)), 1e-300)
        if gap < best:
            best, name = gap, variant.name
    return f"{name} (to {best:.2g})" if name and best < 0.5 else ""
