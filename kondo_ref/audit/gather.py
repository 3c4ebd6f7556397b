"""What a target does with the probes of the estimator: which it is shown, and what it answers.

Before the search for what the target is: ordinary batches first, then ties, sizes, masks,
sequences and batches in a row, as far as it takes them; repeats where it draws; the dtype that it
computes in.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from kondo_ref.audit.identify_dependence import dependence
from kondo_ref.audit.identify_evidence import Draws, Evidence
from kondo_ref.audit.identify_trial import Trial
from kondo_ref.audit.probes import (
    Probe,
    as_rows,
    count_probes,
    flat_probes,
    grouped,
    memory_probes,
    ragged_probes,
    sequence_probes,
    tie_probes,
)
from kondo_ref.audit.probes_drawn import drawn_probes
from kondo_ref.audit.verdict import Claim

LOSSES = ("logits", "logprobs", "rewards")


def claimed_rate(claim: Claim | None) -> float:
    """Return the rate by which sizes of batches are chosen; 0.1 where none is claimed."""
    rate = None if claim is None else claim.gate.target_rate
    return 0.1 if rate is None else rate


def gather(
    evidence: Evidence,
    rate: float,
    *,
    quick: bool = False,
    samples: bool = False,
    by_rows: bool = False,
) -> tuple[Trial, str]:
    """Show a target the probes of the estimator, and return what it did.

    Parameters
    ----------
    evidence : Evidence
    rate : float
    quick : bool
    samples : bool
        Only (N,) batches are claimed: (B, T) ones are shown to a target that takes no other, and
        ragged ones to a target that takes a mask, which is for them.
    by_rows : bool
        Sequences are claimed: a target that takes (B, T) batches is shown no (N,) ones.

    Returns
    -------
    trial : Trial
    unusable : str
        Why the target cannot be audited, or empty.
    """
    has, seed = evidence.subject.has, evidence.seed
    masks, sequences = "mask" in has, "sequences" in has
    flat = flat_probes(seed, masks=masks)
    if "groups" in has:
        flat = [grouped(p) for p in flat]
    row_only = False
    seen = evidence.last(flat[0])
    if sequences and (by_rows or evidence.of(seen) is None):
        rowed = as_rows(flat[0])
        row_only = evidence.of(evidence.last(replace(rowed, name="generic, as rows"))) is not None
    if evidence.of(seen) is None and not row_only:
        why = seen.message or "it returned nothing that can be read"
        return Trial(evidence, flat), f"an ordinary batch {seen.outcome}: {why}"
    if not row_only and without_graph(evidence, flat):
        return Trial(evidence, flat), "the loss has no gradient (grad_fn)"
    others = [*tie_probes(seed), *count_probes(seed, rate, masks=masks)]
    if "groups" in has:
        others = [grouped(p) for p in others]
    probes = [*flat, *others]
    if row_only:
        evidence.forget()
        # A row without a valid token is no sequence; ragged rows are among those of sequences.
        probes = [as_rows(p) for p in probes if sequences and "masked" not in p.tags]
        flat = [as_rows(p) for p in flat]
    sequences = sequences and (row_only or not samples)
    if sequences:
        probes += sequence_probes(seed, masks=masks)
    elif masks and "sequences" in has:
        probes += ragged_probes(seed)
    if not row_only or not sequences:
        more = memory_probes(seed)
        probes += [grouped(p) for p in more] if "groups" in has else more
    answered = [p for p in probes if evidence.response(p) is not None]
    random = evidence.varies((flat[0], flat[10]))
    evidence.tied = tuple(p for p in answered if "ties" in p.tags)
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
    return Trial(evidence, answered, tuple(draws), bool(dependence(draws)), random), ""


def without_graph(evidence: Evidence, probes: Sequence[Probe]) -> bool:
    """Whether no loss has a gradient, though they are not 0 as a constant of nothing kept is."""
    if evidence.subject.framework != "torch" or evidence.subject.surface not in LOSSES:
        return False
    for probe in probes:
        seen = evidence.last(probe)
        if seen.outcome == "returned" and (seen.executed_rows != 0 or not seen.loss):
            return False
    return True


def set_precision(evidence: Evidence, probes: Sequence[Probe]) -> None:
    """Find the dtype that the target computes in, which may be narrower than the batch's.

    Told by the rounding of the gradient in the logits, beside its part along onehot(a) - pi; where
    there are no logits, by responses that are float32 numbers in every entry.
    """
    if evidence.dtype != "float64":
        evidence.precision = evidence.dtype
        return
    probes = probes[:6]
    seen = [evidence.last(p) for p in probes]
    rounding = sorted(s.residual for s in seen)
    if 1e-10 < rounding[len(rounding) // 2] < 1e-4:
        evidence.precision = "float32"
        return
    if any(rounding):
        return
    values, uneven = [], 0
    for probe, one in zip(probes, seen, strict=False):
        response = evidence.of(one)
        if response is None or not np.isfinite(response).all():
            continue
        values.append(np.abs(response).ravel())
        u = probe.batch.advantages
        share = np.abs(np.divide(response, u, out=np.zeros_like(response), where=u != 0))
        share = share if evidence.gradient else np.abs(response)
        some = share[share > 0]
        # One weight for all says nothing: it may be a short number in any dtype.
        uneven += int(some.size > 3 and np.ptp(some) > 1e-13 * some.max())
    if not values or not uneven:
        return
    flat = np.concatenate(values)
    with np.errstate(over="ignore"):
        single = np.abs(flat.astype(np.float32).astype(np.float64) - flat)
    if not single.any():
        evidence.precision = "float32"
