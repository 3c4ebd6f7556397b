"""Laws of the gate: keep probability, the three draws, its unit, and the named methods."""

import math
from dataclasses import replace
from decimal import ROUND_HALF_EVEN, Decimal

import numpy as np
from hypothesis import strategies as st
from strategies import LARGEST_UNIFORM, TEMPERATURES, Case, cases, dyadic, gates

from kondo_ref.gate import Gate, keep_probability
from kondo_ref.gradient import policy_gradient
from kondo_ref.price import Calibrated, Fixed, Price, Quantile, Rolling
from kondo_ref.screening import screen
from properties.register import assert_near, assert_same, holds

PG = Gate.named("pg")


def largest_first(signal: np.ndarray, valid: np.ndarray) -> list[int]:
    """Flat indices of the valid units, largest signal first, ties to the lowest index."""
    flat = signal.ravel()
    return sorted(np.flatnonzero(valid).tolist(), key=lambda i: (-float(flat[i]), i))


def rounded_count(rate: float, valid: int) -> int:
    """max(1, round-half-even(rate * valid)), the rate read as the decimal it is written as."""
    share = Decimal(str(rate)) * valid
    return max(1, int(share.quantize(Decimal(1), rounding=ROUND_HALF_EVEN)))


@holds(
    signal=dyadic((6,), 40),
    price=st.sampled_from((0.0, -np.inf, np.inf)) | st.integers(-20, 20).map(float),
    temperature=st.sampled_from(TEMPERATURES),
)
def keep_probability_is_the_sigmoid(signal: np.ndarray, price: float, temperature: float) -> None:
    at_price = np.append(signal, price if math.isfinite(price) else 0.0)
    for s, w in zip(at_price, keep_probability(at_price, price, temperature), strict=True):
        if temperature == 0.0:
            assert w == (s > price)
            continue
        x = (float(s) - price) / temperature
        desired = math.exp(min(x, 0.0)) / (1.0 + math.exp(-abs(x)))
        tiny = float(np.finfo(np.float64).tiny)
        assert abs(w - desired) <= 32 * np.finfo(np.float64).eps * desired + tiny


@holds(case=cases(gate=gates(draws=("soft", "bernoulli"))))
def draws_follow_their_definition(case: Case) -> None:
    screening = case.run().screening
    w, valid = screening.keep_probability, np.broadcast_to(True, screening.signal.shape)
    valid = valid if screening.unit_mask is None else screening.unit_mask
    price = np.broadcast_to(screening.price, w.shape)
    for i in np.ndindex(*w.shape):
        row = keep_probability(screening.signal[i], price[i], case.gate.temperature)
        assert w[i] == (row if valid[i] else 0.0)
    drawn = w
    if case.gate.draw == "bernoulli" and case.gate.temperature > 0.0:
        drawn = np.array([float(u < p) for u, p in zip(case.uniforms.flat, w.flat, strict=True)])
    expanded = np.asarray(drawn).reshape(w.shape)
    if case.gate.unit == "sequence":
        expanded = expanded[:, None] * case.batch.valid
    assert_same(screening.weight, expanded)
    assert_same(screening.kept, np.flatnonzero(expanded))


@holds(case=cases(gate=gates(draws=("bernoulli",), temperatures=TEMPERATURES[1:])))
def a_uniform_equal_to_w_is_not_kept(case: Case) -> None:
    w = case.run().screening.keep_probability
    at_boundary = case.run(uniforms=np.minimum(w, LARGEST_UNIFORM)).screening
    assert at_boundary.realised_rate == np.count_nonzero(w == 1.0) / at_boundary.valid_units
    below = case.run(uniforms=np.maximum(np.nextafter(w, 0.0), 0.0)).screening
    assert below.realised_rate == np.count_nonzero(w > 0.0) / below.valid_units


@holds(case=cases(gate=gates(draws=("top_k",), units=("token",))))
def top_k_keeps_exactly_k_lowest_index_first(case: Case) -> None:
    screening, valid = case.run().screening, case.batch.valid
    k = rounded_count(case.gate.rate, int(np.count_nonzero(valid)))
    assert screening.kept.size == k
    assert screening.kept.tolist() == sorted(largest_first(screening.signal, valid)[:k])


@holds(
    ties=st.lists(st.sampled_from((-1.0, 0.0, 0.0, 2.0)), min_size=1, max_size=24),
    rate=st.sampled_from((0.03, 0.1, 0.25, 0.5, 0.75, 1.0)),
)
def top_k_breaks_ties_by_index(ties: list[float], rate: float) -> None:
    n = len(ties)
    gate = Gate(signal="advantage", draw="top_k", rate=rate)
    screening = screen(np.zeros((n, 2)), np.zeros(n, dtype=int), np.array(ties), gate)
    order = largest_first(np.array(ties), np.ones(n, dtype=bool))
    assert screening.kept.tolist() == sorted(order[: rounded_count(rate, n)])


@holds(case=cases(gate=gates(draws=("top_k",)).map(lambda gate: replace(gate, rate=1.0))))
def top_k_at_rate_one_is_plain_policy_gradient(case: Case) -> None:
    assert_plain(case)


@holds(
    case=cases(
        gate=gates(draws=("soft", "bernoulli")).map(lambda g: replace(g, price=Fixed(-np.inf)))
    )
)
def price_minus_infinity_is_plain_policy_gradient(case: Case) -> None:
    assert_plain(case)


def assert_plain(case: Case) -> None:
    kept, plain = case.run(), case.run(gate=PG)
    assert_same(kept.screening.weight, case.batch.valid.astype(float))
    assert_same(kept.dlogits, plain.dlogits)
    assert kept.loss == plain.loss
    assert kept.normalizer == plain.normalizer


@holds()
def top_k_at_rate_one_is_not_delightful_policy_gradient() -> None:
    logits, actions, advantages = np.zeros((2, 2)), np.array([0, 1]), np.array([1.0, -1.0])
    top = policy_gradient(logits, actions, advantages, Gate.named("kondo-top-k", rate=1.0))
    delightful = policy_gradient(logits, actions, advantages, Gate.named("dg"))
    survivor = 0.5 * np.array([[-0.5, 0.5], [-0.5, 0.5]])
    assert_near(top.dlogits, survivor)
    # delight is +-log 2, and sigmoid(+-log 2) is 2/3, 1/3
    assert_near(delightful.dlogits, survivor * np.array([[2 / 3], [1 / 3]]))


@holds(case=cases(gate=gates(signals=("delight",))), power=st.integers(-6, 6))
def scale_of_reward_does_not_move_the_gate(case: Case, power: int) -> None:
    scale, gate, price = 2.0**power, case.gate, case.gate.price
    if isinstance(price, Fixed):
        price = Fixed(scale * price.value)
    scaled = replace(gate, price=price, temperature=scale * gate.temperature)
    given = case.run().screening
    moved = case.run(gate=scaled, advantages=scale * case.batch.advantages).screening
    assert_near(moved.signal, scale * given.signal)
    if isinstance(price, Calibrated) and gate.draw == "soft":
        # the root is found to 4 eps of the price, which the temperature divides
        size = 1.0 + float(np.abs(given.signal).max()) / gate.temperature
        assert_near(moved.weight, given.weight, scale=size)
    else:
        assert_same(moved.weight, given.weight)


@holds(
    case=cases(
        gate=gates(units=("sequence",), kinds=("fixed", "quantile", "calibrated")),
    )
)
def a_sequence_is_gated_by_its_mean_over_valid_tokens(case: Case) -> None:
    screening, batch = case.run().screening, case.batch
    tokens = case.run(gate=replace(case.gate, unit="token"), uniforms=np.zeros(batch.shape))
    whole = []
    for b, valid in enumerate(batch.valid):
        weights = screening.weight[b]
        assert (weights[~valid] == 0.0).all()
        if not valid.any():
            assert screening.keep_probability[b] == 0.0
            continue
        whole.append(b)
        terms = tokens.screening.signal[b][valid]
        mean = math.fsum(terms) / terms.size
        assert_near(screening.signal[b], mean, scale=float(np.abs(terms).max()))
        assert (weights[valid] == weights[valid][0]).all()
    assert screening.valid_units == len(whole)
    if isinstance(case.gate.price, Quantile) and case.gate.draw != "top_k":
        assert screening.price == case.gate.price.solve(screening.signal[whole], 1.0)


@holds(
    case=cases(sequences=False),
    rate=st.sampled_from((0.1, 0.5, 1.0)),
    price=st.sampled_from((Fixed(0.5), Quantile(0.25), Calibrated(0.25), Rolling(0.5, 4, 2))),
)
def named_gates_are_their_explicit_form(case: Case, rate: float, price: Price) -> None:
    assert_same(case.run(gate=PG).screening.weight, case.batch.valid.astype(float))
    delightful = {"signal": "delight", "draw": "soft", "unit": "token"}
    pairs = [
        (Gate.named("dg"), Gate(price=Fixed(0.0), temperature=1.0, **delightful)),
        (
            Gate.named("dg", price=price, temperature=0.25),
            Gate(price=price, temperature=0.25, **delightful),
        ),
        (Gate.named("zero-price"), Gate(price=Fixed(0.0), temperature=0.0, **delightful)),
        (
            Gate.named("kondo", rate=rate),
            Gate(signal="delight", price=Quantile(rate), temperature=1.0, draw="bernoulli"),
        ),
        (
            Gate.named("kondo", price=price, temperature=2.0),
            Gate(signal="delight", price=price, temperature=2.0, draw="bernoulli"),
        ),
        (
            Gate.named("kondo-top-k", rate=rate),
            Gate(signal="delight", price=None, draw="top_k", rate=rate),
        ),
    ]
    for named, explicit in pairs:
        assert named == explicit
        assert_same(
            case.run(gate=named, uniforms=_uniforms(case, named)).dlogits,
            case.run(gate=explicit, uniforms=_uniforms(case, explicit)).dlogits,
        )
    zero_price = case.run(gate=Gate.named("zero-price")).screening
    assert_same(zero_price.weight > 0, (zero_price.delight > 0) & case.batch.valid)


def _uniforms(case: Case, gate: Gate) -> np.ndarray | None:
    return np.full(case.batch.shape, 0.25) if gate.needs_uniforms else None
