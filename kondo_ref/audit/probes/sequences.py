"""Batches (B, T): squares, ragged masks, advantages of one sequence."""

from dataclasses import replace

import numpy as np

from kondo_ref.audit.batch import Batch
from kondo_ref.audit.probes.edit import rows, with_advantages
from kondo_ref.audit.probes.make import generic, make, spread
from kondo_ref.audit.probes.probe import Probe


def sequence_probes(seed: int, *, masks: bool) -> list[Probe]:
    """Return (B, T) batches: squares, ragged masks, advantages of one sequence."""
    g = np.random.default_rng([seed, 17])
    tags = frozenset({"ordinary", "sequences"})
    wide = rows(generic(48, g), (8, 6))
    square = rows(generic(36, g), (6, 6))
    shared = np.repeat(1.3 * spread(10, g)[:, None], 7, axis=1)
    per_row = with_advantages(rows(generic(70, g), (10, 7)), shared)
    tall = rows(generic(60, g, shift=0.4), (20, 3))
    probes = [
        Probe("rows", (wide,), tags),
        Probe("square", (square,), tags | {"square"}),
        Probe("advantage of the row", (per_row,), tags),
        Probe("short rows", (tall,), tags),
    ]
    if masks:
        lengths = g.permutation(np.array([1, 2, 3, 4, 6, 7, 7, 5, 2, 6]))
        ragged = np.arange(7)[None, :] < lengths[:, None]
        full = np.ones((8, 6), dtype=np.bool_)
        masked = tags | {"masked"}
        noise = np.where(ragged, per_row.advantages, 5.0)
        holes = g.uniform(size=(8, 6)) < 0.7
        holes[:, 2] = True
        probes += [
            Probe("rows, mask of ones", (replace(wide, mask=full),), masked),
            Probe("ragged", (replace(rows(generic(70, g), (10, 7)), mask=ragged),), masked),
            Probe("ragged, loud", (replace(with_advantages(per_row, noise), mask=ragged),), masked),
            Probe("holes", (replace(wide, mask=holes),), masked),
            Probe("ragged, shared", (replace(per_row, mask=ragged),), masked),
            Probe("ragged, opposed", (_opposed(g, 1.0),), masked),
            Probe("ragged, opposed, mixed", (_opposed(g, -1.0),), masked),
        ]
    return probes


def ragged_probes(seed: int) -> list[Probe]:
    """Return the (B, T) batches whose rows are of many lengths, none square, none without holes.

    A target that takes no (B, T) batch refuses them all.
    """
    return [p for p in sequence_probes(seed, masks=True) if p.name.startswith("ragged")]


def _opposed(g: np.random.Generator, sign: float) -> Batch:
    """Return rows whose mean delights fall with their length, while their sums grow.

    With a negative sign every other row has a negative delight.
    """
    length = g.permutation(np.array([1, 2, 3, 4, 5, 6, 7, 1, 3, 7]))
    mean = 3.0 / np.sqrt(length) + 0.07 * np.arange(10)
    mean = np.where(np.arange(10) % 2 == 0, mean, sign * mean)
    level = 0.4 + 2.5 * g.uniform(0.0, 1.0, (10, 7))
    chi = mean[:, None] * (1.0 + 0.3 * g.uniform(-1.0, 1.0, (10, 7)))
    return make(chi / level, level, g, mask=np.arange(7)[None, :] < length[:, None])
