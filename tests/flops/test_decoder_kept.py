"""The expected sums of a random gate against all gates there are, each with its probability."""

import itertools
import math
from dataclasses import astuple
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kondo_ref.flops.decoder_kept import (
    Kept,
    all_kept,
    as_fraction,
    expected_kept,
    kept_positions,
    power,
)
from kondo_ref.models.packing import Packing

RATES = st.sampled_from([Fraction(n, 100) for n in (0, 1, 3, 25, 50, 90, 100)])


def by_enumeration(batch: int, length: int, rate: Fraction, unit: str, prompt: int) -> tuple:
    decisions = length - prompt
    sums = [Fraction(0)] * 9
    for bits in itertools.product((0, 1), repeat=batch * (decisions if unit == "token" else 1)):
        chance = math.prod((rate if bit else 1 - rate for bit in bits), start=Fraction(1))
        grid = np.reshape(bits, (batch, -1)) * np.ones((batch, decisions), int)
        kept = kept_positions([(np.flatnonzero(row) + prompt).tolist() for row in grid], length)
        sums = [a + chance * b for a, b in zip(sums, astuple(kept), strict=True)]
    return tuple(sums)


@given(
    st.sampled_from([(1, 1), (1, 5), (1, 8), (2, 3), (3, 2)]),
    st.integers(0, 3),
    RATES,
    st.sampled_from(("token", "sequence")),
)
def test_expectations_are_those_over_all_gates(shape, prompt, rate, unit):
    batch, decisions = shape
    length = prompt + decisions
    expected = expected_kept(batch, length, rate, unit=unit, prompt=prompt)
    assert astuple(expected) == by_enumeration(batch, length, rate, unit, prompt)


@given(
    st.lists(st.sets(st.integers(0, 5)).map(sorted), min_size=1, max_size=4).filter(any),
)
def test_the_sums_of_a_kept_set_are_those_of_its_prefixes(positions):
    packing = Packing.of(np.zeros((len(positions), 6), int), 1)
    cells = np.array([6 * b + t for b, places in enumerate(positions) for t in places])
    prefixes = packing.prefixes(packing.row_of(cells))
    lengths = np.diff(prefixes.offsets)
    kept = kept_positions(positions, 6)
    assert kept.sequences == prefixes.sequences.size
    assert kept.rows == prefixes.rows.size
    assert kept.decisions == prefixes.queries.size
    assert kept.scores("dense") == (lengths @ lengths, prefixes.counts @ lengths)
    causal = int((lengths * (lengths + 1) // 2).sum())
    assert kept.scores("causal") == (causal, int((packing.positions[cells] + 1).sum()))


def test_the_share_of_sequences_that_is_touched():
    kept = expected_kept(10, 64, 0.03)
    assert float(kept.sequences) == pytest.approx(10 * (1 - 0.97**64), rel=1e-14)
    assert kept.decisions == Fraction(3, 100) * 640
    # What a long sequence keeps reaches almost to its end: 1 / rate - 1 positions are missing.
    long = expected_kept(1, 10_000, 0.03)
    assert float(long.rows) == pytest.approx(10_000 - 0.97 / 0.03, rel=1e-12)


@pytest.mark.parametrize("rate", [1e-12, 0.0312345678901234, 0.9])
def test_long_sequences_lose_no_digits(rate):
    kept, h = expected_kept(1, 5000, rate, prompt=7), 4993
    j = np.arange(1, h + 1)
    last = np.exp((h - j) * np.log1p(-rate)) * rate
    for value, terms in (
        (kept.sequences, last),
        (kept.rows, last * (7 + j)),
        (kept.dense, last * (7 + j) ** 2.0),
        (kept.dense_last, last * (7 + j) * (1 + rate * (j - 1))),
    ):
        assert float(value) == pytest.approx(math.fsum(terms), rel=1e-11)


def test_powers_are_exact_or_have_more_digits_than_a_float():
    assert power(Fraction(97, 100), 10) == Fraction(97, 100) ** 10
    q = Fraction(97, 100)
    assert abs(power(q, 3000) - q**3000) < Fraction(1, 2**240)
    assert power(Fraction(1), 10**9) == 1
    assert power(Fraction(0), 5) == 0


def test_everything_kept_is_rate_one():
    for prompt in (0, 3):
        assert expected_kept(4, 9, 1, prompt=prompt) == all_kept(4, 9, prompt)
    full = all_kept(4, 9)
    assert full == kept_positions([list(range(9))] * 4, 9)
    assert full == Kept(4, 36, 36, 4 * 81, 4 * 45, 4 * 81, 4 * 45, 0, 1)


def test_a_float_is_the_decimal_number_that_it_prints_as():
    assert as_fraction("rate", 0.03) == Fraction(3, 100)
    for bad in (-0.1, 1.1, float("inf")):
        with pytest.raises(ValueError, match="rate: expected a number in"):
            as_fraction("rate", bad)
    with pytest.raises(TypeError, match="rate: expected a number"):
        as_fraction("rate", "0.1")


@pytest.mark.parametrize(
    ("positions", "message"),
    [([[1, 1]], "ascending"), ([[2, 1]], "ascending"), ([[0, 6]], r"in 0\.\.5"), ([[-1]], "least")],
)
def test_impossible_sets_are_refused(positions, message):
    with pytest.raises(ValueError, match=message):
        kept_positions(positions, 6)


def test_a_batch_needs_a_decision():
    for arguments in ((0, 5, 0), (1, 0, 0), (1, 5, 5), (1, 5, -1)):
        with pytest.raises(ValueError, match=r"batch|length|prompt"):
            all_kept(*arguments)
    with pytest.raises(ValueError, match="attention: expected one of dense, causal"):
        all_kept(1, 5).scores("local")
    with pytest.raises(ValueError, match="unit: expected one of token, sequence"):
        expected_kept(1, 5, 0.5, unit="sample")
