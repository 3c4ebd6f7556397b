"""What a target is, where nobody says: near none of the methods, then near each of them.

Estimated from the probes alone, an estimator with a leak or two mistakes at once is found by
nothing; a known mistake away from a named method it is.
"""

from collections.abc import Iterator

import numpy as np

from kondo_ref.audit.identify import Identity, identify
from kondo_ref.audit.identify_trial import Trial
from kondo_ref.audit.verdict import Claim
from kondo_ref.gate import Gate

# Rates that somebody is likely to have asked for.
RATES = (0.01, 0.03, 0.05, 0.1, 0.2, 0.25, 0.3, 0.5)


def identify_unclaimed(trial: Trial) -> Identity:
    """Return what a target is, without a claim.

    Parameters
    ----------
    trial : Trial

    Returns
    -------
    Identity
        Of the first method near which it is explained; outside the family where there is none.
    """
    first = identify(trial, None)
    if first.member is not None and not first.unexplained:
        return first
    best = first
    for claim in methods(trial):
        other = identify(trial, claim)
        if other.member is None or (best.member is not None and not simpler(other, best)):
            continue
        best = other
        if not other.unexplained and len(other.path) <= 1:
            break
    return best


def simpler(one: Identity, other: Identity) -> bool:
    """Whether one leaves less unexplained, or needs fewer mistakes."""
    key = [(len(i.unexplained), len(i.path)) for i in (one, other)]
    return key[0] < key[1]


def methods(trial: Trial) -> Iterator[Claim]:
    """Yield the named methods, those with a rate at the rates that the kept share suggests."""
    if trial.random:
        for rate in near(kept_share(trial)):
            yield Claim("kondo", Gate.named("kondo", rate=rate))
        return
    for name in ("dg", "pg", "zero-price"):
        yield Claim(name, Gate.named(name))
    for rate in near(kept_share(trial)):
        yield Claim("kondo-top-k", Gate.named("kondo-top-k", rate=rate))


def kept_share(trial: Trial) -> float:
    """Return the share of the decisions that came through on the ordinary batches."""
    shares = [
        float(np.count_nonzero(seen[probe.batch.valid]) / max(1, probe.batch.valid.sum()))
        for probe in trial.only("core").probes
        if (seen := trial.evidence.response(probe)) is not None
    ]
    return float(np.mean(shares)) if shares else 0.5


def near(share: float) -> list[float]:
    """Return the two usual rates that are nearest to a share, none for nearly all."""
    if share > 0.75:
        return []
    return sorted(RATES, key=lambda rate: abs(np.log(rate / max(share, 1e-3))))[:2]
