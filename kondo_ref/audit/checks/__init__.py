"""The checks of an audit: one file for each group of dimensions of the catalogue.

Each takes what was identified, and the claim, and returns findings.
"""

from kondo_ref.audit.checks.estimator import estimator_findings
from kondo_ref.audit.identify import Identity
from kondo_ref.audit.verdict import Claim, Finding


def all_findings(identity: Identity, claim: Claim | None) -> list[Finding]:
    """Return every finding, each id once, in the order of the dimensions.

    Parameters
    ----------
    identity : Identity
    claim : Claim or None
        None: no findings.
    """
    if claim is None:
        return []
    found = estimator_findings(identity, claim)
    return list({f.id: f for f in reversed(found)}.values())[::-1]
