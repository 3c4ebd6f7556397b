"""Laws of the price: its four kinds by definition, and what a price does to the rate."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from strategies import RATES, Batch, Case, batches, cases, dyadic, gates

from kondo_ref.gate import Gate
from kondo_ref.price import Fixed, Quantile, Rolling
from kondo_ref.screening import screen
from properties.register import EPS, assert_near, assert_same, holds

signals = st.integers(1, 12).flatmap(lambda n: dyadic((n,), 8, steps=100) | dyadic((n,), 2, 1))
rates = st.sampled_from(RATES) | st.integers(1, 1000).map(lambda n: n / 1000)


def exact_quantile(values: np.ndarray, rate: float) -> Fraction:
    """The (1 - rate)-quantile by linear interpolation, in rational numbers."""
    ordered = sorted(Fraction(float(v)) for v in values)
    position = (len(ordered) - 1) * (1 - Fraction(rate))
    low = position.numerator // position.denominator
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


@holds(
    case=cases(gate=gates(draws=("soft", "bernoulli"), kinds=("fixed",))),
    one=st.integers(-768, 768),
    other=st.integers(-768, 768),
)
def a_higher_price_never_raises_the_rate(case: Case, one: int, other: int) -> None:
    low, high = (
        case.run(gate=replace(case.gate, price=Fixed(price / 256))).screening
        for price in sorted((one, other))
    )
    # the sigmoid of two neighbouring numbers may be off by a rounding each
    assert high.expected_rate <= low.expected_rate + 2 * EPS
    if case.gate.draw == "bernoulli" or case.gate.temperature == 0.0:
        assert high.realised_rate <= low.realised_rate


@holds(values=signals, rate=rates)
def quantile_interpolates_linearly(values: np.ndarray, rate: float) -> None:
    price = Quantile(rate).solve(values, 1.0)
    size = float(np.abs(values).max())
    assert abs(Fraction(price) - exact_quantile(values, rate)) <= 4 * EPS * size
    # numpy rounds 1 - rate and the position (n - 1)(1 - rate): n eps in units of a gap <= 2 size
    assert abs(price - np.quantile(values, 1 - rate)) <= 4 * EPS * values.size * size


@holds(case=cases(gate=gates(draws=("soft", "bernoulli"), kinds=("quantile",), units=("token",))))
def quantile_price_is_that_of_the_valid_signals(case: Case) -> None:
    screening = case.run().screening
    values = screening.signal[case.batch.valid]
    assert isinstance(screening.price, float)
    exact = exact_quantile(values, case.gate.target_rate)
    assert abs(Fraction(screening.price) - exact) <= 4 * EPS * float(np.abs(values).max())


@holds(case=cases(gate=gates(draws=("soft", "bernoulli"), kinds=("calibrated",))))
def calibrated_price_meets_its_rate(case: Case) -> None:
    screening, rate = case.run().screening, case.gate.target_rate
    if rate == 1.0:
        assert screening.price == -np.inf
        assert screening.expected_rate == 1.0
        return
    # The price is solved to 4 eps |price|, and the mean of w moves by at most 1 / (4 temperature)
    # of that; each of the n sigmoids and their sum add a rounding.
    price = abs(screening.price) + float(np.abs(screening.signal).max())
    allowed = EPS * (8 + screening.valid_units + 2 * price / case.gate.temperature)
    assert abs(screening.expected_rate - rate) <= allowed


@holds(
    batch=batches(sequences=False),
    rate=rates,
    temperature=st.sampled_from((0.0, 0.25, 1.0)),
    history=st.integers(1, 6),
    warmup=st.integers(1, 6),
)
def rolling_price_is_the_quantile_of_the_past(
    batch: Batch, rate: float, temperature: float, history: int, warmup: int
) -> None:
    warmup = min(warmup, history)
    gate = Gate(price=Rolling(rate, history, warmup), temperature=temperature)
    screening = screen(batch.logits, batch.actions, batch.advantages, gate, mask=batch.mask)
    past: list[float] = []
    for i in np.flatnonzero(batch.valid):
        known, signal = np.array(past[-history:]), float(screening.signal[i])
        price = float(screening.price[i])
        if known.size < warmup:
            assert price == -np.inf
            assert screening.weight[i] == 1.0
        else:
            assert np.isfinite(price)
            exact = exact_quantile(known, rate)
            assert abs(Fraction(price) - exact) <= 4 * EPS * float(np.abs(known).max())
            if temperature == 0.0:
                assert screening.weight[i] == (signal > price)
        past.append(signal)
    assert_same(screening.history, np.array(past[-history:]))


@holds(
    case=cases(
        gate=gates(draws=("soft", "bernoulli"), kinds=("rolling",), units=("token",)),
        sequences=False,
        masked=False,
        normalizers=("none",),
    ),
    data=st.data(),
)
def rolling_stream_may_be_cut_anywhere(case: Case, data: st.DataObject) -> None:
    whole, n = case.run(), case.batch.shape[0]
    assume(n > 1)
    cuts = sorted(data.draw(st.sets(st.integers(1, n - 1), max_size=3), label="cuts"))
    history, parts = None, []
    for first, last in zip([0, *cuts], [*cuts, n], strict=True):
        rows = slice(first, last)
        part = replace(case, batch=case.batch.take(rows), uniforms=case.uniforms[rows])
        parts.append(part.run(history))
        history = parts[-1].screening.history
    assert_same(history, whole.screening.history)
    for field in ("price", "keep_probability", "weight"):
        joined = np.concatenate([getattr(part.screening, field) for part in parts])
        assert_same(joined, getattr(whole.screening, field))
    assert_near(np.concatenate([part.dlogits for part in parts]), whole.dlogits)


@holds(batch=batches(sequences=False, most=1, masked=False), rate=rates)
def one_decision_is_its_own_quantile(batch: Batch, rate: float) -> None:
    arguments = (batch.logits, batch.actions, batch.advantages)
    strict = screen(*arguments, Gate(price=Quantile(rate), temperature=0.0))
    assert strict.price == strict.signal[0]
    assert_same(strict.weight, np.zeros(1))
    top = screen(*arguments, Gate.named("kondo-top-k", rate=rate))
    assert_same(top.weight, np.ones(1))
