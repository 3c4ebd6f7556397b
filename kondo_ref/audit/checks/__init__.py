"""The checks of an audit: one file for each group of dimensions of the catalogue.

Each takes what was identified, and the claim, and returns findings.
"""

from kondo_ref.audit.checks.drawing import drawing_findings
from kondo_ref.audit.checks.edges import edge_findings
from kondo_ref.audit.checks.estimator import estimator_findings
from kondo_ref.audit.checks.execution import execution_findings
from kondo_ref.audit.checks.memory import memory_findings
from kondo_ref.audit.checks.rates import rate_findings
from kondo_ref.audit.checks.shown import Shown
from kondo_ref.audit.checks.unexplained import unexplained_findings
from kondo_ref.audit.identify import Identity
from kondo_ref.audit.verdict import Claim, Finding

# What by itself puts a target outside the family: then that is the finding.
EXPLAINS = frozenset({"robustness.broadcast", "execution.lost"})


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
    shown = Shown(identity)
    found = [
        *drawing_findings(identity, claim),
        *estimator_findings(identity, claim),
        *unexplained_findings(identity, claim),
        *memory_findings(identity),
        *rate_findings(identity, claim),
        *execution_findings(shown, claim),
        *edge_findings(shown),
    ]
    if {f.id for f in found} & EXPLAINS:
        found = [f for f in found if f.id != "signal.outside-family"]
    return list({f.id: f for f in reversed(found)}.values())[::-1]
