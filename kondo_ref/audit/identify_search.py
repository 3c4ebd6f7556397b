"""The search for the member of the family that reproduces what was observed.

Singles first, then pairs and threes by a beam: what a target is comes out as the simplest member
that explains every probe to the rounding of its dtype, or not at all.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from kondo_ref.audit.counts import log_likelihood
from kondo_ref.audit.identify_evidence import cells
from kondo_ref.audit.identify_trial import NEAR, RANDOM, Match, Trial, realised
from kondo_ref.audit.known import Variant, variants
from kondo_ref.audit.known.variant import SPREADS
from kondo_ref.audit.known_family import Member
from kondo_ref.checks import FloatArray

BEAM = 8
ALIKE = 2
REFINED = 2
WITH_A_SPREAD = (
    *("whiten", "whiten-add-mean", "scale-std"),
    *("batch-std", "group-std", "group-batch-std", "zero-std"),
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
