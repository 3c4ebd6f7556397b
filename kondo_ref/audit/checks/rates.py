"""Dimension 17: what share is kept, held to the claimed gate's, and what the choice is worth."""

from typing import Any

import numpy as np
from scipy.stats import norm

from kondo_ref.audit.batch import Batch
from kondo_ref.audit.checks.estimator import finding
from kondo_ref.audit.identify import Identity
from kondo_ref.audit.identify_trial import realised
from kondo_ref.audit.known_family import prepare
from kondo_ref.audit.replay import replay_json
from kondo_ref.audit.verdict import Claim, Finding
from kondo_ref.checks import FloatArray

# Signals of an ordinary spread: a large enough one makes any gate selective.
USUAL = ("generic", "another", "mid-size", "drawn cells", "drawn with low ones")
APART = 0.1  # relative, of the rates
ERROR = 1e-7


def rate_findings(identity: Identity, claim: Claim) -> list[Finding]:
    """Return whether the realised rate, or the worth of the choice, is not the claimed gate's.

    Only for a gate that drops; of ordinary batches. Where the estimator is as claimed there is
    nothing to find.

    Parameters
    ----------
    identity : Identity
    claim : Claim
    """
    origin = identity.origin
    if origin is None or origin.draw not in ("bernoulli", "top-k", "hard"):
        return []
    if identity.member == origin or identity.trial.dependent:
        return []
    rows = []
    draws = [d for d in identity.trial.draws if not d.probe.tags & {"ties", "sequences", "masked"}]
    if identity.trial.random:
        for drawn in draws:
            expected = prepare(origin, drawn.probe.batch).probability
            rows += [(drawn.probe, expected, realised(r, drawn.probe)) for r in drawn.responses]
    else:
        for probe in identity.trial.only("core").probes:
            seen = identity.trial.evidence.response(probe)
            if seen is None or not np.isfinite(seen).all():
                continue
            expected = prepare(origin, probe.batch).probability
            rows.append((probe, expected, realised(seen, probe)))
    rows = [r for r in rows if (r[0].batch.advantages != 0).all()]
    if not rows:
        return []
    wanted = sum(float(r[1].sum()) for r in rows)
    kept = sum(float(r[2].sum()) for r in rows)
    size = sum(r[1].size for r in rows)
    spread = np.sqrt(sum(float((r[1] * (1 - r[1])).sum()) for r in rows))
    numbers: dict[str, Any] = {
        "target rate": claim.gate.target_rate,
        "expected rate": wanted / size,
        "realised rate": kept / size,
        "decisions": size,
        "error rate": ERROR,
        "replay": replay_json(rows[0][0].batches, 0),
    }
    found = []
    limit = norm.isf(ERROR / 2) * spread if identity.trial.random else 2.0
    if abs(kept - wanted) > max(limit, APART * wanted):
        told = f"{kept / size:.3g} of {size} decisions are kept, {wanted / size:.3g} by the claim"
        found.append(finding("rate.realised", told, dict(numbers)))
    usual = [r for r in rows if r[0].name in USUAL]
    if not usual:
        return found
    ours = float(np.mean([_recall(r[1], r[0].batch) for r in usual]))
    theirs = float(np.mean([_recall(r[2], r[0].batch) for r in usual]))
    chance = float(np.mean([r[2].mean() for r in usual]))
    numbers |= {"recall of the best": theirs, "of the claimed gate": ours, "at random": chance}
    if ours > 2.0 * chance and theirs - chance < 0.25 * (ours - chance):
        told = f"recall of the largest delights {theirs:.3g}, {ours:.3g} by the claimed gate"
        found.append(finding("rate.selectivity", told, numbers))
    return found


def _recall(weight: FloatArray, batch: Batch) -> float:
    """Return the share of the best tenth, by delight, that has a weight."""
    delight = (batch.advantages * batch.surprisal).ravel()
    k = max(1, round(0.1 * delight.size))
    best = np.argsort(-delight, kind="stable")[:k]
    return float(weight.ravel()[best].mean())
