"""A probe: batches that are shown to a target in one go, and the same in other shapes."""

from dataclasses import dataclass, field, replace

import numpy as np

from kondo_ref.audit.batch import Batch
from kondo_ref.audit.probes.edit import rows


@dataclass(frozen=True, eq=False)
class Probe:
    """Batches that are shown to a target in one go, and what they are for.

    Parameters
    ----------
    name : str
    batches : tuple of Batch
        In order; a target's state is fresh before the first.
    tags : frozenset of str
        ordinary: every implementation has to compute it. ties, count, masked, sequences, extreme,
        scope: what it tells apart.
    """

    name: str
    batches: tuple[Batch, ...]
    tags: frozenset[str] = field(default_factory=frozenset)

    @property
    def batch(self) -> Batch:
        """The last batch, which is the one that is compared."""
        return self.batches[-1]


def grouped(probe: Probe) -> Probe:
    """Return a probe whose decisions are of prompts, about four each, in mixed order."""
    batches = []
    for b in probe.batches:
        n = b.actions.size
        order = np.random.default_rng(n).permutation(n)
        batches.append(replace(b, groups=(order // 4).astype(np.int64)))
    return replace(probe, batches=tuple(batches))


def as_rows(probe: Probe) -> Probe:
    """Return a probe of (N,) batches as (N, 1), for a target that takes only sequences."""
    batches = tuple(rows(b, (b.actions.size, 1)) for b in probe.batches)
    return replace(probe, batches=batches)
