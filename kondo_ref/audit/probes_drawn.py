"""Batches for a gate that draws: decisions in equal copies, so that few calls tell much.

A keep probability is told from the copies of a decision over all repeats; the error rate of the
intervals is `kondo_ref.audit.counts.ERROR_RATE` for a whole audit.
"""

from dataclasses import replace

import numpy as np

from kondo_ref.audit.batch import Batch
from kondo_ref.audit.probes import (
    Probe,
    generic,
    join,
    make,
    rows,
    spaced,
    take,
    with_advantages,
)

DRAWN = frozenset({"drawn"})


def drawn_probes(
    seed: int, rate: float, *, masks: bool, sequences: bool, quick: bool = False
) -> list[tuple[Probe, int]]:
    """Return probes and how often each is repeated.

    Parameters
    ----------
    seed : int
    rate : float
        Of the claim; sizes are chosen by it.
    masks, sequences : bool
        Whether the target takes them.
    quick : bool
        About half the repeats.
    """
    g = np.random.default_rng([seed, 23])
    cells = _cells(12, g)
    copies = take(cells, g.permutation(np.repeat(np.arange(12), 20)))
    low = make(-3.0 - g.uniform(0, 2, 6), 1.0 + g.uniform(0, 2, 6), g)
    lower = join(copies, take(low, np.repeat(np.arange(6), 20)))
    small = with_advantages(copies, copies.advantages / 16.0)
    large = with_advantages(copies, copies.advantages * 6.0)
    one = take(cells, np.zeros(100, dtype=np.int64))
    few = 12 if quick else 24
    found = [
        (_probe("drawn cells", copies), 20 if quick else 40),
        (_probe("drawn, scaled up", large), few),
        (_probe("drawn, scaled down", small), few),
        (_probe("drawn with low ones", lower), few),
        (_probe("drawn, constant", one, "ties"), few),
        (_probe("drawn, one", take(cells, [int(np.argmax(cells.advantages))]), "ties"), 24),
    ]
    # So large that the temperature hardly matters: the price itself, between its neighbours.
    for n in sharp_sizes(rate):
        sharp = spaced(n, g, scale=3e4)
        found.append((_probe(f"drawn, sharp, N={n}", sharp, "count"), 24))
    if masks:
        mask = g.uniform(size=240) < 0.55
        loud = np.where(mask, copies.advantages, np.abs(copies.advantages) * 2.0 + 1.0)
        masked = replace(with_advantages(copies, loud), mask=mask)
        found.append((_probe("drawn, masked", masked, "masked"), few))
    if sequences:
        base = rows(generic(8 * 5, g, scale=0.9), (8, 5))
        batch = take(base, g.permutation(np.repeat(np.arange(8), 12)))
        found.append((_probe("drawn rows", batch, "sequences"), few))
        if masks:
            lengths = g.integers(1, 6, 8)
            ragged = replace(base, mask=np.arange(5)[None, :] < lengths[:, None])
            batch = take(ragged, g.permutation(np.repeat(np.arange(8), 12)))
            found.append((_probe("drawn rows, ragged", batch, "sequences"), few))
    return found


def copies(seed: int) -> Probe:
    """Return twelve decisions in twenty copies each, as the first of `drawn_probes`."""
    g = np.random.default_rng([seed, 23])
    cells = _cells(12, g)
    return _probe("copies", take(cells, g.permutation(np.repeat(np.arange(12), 20))))


def sharp_sizes(rate: float) -> list[int]:
    """Return sizes at which the quantile lies on, just above and between order statistics."""
    sizes = [2, 3, 5]
    for wanted in (0.0, 0.25, 0.5, 0.75):
        near = min(range(6, 90), key=lambda n: (abs((n - 1) * (1 - rate) % 1.0 - wanted) > 0.05, n))
        sizes.append(near)
    return sorted(set(sizes))


def _probe(name: str, batch: Batch, *tags: str) -> Probe:
    return Probe(name, (batch,), DRAWN | set(tags))


def _cells(n: int, g: np.random.Generator) -> Batch:
    """Return n decisions whose delights lie in (-3, 3), surprisals mixed and not in their order."""
    chi = np.linspace(-2.8, 3.1, n)
    level = np.exp(g.permutation(np.linspace(np.log(0.25), np.log(3.5), n)))
    return make(chi / level, level, g)
