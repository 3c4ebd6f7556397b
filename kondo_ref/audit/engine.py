"""The audit itself: observe, identify, judge. The last station before the report.

Verdicts: ``conforms`` when no finding is left but accepted ones and documented variants;
``deviates`` for any other; ``unusable`` when the target cannot be called on an ordinary batch;
``identified`` without a claim.
"""

from collections.abc import Callable, Mapping

from kondo_ref.audit.observation import Subject
from kondo_ref.audit.verdict import Audit, Claim

Progress = Callable[[str, int, int], None]


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
    raise NotImplementedError
