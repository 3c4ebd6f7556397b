"""The search for the member of the family that reproduces what was observed.

Singles first, then pairs and threes by a beam: what a target is comes out as the simplest member
that explains every probe to the rounding of its dtype, or not at all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kondo_ref.audit.batch import Batch
from kondo_ref.audit.counts import ERROR_RATE, log_likelihood, pooled
from kondo_ref.audit.identify_evidence import (
    EPS,
    LIMIT,
    NEGLIGIBLE,
    Draws,
    Evidence,
    cells,
    distance,
)
from kondo_ref.audit.known import Variant, variants
from kondo_ref.audit.known.variant import SPREADS
from kondo_ref.audit.known_family import Member, prepare
from kondo_ref.audit.known_parts import without_others
from kondo_ref.audit.probes import Probe
from kondo_ref.checks import FloatArray

NEAR = 2e-5  # a spread with an unknown epsilon is named by the one without
BEAM = 8
ALIKE = 2
REFINED = 2
WITH_A_SPREAD = (
    *("whiten", "whiten-add-mean", "scale-std"),
    *("batch-std", "group-std", "group-batch-std", "zero-std"),
)


@dataclass(frozen=True)
class Match:
    """A member, how it was reached, and how well it explains the probes.

    Parameters
    ----------
    member : Member
    path : tuple of Variant
        From the member that was searched from.
    worst : float
        Largest relative distance over all probes.
    exact : bool
        All within rounding (deterministic), or within the intervals (drawn).
    likelihood : float
        Of the draws; 0 for a deterministic target.
    """

    member: Member
    path: tuple[Variant, ...]
    worst: float
    exact: bool
    likelihood: float = 0.0


@dataclass(eq=False)
class Trial:
    """The probes that a target answered, deterministic or drawn, for one search.

    Parameters
    ----------
    evidence : Evidence
    probes : sequence of Probe
        In the order in which they are tried; the first should tell most.
    draws : sequence of Draws
        Empty for a deterministic target.
    dependent : bool
        Decisions are not drawn independently, so intervals say nothing.
    random : bool
    """

    evidence: Evidence
    probes: Sequence[Probe]
    draws: Sequence[Draws] = ()
    dependent: bool = False
    random: bool = False

    def only(self, stage: str) -> "Trial":
        """Return the trial with the probes and draws of one stage."""
        return Trial(
            self.evidence,
            [p for p in self.probes if stage_of(p) == stage],
            [d for d in self.draws if stage_of(d.probe) == stage],
            self.dependent,
            self.random,
        )

    def __bool__(self) -> bool:
        """Whether there is anything to explain."""
        return bool(self.probes or self.draws)

    def misfits(self, member: Member, *, stop: float | None = None) -> tuple[float, bool]:
        """Return the worst distance, and whether all are within rounding.

        Parameters
        ----------
        member : Member
        stop : float, optional
            Give up at the first probe that is further off than this.
        """
        worst, exact = 0.0, True
        for probe in self.probes:
            gap = self._gap(member, probe)
            worst = max(worst, gap)
            if not self._within(member, probe, gap):
                exact = False
                if stop is not None and gap > stop:
                    break
        return worst, exact

    def probe_fits(self, member: Member, probe: Probe) -> bool:
        """Whether a member explains one probe to rounding."""
        return self._within(member, probe, self._gap(member, probe))

    def _within(self, member: Member, probe: Probe, gap: float) -> bool:
        if gap <= max(NEGLIGIBLE, LIMIT * EPS[self.evidence.precision]):
            return True
        return gap <= 1e-3 and gap <= self.evidence.limit(member, probe)

    def _gap(self, member: Member, probe: Probe) -> float:
        seen = self.evidence.response(probe)
        if seen is None:
            return np.inf
        gate = None
        if self.random != (member.draw in RANDOM):
            return np.inf
        if self.random:
            gate = realised(seen, probe)
        elif member.ties[0] in ("random", "any"):
            # At random is what seeds change; in no order, what they do not.
            if (member.ties[0] == "random") is not self.evidence.ties_are_drawn:
                return np.inf
            gate = realised(seen, probe)
            if not _same_but_ties(member, probe, gate):
                return np.inf
        expected = self.evidence.predict(member, probe, gate)
        if not np.isfinite(expected).all() or not np.isfinite(seen).all():
            # 0/0 of a batch without a spread: what is made of it is no part of the formula.
            return 0.0 if "ties" in probe.tags or probe.batch.actions.size < 3 else np.inf
        expected = left_out(member, probe.batch, seen, expected)
        if member.draw == "hard" and member.price[0] in INTERPOLATED and len(probe.batches) == 1:
            expected = _outside_rounding(member, probe, seen, expected)
        return distance(seen, expected)

    def consistent(self, member: Member, *, stop: bool = True) -> tuple[bool, float]:
        """Whether keep probabilities are within their intervals, and the log-likelihood."""
        total, held = 0.0, True
        if self.dependent:
            return True, 0.0
        count = max(1, len(self.draws)) * 12
        all_cells = []
        for drawn in self.draws:
            found = cells(member, drawn)
            all_cells.append(found)
            total += log_likelihood(found)
            held = held and bool((found.p_values >= ERROR_RATE / count).all())
            if not held and stop:
                return held, total
        return held and pooled(all_cells), total

    def match(self, member: Member, path: tuple[Variant, ...], *, near: float = NEAR) -> Match:
        """Return how a member does, giving up early where it is far off."""
        worst, exact = self.misfits(member, stop=near)
        likelihood = 0.0
        if self.random != (member.draw in RANDOM):
            return Match(member, path, np.inf, False)
        if self.draws and worst <= near:
            held, likelihood = self.consistent(member)
            exact = exact and held
        return Match(member, path, worst, exact, likelihood)


RANDOM = ("bernoulli", "random-k")
STAGES = ("core", "count", "ties", "masked", "sequences", "memory")


def stage_of(probe: Probe) -> str:
    """Return the stage at which a probe is explained: what it tells beside the estimator."""
    for stage in ("memory", "sequences", "masked", "ties", "count"):
        if stage in probe.tags:
            return stage
    return "core"


def realised(seen: FloatArray, probe: Probe) -> FloatArray:
    """Return the gate that was drawn, from what came through.

    Where dropped decisions keep a weight, the two levels of |c / U| tell them apart.
    """
    u = probe.batch.advantages
    some = (u != 0) & probe.batch.valid
    if (seen[some] == 0).any() or not some.any():
        return np.asarray((seen != 0).astype(np.float64))
    share = np.abs(np.divide(seen, u, out=np.zeros_like(seen), where=some))
    low, high = float(share[some].min()), float(share[some].max())
    if high <= 1.2 * low:
        return np.asarray(some, dtype=np.float64)
    return np.asarray((share > 0.5 * (low + high)).astype(np.float64))


# Prices that are interpolated, so that a decision can be at one by rounding alone.
INTERPOLATED = ("quantile", "rolling")


def left_out(member: Member, batch: Batch, seen: FloatArray, expected: FloatArray) -> FloatArray:
    """Return what is expected, and 0 where it came and the baseline is not defined."""
    alone = without_others(member.baseline, batch) & (seen == 0)
    return np.where(alone, 0.0, expected) if alone.any() else expected


def _outside_rounding(
    member: Member, probe: Probe, seen: FloatArray, expected: FloatArray
) -> FloatArray:
    """Return what is expected, and what came where rounding of the price decides.

    A decision that is exactly at the price is a tie, whose rule the member has.
    """
    if np.array_equal(seen, expected):
        return expected
    prepared = prepare(member, probe.batch)
    if prepared.argument.shape != expected.shape:
        return expected
    scale = float(np.abs(prepared.gate_signal).max())
    off = np.abs(prepared.argument)
    rounding = (off > 0) & (off <= LIMIT * EPS["float64"] * scale)
    result: FloatArray = np.where(rounding, seen, expected)
    return result


def _same_but_ties(member: Member, probe: Probe, gate: FloatArray) -> bool:
    """Whether as many are kept as by the member, and of the same signals."""
    prepared = prepare(member, probe.batch)
    return np.array_equal(
        np.sort(prepared.gate_signal[gate > 0]),
        np.sort(prepared.gate_signal[prepared.probability > 0]),
    )


def search(
    trial: Trial,
    base: Member,
    *,
    depth: int = 1,
    among: Callable[[Member], Sequence[Variant]] = variants,
) -> list[Match]:
    """Return the simplest matches that are reached from `base`, the likeliest first.

    Parameters
    ----------
    trial : Trial
    base : Member
    depth : int
        How many mistakes at once.
    among : callable
        The mistakes that are tried, beside a member.
    """
    start = trial.match(base, ())
    if start.exact:
        return [start]
    trial = _telling_first(trial, base)
    level = [start]
    for step in range(depth):
        table = [
            trial.match(v.apply(m.member), (*m.path, v))
            for m in level
            for v in among(m.member)
            if (step == 0 or v.primary)
            and all(not (v.changes.keys() & w.changes.keys()) for w in m.path)
        ]
        found = _best(trial, table)
        if found:
            return found
        if step + 1 < depth:
            level = _beam(trial, table)
        elif step:
            found = _best(trial, _refined(trial, table))
            if found:
                return found
    return []


def _refined(trial: Trial, table: Sequence[Match]) -> list[Match]:
    """Return the nearest of several mistakes with other numbers for each of their spreads.

    A standard deviation has its degrees of freedom and its epsilon; with two of them in a target no
    one of them is right while the other is not.
    """
    scored = sorted(table, key=lambda m: _score(trial, m.member))
    found = []
    for match in scored[:REFINED]:
        path = list(match.path)
        base = match.member
        if not any(len(_tails(v)) > 1 for v in path):
            continue
        for place in [*range(len(path))] * 2:
            choice = [[*path[:place], v, *path[place + 1 :]] for v in _tails(path[place])]
            path = min(choice, key=lambda way: _score(trial, _along(base, way)))
        found.append(trial.match(_along(base, path), tuple(path)))
    return found


def _along(member: Member, path: Sequence[Variant]) -> Member:
    """Return the member with the changes of a path, in place of those of another such path."""
    for variant in path:
        member = variant.apply(member)
    return member


def _tails(variant: Variant) -> list[Variant]:
    """Return a mistake with each tail of a spread; itself where it has none."""
    changed = {name: part for name, part in variant.changes.items() if _has_spread(part)}
    if not changed:
        return [variant]
    return [
        replace(variant, changes={**variant.changes, **{n: (p[0], *t) for n, p in changed.items()}})
        for t in SPREADS
    ]


def _has_spread(part: object) -> bool:
    return isinstance(part, tuple) and str(part[0]) in WITH_A_SPREAD


def _telling_first(trial: Trial, base: Member) -> Trial:
    """Return the trial with a small probe first that `base` does not explain.

    A mistake that changes nothing here is then seen to explain nothing at the first probe.
    """
    failing = [p for p in trial.probes if not trial.probe_fits(base, p)]
    if not failing:
        return trial
    first = min(failing, key=lambda p: (sum(b.actions.size for b in p.batches) < 8, len(p.batches)))
    rest = [p for p in trial.probes if p is not first]
    return replace(trial, probes=[first, *rest])


def _best(trial: Trial, table: Sequence[Match]) -> list[Match]:
    """Return the exact matches by likelihood, or the one near match of least distance."""
    exact = [m for m in table if m.exact]
    if exact:
        return sorted(exact, key=lambda m: -m.likelihood)
    near = [m for m in table if m.worst <= NEAR]
    near = [m for m in near if not trial.draws or trial.consistent(m.member)[0]]
    return sorted(near, key=lambda m: m.worst)[:1]


def _beam(trial: Trial, table: Sequence[Match]) -> list[Match]:
    """Return the matches that explain most of the first probes, with any factor of a batch."""
    scored = sorted(table, key=lambda m: _score(trial, m.member))
    kept: list[Match] = []
    fields: dict[frozenset[str], int] = {}
    for match in scored:
        # Of other numbers for the same fields one is as good as ten.
        changed = frozenset(name for v in match.path for name in v.changes)
        if fields.get(changed, 0) < ALIKE and all(match.member != o.member for o in kept):
            fields[changed] = fields.get(changed, 0) + 1
            kept.append(match)
        if len(kept) == (2 if trial.draws else BEAM):
            break
    return kept


def _score(trial: Trial, member: Member) -> float:
    """Return how much of the first probes is not explained, in [0, 1] each."""
    total = 0.0
    for probe in trial.probes[:6]:
        seen = trial.evidence.response(probe)
        if seen is None:
            continue
        gate = realised(seen, probe) if trial.random else None
        if trial.random != (member.draw in RANDOM):
            return np.inf
        total += _angle(seen, trial.evidence.predict(member, probe, gate))
    if trial.draws:
        total -= 1e-3 * sum(log_likelihood(cells(member, d)) for d in trial.draws[:3])
    return total


def _angle(seen: FloatArray, expected: FloatArray) -> float:
    """Return the sine between the two, a factor left out, and a little for the factor."""
    a, b = np.linalg.norm(seen), np.linalg.norm(expected)
    if not (np.isfinite(a) and np.isfinite(b)) or a == 0 or b == 0:
        return 0.0 if a == b else 2.0
    along = float((seen * expected).sum() / (a * b))
    gap = seen / a - np.sign(along) * expected / b
    return float(np.linalg.norm(gap)) + (0.01 if abs(a / b - 1.0) > 1e-6 else 0.0)
