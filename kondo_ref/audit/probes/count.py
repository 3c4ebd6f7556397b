"""Batches of sizes at which rules for the number of kept decisions differ."""

from dataclasses import replace

import numpy as np

from kondo_ref.audit.known_parts import count_of
from kondo_ref.audit.probes.make import spaced
from kondo_ref.audit.probes.probe import Probe


def count_probes(seed: int, rate: float, *, masks: bool) -> list[Probe]:
    """Return batches of sizes at which rules for the number of kept decisions differ.

    Parameters
    ----------
    seed : int
    rate : float
    masks : bool
    """
    g = np.random.default_rng([seed, 11])
    sizes = {1, 3, *telling_sizes(rate)}
    tags = frozenset({"ordinary", "count"})
    probes = [Probe(f"count N={n}", (spaced(n, g),), tags) for n in sorted(sizes)]
    if masks:
        for n, valid in ((96, 48), (32, 1), (96, 20)):
            mask = np.zeros(n, dtype=np.bool_)
            mask[g.permutation(n)[:valid]] = True
            batch = replace(spaced(n, g), mask=mask)
            probes.append(Probe(f"count {valid} of {n}", (batch,), tags | {"masked"}))
    return probes


def telling_sizes(rate: float) -> list[int]:
    """Return few sizes at which every two count rules differ somewhere, the smallest such."""
    rules = (
        *("half-even", "ceil", "floor", "half-up", "drop-floor", "drop-round"),
        *("plus-one", "floor-plus-one", "minus-one"),
    )
    sizes = range(2, 700)
    counts = {n: [count_of((rule, 1.0), rate, n) for rule in rules] for n in sizes}
    pairs = {(i, j) for i in range(len(rules)) for j in range(i)}
    open_pairs = {p for p in pairs if any(counts[n][p[0]] != counts[n][p[1]] for n in sizes)}
    chosen: list[int] = []
    while open_pairs:
        told = {n: {p for p in open_pairs if counts[n][p[0]] != counts[n][p[1]]} for n in sizes}
        best = max(sizes, key=lambda n: (len(told[n]), -n))
        chosen.append(best)
        open_pairs -= told[best]
    big = next((n for n in sizes if n > 60 and rate * n >= 3), 96)
    return [*chosen, big]
