"""The audit: what somebody's implementation of DG or the Kondo gate really computes and executes.

target -> subject (surface, framework) -> probes (crafted batches) -> observations (coefficients,
gates, executed rows) -> identified estimator -> held to a claim -> findings -> report.
Nothing of the target's source is read; everything is recovered from what it returns and runs.

The public names below are loaded on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kondo_ref.audit.door import assert_conforms, check
    from kondo_ref.audit.observation import Observation, Subject
    from kondo_ref.audit.options import Options
    from kondo_ref.audit.report import write_report
    from kondo_ref.audit.verdict import Audit, Claim, Finding, Trait

_HOME = {
    "assert_conforms": "door",
    "check": "door",
    "Observation": "observation",
    "Subject": "observation",
    "Options": "options",
    "write_report": "report",
    "Audit": "verdict",
    "Claim": "verdict",
    "Finding": "verdict",
    "Trait": "verdict",
}

__all__ = [
    "Audit",
    "Claim",
    "Finding",
    "Observation",
    "Options",
    "Subject",
    "Trait",
    "assert_conforms",
    "check",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'kondo_ref.audit' has no attribute {name!r}")
    value = getattr(import_module(f"kondo_ref.audit.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
