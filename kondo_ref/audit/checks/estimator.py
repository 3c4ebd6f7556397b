"""Dimensions 1 to 13: what the target computes on ordinary batches, held to the claim.

One finding for each known mistake between the claim and the member that explains the target.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from kondo_ref.audit.catalogue import CATALOGUE
from kondo_ref.audit.counts import ERROR_RATE, interval
from kondo_ref.audit.identify import Identity
from kondo_ref.audit.identify_evidence import EPS, LIMIT, cells
from kondo_ref.audit.identify_trial import Trial, realised
from kondo_ref.audit.known import Variant
from kondo_ref.audit.known_family import Member, prepare
from kondo_ref.audit.probes import Probe
from kondo_ref.audit.replay import replay_json
from kondo_ref.audit.verdict import Claim, Finding
from kondo_ref.checks import FloatArray


def finding(
    which: str,
    found: str,
    evidence: dict[str, Any] | None = None,
    *,
    nearest: str = "",
    severity: str | None = None,
) -> Finding:
    """Return a finding of the catalogue.

    Parameters
    ----------
    which : str
        Its id.
    found : str
        What was found, in one line.
    evidence : dict, optional
    nearest : str
    severity : str, optional
        Other than the catalogue's.
    """
    entry = CATALOGUE[which]
    return Finding(
        entry.id,
        entry.dimension,
        severity or entry.severity,
        entry.summary,
        entry.expected,
        found,
        evidence or {},
        nearest,
    )


def estimator_findings(identity: Identity, claim: Claim) -> list[Finding]:
    """Return the deviations of the estimator from its claim.

    Parameters
    ----------
    identity : Identity
    claim : Claim
    """
    origin = identity.origin
    if origin is None or (identity.member == origin and identity.exact):
        return []
    if identity.member is None:
        return []
    nearest = " and ".join(v.name for v in identity.path)
    how = _how(identity)
    findings = []
    for variant in identity.path:
        probe = showing(identity.trial, origin, variant, identity.failing)
        evidence = numbers(identity.trial, origin, probe, claim)
        evidence["distance of the named mistake"] = identity.worst
        if identity.also:
            evidence["reads the same"] = sorted({v.id for v in identity.also})
        what = f"it differs from the claim {how} as {nearest} does"
        findings.append(
            finding(variant.id, f"{_sentence(variant)}; {what}", evidence, nearest=nearest)
        )
    return findings


def _how(identity: Identity) -> str:
    """Return how nearly the named mistakes reproduce what was seen, and what they leave out."""
    left = {p.name for probes in identity.unexplained.values() for p in probes}
    if identity.exact or identity.member is None:
        return "exactly"
    explained = [p for p in identity.trial.probes if p.name not in left]
    worst, exact = replace(identity.trial, probes=explained).misfits(identity.member)
    how = "exactly" if exact else f"to {worst:.1g}"
    return f"{how} (but for {', '.join(identity.unexplained)}: see there)" if left else how


def _sentence(variant: Variant) -> str:
    return variant.name


def showing(trial: Trial, origin: Member, variant: Variant, failing: tuple[Probe, ...]) -> Probe:
    """Return the smallest failing probe on which a mistake shows."""
    able = failing or tuple(trial.probes)
    telling = []
    for probe in able:
        try:
            changed = trial.evidence.predict(variant.apply(origin), probe)
            if not np.allclose(changed, trial.evidence.predict(origin, probe), rtol=1e-6, atol=0):
                telling.append(probe)
        except (KeyError, ValueError):
            continue
    return min(telling or able, key=lambda p: p.batch.actions.size)


def numbers(trial: Trial, origin: Member, probe: Probe, claim: Claim) -> dict[str, Any]:
    """Return the numbers of a deviation on one batch, and its replay.

    Parameters
    ----------
    trial : Trial
    origin : Member
        The claimed member.
    probe : Probe
    claim : Claim
    """
    seen = trial.evidence.response(probe)
    told: dict[str, Any] = {"probe": probe.name, "replay": replay_json(probe.batches, 0)}
    if seen is None:
        return told
    gate = realised(seen, probe) if trial.draws or origin.draw == "bernoulli" else None
    expected = trial.evidence.predict(origin, probe, gate)
    told |= comparison(seen, expected, trial.evidence.precision)
    kept = seen[probe.batch.valid] != 0
    prepared = prepare(origin, probe.batch)
    told["target rate"] = claim.gate.target_rate
    told["expected rate"] = float(prepared.probability[probe.batch.valid].mean())
    told["realised rate"] = float(kept.mean())
    told["executed rows"] = trial.evidence.last(probe).executed_rows
    k = int(kept.sum())
    if k:
        chi = (probe.batch.advantages * probe.batch.surprisal)[probe.batch.valid]
        best = np.argsort(-chi, kind="stable")[:k]
        told["selectivity"] = float(kept[best].mean())
    for drawn in trial.draws[:1]:
        found = cells(origin, drawn)
        told["draws"] = [
            {
                "expected": e,
                "kept": int(k),
                "trials": int(n),
                "interval": [float(end) for end in interval(k, int(n), ERROR_RATE)],
            }
            for e, k, n in zip(found.expected.tolist(), found.kept, found.trials, strict=True)
        ]
    return told


def comparison(seen: FloatArray, expected: FloatArray, precision: str) -> dict[str, Any]:
    """Return test ratio, cosine and norm ratio of what was seen to what was expected."""
    a, b = seen.ravel(), expected.ravel()
    na, nb = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    eps = EPS[precision]
    gap = float(np.linalg.norm(a - b))
    return {
        "test ratio": gap / (eps * nb) if nb > 0 else (0.0 if gap == 0 else None),
        "limit": LIMIT,
        "eps": eps,
        "cosine": float(a @ b) / (na * nb) if na > 0 and nb > 0 else None,
        "norm ratio": na / nb if nb > 0 else None,
    }
