"""The probes that a target answered, and how well a member of the family explains them.

It stands between what was observed and the search: a member is held to every probe, to the rounding
of its dtype or to the intervals of what is drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass

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
from kondo_ref.audit.known import Variant
from kondo_ref.audit.known_family import Member, prepare
from kondo_ref.audit.known_parts import without_others
from kondo_ref.audit.probes import Probe
from kondo_ref.checks import FloatArray

NEAR = 2e-5  # a spread with an unknown epsilon is named by the one without
RANDOM = ("bernoulli", "random-k")
# Prices that are interpolated, so that a decision can be at one by rounding alone.
INTERPOLATED = ("quantile", "rolling")
STAGES = ("core", "count", "ties", "masked", "sequences", "memory")


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
