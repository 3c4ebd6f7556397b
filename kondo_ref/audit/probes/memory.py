"""Batches after other batches: what a target remembers shows in the last."""

import numpy as np

from kondo_ref.audit.probes.edit import with_advantages
from kondo_ref.audit.probes.make import generic
from kondo_ref.audit.probes.probe import Probe


def memory_probes(seed: int) -> list[Probe]:
    """Return batches after other batches: what a target remembers shows in the last."""
    g = np.random.default_rng([seed, 19])
    tags = frozenset({"ordinary", "memory"})
    base = generic(24, g)
    high = with_advantages(generic(24, g, shift=2.0), np.abs(base.advantages) * 6.0)
    low = with_advantages(base, -np.abs(base.advantages) * 6.0)
    other = generic(24, g)
    small = generic(16, g)
    return [
        Probe("twice", (base, base), tags),
        Probe("after a high one", (high, base), tags),
        Probe("after a low one", (low, base), tags),
        Probe("fourth", (other, high, other, base), tags),
        Probe("after many", (*[other, base] * 10, base), tags),
        Probe("after many low ones", (*[low] * 12, base), tags),
        Probe("after a smaller one", (small, base), tags),
    ]
