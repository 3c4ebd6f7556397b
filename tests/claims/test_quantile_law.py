"""The law of the quantile price, held to every batch by the core; and in large batches."""

import math
from collections import defaultdict
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from mutants import Mutant

from kondo_ref.exact import quantile_law
from kondo_ref.exact.leave_one_out import leave_one_out_prices
from kondo_ref.exact.quantile_law import (
    FiniteSignal,
    population_quantile,
    quantile_place,
    quantile_price_law,
)
from kondo_ref.price import Quantile, upper_quantile

EPS = float(np.finfo(np.float64).eps)
# Awkward on purpose: exact positions, positions that miss a whole number by 1e-17, the ends.
RATES = st.sampled_from((0.01, 0.03, 0.1, 0.25, 1 / 3, 0.5, 0.7, 0.75, 0.9, 1.0)) | st.floats(
    1e-6, 1.0
)


@st.composite
def signals(draw, most=4):
    """Draw a law of up to `most` values; probabilities down to 1e-12."""
    values = sorted(draw(st.sets(st.integers(-60, 60), min_size=1, max_size=most)))
    odds = draw(
        st.lists(
            st.sampled_from((1e-12, 1e-6, 0.1)) | st.floats(0.01, 1.0),
            min_size=len(values),
            max_size=len(values),
        )
    )
    p = np.array(odds) / np.sum(odds)
    return FiniteSignal(np.array(values) * 0.37, p)


def every_batch(signal: FiniteSignal, n: int, rate: float, known: tuple[float, ...]) -> dict:
    """The law by running the core's own quantile price for every batch, in rational numbers."""
    chances = [Fraction(float(p)) for p in signal.probabilities]
    law: dict[float, Fraction] = defaultdict(Fraction)
    for rest in product(range(signal.values.size), repeat=n - len(known)):
        batch = np.concatenate([np.array(known), signal.values[list(rest)]])
        law[Quantile(rate).solve(batch, 1.0)] += math.prod((chances[i] for i in rest), start=1)
    return law


def the_law_is_that_of_every_batch(signal, n, rate, data):
    known = tuple(
        data.draw(st.lists(st.sampled_from(list(signal.values)), max_size=min(n, 2)), label="given")
    )
    law = quantile_price_law(signal, n, rate, given=known)
    expected = every_batch(signal, n, rate, known)
    assert set(law.prices) == {price for price, chance in expected.items() if chance > 1e-300}
    for price, chance in zip(law.prices, law.probabilities, strict=True):
        # Each of the n factors carries the rounding of a sum of M probabilities; the binomial
        # functions themselves are good to some dozen roundings.
        relative = abs(Fraction(float(chance)) / expected[float(price)] - 1)
        assert relative <= EPS * (64 + 4 * n * signal.values.size)


def test_the_law_is_that_of_every_batch():
    checked(LAW)()


@pytest.mark.parametrize("n", [1, 2, 37, 1000, 6000])
@given(signal=signals(12), rate=RATES)
@settings(max_examples=10)
def test_the_law_sums_to_one_and_mixes_over_an_own_signal(signal, rate, n):
    whole = quantile_price_law(signal, n, rate)
    allowed = EPS * (64 + 4 * n * signal.values.size)
    assert abs(whole.probabilities.sum() - 1.0) <= allowed
    mixed = dict.fromkeys(whole.prices, 0.0)
    for value, p in zip(signal.values, signal.probabilities, strict=True):
        law = quantile_price_law(signal, n, rate, given=(float(value),))
        for price, chance in zip(law.prices, law.probabilities, strict=True):
            mixed[price] = mixed.get(price, 0.0) + p * chance
    total = [mixed[price] for price in whole.prices]
    assert np.abs(np.array(total) - whole.probabilities).max() <= allowed


def test_the_law_with_every_signal_known_is_the_core():
    batch = (0.5, -1.0, 0.5, 2.0)
    signal = FiniteSignal.of_outcomes(batch, np.full(4, 0.25))
    for rate in (0.03, 0.25, 0.5, 1.0):
        law = quantile_price_law(signal, 4, rate, given=batch)
        assert law.prices.tolist() == [upper_quantile(np.array(batch), rate)]
        assert law.probabilities.tolist() == pytest.approx([1.0], rel=8 * EPS)


def test_probabilities_far_below_one_keep_their_digits():
    # Both order statistics at the value of probability 1e-9: n = 2, so exactly 1e-18.
    signal = FiniteSignal(np.array([0.0, 1.0]), np.array([1.0 - 1e-9, 1e-9]))
    law = quantile_price_law(signal, 2, 0.5)
    assert law.prices.tolist() == [0.0, 0.5, 1.0]
    assert law.probabilities[2] == pytest.approx(1e-18, rel=16 * EPS)
    # 999 of 1000 signals at the rare value, where the other probability is 1 - 2^-53 or so.
    rare = FiniteSignal(np.array([0.0, 1.0]), np.array([1.0 - 2.0**-30, 2.0**-30]))
    law = quantile_price_law(rare, 20, 1.0)
    assert law.chance_of(1.0) == pytest.approx(2.0**-600, rel=64 * EPS)


def test_population_quantile_tells_atoms_from_gaps():
    signal = FiniteSignal(np.array([-1.0, 0.0, 2.0]), np.array([0.25, 0.5, 0.25]))
    assert population_quantile(signal, 0.25) == quantile_law.PopulationQuantile(0.0, 2.0, 0.0)
    assert population_quantile(signal, 0.5) == quantile_law.PopulationQuantile(0.0, 0.0, 0.25)
    assert population_quantile(signal, 0.125) == quantile_law.PopulationQuantile(2.0, 2.0, 0.125)
    assert population_quantile(signal, 0.75).lower == -1.0
    assert population_quantile(signal, 1.0) == quantile_law.PopulationQuantile(-1.0, -1.0, 0.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "n: expected at least 1, got 0"),
        ({"rate": 0.0}, r"rate: expected a number in \(0, 1\], got 0.0"),
        ({"given": (0.5,)}, "given: 0.5 is no value of the signal's law"),
        ({"given": (0.0, 0.0, 0.0)}, "given: expected at most n = 2 signals, got 3"),
    ],
)
def test_bad_input_of_the_law(arguments, message):
    signal = FiniteSignal(np.array([0.0, 1.0]), np.array([0.5, 0.5]))
    with pytest.raises(ValueError, match=message):
        quantile_price_law(signal, **{"n": 2, "rate": 0.5} | arguments)


@pytest.mark.parametrize(
    ("values", "p", "message"),
    [
        ([], [], r"values: expected shape \(M,\)"),
        ([1.0, 0.0], [0.5, 0.5], "values: expected ascending"),
        ([0.0, 1.0], [0.0, 1.0], "probabilities: expected numbers above 0"),
        ([0.0, 1.0], [0.5, 0.4], "probabilities: expected a sum of 1"),
        ([0.0, np.inf], [0.5, 0.5], "values: not finite"),
    ],
)
def test_bad_input_of_a_signal(values, p, message):
    with pytest.raises(ValueError, match=message):
        FiniteSignal(np.array(values), np.array(p))


def leave_one_out_is_the_quantile_of_the_others(values, rate, hidden):
    signal = np.array(values) * 0.3
    mask = ~np.array(hidden[: signal.size])
    if mask.sum() < 2:
        mask[:2] = True
    prices = leave_one_out_prices(signal, rate, mask=mask)
    for i in range(signal.size):
        if mask[i]:
            others = [signal[j] for j in range(signal.size) if mask[j] and j != i]
            assert prices[i] == Quantile(rate).solve(np.array(others), 1.0)
        else:
            assert prices[i] == np.inf


def test_leave_one_out_is_the_quantile_of_the_others():
    checked(LEFT_OUT)()


def test_leave_one_out_of_a_matrix_and_of_too_few():
    signal = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert leave_one_out_prices(signal, 0.5).tolist() == [[3.0, 3.0], [2.0, 2.0]]
    single = leave_one_out_prices(signal.astype(np.float32), 0.5)
    assert single.dtype == np.float32
    with pytest.raises(ValueError, match="signal: expected at least two valid decisions, got 1"):
        leave_one_out_prices(signal, 0.5, mask=np.array([[True, False], [False, False]]))
    with pytest.raises(ValueError, match="signal: not finite"):
        leave_one_out_prices(np.array([0.0, np.nan]), 0.5)


def test_place_is_exact():
    # 10 * (1 - 0.1) is 9 in float64, and below it in truth: 0.1 is a little above a tenth.
    place = quantile_place(11, 0.1)
    assert place.low == 8
    assert 0 < 1 - place.share < Fraction(1, 10**15)
    assert place.between(0.0, 1.0) == upper_quantile(np.array([0.0] * 9 + [1.0] * 2), 0.1)


LAW, LEFT_OUT = "the law", "leave-one-out"
CHECKS = {
    LAW: (
        the_law_is_that_of_every_batch,
        {"signal": signals(), "n": st.integers(1, 5), "rate": RATES, "data": st.data()},
    ),
    LEFT_OUT: (
        leave_one_out_is_the_quantile_of_the_others,
        {
            "values": st.lists(st.integers(-8, 8), min_size=2, max_size=9),
            "rate": RATES,
            "hidden": st.lists(st.booleans(), min_size=9, max_size=9),
        },
    ),
}


def checked(name):
    body, strategies = CHECKS[name]
    return given(**strategies)(body)


MUTANTS = [
    ("ties forgotten", "exact.quantile_law._ties", "chances[a] = float(",
     "chances[a] = 0 * float("),
    ("order statistic one too high", "exact.quantile_law._neighbours", "left = r - below[a]",
     "left = r - 1 - below[a]"),
    ("own signal counted as a free one", "exact.quantile_law._ties", "free = n - int(counts.sum())",
     "free = n"),
    ("a known signal at an end is not enough", "exact.quantile_law._one_at", "known > 0",
     "known > 9"),
    ("an end of the pair may be empty", "exact.quantile_law._one_at", "among == 0, 0.0",
     "among == 0, 1.0"),
    ("values between the pair allowed", "exact.quantile_law._neighbours",
     "np.exp(free * log_outside)", "1.0"),
    ("rare and frequent mixed up", "exact.quantile_law._at_most", "if hit <= miss:",
     "if hit > miss:"),
    ("position from n", "exact.quantile_law.quantile_place", "(size - 1) *",
     "min(size - 1, size) * (1 - 2**-50) *"),
    ("interpolation from above", "exact.quantile_law.Place.between", "self.share * (b - a)",
     "(1 - self.share) * (b - a)"),
    ("own signal left in", "exact.leave_one_out.leave_one_out_prices",
     "np.delete(ordered, rank)", "ordered"),
    ("the others' first quantile for all", "exact.leave_one_out.leave_one_out_prices",
     "np.delete(ordered, rank)", "np.delete(ordered, 0)"),
    ("invalid decisions free", "exact.leave_one_out.leave_one_out_prices", "values.shape, np.inf,",
     "values.shape, -np.inf,"),
]  # fmt: skip


@pytest.mark.parametrize("row", MUTANTS, ids=lambda row: row[0])
def test_a_mutant_dies(row):
    name, target, old, new = row
    check = checked(LEFT_OUT if "leave_one_out" in target else LAW)
    hunt = settings(
        max_examples=300, derandomize=True, database=None, deadline=None,
        phases=(Phase.explicit, Phase.generate), suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    with (
        Mutant(name, target, old, new, "").alive(),
        pytest.raises(AssertionError),
        np.errstate(all="ignore"),
    ):
        hunt(check)()
