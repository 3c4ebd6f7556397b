"""Laws of the random numbers: a function of (seed, purpose, step, position), nothing else.

The words are computed again by a Philox4x64-10 in plain Python integers (Salmon et al. 2011).
"""

from fractions import Fraction
from itertools import pairwise
from unittest.mock import patch

import numpy as np
from hypothesis import strategies as st
from scipy.stats import kstest

from kondo_ref import randomness
from kondo_ref.randomness import Purpose
from properties.register import holds

WORD = 2**64
numbers = st.integers(0, 3) | st.integers(0, WORD - 1)
EXTREMES = np.array([0, 2**11 - 1, 2**40 - 1, WORD - 2**40, WORD - 2**11, WORD - 1], np.uint64)


def philox(key: tuple[int, int], counter: tuple[int, ...]) -> list[int]:
    """Return one block: four 64-bit words."""
    a, b, c, d = counter
    low, high = key
    for _ in range(10):
        left, right = 0xD2E7470EE14C6C93 * a, 0xCA5A826395121157 * c
        a, b, c, d = right // WORD ^ b ^ low, right % WORD, left // WORD ^ d ^ high, left % WORD
        low, high = (low + 0x9E3779B97F4A7C15) % WORD, (high + 0xBB67AE8584CAA73B) % WORD
    return [a, b, c, d]


@holds(seed=numbers, purpose=numbers, step=numbers, n=st.integers(0, 13))
def words_are_those_of_philox(seed: int, purpose: int, step: int, n: int) -> None:
    found = randomness.words(seed, purpose, step, n)
    assert found.dtype == np.uint64
    # the generator counts up before its first block
    blocks = [philox((seed, purpose), (i + 1, step, 0, 0)) for i in range((n + 3) // 4)]
    assert found.tolist() == [word for block in blocks for word in block][:n]
    key = np.array([seed, purpose], dtype=np.uint64)
    numpys = np.random.Philox(key=key, counter=np.array([0, step, 0, 0], dtype=np.uint64))
    assert found.tolist() == numpys.random_raw(n).tolist()


@holds(seed=st.integers(0, WORD - 2), step=st.integers(0, WORD - 4))
def streams_share_no_words(seed: int, step: int) -> None:
    streams = [
        randomness.words(s, purpose, t, 32).tolist()
        for s in (seed, seed + 1)
        for purpose in Purpose
        for t in range(step, step + 3)
    ]
    # two of these 960 words of an ideal generator are equal with chance 2.5e-14
    assert len({word for stream in streams for word in stream}) == 32 * len(streams)


@holds(seed=numbers, purpose=st.sampled_from(Purpose), step=numbers, n=st.integers(0, 9))
def uniforms_are_truncated_words(seed: int, purpose: Purpose, step: int, n: int) -> None:
    words = randomness.words(seed, purpose, step, n)
    check_uniforms(randomness, (seed, purpose, step), words)
    with patch.object(randomness, "words", lambda *_: EXTREMES):
        check_uniforms(randomness, (seed, purpose, step), EXTREMES)
    grid = randomness.uniforms(seed, purpose, step, (2, n))
    line = randomness.uniforms(seed, purpose, step, (2 * n,))
    assert grid.ravel().tolist() == line.tolist()


def check_uniforms(source: object, stream: tuple[int, ...], words: np.ndarray) -> None:
    double = source.uniforms(*stream, words.shape)
    single = source.uniforms(*stream, words.shape, np.float32)
    assert double.dtype == np.float64
    assert single.dtype == np.float32
    for word, fine, coarse in zip(words.tolist(), double, single, strict=True):
        assert 0.0 <= fine < 1.0
        assert Fraction(float(fine)) == Fraction(word // 2**11, 2**53)
        assert Fraction(float(coarse)) == Fraction(int(fine * 2**24), 2**24)


@holds(shares=st.lists(st.integers(0, 9), min_size=1, max_size=6).filter(any), bits=st.just(8))
def actions_fill_their_intervals(shares: list[int], bits: int) -> None:
    # the last action takes what the shares leave of 256: exact probabilities, exact counts
    counts = [*shares, 2**bits - sum(shares)]
    probabilities = np.tile(np.array(counts) / 2**bits, (2**bits, 1))
    drawn = randomness.sample_actions(probabilities, np.arange(2**bits) / 2**bits)
    assert np.bincount(drawn, minlength=len(counts)).tolist() == counts
    assert (np.diff(drawn) >= 0).all()
    # an interval is closed below: u = cdf(a - 1) draws the next action of positive probability
    edges = [sum(counts[:a]) for a in range(len(counts)) if counts[a]]
    assert drawn[edges].tolist() == [a for a in range(len(counts)) if counts[a]]


@holds(
    shares=st.lists(st.integers(0, 1000), min_size=1, max_size=7).filter(any),
    dtype=st.sampled_from((np.float32, np.float64)),
    scale=st.sampled_from((1.0, 0.75, 1.0 - 2.0**-20, 1.5)),
)
def impossible_actions_are_never_drawn(shares: list[int], dtype: type, scale: float) -> None:
    row = np.array([*shares, 0], dtype=dtype)
    row = (row / row.sum() * dtype(scale)).astype(dtype)
    first, last = np.flatnonzero(row)[[0, -1]]
    for top in (np.float64(1.0 - 2.0**-53), np.float32(1.0 - 2.0**-24)):
        uniforms = np.array([0.0, top], dtype=top.dtype)
        drawn = randomness.sample_actions(np.stack([row, row]), uniforms)
        assert drawn.tolist() == [first, last]
    many = np.linspace(0.0, 1.0, 64, endpoint=False)
    drawn = randomness.sample_actions(np.tile(row, (64, 1)), many)
    assert (row[drawn] > 0).all()


@holds(seed=numbers, step=numbers, n=st.integers(0, 200))
def permutation_is_the_order_of_words(seed: int, step: int, n: int) -> None:
    order = randomness.permutation(seed, Purpose.SHUFFLE, step, n)
    assert sorted(order.tolist()) == list(range(n))
    words = randomness.words(seed, Purpose.SHUFFLE, step, n)
    assert all(words[i] <= words[j] for i, j in pairwise(order))


@holds()
def normals_are_standard() -> None:
    drawn = randomness.normals(7, Purpose.INITIALIZATION, 0, (64, 64))
    assert drawn.dtype == np.float64
    assert drawn.shape == (64, 64)
    # fixed key, so this passes always or never; a right generator fails at one key in 1,000
    assert kstest(drawn.ravel(), "norm").pvalue > 1e-3


@holds()
def normals_are_finite_and_symmetric_at_the_ends() -> None:
    with patch.object(randomness, "words", lambda *_: EXTREMES):
        drawn = randomness.normals(0, Purpose.INITIALIZATION, 0, EXTREMES.shape)
    assert np.isfinite(drawn).all(), f"words {EXTREMES.tolist()} give {drawn.tolist()}"
    assert drawn[0] < -8.0
    assert drawn[-1] > 8.0
