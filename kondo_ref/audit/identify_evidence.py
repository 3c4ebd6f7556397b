"""What a target did with the probes: observed once each, and held against members of the family.

Between the probes and the search: an `Evidence` calls the subject, keeps what came, and says how
far a member is from it. For a target that draws, the coefficients are compared given the gate that
was drawn, and the keep probabilities by exact binomial intervals.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from kondo_ref.audit import known_family
from kondo_ref.audit.batch import Batch
from kondo_ref.audit.counts import Cells
from kondo_ref.audit.known_family import Member, prepare
from kondo_ref.audit.observation import Observation, Subject
from kondo_ref.audit.probes import Probe
from kondo_ref.audit.rounding import handed
from kondo_ref.checks import FloatArray

EPS = {"float64": 2.0**-52, "float32": 2.0**-23, "bfloat16": 2.0**-7, "float16": 2.0**-10}
LIMIT = 32.0  # the test ratio of spec.md, section 8
# What no float32 computation sees: below it a target is right, if not to the last digit.
NEGLIGIBLE = 1e-9


@dataclass(frozen=True, eq=False)
class Draws:
    """What a target did with one batch, again and again with other seeds.

    Parameters
    ----------
    probe : Probe
    responses : (R, decisions) float
    """

    probe: Probe
    responses: FloatArray

    @property
    def gates(self) -> FloatArray:
        """1 where something came through, (R, decisions)."""
        return np.asarray(self.responses != 0, dtype=np.float64)


@dataclass(eq=False)
class Evidence:
    """A subject, what it was shown, and what it did.

    Parameters
    ----------
    subject : Subject
    seed : int
    dtype : str
        The floating dtype of the batches.
    precision : str
        The dtype whose rounding is allowed; narrower than `dtype` for a target that computes in it.
    calls : int
    shown : list of (Probe, list of Observation)
        Every probe that was shown, with what came of its batches.
    tied : tuple of Probe
        Those with ties that it answered.
    """

    subject: Subject
    seed: int = 0
    dtype: str = "float64"
    precision: str = "float64"
    calls: int = 0
    shown: list[tuple[Probe, list[Observation]]] = field(default_factory=list)
    tied: tuple[Probe, ...] = ()
    _seen: dict[tuple[str, int], list[Observation]] = field(default_factory=dict)
    _draws: dict[str, Draws] = field(default_factory=dict)
    _handed: dict[str, tuple[Batch, ...]] = field(default_factory=dict)

    @property
    def gradient(self) -> bool:
        """Whether coefficients can be seen; weights else."""
        return "coefficients" in self.subject.has

    def forget(self) -> None:
        """Drop what was seen; the probes of the same names will have another shape."""
        self._seen.clear()
        self._handed.clear()
        self.shown.clear()

    def observe(self, probe: Probe, repeat: int = 0) -> list[Observation]:
        """Return what the target did with the batches of a probe, in order."""
        key = (probe.name, repeat)
        if key not in self._seen:
            batches = [replace(b, dtype=self.dtype) for b in probe.batches]
            seed = 1_000_003 * self.seed + repeat
            self._seen[key] = self.subject.observe(batches, seed=seed)
            self.calls += len(batches)
            self.shown.append((probe, self._seen[key]))
        return self._seen[key]

    def varies(self, probes: Sequence[Probe]) -> bool:
        """Whether other seeds give other responses."""
        for probe in probes:
            first = self.response(probe)
            for repeat in range(1, 5):
                again = self.response(probe, repeat)
                if first is None or again is None:
                    continue
                if not np.array_equal(first, again, equal_nan=True):
                    scale = float(np.abs(first).max())
                    if np.abs(first - again).max() > 1e-5 * max(scale, 1e-300):
                        return True
        return False

    @cached_property
    def ties_are_drawn(self) -> bool:
        """Whether which of tied decisions are kept follows the seed; asked once `tied` is known."""
        return self.varies(self.tied)

    def last(self, probe: Probe, repeat: int = 0) -> Observation:
        """Return the observation of the last batch of a probe."""
        return self.observe(probe, repeat)[-1]

    def response(self, probe: Probe, repeat: int = 0) -> FloatArray | None:
        """Return coefficients, or weights, of the last batch; None where nothing came."""
        return self.of(self.last(probe, repeat))

    def of(self, seen: Observation) -> FloatArray | None:
        """Return the coefficients, or the weights, of an observation."""
        return seen.coefficients if self.gradient else seen.weights

    def draws(self, probe: Probe, repeats: int) -> Draws | None:
        """Return what came at other seeds, None where a call failed.

        All repeats are one conversation where the target has shown that it draws anew at every
        call; else each starts afresh with its own seed.
        """
        if probe.name not in self._draws:
            batch = replace(probe.batch, dtype=self.dtype)
            got = []
            for r in range(repeats):
                seen = self.subject.observe([batch], seed=1_000_003 * self.seed + 17 * r + 1)
                response = self.of(seen[-1])
                self.calls += 1
                self.shown.append((probe, seen))
                if response is None or not np.isfinite(response).all():
                    return None
                got.append(response)
            self._draws[probe.name] = Draws(probe, np.array(got))
        return self._draws[probe.name]

    def predict(self, member: Member, probe: Probe, gate: FloatArray | None = None) -> FloatArray:
        """Return what the member does with the last batch, as the subject's surface shows it."""
        batches = self._handed.get(probe.name)
        if batches is None:  # they keep their surprisals for the next member
            batches = tuple(handed(replace(b, dtype=self.dtype)) for b in probe.batches)
            self._handed[probe.name] = batches
        past = None
        if member.price[0] == "rolling" and len(batches) > 1:
            known = [known_family.unit_signal(member, b) for b in batches[:-1]]
            past = np.concatenate(known)
        if self.gradient:
            return known_family.coefficients(member, batches[-1], gate, past)
        return known_family.weights(member, batches[-1], gate, past)

    def limit(self, member: Member, probe: Probe) -> float:
        """Return the relative distance that rounding alone explains, by Frobenius norm."""
        eps = EPS[self.precision]
        if member.leak:  # differentiated numerically
            return max(2e-6, LIMIT * eps)
        recovered = self.subject.surface in ("logits", "rewards", "step")
        return max(NEGLIGIBLE, LIMIT * eps * (1.0 + condition(member, probe, recovered)))

    def misfit(self, member: Member, probe: Probe) -> float:
        """Return the distance of a deterministic member, relative; inf where nothing came.

        Where the target responds with 0 to everything, or is to, the distance is absolute.
        """
        seen = self.response(probe)
        if seen is None:
            return np.inf
        return distance(seen, self.predict(member, probe))

    def fits(self, member: Member, probe: Probe) -> bool:
        """Whether a deterministic member explains what was seen to rounding."""
        return self.misfit(member, probe) <= self.limit(member, probe)


def distance(seen: FloatArray, expected: FloatArray) -> float:
    """Return norm(seen - expected) / norm(expected), or over 1 where all expected are 0."""
    if seen.shape != expected.shape or not np.isfinite(seen).all():
        return np.inf
    size = float(np.linalg.norm(expected))
    gap = float(np.linalg.norm(seen - expected))
    if not np.isfinite(gap) or not np.isfinite(size):
        return np.inf
    return gap / size if size > 0 else gap


def condition(member: Member, probe: Probe, recovered: bool) -> float:
    """Return how much rounding is magnified in the coefficients.

    A keep probability w = sigmoid(x) moves by w (1 - w) dx, with dx of the size of an eps of the
    signal and the price, over the temperature. A coefficient that is recovered from the gradient
    in the logits is divided by the norm of onehot(a) - pi, about 1 - pi(a).
    """
    more = 0.0
    if recovered:
        c = known_family.coefficients(member, probe.batch)
        size = float(np.linalg.norm(c))
        if np.isfinite(size) and size > 0:
            more = float(np.linalg.norm(c / -np.expm1(-probe.batch.surprisal))) / size
    if member.draw not in ("soft",):
        return more
    prepared = prepare(member, probe.batch)
    w, x = prepared.probability, prepared.argument
    u = probe.batch.advantages
    top = np.abs(probe.batch.logits).max(axis=-1)
    with np.errstate(over="ignore", invalid="ignore"):
        scale = np.abs(x) + (np.abs(prepared.gate_signal) + np.abs(u) * top) / max(
            abs(member.temperature), 1e-12
        )
        moved = np.where(w > 0, w * (1.0 - w) * scale, 0.0) * u
    base = float(np.linalg.norm(w * u))
    moved = np.where(np.isfinite(moved), moved, 0.0)
    return more + (float(np.linalg.norm(moved)) / base if base > 0 else 0.0)


def cells(member: Member, draws: Draws, batch_probability: FloatArray | None = None) -> Cells:
    """Return kept against expected of every group of equal decisions.

    Parameters
    ----------
    member : Member
    draws : Draws
    batch_probability : decisions float, optional
        Keep probabilities in place of the member's.
    """
    batch = draws.probe.batch
    p = prepare(member, batch).probability if batch_probability is None else batch_probability
    weight = draws.gates
    visible = batch.valid & ((batch.advantages != 0) | (draws.responses != 0).any(axis=0))
    if member.unit == "sequence" and len(batch.shape) == 2:
        first = np.zeros(batch.shape, dtype=np.bool_)
        rows = np.flatnonzero(visible.any(axis=1))
        first[rows, visible[rows].argmax(axis=1)] = True
        visible = first
    keys = np.round(np.where(visible, p, -1.0), 12).ravel()
    levels, which = np.unique(keys, return_inverse=True)
    size = np.bincount(which)
    kept = np.bincount(which, weights=weight.reshape(len(weight), -1).sum(axis=0))
    some = levels >= 0
    first_of = np.array([int(np.argmax(which == i)) for i in np.flatnonzero(some)], dtype=np.int64)
    return Cells(
        first_of,
        levels[some],
        np.rint(kept[some]).astype(np.int64),
        size[some] * len(weight),
    )
