"""Batches of one size after batches of another: what a target remembers of a size shows."""

import numpy as np

from kondo_ref.audit.probes import Probe, generic


def size_probes(seed: int) -> list[Probe]:
    """Return a batch after a smaller one, and one after a larger one.

    Parameters
    ----------
    seed : int
    """
    g = np.random.default_rng([seed, 31])
    small, large = generic(16, g), generic(24, g)
    tags = frozenset({"ordinary", "memory"})
    return [
        Probe("after a smaller one", (small, large), tags),
        Probe("after a larger one", (large, small), tags),
    ]
