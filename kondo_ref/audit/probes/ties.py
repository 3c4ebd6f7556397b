"""Batches with equal decisions, and with decisions exactly or almost at a price."""

import numpy as np

from kondo_ref.audit.batch import Batch
from kondo_ref.audit.probes.edit import take, with_advantages
from kondo_ref.audit.probes.make import generic, make
from kondo_ref.audit.probes.probe import Probe


def tie_probes(seed: int) -> list[Probe]:
    """Return batches with equal decisions, and with decisions exactly or almost at a price."""
    g = np.random.default_rng([seed, 13])
    four = make(np.array([1.5, 0.5, -0.5, -1.5]), np.array([1.0, 2.0, 1.0, 2.0]), g)
    one = make(np.array([1.25]), np.array([1.5]), g)
    index = g.permutation(np.repeat(np.arange(4), 6))
    tags = frozenset({"ordinary", "ties"})
    near = generic(18, g)
    top = int(np.argmax(near.advantages * near.surprisal))
    close = take(near, [*range(18), *[top] * 6])
    return [
        Probe("four levels", (take(four, index),), tags),
        Probe("constant delight", (take(one, np.zeros(96, dtype=np.int64)),), tags),
        Probe("constant, few", (take(one, np.zeros(7, dtype=np.int64)),), tags),
        Probe("zeros among others", (_with_zeros(g),), tags),
        Probe("ties at the top", (take(close, g.permutation(24)),), tags),
        *(
            Probe(f"almost tied, {gap:g}", (_almost(gap, g),), tags | {"slack"})
            for gap in (1e-2, 1e-3, 1e-4, 1e-7, 1e-9)
        ),
    ]


def _with_zeros(g: np.random.Generator) -> Batch:
    base = generic(24, g)
    u = base.advantages.copy()
    u[g.permutation(24)[:10]] = 0.0
    return with_advantages(base, u)


def _almost(gap: float, g: np.random.Generator) -> Batch:
    """Return decisions a little apart in delight: steps of `gap` around 0."""
    one = make(np.full(1, 1.0), np.full(1, 1.0), g)
    step = np.arange(96, dtype=np.float64) - 48.0
    steps = g.permutation(gap * (step + 0.5))
    return with_advantages(take(one, np.zeros(96, dtype=np.int64)), steps)
