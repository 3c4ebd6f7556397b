"""Dimension 9: whether what is drawn is drawn anew, for each decision, independently."""

from dataclasses import replace

import numpy as np

from kondo_ref.audit.checks.estimator import finding
from kondo_ref.audit.identify import Identity
from kondo_ref.audit.identify_dependence import ERROR, dependence
from kondo_ref.audit.identify_trial import realised
from kondo_ref.audit.probes_drawn import copies
from kondo_ref.audit.replay import replay_json
from kondo_ref.audit.verdict import Claim, Finding


def drawing_findings(identity: Identity, claim: Claim) -> list[Finding]:
    """Return what is wrong with the draw itself.

    Parameters
    ----------
    identity : Identity
    claim : Claim
    """
    trial = identity.trial
    if trial.random:
        how = dependence(trial.draws)
        if not how:
            return _same_again(identity)
        drawn = trial.draws[0]
        totals = drawn.gates.reshape(len(drawn.gates), -1).sum(axis=1)
        evidence = {
            "kept at each call": totals.tolist(),
            "error rate": ERROR,
            "replay": replay_json(drawn.probe.batches, 0),
        }
        told = f"{totals.min():.0f} to {totals.max():.0f} of {drawn.gates[0].size} are kept"
        return [finding(f"draw.{how}", told, evidence)]
    if claim.gate.needs_uniforms:
        return _fixed_seed(identity)
    return []


def _same_again(identity: Identity) -> list[Finding]:
    """Return whether the same draw comes at every call of one conversation."""
    evidence = identity.trial.evidence
    drawn = identity.trial.draws[0].probe
    again = replace(drawn, name="again and again, drawn", batches=(drawn.batch,) * 4)
    seen = [evidence.of(one) for one in evidence.observe(again)]
    first = seen[0]
    if first is None or not np.any(first) or np.count_nonzero(first) == first.size:
        return []
    if all(one is not None and np.array_equal(one, first) for one in seen):
        told = f"four calls in a row keep the same {np.count_nonzero(first)} of {first.size}"
        return [finding("draw.fixed-seed", told, {"replay": replay_json(again.batches, 0)})]
    return []


def _fixed_seed(identity: Identity) -> list[Finding]:
    """Return whether equal decisions fare unequally, though no seed changes anything."""
    evidence = identity.trial.evidence
    probe = copies(evidence.seed)
    seen = evidence.response(probe)
    if seen is None or not np.isfinite(seen).all():
        return []
    gate = realised(seen, probe)
    signal = probe.batch.advantages * probe.batch.surprisal
    for level in np.unique(signal):
        same = gate[signal == level]
        if 0.2 < float(same.mean()) < 0.8:
            told = (
                f"{int(same.sum())} of {same.size} equal decisions are kept, the same at any seed"
            )
            shown = {"replay": replay_json(probe.batches, 0)}
            return [finding("draw.fixed-seed", told, shown)]
    return []
