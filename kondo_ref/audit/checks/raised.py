"""Dimension 16: an ordinary batch that raises, where the target takes others of its kind."""

from collections.abc import Iterator

import numpy as np

from kondo_ref.audit.batch import Batch
from kondo_ref.audit.checks.estimator import finding
from kondo_ref.audit.checks.shown import Shown
from kondo_ref.audit.known_family import prepare
from kondo_ref.audit.replay import replay_json
from kondo_ref.audit.verdict import Finding

# A batch of which nothing is kept may be refused: it has a finding of its own. A batch that a gate
# empties more often than this is none that has to be computed.
EMPTIED = 1e-6
FEWEST = 2


def raised(shown: Shown) -> Iterator[Finding]:
    """Yield that ordinary batches raise, of a kind ((N,), with a mask or without) that is taken.

    Edges are none: ties, one decision, one of its group, nothing kept.

    Parameters
    ----------
    shown : Shown
    """
    kinds: dict[bool, list[tuple[str, tuple[Batch, ...], str]]] = {}
    for probe, seen in shown.evidence.shown:
        last = probe.batch
        if "ordinary" not in probe.tags or "ties" in probe.tags:
            continue
        if len(last.shape) > 1 and not shown.row_only:
            continue
        at = next((i for i, one in enumerate(seen) if one.outcome == "raised"), None)
        batches = probe.batches if at is None else probe.batches[: at + 1]
        if any(edge(shown, batch) for batch in batches):
            continue
        message = "" if at is None else seen[at].message or "an exception"
        kinds.setdefault(last.mask is not None, []).append((probe.name, batches, message))
    for cases in kinds.values():
        bad = [case for case in cases if case[2]]
        if bad and len(bad) < len(cases):
            name, batches, message = bad[0]
            many = f"{len(bad)} of {len(cases)} ordinary batches raise"
            told = f"{many}, first {name} (N = {batches[-1].actions.size}): {message}"
            evidence = {
                "raised": len(bad),
                "batches": len(cases),
                "replay": replay_json(batches, 0),
            }
            yield finding("robustness.raises", told, evidence)


def edge(shown: Shown, batch: Batch) -> bool:
    """Whether a target may refuse a batch by design."""
    if np.count_nonzero(batch.valid) < FEWEST:
        return True
    if batch.groups is not None and (np.bincount(batch.groups) == 1).any():
        return True
    member = shown.member if shown.member is not None else shown.identity.origin
    if member is None or member.draw in ("soft", "all"):
        return False
    if member.price[0] == "rolling":
        return True  # which batch is emptied hangs on those before
    with np.errstate(all="ignore"):
        dropped = 1.0 - prepare(member, batch).probability[batch.valid]
    return not float(np.prod(dropped)) <= EMPTIED
