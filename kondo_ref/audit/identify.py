"""What a target is: the member of the family that explains all it did, and its traits.

probes -> observations -> claim, or one known mistake beside it, or members estimated from the
probes, or several mistakes at once, or outside the known family.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from kondo_ref.audit.batch import Batch
from kondo_ref.audit.identify_blocks import sized
from kondo_ref.audit.identify_difference import difference
from kondo_ref.audit.identify_estimate import bases
from kondo_ref.audit.identify_evidence import distance
from kondo_ref.audit.identify_fitted import fitted
from kondo_ref.audit.identify_rounding import like_rounding
from kondo_ref.audit.identify_search import search
from kondo_ref.audit.identify_trial import NEAR, STAGES, Match, Trial, stage_of
from kondo_ref.audit.known import Variant, variants
from kondo_ref.audit.known_family import Member, of_claim
from kondo_ref.audit.known_parts import Part
from kondo_ref.audit.probes import (
    Probe,
)
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
        The claimed member.
    exact : bool
        Reproduced to rounding; else as near as a spread with an unknown epsilon.
    worst : float
        Largest relative distance over the probes that are explained, or of the claim.
    random : bool
        Whether the target draws.
    trial : Trial
        All that was seen.
    failing : tuple of Probe
        Probes on which the claim is not what was seen.
    also : tuple of Variant
        Other single mistakes that explain as much.
    unexplained : dict of str to tuple of Probe
        Stage -> the probes that the member does not explain.
    warmed : Probe or None
        Where first calls differ: one on which they do. Then all the rest is of later calls.
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
    unexplained: dict[str, tuple[Probe, ...]] = field(default_factory=dict)
    warmed: Probe | None = None


def identify(trial: Trial, claim: Claim | None) -> Identity:
    """Find what a target is, near its claim first.

    The core of the estimator is found on ordinary batches; then, one stage after the other, what
    it does with counts, ties, masks, sequences and earlier batches, each with the rest held.

    Parameters
    ----------
    trial : Trial
        From `gather`.
    claim : Claim or None
    """
    origins = [] if claim is None else origins_of(trial, claim)
    origin = origins[0] if origins else None
    for candidate in origins:
        start = trial.match(candidate, (), near=np.inf)
        if start.exact:
            return Identity(candidate, (), candidate, True, start.worst, trial.random, trial)
    for candidate in origins:
        if narrower(trial, candidate):
            return identify(trial, claim)
    if origin is not None and not trial.only("core").match(origin, ()).exact:
        warm = warmed_up(trial, origin)
        if warm is not None:
            return replace(identify(warm, claim), warmed=trial.probes[0])
    core = trial.only("core")
    found = _core(core, origins)
    if not found:
        worst = trial.misfits(origin if origin is not None else Member())[0]
        failing = () if origin is None else failures(trial, origin)
        return Identity(None, (), origin, False, worst, trial.random, trial, failing)
    whole = [(m, start) for m, start in found if trial.match(m.member, ()).exact]
    member, path, unexplained, reached = _simplest(trial, whole[:1] or _nearest(trial, found))
    base = next((o for o in origins if o.baseline == member.baseline), origin) or reached
    if reached != base:
        path = difference(base, member)
    failing = failures(trial, base)
    others = {v.id: v for m, _ in found if len(m.path) == 1 for v in m.path}
    also = tuple(v for which, v in others.items() if which not in {p.id for p in path})
    if len(path) == 1 and not unexplained:
        also = _also(trial, base, path)
    if not path or any(not m.path for m, _ in found):
        also = also if len(path) == 1 and not unexplained else ()
    worst, exact = trial.misfits(member)
    return Identity(
        member, path, base, exact, worst, trial.random, trial, failing, also, unexplained
    )


def narrower(trial: Trial, member: Member) -> bool:
    """Whether a member is right to the rounding of float32 alone; then that is allowed for.

    A part of a target may be computed in float32, such as its price. Not where a known mistake
    explains it to the rounding of float64.
    """
    evidence = trial.evidence
    if trial.random or evidence.precision != "float64" or evidence.dtype != "float64":
        return False
    if trial.match(member, ()).worst > NEAR:
        return False
    if not like_rounding(evidence, member, list(trial.only("core").probes), "float32"):
        return False
    evidence.precision = "float32"
    if trial.match(member, ()).exact:
        evidence.precision = "float64"
        if not any(trial.match(v.apply(member), (v,)).exact for v in variants(member)):
            evidence.precision = "float32"
            return True
    evidence.precision = "float64"
    return False


WARM = 24


def warmed_up(trial: Trial, origin: Member) -> Trial | None:
    """Return the trial of later calls, where these are as claimed and the first ones are not."""
    evidence = trial.evidence
    core = trial.only("core").probes
    if trial.random or origin.draw == "bernoulli" or not core or core[0].tags & {"warm"}:
        return None
    if origin.price[0] == "rolling":
        return None  # whose claim has a warm-up of its own, and mistakes in it are known ones
    before = (core[1].batch, core[0].batch) * (WARM // 2)
    late = warm(core[0], before)
    if not Trial(evidence, [late]).match(origin, ()).exact:
        return None
    first, later = evidence.response(core[0]), evidence.response(late)
    if first is None or later is None or distance(first, later) <= 1e-5:
        return None  # what the claim does not explain is not that it was the first call
    probes = [warm(p, before) for p in trial.probes if evidence.response(p) is not None]
    return Trial(evidence, [p for p in probes if evidence.response(p) is not None])


def warm(probe: Probe, before: tuple[Batch, ...]) -> Probe:
    """Return a probe whose batches come after others."""
    tags = probe.tags | {"warm"}
    return Probe(f"{probe.name}, after {len(before)}", (*before, *probe.batches), tags)


def origins_of(trial: Trial, claim: Claim) -> list[Member]:
    """Return the members that a claim allows: one for each baseline where the target takes it."""
    member = of_claim(claim)
    if trial.evidence.subject.surface != "rewards":
        return [member]
    wanted = claim.baseline
    grouped = "groups" in trial.evidence.subject.has
    return [
        replace(member, baseline=part)
        for name, part in BASELINES
        if (name == wanted or not wanted) and (grouped or not name.startswith("group"))
    ]


BASELINES: tuple[tuple[str, Part], ...] = (
    ("group", ("group",)),
    ("batch", ("batch",)),
    ("leave-one-out", ("leave-one-out",)),
    ("leave-one-out", ("group-leave-one-out",)),
    ("expected", ("expected",)),
    ("zero", ("zero",)),
    *(
        ("group-std", ("group-std", ddof, eps))
        for eps in (0.0, 1e-8, 1e-6, 1e-5, 1e-4)
        for ddof in (0.0, 1.0)
    ),
)


def _core(core: Trial, origins: Sequence[Member]) -> list[tuple[Match, Member]]:
    """Return matches of the core with the member they were reached from, the simplest first."""
    for start in origins:
        if core.match(start, ()).exact:
            singles = search_all(core, start)
            return [(core.match(start, ()), start), *((m, start) for m in singles)]
    for start in origins[:8]:
        found = search(core, start)
        if found:
            return [(m, start) for m in found]
    for start in origins[:1]:
        numbers = [*sized(core, start), *fitted(core, start)]
        found = search(core, start, among=lambda _, n=numbers: n)  # type: ignore[misc]
        if found:
            return [(m, start) for m in found]
    return _estimated(core, origins, bases(core))


def _estimated(
    core: Trial, origins: Sequence[Member], estimated: Sequence[Member]
) -> list[tuple[Match, Member]]:
    """Return matches that are reached from the estimated members, and then those in two steps."""
    for start in estimated:
        alone = core.match(start, ())
        if alone.exact:
            return [(alone, start)]
    for depth in (1, 2):
        for start in estimated[: 6 if depth == 1 else 2]:
            found = search(core, start, depth=depth)
            if found:
                return [(m, start) for m in found]
        for start in origins[:1]:
            found = search(core, start, depth=2) if depth == 1 else []
            if found:
                return [(m, start) for m in found]
    return []


def _nearest(trial: Trial, found: list[tuple[Match, Member]]) -> list[tuple[Match, Member]]:
    """Return those matches of the core that explain most of all batches, in their order."""
    if len(found) <= CORES:
        return found
    missed = [len(failures(trial, match.member)) for match, _ in found]
    chosen = sorted(range(len(found)), key=lambda i: missed[i])[:CORES]
    return [found[i] for i in sorted(chosen)]


def _simplest(
    trial: Trial, found: list[tuple[Match, Member]]
) -> tuple[Member, tuple[Variant, ...], dict[str, tuple[Probe, ...]], Member]:
    """Return what explains most by fewest mistakes, of equals what the core alone explains most."""
    staged = [_stages(trial, match, start) for match, start in found]
    sizes = [(len(unexplained), len(path)) for _, path, unexplained, _ in staged]
    equal = [i for i, size in enumerate(sizes) if size == min(sizes)]
    if len(equal) == 1:
        return staged[equal[0]]

    def left(i: int) -> tuple[bool, int]:
        member = found[i][0].member
        # Ties in no order would explain any.
        return member.ties[0] == "any", len(failures(trial, member))

    return staged[min(equal, key=left)]


CORES = 8


def search_all(core: Trial, start: Member) -> list[Match]:
    """Return every single mistake that the core does not see."""
    table = [core.match(v.apply(start), (v,)) for v in variants(start) if v.primary]
    return [m for m in table if m.exact]


STAGE_FIELDS = {
    "count": {"count", "rate", "price", "draw", "scope", "normalizer", "compare", "temperature"},
    "ties": {"ties", "compare", "draw", "price", "temperature", "normalizer", "count"},
    "masked": {"price_masked", "count_masked", "mask_ignored", "normalizer", "unit", "aggregation"},
    "sequences": {"unit", "aggregation", "scope", "normalizer"},
    "memory": {"price"},
}


def _stages(
    trial: Trial, match: Match, start: Member
) -> tuple[Member, tuple[Variant, ...], dict[str, tuple[Probe, ...]], Member]:
    """Explain the stages after the core, each with the rest held."""
    member, path = match.member, match.path
    unexplained: dict[str, tuple[Probe, ...]] = {}
    held = trial.only("core")
    for stage in STAGES[1:]:
        part = trial.only(stage)
        if not part:
            continue
        if part.match(member, ()).exact:
            continue
        able = STAGE_FIELDS[stage]

        def among(base: Member, able: set[str] = able) -> list[Variant]:
            return [v for v in variants(base) if v.changes.keys() <= able]

        done = [stage_of(p) for p in trial.probes]
        before = [s for s in STAGES[1 : STAGES.index(stage)] if s in done and s not in unexplained]
        choice = [
            m
            for m in search(part, member, depth=2, among=among)
            if held.match(m.member, ()).exact
            and all(trial.only(s).match(m.member, ()).exact for s in before)
        ]
        if choice:
            member, path = choice[0].member, (*path, *choice[0].path)
        else:
            unexplained[stage] = failures(part, member)
    return member, path, unexplained, start


def failures(trial: Trial, member: Member) -> tuple[Probe, ...]:
    """Return the probes on which a member is not what was seen."""
    found = []
    for probe in trial.probes:
        if not trial.probe_fits(member, probe):
            found.append(probe)
    for drawn in trial.draws:
        alone = Trial(trial.evidence, (), (drawn,), trial.dependent, trial.random)
        if not alone.consistent(member)[0]:
            found.append(drawn.probe)
    return tuple(found)


def _also(trial: Trial, origin: Member, path: tuple[Variant, ...]) -> tuple[Variant, ...]:
    """Return other single mistakes that explain as much as a single one does."""
    if len(path) != 1:
        return ()
    return tuple(
        v
        for v in variants(origin)
        if v.id != path[0].id and v.primary and trial.match(v.apply(origin), (v,)).exact
    )
