"""Claim, finding, audit: what a target is held to, and what came of it.

The last station but the report. The JSON form is the schema ``kondo-ref/audit/1``.
"""

from dataclasses import dataclass, field
from typing import Any

from kondo_ref.gate import Gate

SCHEMA = "kondo-ref/audit/1"
CLAIMS = ("dg", "kondo", "kondo-top-k", "zero-price", "pg")
SEVERITIES = (
    "wrong estimator",
    "wrong rate",
    "no saving",
    "fragile on edge inputs",
    "documented variant",
)
VERDICTS = ("conforms", "deviates", "unusable")


@dataclass(frozen=True)
class Claim:
    """What the target is said to be.

    Parameters
    ----------
    method : str
        One of `CLAIMS`.
    gate : Gate
        The reference's gate for it, with rate, price, temperature and unit as claimed.
    normalizer : str
        decisions, kept or none.
    skips : bool
        Whether dropped decisions are claimed to cost no backward.
    baseline : str
        Of a target that takes rewards (surface rewards): zero, batch, leave-one-out, group,
        group-std, expected; empty for any of them.
    samples : bool
        Decisions are samples (N,): what a (B, T) batch would give is not claimed.
    """

    method: str
    gate: Gate
    normalizer: str = "decisions"
    skips: bool = False
    baseline: str = ""
    samples: bool = False


@dataclass(frozen=True)
class Finding:
    """One deviation, with what is needed to see it again.

    Parameters
    ----------
    id : str
        ``dimension.what``, such as ``ties.all-kept``; in `kondo_ref.audit.catalogue`.
    dimension : str
        Of the catalogue: units, aggregation, surprisal, advantage, signal, temperature, price,
        count, ties, draw, weights, detach, placement, normalizer, execution, empty, robustness,
        rate, dynamics.
    severity : str
        One of `SEVERITIES`.
    summary : str
        One sentence.
    expected : str
        The papers' definition, with its source.
    found : str
    evidence : dict
        JSON values: the numbers, and under ``replay`` a minimal input that shows it.
    nearest : str
        The known mistake that it looks like, or empty.
    """

    id: str
    dimension: str
    severity: str
    summary: str
    expected: str
    found: str
    evidence: dict[str, Any] = field(default_factory=dict)
    nearest: str = ""


@dataclass(frozen=True)
class Trait:
    """One identified property of the target.

    Parameters
    ----------
    value : str, float, bool or None
        None where it cannot be told on this surface.
    confidence : str
        exact (recovered to rounding), tested (a test with a stated error rate), assumed.
    evidence : str
        In one line, with numbers.
    """

    value: Any
    confidence: str
    evidence: str


@dataclass(frozen=True)
class Audit:
    """What came of an audit.

    Parameters
    ----------
    target, surface, framework : str
    claim : Claim or None
        None: identified only.
    verdict : str
        conforms, deviates, unusable; identified without a claim.
    identified : dict of Trait
        method, signal, temperature, price, rate, draw, normalizer, unit, detach, gain, clip, ties,
        count, execution, empty, baseline, residual.
    findings : tuple of Finding
    accepted : dict
        Finding id -> reason, of deviations that the user knows; ``stale`` ones no longer show.
    environment : dict
    """

    target: str
    surface: str
    framework: str
    claim: Claim | None
    verdict: str
    identified: dict[str, Trait]
    findings: tuple[Finding, ...] = ()
    accepted: dict[str, str] = field(default_factory=dict)
    stale: tuple[str, ...] = ()
    environment: dict[str, Any] = field(default_factory=dict)
