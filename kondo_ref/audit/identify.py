"""What a target is: the member of the family that explains all it did, and its traits.

probes -> observations -> claim, or one known mistake beside it, or members estimated from the
probes, or several mistakes at once, or outside the known family.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from kondo_ref.audit.identify_difference import difference
from kondo_ref.audit.identify_estimate import bases
from kondo_ref.audit.identify_evidence import Draws, Evidence
from kondo_ref.audit.identify_search import Match, Trial, search
from kondo_ref.audit.known import Variant, variants
from kondo_ref.audit.known_family import Member, of_claim
from kondo_ref.audit.probes import (
    Probe,
    as_rows,
    count_probes,
    flat_probes,
    sequence_probes,
    tie_probes,
)
from kondo_ref.audit.probes_drawn import drawn_probes
from kondo_ref.audit.verdict import Claim


@dataclass(frozen=True, eq=False)
class Identity:
    """What was found.

    Parameters
    ----------
    member : Member or None
        None: outside the known family.
    path : tuple of Variant
        Known mistakes between the claim (or `origin`) and the member.
    origin : Member or None
        Where the path begins.
    exact : bool
        Reproduced to rounding; else as near as a spread with an unknown epsilon.
    worst : float
        Largest relative distance over the probes, of the member or of the claim.
    random : bool
        Whether the target draws.
    trial : Trial
        All that was seen.
    failing : tuple of Probe
        Probes on which the claim is not what was seen.
    also : tuple of Variant
        Other single mistakes that explain as much.
    unusable : str
        Why the target cannot be audited, or empty.
    """

    member: Member | None
    path: tuple[Variant, ...]
    origin: Member | None
    exact: bool
    worst: float
    random: bool
    trial: Trial
    failing: tuple[Probe, ...] = ()
    also: tuple[Variant, ...] = ()
    unusable: str = ""


def claimed_rate(claim: Claim | None) -> float:
    """Return the rate by which sizes of batches are chosen; 0.1 where none is claimed."""
    rate = None if claim is None else claim.gate.target_rate
    return 0.1 if rate is None else rate


def is_random(evidence: Evidence, probes: tuple[Probe, ...]) -> bool:
    """Whether other seeds give other responses, on batches without ties."""
    for probe in probes:
        first = evidence.response(probe)
        for repeat in range(1, 5):
            again = evidence.response(probe, repeat)
            if first is None or again is None:
                continue
            if not np.array_equal(first, again, equal_nan=True):
                scale = float(np.abs(first).max())
                if np.abs(first - again).max() > 1e-5 * max(scale, 1e-300):
                    return True
    return False


def gather(evidence: Evidence, rate: float, *, quick: bool = False) -> tuple[Trial, str]:
    """Show a target the probes of the estimator, and return what it did.

    Parameters
    ----------
    evidence : Evidence
    rate : float
    quick : bool

    Returns
    -------
    trial : Trial
    unusable : str
        Why the target cannot be audited, or empty.
    """
    has, seed = evidence.subject.has, evidence.seed
    masks, sequences = "mask" in has, "sequences" in has
    flat = flat_probes(seed, masks=masks)
    row_only = False
    seen = evidence.last(flat[0])
    if evidence.of(seen) is None and sequences:
        rowed = as_rows(flat[0])
        row_only = evidence.of(evidence.last(replace(rowed, name="generic, as rows"))) is not None
    if evidence.of(seen) is None and not row_only:
        why = seen.message or "it returned nothing that can be read"
        return Trial(evidence, flat), f"an ordinary batch {seen.outcome}: {why}"
    probes = [*flat, *tie_probes(seed), *count_probes(seed, rate, masks=masks)]
    if row_only:
        evidence.forget()
        probes = [as_rows(p) for p in probes]
        flat = [as_rows(p) for p in flat]
    if sequences:
        probes += sequence_probes(seed, masks=masks)
    answered = [p for p in probes if evidence.response(p) is not None]
    random = is_random(evidence, (flat[0], flat[10]))
    draws: list[Draws] = []
    if random:
        for probe, repeats in drawn_probes(
            seed, rate, masks=masks, sequences=sequences, quick=quick
        ):
            flat_one = len(probe.batch.shape) == 1
            drawn = evidence.draws(as_rows(probe) if row_only and flat_one else probe, repeats)
            if drawn is not None:
                draws.append(drawn)
    set_precision(evidence, flat)
    return Trial(evidence, answered, tuple(draws)), ""


def set_precision(evidence: Evidence, probes: Sequence[Probe]) -> None:
    """Find the dtype that the target computes in, which may be narrower than the batch's.

    Told by the rounding of the gradient in the logits, beside its part along onehot(a) - pi; where
    there are no logits, by responses that are float32 numbers in every entry.
    """
    if evidence.dtype != "float64":
        evidence.precision = evidence.dtype
        return
    seen = [evidence.last(p) for p in probes[:6]]
    rounding = sorted(s.residual for s in seen)
    if 1e-10 < rounding[len(rounding) // 2] < 1e-4:
        evidence.precision = "float32"
        return
    found = [r.ravel() for s in seen if (r := evidence.of(s)) is not None]
    values = np.concatenate(found)
    values = np.abs(values[np.isfinite(values)])
    if np.unique(values).size < 4 or any(rounding):
        return
    with np.errstate(over="ignore"):
        single = np.abs(values.astype(np.float32).astype(np.float64) - values)
    if not single.any():
        evidence.precision = "float32"


def identify(trial: Trial, claim: Claim | None) -> Identity:
    """Find what a target is, near its claim first.

    Parameters
    ----------
    trial : Trial
        From `gather`.
    claim : Claim or None
    """
    random = bool(trial.draws)
    origin = None if claim is None else of_claim(claim)
    failing: tuple[Probe, ...] = ()
    tried: list[Member] = []
    if origin is not None:
        start = trial.match(origin, (), near=np.inf)
        if start.exact:
            return Identity(origin, (), origin, True, start.worst, random, trial)
        failing = failures(trial, origin)
        match = search(trial, origin, depth=1)
        tried.append(origin)
        if match is not None:
            return _identity(trial, match, origin, failing)
    estimated = [m for m in bases(trial) if m not in tried]
    for depth in (1, 2):
        for base in estimated[: 6 if depth == 1 else 2]:
            match = search(trial, base, depth=depth)
            if match is not None:
                return _identity(trial, match, origin or base, failing, base)
        if origin is not None and depth == 1:
            match = search(trial, origin, depth=2)
            if match is not None:
                return _identity(trial, match, origin, failing)
    worst = trial.misfits(origin if origin is not None else Member())[0]
    return Identity(None, (), origin, False, worst, random, trial, failing)


def failures(trial: Trial, member: Member) -> tuple[Probe, ...]:
    """Return the probes on which a member is not what was seen."""
    found = []
    for probe in trial.probes:
        alone = Trial(trial.evidence, [probe], trial.draws)
        if not alone.misfits(member)[1]:
            found.append(probe)
    return tuple(found)


def _identity(
    trial: Trial,
    match: Match,
    origin: Member,
    failing: tuple[Probe, ...],
    base: Member | None = None,
) -> Identity:
    path = match.path
    also: tuple[Variant, ...] = ()
    if base is not None and base != origin:
        path = difference(origin, match.member)
    elif len(path) == 1:
        others = [
            v
            for v in variants(origin)
            if v.id != path[0].id and v.primary and trial.match(v.apply(origin), (v,)).exact
        ]
        also = tuple(others)
    return Identity(
        match.member,
        path,
        origin,
        match.exact,
        match.worst,
        bool(trial.draws),
        trial,
        failing,
        also,
    )
