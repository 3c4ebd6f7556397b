"""Crafted batches: a named set that separates the members of the family from each other.

Numbers are made to be exact in float32, so that a target which computes in it sees the same batch;
delights are spread so that no signal lies near another unless a tie is meant.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from kondo_ref.audit.batch import Batch
from kondo_ref.audit.known_parts import count_of
from kondo_ref.checks import BoolArray, FloatArray, IntArray

ACTIONS = 5


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


def exact(values: FloatArray) -> FloatArray:
    """Return the values rounded to float32, as float64."""
    return np.asarray(values, dtype=np.float32).astype(np.float64)


def make(
    advantages: FloatArray,
    surprisal: FloatArray,
    generator: np.random.Generator,
    *,
    mask: BoolArray | None = None,
    groups: IntArray | None = None,
    actions: int = ACTIONS,
) -> Batch:
    """Return a batch with these advantages and (to the rounding of float32) these surprisals.

    Parameters
    ----------
    advantages, surprisal : (N,) or (B, T) float
        Surprisals > 0, in nat.
    generator : numpy.random.Generator
        For the other logits and the actions.
    mask : (N,) or (B, T) bool, optional
    groups : (N,) int, optional
    actions : int
        K.
    """
    u = exact(np.asarray(advantages, dtype=np.float64))
    level = np.asarray(surprisal, dtype=np.float64)
    logits = generator.normal(0.0, 0.7, (*u.shape, actions))
    taken: IntArray = generator.integers(0, actions, u.shape)
    np.put_along_axis(logits, taken[..., None], -np.inf, axis=-1)
    rest = np.log(np.exp(logits).sum(axis=-1))
    with np.errstate(over="ignore"):
        own = rest - np.where(level > 30.0, level, np.log(np.expm1(np.minimum(level, 30.0))))
    np.put_along_axis(logits, taken[..., None], own[..., None], axis=-1)
    return Batch(exact(logits), taken, u, mask, groups)


def generic(
    n: int, generator: np.random.Generator, *, scale: float = 1.2, shift: float = 0.0
) -> Batch:
    """Return n decisions with mixed advantages and surprisals, none near 0, delights apart."""
    u = scale * _spread(n, generator) + shift
    u += 0.05 * scale * np.where(u >= 0, 1.0, -1.0)
    level = 0.08 + 4.5 * generator.permutation((np.arange(n) + 0.5) / n) ** 1.5
    return make(u, level, generator)


def _spread(n: int, generator: np.random.Generator) -> FloatArray:
    """Return about normal numbers at jittered quantiles, in random order: never near each other."""
    grid = (np.arange(n) + generator.uniform(0.25, 0.75, n)) / n
    u = np.log(grid / (1.0 - grid)) / 1.7
    return np.asarray(generator.permutation(u))


def spaced(n: int, generator: np.random.Generator, *, scale: float = 4.0) -> Batch:
    """Return n decisions whose delights are evenly spaced about 0, surprisals mixed."""
    chi = scale * (2.0 * (generator.permutation(n) + 0.5) / n - 1.0 + 0.11 / n)
    level = 0.3 + 3.0 * generator.uniform(0.0, 1.0, n)
    return make(chi / level, level, generator)


def take(batch: Batch, index: IntArray | Sequence[int] | FloatArray) -> Batch:
    """Return the decisions (or rows) at `index`."""
    i = np.asarray(index)
    return replace(
        batch,
        logits=batch.logits[i],
        actions=batch.actions[i],
        advantages=batch.advantages[i],
        mask=None if batch.mask is None else batch.mask[i],
        groups=None if batch.groups is None else batch.groups[i],
    )


def join(*batches: Batch) -> Batch:
    """Return one batch of all decisions (or rows), masks and groups as they are."""
    masked = any(b.mask is not None for b in batches)
    grouped = all(b.groups is not None for b in batches)
    return replace(
        batches[0],
        logits=np.concatenate([b.logits for b in batches]),
        actions=np.concatenate([b.actions for b in batches]),
        advantages=np.concatenate([b.advantages for b in batches]),
        mask=np.concatenate([b.valid for b in batches]) if masked else None,
        groups=np.concatenate([np.asarray(b.groups) for b in batches]) if grouped else None,
    )


def with_advantages(batch: Batch, advantages: FloatArray) -> Batch:
    """Return the batch with other advantages, exact in float32."""
    return replace(batch, advantages=exact(np.asarray(advantages)))


def rows(batch: Batch, shape: tuple[int, int]) -> Batch:
    """Return an (N,) batch as (B, T)."""
    return replace(
        batch,
        logits=batch.logits.reshape(*shape, -1),
        actions=batch.actions.reshape(shape),
        advantages=batch.advantages.reshape(shape),
        mask=None if batch.mask is None else batch.mask.reshape(shape),
        groups=None,
    )


def flat_probes(seed: int, *, masks: bool) -> list[Probe]:
    """Return the batches (N,) on which the estimator itself is told.

    Parameters
    ----------
    seed : int
    masks : bool
        Whether the target takes a mask.
    """
    g = np.random.default_rng([seed, 7])
    ordinary = frozenset({"ordinary"})
    base = generic(24, g)
    one = lambda name, batch, *tags: Probe(name, (batch,), frozenset(tags) | ordinary)  # noqa: E731
    low = make(-3.0 - g.uniform(0, 2, 8), 1.0 + g.uniform(0, 2, 8), g)
    neutral = make(np.zeros(8), 0.3 + g.uniform(0, 2, 8), g)
    permuted = g.permutation(24)
    probes = [
        one("generic", base),
        one("another", generic(16, g, scale=0.8, shift=0.7)),
        one("scaled up", with_advantages(base, base.advantages * 8.0)),
        one("scaled down", with_advantages(base, base.advantages / 64.0)),
        one("shifted", with_advantages(base, base.advantages + 2.5)),
        one("all negative", with_advantages(base, -np.abs(base.advantages))),
        one("all positive", with_advantages(base, np.abs(base.advantages))),
        one("permuted", take(base, permuted)),
        one("with low ones", join(base, low)),
        one("with neutral ones", join(base, neutral)),
        one("mid-size", generic(96, g)),
        one("surprising", _surprising(g)),
        one("large advantages", with_advantages(base, base.advantages * 40.0)),
        Probe("pair", (generic(2, g),), ordinary | {"ties"}),
    ]
    if masks:
        hidden = np.zeros(32, dtype=np.bool_)
        hidden[g.permutation(32)[:24]] = True
        joined = replace(generic(32, g, shift=0.3), mask=hidden)
        loud = np.where(hidden, joined.advantages, 9.0 + g.uniform(0, 2, 32))
        probes += [
            one("mask of ones", replace(base, mask=np.ones(24, dtype=np.bool_)), "masked"),
            one("masked", joined, "masked"),
            one("masked, loud", with_advantages(joined, loud), "masked"),
        ]
    return probes


def _surprising(g: np.random.Generator) -> Batch:
    """Return decisions from almost certain to a surprisal of 45 nat; delights stay moderate."""
    level = np.exp(np.linspace(np.log(1e-3), np.log(45.0), 24))
    chi = 2.5 * _spread(24, g)
    u = np.where(level < 0.5, np.sign(chi) * (0.4 + np.abs(chi)), chi / level)
    return make(u, level, g)


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


def memory_probes(seed: int) -> list[Probe]:
    """Return batches after other batches: what a target remembers shows in the last."""
    g = np.random.default_rng([seed, 19])
    tags = frozenset({"ordinary", "memory"})
    base = generic(24, g)
    high = with_advantages(generic(24, g, shift=2.0), np.abs(base.advantages) * 6.0)
    low = with_advantages(base, -np.abs(base.advantages) * 6.0)
    other = generic(24, g)
    return [
        Probe("twice", (base, base), tags),
        Probe("after a high one", (high, base), tags),
        Probe("after a low one", (low, base), tags),
        Probe("fourth", (other, high, other, base), tags),
        Probe("after many", (*[other, base] * 10, base), tags),
        Probe("after many low ones", (*[low] * 12, base), tags),
    ]


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


def sequence_probes(seed: int, *, masks: bool) -> list[Probe]:
    """Return (B, T) batches: squares, ragged masks, advantages of one sequence."""
    g = np.random.default_rng([seed, 17])
    tags = frozenset({"ordinary", "sequences"})
    wide = rows(generic(48, g), (8, 6))
    square = rows(generic(36, g), (6, 6))
    shared = np.repeat(1.3 * _spread(10, g)[:, None], 7, axis=1)
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
