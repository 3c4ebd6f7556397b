"""A target outside the known family: the dimension in which it shows, by what leaves it as it is.

The batches on which the claim fails are compared with the claim, and the target is shown batches
that no deviation of a certain kind could tell apart: see `kondo_ref.audit.checks.invariance`.
"""

import numpy as np
from scipy.special import logit

from kondo_ref.audit.checks.estimator import finding
from kondo_ref.audit.checks.invariance import (
    gains,
    influence,
    keeps_ratios,
    keeps_weights,
    order_matters,
    shares,
)
from kondo_ref.audit.checks.pairs import LOOSE, factor_only, numbers, pair_of
from kondo_ref.audit.identify import Identity
from kondo_ref.audit.identify_evidence import EPS, Evidence, condition, distance
from kondo_ref.audit.identify_rounding import like_rounding, within
from kondo_ref.audit.known_family import Member, prepare
from kondo_ref.audit.probes import Probe, make, take
from kondo_ref.audit.verdict import Finding
from kondo_ref.checks import FloatArray

# Of the eps of a narrower dtype, and the most that counts as rounding at all.
ROUNDINGS = 8.0
COARSE = 0.05
BLURRED = 1.0
# A known mistake is named only where it reproduces what was seen.
REPRODUCED = 1e-4


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
    if dtype := rounded_in(identity, origin):
        return _rounded(identity, origin, probe, dtype)
    which, told = _core(identity, origin, probe)
    shown = len(identity.trial.probes) + len(identity.trial.draws)
    many = f"{len(identity.failing)} of {shown} batches are not the claim's"
    evidence = numbers(identity, probe, origin)
    evidence["residual"] = identity.trial.evidence.last(probe).residual
    return [finding(which, f"{told}; {many}", evidence, nearest=nearest(identity, origin, probe))]


def _core(identity: Identity, origin: Member, probe: Probe) -> tuple[str, str]:
    """Return the first of the deviations that shows, and its words."""
    for namer in (_beside, _ungated, _in_order, _by_factor, _gated):
        found = namer(identity, origin, probe)
        if found is not None:
            return found
    return "robustness.raises", "an ordinary batch gives no finite answer"


def _beside(identity: Identity, _: Member, probe: Probe) -> tuple[str, str] | None:
    """Tell a gradient that no coefficient makes."""
    evidence = identity.trial.evidence
    limit = 1e-9 if evidence.precision == "float64" else 1e-4
    residual = evidence.last(probe).residual
    if residual <= limit:
        return None
    told = f"{residual:.2g} of the gradient is no function of log pi of the action alone"
    return "placement.extra-term", told


def _ungated(identity: Identity, origin: Member, probe: Probe) -> tuple[str, str] | None:
    """Tell what draws, or prices one decision after the other."""
    evidence = identity.trial.evidence
    seen = evidence.response(probe)
    if seen is None or not np.isfinite(seen).all():
        return "robustness.raises", "an ordinary batch gives no finite answer"
    if identity.trial.random:
        return _random(identity, origin, probe, seen)
    if origin.price[0] == "rolling" or evidence.subject.surface == "stream":
        return "price.other", "what is kept follows another price"
    return None


def _by_factor(identity: Identity, origin: Member, probe: Probe) -> tuple[str, str] | None:
    """Tell another normaliser: one factor for a batch."""
    core = tuple(p for p in identity.failing if not p.tags & {"ties", "count", "memory"})
    if pair_of(identity, origin, probe) is None:
        return None
    if factor_only(identity, origin, core):
        return "normalizer.other", "all coefficients of a batch have another factor"
    return None


def _gated(identity: Identity, origin: Member, probe: Probe) -> tuple[str, str] | None:
    """Tell another gate by what it keeps, or by its weights."""
    share = shares(identity.trial.evidence, origin, probe)
    if share is None:
        return None
    dropped = share == 0
    hard = origin.draw in ("hard", "top-k", "bernoulli")
    if not dropped.any():
        if hard:
            return "draw.soft", "every decision has a weight, of many sizes"
        return _soft(identity.trial.evidence, origin, probe, share)
    levels = np.abs(share[~dropped])
    if levels.size and np.ptp(levels) > LOOSE * levels.max():
        return "weights.other", "kept decisions have weights of many sizes"
    return _selection(origin, probe, share) if hard else ("temperature.zero", "a threshold")


def rounded_in(identity: Identity, origin: Member) -> str:
    """Return the narrower dtype whose rounding is all that the core differs by, or nothing."""
    trial = identity.trial
    gaps = []
    if trial.random:
        return ""
    core = list(trial.only("core").probes)
    for probe in core:
        pair = pair_of(identity, origin, probe)
        if pair is None:
            return ""
        beside = trial.evidence.last(probe).residual
        recovered = trial.evidence.subject.surface in ("logits", "rewards", "step")
        more = 1.0 + condition(origin, probe, recovered)
        gaps.append((max(distance(*pair), beside), more))
    for dtype in ("float32", "float16", "bfloat16"):
        limits = [(gap, ROUNDINGS * EPS[dtype] * more) for gap, more in gaps]
        # Where rounding is magnified beyond all measure, a batch tells nothing.
        telling = [min(COARSE, limit) - gap for gap, limit in limits if limit < BLURRED]
        if not (len(telling) >= len(gaps) // 2 > 0 and min(telling) >= 0.0):
            continue
        if not all(within(trial.evidence, origin, p, dtype) for p in core):
            continue
        if like_rounding(trial.evidence, origin, core, dtype):
            return dtype
    return ""


def _rounded(identity: Identity, origin: Member, probe: Probe, dtype: str) -> list[Finding]:
    """Return that the claim is computed in a narrower dtype, and whether float32 is lost too."""
    evidence = identity.trial.evidence
    told = f"every batch is as claimed to the rounding of {dtype}, not to more"
    shown = numbers(identity, probe, origin)
    # Of float32 a user of float32 loses nothing.
    severity = None if dtype == "float32" else "fragile on edge inputs"
    found = [finding("robustness.precision", told, shown, severity=severity)]
    if dtype != "float32" and evidence.dtype == "float64":
        found.append(finding("robustness.dtype", f"{told}; so it is in float32", shown))
    return found


def _in_order(identity: Identity, origin: Member, probe: Probe) -> tuple[str, str] | None:
    """Tell, where the order matters, factors of places, earlier decisions and blocks."""
    evidence = identity.trial.evidence
    if evidence.gradient and keeps_ratios(identity, origin):
        return "normalizer.other", "coefficients have a factor that neither U nor l changes"
    if probe.name != "generic" or not order_matters(evidence, probe):
        return None
    told = "the same decisions in another order give another result"
    part = "count.per-part" if origin.draw == "top-k" else "price.scope"
    which, words = {
        "later": ("price.history", "a decision changes the gates of later ones alone"),
        "shared": ("units.shared", "neighbours have one gate"),
        "block": (part, "a decision changes the gates of its neighbours alone"),
    }.get(influence(identity, origin, probe), ("robustness.order", ""))
    return which, f"{told}: {words}" if words else told


def _random(identity: Identity, origin: Member, probe: Probe, seen: FloatArray) -> tuple[str, str]:
    u = gains(origin, probe.batch)
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
    if keeps_weights(evidence, origin, probe):
        return "signal.rank", "the weights follow the order of the delights, not their sizes"
    alone = Probe("part of generic", (take(probe.batch, np.arange(12)),), probe.tags)
    part = evidence.response(alone)
    if part is not None:
        u = gains(origin, alone.batch)
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
        pair = pair_of(identity, member, probe)
        if pair is None:
            continue
        gap = float(np.linalg.norm(pair[0] - pair[1])) / max(float(np.linalg.norm(seen)), 1e-300)
        if gap < best:
            best, name = gap, variant.name
    return f"{name} (to {best:.2g})" if name and best < REPRODUCED else ""
