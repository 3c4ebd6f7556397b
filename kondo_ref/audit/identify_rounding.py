"""Whether what a target differs by from a member looks like the rounding of a narrower dtype.

A small error is not yet a rounding error. Rounding is a saw: it changes by all of itself where the
inputs move by one eps of the dtype. The error of another formula, a clipped advantage, a bent
surprisal, moves with its inputs. And rounding is small beside each weight, not beside their norm.
"""

from dataclasses import replace

import numpy as np

from kondo_ref.audit import known_family
from kondo_ref.audit.identify_evidence import EPS, Evidence
from kondo_ref.audit.known_family import Member, prepare
from kondo_ref.audit.probes import Probe
from kondo_ref.checks import FloatArray

# Of an error that is independent of the first, the difference is sqrt(2) times as large; of one
# that moves with inputs that move by an eps, some eps times as large.
JUMP = 0.3
TELLING = 4  # probes with the largest errors
TURNS = 3
FAINT = 0.01
# In eps of the dtype, for each weight: what a rounded constant explains, and a few stages do.
CONSTANT = 2.0
STAGES = 8.0
# The least weight before a sigmoid by exp underflows; of float16, exp overflows at 1 / this.
LEAST = {"float32": 2.0**-126, "bfloat16": 2.0**-126, "float16": 2.0**-15}


def like_rounding(evidence: Evidence, member: Member, probes: list[Probe], dtype: str) -> bool:
    """Return whether the error jumps where inputs move by an eps, or is of a rounded constant.

    Parameters
    ----------
    evidence : Evidence
        Of a deterministic target.
    member : Member
        What the target is held to.
    probes : list of Probe
    dtype : str
        The narrower dtype.
    """
    errors = [(p, _error(evidence, member, p)) for p in probes]
    sized = [(float(np.linalg.norm(e)), p, e) for p, e in errors if e is not None]
    sized = sorted((s for s in sized if s[0] > 0), key=lambda s: -s[0])
    for size, probe, error in sized[:TELLING]:
        if size < FAINT * sized[0][0]:  # of which float64 itself may be the reason
            break
        for turn in range(TURNS):
            moved = _error(evidence, member, _moved(probe, EPS[dtype], turn))
            if moved is None or float(np.linalg.norm(moved - error)) > JUMP * size:
                return True
    # A few rounded constants in float32 cost its user nothing; half precision rounds all or none.
    if dtype != "float32":
        return False
    return all(within(evidence, member, p, dtype, CONSTANT) for p in probes)


def within(
    evidence: Evidence, member: Member, probe: Probe, dtype: str, stages: float = STAGES
) -> bool:
    """Return whether every single weight is within so many roundings of a dtype.

    Parameters
    ----------
    evidence : Evidence
    member : Member
    probe : Probe
    dtype : str
    stages : float
        How many eps, times what rounding is magnified by in this decision.
    """
    pair = _pair(evidence, member, probe)
    if pair is None:
        return True
    seen, expected = pair
    limit = stages * EPS[dtype] * _magnified(evidence, member, probe)
    unit = np.abs(known_family.coefficients(replace(member, draw="all"), probe.batch))
    least = LEAST[dtype] * (unit if evidence.gradient else np.ones_like(unit))
    with np.errstate(all="ignore"):
        off = np.abs(np.log(seen / expected))
        # Underflow to 0, of which a magnified rounding may be the reason.
        lost = np.log(np.abs(expected) / least) <= np.minimum(limit, 700.0)
    off = np.where(np.isnan(off), np.where(seen == expected, 0.0, np.inf), off)
    return bool(np.all((off <= limit) | lost | (expected == 0)))


def _pair(evidence: Evidence, member: Member, probe: Probe) -> tuple[FloatArray, FloatArray] | None:
    seen = evidence.response(probe)
    if seen is None or not np.isfinite(seen).all():
        return None
    expected = evidence.predict(member, probe)
    if expected.shape != seen.shape or not np.isfinite(expected).all():
        return None
    return seen, expected


def _error(evidence: Evidence, member: Member, probe: Probe) -> FloatArray | None:
    """Return the relative error of a batch, beyond the rounding of float64."""
    pair = _pair(evidence, member, probe)
    if pair is None:
        return None
    seen, expected = pair
    size = float(np.linalg.norm(expected))
    error = (seen - expected) / size if size > 0 else seen - expected
    return np.where(np.abs(error) > STAGES * EPS["float64"], error, 0.0)


def _moved(probe: Probe, eps: float, turn: int) -> Probe:
    """Return the probe with every logit and advantage of its last batch moved by about an eps."""
    g = np.random.default_rng([41, turn])
    batch = probe.batch

    def move(values: FloatArray) -> FloatArray:
        step = g.uniform(0.4, 1.4, values.shape) * g.choice([-1.0, 1.0], values.shape)
        return np.asarray(values * (1.0 + eps * step))

    near = replace(batch, logits=move(batch.logits), advantages=move(batch.advantages))
    name = f"{probe.name}, moved by {eps:.1g} ({turn})"
    return Probe(name, (*probe.batches[:-1], near), probe.tags)


def _magnified(evidence: Evidence, member: Member, probe: Probe) -> FloatArray:
    """Return what rounding is magnified by in each weight, as `condition` does of all of them."""
    batch = probe.batch
    more = np.ones(batch.shape)
    if evidence.subject.surface in ("logits", "rewards", "step"):
        more = more + 1.0 / -np.expm1(-batch.surprisal)
    if member.draw != "soft":
        return more
    prepared = prepare(member, batch)
    top = np.abs(batch.logits).max(axis=-1)
    heat = max(abs(member.temperature), 1e-12)
    signal = np.abs(prepared.gate_signal) + np.abs(batch.advantages) * top
    with np.errstate(all="ignore"):
        scale = np.abs(prepared.argument) + signal / heat
        moved = np.where(prepared.probability < 1.0, (1.0 - prepared.probability) * scale, 0.0)
    return np.asarray(more + np.nan_to_num(moved, posinf=1e300))
