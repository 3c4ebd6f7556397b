"""The identified member in words: one trait for each property, with confidence and evidence."""

import numpy as np

from kondo_ref.audit.counts import ERROR_RATE
from kondo_ref.audit.identify import Identity
from kondo_ref.audit.identify_difference import relevant
from kondo_ref.audit.identify_evidence import LIMIT
from kondo_ref.audit.known_family import Member
from kondo_ref.audit.known_parts import Part, number
from kondo_ref.audit.verdict import Trait

_METHODS = {
    "all": "pg",
    "soft": "dg",
    "hard": "threshold",
    "bernoulli": "kondo",
    "top-k": "kondo-top-k",
    "random-k": "random subset",
}


def method_name(member: Member) -> str:
    """Return the papers' name of a member, or the nearest in words."""
    name = _METHODS[member.draw]
    if member.draw == "hard" and member.price == ("fixed", 0.0) and member.signal == "delight":
        return "zero-price"
    return name


def words(part: Part | str | float | bool) -> str:
    """Return a part in words: its name, and its numbers."""
    if isinstance(part, tuple):
        return " ".join(words(p) for p in part)
    return f"{part:g}" if isinstance(part, float) else str(part)


def traits(identity: Identity) -> dict[str, Trait]:
    """Return what is known of a target.

    Parameters
    ----------
    identity : Identity
    """
    trial = identity.trial
    ratio = identity.worst / np.finfo(np.float64).eps
    probes = len(trial.probes)
    if identity.member is None:
        why = f"outside the known family: relative distance {identity.worst:.3g}"
        found = {"method": Trait(None, "tested", why)}
        found["draw"] = Trait("drawn" if identity.random else "deterministic", "tested", _seeds())
        found["residual"] = Trait(identity.worst, "exact", f"over {probes} batches")
        found["execution"] = _execution(identity)
        found["precision"] = _precision(identity)
        return found
    member = relevant(identity.member)
    value = "exact" if identity.exact else "tested"
    fit = f"{probes} batches reproduced to {identity.worst:.2g} ({ratio:.2g} roundings)"
    drawn = sum(d.responses.size for d in trial.draws)
    chance = f"{drawn} draws within exact binomial intervals, error rate {ERROR_RATE:g}"
    gate = "tested" if identity.random else value
    how = f"{chance}; {fit}" if identity.random else fit
    made = {
        "method": (method_name(member), gate, how),
        "signal": (_signal(member), gate, how),
        "temperature": (_temperature(member), gate, how),
        "price": (_price(member), gate, how),
        "rate": (_rate(member), gate, how),
        "draw": (member.draw, gate, how),
        "normalizer": (words(member.normalizer), value, fit),
        "unit": (member.unit, gate, how),
        "detach": (member.leak or "constant", value, fit),
        "gain": (member.gain, value, fit),
        "clip": (_clip(member), value, fit),
        "ties": (words(member.ties if member.draw == "top-k" else member.compare), gate, how),
        "count": (words(member.count) if member.draw == "top-k" else None, gate, how),
        "advantage": (words(member.advantage), value, fit),
        "residual": (identity.worst, "exact", fit),
    }
    if "sequences" not in trial.evidence.subject.has:
        made["unit"] = ("sample", "assumed", "only (N,) batches can be given")
    elif member.unit == "sequence":
        made["unit"] = (f"sequence by {member.aggregation}", gate, how)
    if not trial.evidence.gradient:
        for name in ("normalizer", "advantage"):
            made[name] = (None, "assumed", "this surface shows weights only")
    if trial.evidence.subject.surface == "rewards":
        made["baseline"] = (words(member.baseline), value, fit)
    if member.draw in ("hard", "bernoulli"):
        nothing = {"": "nothing", "one": "one is kept", "all": "all are kept"}[member.when_empty]
        made["empty"] = (nothing, gate, how)
    found = {name: Trait(*rest) for name, rest in made.items()}
    found["execution"] = _execution(identity)
    found["precision"] = _precision(identity)
    return found


def _seeds() -> str:
    return "the same batches under five seeds"


def _precision(identity: Identity) -> Trait:
    evidence = identity.trial.evidence
    return Trait(evidence.precision, "tested", f"test ratio at most {LIMIT:g} of its eps")


def _execution(identity: Identity) -> Trait:
    """Return masked, skipped, compacted or partial, from the rows that were run.

    Compacted: what was kept was run forward a second time, alone, and backward from there.
    """
    evidence = identity.trial.evidence
    if "rows" not in evidence.subject.has:
        return Trait(None, "assumed", "rows cannot be counted on this surface")
    counts, flop = [], 0
    for probe in identity.trial.only("core").probes:
        seen = evidence.last(probe)
        response = evidence.of(seen)
        if response is None or seen.executed_rows is None or seen.dense_rows is None:
            continue
        kept = int(np.count_nonzero(response))
        if kept < seen.dense_rows:
            counts.append((kept, seen.executed_rows, seen.dense_rows, seen.forward_rows or 0))
            flop += (seen.backward_flop or 0) if len(probe.batches) == 1 else 0
    if not counts:
        return Trait("dense", "exact", "nothing was dropped in any batch")
    kept, executed, dense, forward = (sum(c) for c in zip(*counts, strict=True))
    told = f"{executed} of {dense} rows entered the backward where {kept} were kept"
    told += f"; {flop:,} backward FLOP" if flop else ""
    if all(c[1] == c[2] for c in counts):
        return Trait("masked", "exact", told)
    if executed != kept:
        return Trait("partial", "exact", told)
    return Trait("compacted" if forward > dense else "skipped", "exact", told)


def _signal(member: Member) -> str:
    if member.draw == "all":
        return "none"
    name = member.signal if member.signal != "additive" else f"additive, alpha {member.alpha:g}"
    extra = [
        f"{what} {words(part)}"
        for what, part in (
            ("of U", member.gate_advantage),
            ("of l", member.surprisal),
            ("then", member.signal_transform),
        )
        if part != ("raw",)
    ]
    return ", ".join([name, *extra])


def _temperature(member: Member) -> float | str | None:
    if member.draw in ("all", "top-k", "random-k"):
        return None
    if member.draw == "hard":
        return 0.0
    if member.heat == "divides":
        return member.temperature
    return f"{member.temperature:g} ({member.heat})"


def _price(member: Member) -> str | None:
    if member.draw in ("all", "top-k", "random-k"):
        return None
    scope = "" if member.scope == ("batch",) else f", of each {words(member.scope)}"
    return words(member.price) + scope


def _rate(member: Member) -> float | None:
    if member.draw in ("top-k", "random-k"):
        return member.rate
    return number(member.price, 1, 1.0) if member.price[0] in ("quantile", "calibrated") else None


def _clip(member: Member) -> str | None:
    found = [
        words(part)
        for part in (member.surprisal, member.advantage, member.gate_advantage)
        if str(part[0]).startswith("clip")
    ]
    if np.isfinite(member.bounds).any():
        found.append(f"weights in [{member.bounds[0]:g}, {member.bounds[1]:g}]")
    return ", ".join(found) or None
