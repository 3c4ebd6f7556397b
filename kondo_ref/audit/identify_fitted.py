"""Mistakes with a number that no list holds, fitted to what a target did on ordinary batches.

A clamp at 7.3, a gain of 1.9, a share of a gate that leaks: each is one number, read off the
difference between the coefficients that came and those of a member. What is fitted here is tried
as any other known mistake, on every probe.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy.special import logit

from kondo_ref.audit.identify_estimate import GENERIC, base_name, tidy
from kondo_ref.audit.identify_trial import Trial, realised
from kondo_ref.audit.known import Variant
from kondo_ref.audit.known_family import Member, prepare
from kondo_ref.audit.probes import Probe
from kondo_ref.checks import FloatArray

CLOSE = 1e-6


def fitted(trial: Trial, member: Member) -> list[Variant]:
    """Return mistakes beside a member whose numbers are read off the responses.

    Parameters
    ----------
    trial : Trial
        Of the core.
    member : Member
    """
    probes = [p for p in trial.probes if base_name(p) in (*GENERIC, "surprising", "large")]
    if not probes:
        return []
    found: list[Variant] = []
    for fit in (_factor, _leak, _extra, _share, _gate):
        try:
            found += list(fit(trial, member, probes))
        except (ValueError, ArithmeticError, np.linalg.LinAlgError):
            continue
    return [v for v in found if v.apply(member) != member]


def _pair(trial: Trial, member: Member, probe: Probe) -> tuple[FloatArray, FloatArray] | None:
    seen = trial.evidence.response(probe)
    if seen is None or not np.isfinite(seen).all():
        return None
    gate = realised(seen, probe) if trial.random else None
    with np.errstate(all="ignore"):
        expected = trial.evidence.predict(member, probe, gate)
    return (seen, expected) if np.isfinite(expected).all() else None


def _along(seen: FloatArray, part: FloatArray) -> tuple[float, float]:
    """Return the factor of `part` in `seen`, and what is left over, relative."""
    square = float((part * part).sum())
    if square == 0.0:
        return 0.0, np.inf
    factor = float((seen * part).sum()) / square
    size = float(np.linalg.norm(seen))
    rest = float(np.linalg.norm(seen - factor * part))
    return factor, rest / size if size > 0 else np.inf


def _factor(trial: Trial, member: Member, probes: list[Probe]) -> Iterator[Variant]:
    """Yield a gain, or a constant normaliser, where all coefficients have one factor a batch."""
    factors, sizes = [], []
    for probe in probes:
        pair = _pair(trial, member, probe)
        if pair is None or not pair[1].any():
            continue
        factor, rest = _along(*pair)
        if rest > CLOSE:
            return
        factors.append(factor)
        sizes.append(int(np.count_nonzero(probe.batch.valid)))
    if len(factors) < 2:
        return
    f, n = np.array(factors), np.array(sizes)
    if np.ptp(f) < CLOSE * abs(f[0]):
        gain = tidy(float(f[0]), 1e-7) * member.gain
        which = "weights.sign" if gain < 0 else "weights.gain"
        yield Variant(which, f"gain {gain:g}", {"gain": gain})
    if member.normalizer == ("decisions",) and np.ptp(n / f) < CLOSE * abs(n[0] / f[0]):
        z = tidy(float(n[0] / f[0]), 1e-7)
        changes = {"normalizer": ("constant", z)}
        yield Variant("normalizer.constant", f"dividing by {z:g}", changes)


def _leak(trial: Trial, member: Member, probes: list[Probe]) -> Iterator[Variant]:
    """Yield the share of the gate's derivative that leaks, at usual temperatures of a surrogate."""
    if not trial.evidence.gradient or member.draw == "all" or member.leak:
        return
    hard = member.draw != "soft"
    for kind in ("straight-through",) if hard else ("gate", "price"):
        for at in (1.0, 0.5, 0.1, 2.0, 0.25, 0.05) if hard and not member.temperature else (1.0,):
            leaking = replace(member, leak=kind, leak_temperature=at)
            pair = _pair(trial, member, probes[0])
            full = _pair(trial, leaking, probes[0])
            if pair is None or full is None:
                return
            share, rest = _along(pair[0] - pair[1], full[1] - pair[1])
            if rest > 1e-4:
                continue
            changes = {"leak": kind, "leak_temperature": at, "leak_share": tidy(share, 1e-4)}
            which = "detach.straight-through" if hard else f"detach.{kind}"
            whole = abs(share - 1.0) < 1e-4
            name = "an attached gate" if not hard else f"a straight-through gate of {at:g}"
            if not whole:
                which, name = "detach.partial", f"{share:.4g} of {name}"
            yield Variant(which, name, changes)


def _extra(trial: Trial, member: Member, probes: list[Probe]) -> Iterator[Variant]:
    """Yield a term beside the policy gradient, and its factor."""
    if trial.evidence.subject.surface not in ("logits", "step", "rewards"):
        return
    for kind, which, name in (
        ("entropy", "placement.entropy", "an entropy bonus"),
        ("uniform", "placement.extra-term", "a divergence from the uniform policy"),
        ("square", "placement.extra-term", "a decay of the logits"),
        ("baseline", "detach.baseline", "an attached baseline"),
    ):
        for per in ("mean", "sum"):
            pair = _pair(trial, member, probes[0])
            full = _pair(trial, replace(member, extra=(kind, 1.0, per)), probes[0])
            if pair is None or full is None:
                return
            factor, rest = _along(pair[0] - pair[1], full[1] - pair[1])
            if rest < 1e-5:
                changes = {"extra": (kind, tidy(factor, 1e-5), per)}
                yield Variant(which, f"{name} of {factor:.4g}", changes)


def _share(trial: Trial, member: Member, probes: list[Probe]) -> Iterator[Variant]:
    """Yield w' = a w + b, and bounds on w, where that is what came."""
    if member.draw in ("all",) or trial.random:
        return
    first = _pair(trial, replace(member, normalizer=member.normalizer), probes[0])
    if first is None:
        return
    u, n = probes[0].batch.advantages, probes[0].batch.actions.size
    z = float(n) if member.normalizer == ("decisions",) and trial.evidence.gradient else 1.0
    seen = first[0] * z / u if trial.evidence.gradient else first[0]
    w = prepare(member, probes[0].batch).probability
    if np.ptp(w) > 0:
        slope, offset = np.polyfit(w, seen, 1)
        if np.abs(seen - slope * w - offset).max() < 1e-7 * np.abs(seen).max() and offset > 1e-7:
            total = float(slope + offset)
            share = tidy(float(offset) / total, 1e-6)
            changes = {"mix": share} | ({} if abs(total - 1) < 1e-6 else {"gain": total})
            yield Variant("placement.ungated-share", f"a share {share:g} not gated", changes)
    top, low = float(seen.max()), float(seen.min())
    if np.count_nonzero(np.isclose(seen, top, rtol=1e-9)) > 1 and 0.0 < top < 1.0:
        bounds = (-np.inf, tidy(top, 1e-9))
        yield Variant("weights.bounded", f"weights capped at {top:.6g}", {"bounds": bounds})
    if np.count_nonzero(np.isclose(seen, low, rtol=1e-9)) > 1 and 0.0 < low < 1.0:
        bounds = (tidy(low, 1e-9), np.inf)
        yield Variant("weights.floor", f"a least weight {low:.6g}", {"bounds": bounds})


def _gate(trial: Trial, member: Member, probes: list[Probe]) -> Iterator[Variant]:
    """Yield what stands for U or l in a soft gate, from the argument of its sigmoid."""
    if member.draw != "soft" or member.signal != "delight" or member.price[0] != "fixed":
        return
    levels, gains, stands, goes = [], [], [], []
    for probe in [
        *probes,
        *[p for p in trial.probes if base_name(p) in ("surprising", "scaled up")],
    ]:
        pair = _pair(trial, member, probe)
        if pair is None:
            continue
        u, n = probe.batch.advantages, probe.batch.actions.size
        z = float(n) if member.normalizer == ("decisions",) and trial.evidence.gradient else 1.0
        w = pair[0] * z / u if trial.evidence.gradient else pair[0]
        inside = (w > 1e-7) & (w < 1 - 1e-7)
        x = logit(w[inside]) * member.temperature + float(member.price[1])
        levels.append(probe.batch.surprisal[inside])
        gains.append(u[inside])
        stands.append(x / u[inside])  # what stands for l
        goes.append(x / probe.batch.surprisal[inside])  # what stands for U
    if not levels:
        return
    for name, right, stand, field in (
        ("surprisal", np.concatenate(levels), np.concatenate(stands), "surprisal"),
        ("advantage", np.concatenate(gains), np.concatenate(goes), "gate_advantage"),
    ):
        yield from _function(name, right, stand, field)


def _function(name: str, x: FloatArray, y: FloatArray, field: str) -> Iterator[Variant]:
    """Yield y = min(x, c), max(x, c), x + c, c x, where that is so."""
    close = 1e-5 * np.maximum(1.0, np.abs(x))
    same = np.abs(y - x) <= close
    ids = {
        "surprisal": ("clamped", "floored", "floored", "scaled"),
        "advantage": ("normalised-in-gate",) * 4,
    }[name]
    told = "l" if name == "surprisal" else "U in the gate"
    below, above = y < x - close, y > x + close
    if below.any() and not above.any() and same.any():
        at = float(np.median(y[below]))
        if np.ptp(y[below]) < 1e-4 * max(1.0, abs(at)):
            c = tidy(at, 1e-6)
            yield Variant(
                f"{name}.{ids[0]}", f"{told} clamped at {c:g}", {field: ("clip-above", c)}
            )
    if above.any() and not below.any() and same.any():
        at = float(np.median(y[above]))
        if np.ptp(y[above]) < 1e-4 * max(1.0, abs(at)):
            c = tidy(at, 1e-6)
            yield Variant(f"{name}.{ids[1]}", f"{told} at least {c:g}", {field: ("clip-below", c)})
    if above.any() and below.any() and same.any() and name == "advantage":
        c = float(np.abs(y).max())
        yield Variant(
            f"{name}.{ids[0]}", f"{told} clipped at {c:g}", {field: ("clip", tidy(c, 1e-6))}
        )
    if np.ptp(y - x) < 1e-4 and abs(float(np.median(y - x))) > 1e-5:
        c = tidy(float(np.median(y - x)), 1e-5)
        yield Variant(f"{name}.{ids[2]}", f"{c:g} added to {told}", {field: ("add", c)})
    ratio = y / x
    if np.ptp(ratio) < 1e-4 * abs(float(np.median(ratio))):
        c = tidy(float(np.median(ratio)), 1e-6)
        yield Variant(f"{name}.{ids[3]}", f"{told} times {c:g}", {field: ("times", c)})
    if (x > 0).all() and (y > 0).all() and np.ptp(np.log(x)) > 0:
        power, offset = np.polyfit(np.log(x), np.log(y), 1)
        if np.abs(np.log(y) - power * np.log(x) - offset).max() < 1e-4 and abs(offset) < 1e-4:
            c = tidy(float(power), 1e-5)
            yield Variant(f"{name}.other", f"{told} to the power {c:g}", {field: ("power", c)})
