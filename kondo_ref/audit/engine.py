"""The audit itself: observe, identify, judge. The last station before the report.

Verdicts: ``conforms`` when no finding is left but accepted ones and documented variants, which are
reported all the same; ``deviates`` for any other; ``unusable`` when the target cannot be called on
an ordinary batch; ``identified`` without a claim.
"""

from collections.abc import Callable, Mapping

from kondo_ref.audit.catalogue import CATALOGUE
from kondo_ref.audit.checks import all_findings
from kondo_ref.audit.gather import claimed_rate, gather
from kondo_ref.audit.identify import identify
from kondo_ref.audit.identify_evidence import Evidence
from kondo_ref.audit.identify_traits import traits
from kondo_ref.audit.identify_unclaimed import identify_unclaimed
from kondo_ref.audit.observation import Subject
from kondo_ref.audit.verdict import Audit, Claim, Finding, Trait

Progress = Callable[[str, int, int], None]
STAGES = ("probing", "identifying", "judging")


def audit(
    subject: Subject,
    claim: Claim | None,
    *,
    accept: Mapping[str, str] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    quick: bool = False,
) -> Audit:
    """Identify what a target computes, and hold it to a claim.

    Parameters
    ----------
    subject : Subject
    claim : Claim or None
        None: identified only.
    accept : mapping, optional
        Finding id -> reason, of known deviations. One that no longer shows is returned in
        ``Audit.stale``.
    seed : int
        Of the probes and of the target's generators.
    progress : callable, optional
        Called with (stage, done, total).
    quick : bool
        Fewer repeats of random gates: wider intervals, same error rates.

    Raises
    ------
    ValueError
        An accepted id that the catalogue does not have.
    """
    known = dict(accept or {})
    for which in known:
        if which not in CATALOGUE:
            raise ValueError(f"accept: no finding has the id {which!r}")

    def tell(stage: int) -> None:
        if progress is not None:
            progress(STAGES[min(stage, len(STAGES) - 1)], stage, len(STAGES))

    evidence = Evidence(subject, seed)
    tell(0)
    trial, unusable = gather(
        evidence,
        claimed_rate(claim),
        quick=quick,
        samples=claim is not None and claim.samples,
        by_rows=claim is not None and claim.gate.unit == "sequence",
    )
    if unusable:
        return _audit(subject, claim, "unusable", {"unusable": Trait(None, "exact", unusable)})
    tell(1)
    identity = identify_unclaimed(trial) if claim is None else identify(trial, claim)
    tell(2)
    findings = all_findings(identity, claim)
    found = traits(identity)
    tell(3)
    if claim is None:
        return _audit(subject, claim, "identified", found)
    return _audit(subject, claim, verdict(findings, known), found, findings, known)


def verdict(findings: list[Finding], accepted: Mapping[str, str]) -> str:
    """Return conforms or deviates."""
    left = [f for f in findings if f.id not in accepted and f.severity != "documented variant"]
    return "deviates" if left else "conforms"


def _audit(
    subject: Subject,
    claim: Claim | None,
    outcome: str,
    identified: dict[str, Trait],
    findings: list[Finding] | None = None,
    accepted: Mapping[str, str] | None = None,
) -> Audit:
    found = tuple(findings or ())
    known = dict(accepted or {})
    shown = {f.id for f in found}
    return Audit(
        subject.name,
        subject.surface,
        subject.framework,
        claim,
        outcome,
        identified,
        found,
        known,
        tuple(sorted(known.keys() - shown)) if outcome != "unusable" else (),
        subject.environment(),
    )
