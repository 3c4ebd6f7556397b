"""Batches (N,) on which the estimator itself is told."""

from dataclasses import replace

import numpy as np

from kondo_ref.audit.batch import Batch
from kondo_ref.audit.probes.edit import join, take, with_advantages
from kondo_ref.audit.probes.make import generic, make, spread
from kondo_ref.audit.probes.probe import Probe


def flat_probes(seed: int, *, masks: bool) -> list[Probe]:
    """Return the batches (N,) on which the estimator itself is told.

    Parameters
    ----------
    seed : int
    masks : bool
        Whether the target takes a mask.
    """
    g = np.random.default_rng([seed, 7])
    base = generic(24, g)
    low = make(-3.0 - g.uniform(0, 2, 8), 1.0 + g.uniform(0, 2, 8), g)
    neutral = make(np.zeros(8), 0.3 + g.uniform(0, 2, 8), g)
    permuted = g.permutation(24)
    probes = [
        _one("generic", base),
        _one("another", generic(16, g, scale=0.8, shift=0.7)),
        _one("scaled up", with_advantages(base, base.advantages * 8.0)),
        _one("scaled down", with_advantages(base, base.advantages / 64.0)),
        _one("shifted", with_advantages(base, base.advantages + 2.5)),
        _one("all negative", with_advantages(base, -np.abs(base.advantages))),
        _one("all positive", with_advantages(base, np.abs(base.advantages))),
        _one("permuted", take(base, permuted)),
        _one("with low ones", join(base, low)),
        _one("with neutral ones", join(base, neutral)),
        _one("mid-size", generic(96, g)),
        _one("surprising", _surprising(g)),
        _one("large advantages", with_advantages(base, base.advantages * 40.0)),
        _one("pair", generic(2, g), "ties"),
    ]
    if masks:
        hidden = np.zeros(32, dtype=np.bool_)
        hidden[g.permutation(32)[:24]] = True
        joined = replace(generic(32, g, shift=0.3), mask=hidden)
        loud = np.where(hidden, joined.advantages, 9.0 + g.uniform(0, 2, 32))
        probes += [
            _one("mask of ones", replace(base, mask=np.ones(24, dtype=np.bool_)), "masked"),
            _one("masked", joined, "masked"),
            _one("masked, loud", with_advantages(joined, loud), "masked"),
        ]
    return probes


def _one(name: str, batch: Batch, *tags: str) -> Probe:
    return Probe(name, (batch,), frozenset({"ordinary", *tags}))


def _surprising(g: np.random.Generator) -> Batch:
    """Return decisions from almost certain to a surprisal of 45 nat; delights stay moderate."""
    level = np.exp(np.linspace(np.log(1e-3), np.log(45.0), 24))
    chi = 2.5 * spread(24, g)
    u = np.where(level < 0.5, np.sign(chi) * (0.4 + np.abs(chi)), chi / level)
    return make(u, level, g)
