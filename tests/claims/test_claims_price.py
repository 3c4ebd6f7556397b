"""The claims about prices over their whole hypothesis spaces, and the mutants they kill."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from mutants import Mutant
from scipy.special import expit

from kondo_ref.claims import price_bias, price_calibrated, price_count, price_density, price_own
from kondo_ref.claims import price_rate_laws as rates
from kondo_ref.exact.atoms import Bandit, FiniteRewards
from kondo_ref.exact.batches import Baseline
from kondo_ref.exact.priced_bandit import at_leave_one_out_price, outcomes_of_bandit
from kondo_ref.exact.quantile_law import population_quantile
from kondo_ref.exact.realised_rate import NormalMixture

EPS = float(np.finfo(np.float64).eps)
SHARES = st.sampled_from((0.03, 0.1, 0.25, 0.5, 0.75, 0.9)) | st.floats(0.001, 0.999)
TEMPERATURES = st.sampled_from((0.0, 2.0**-6, 0.25, 1.0, 64.0))
# std / temperature; beyond either end the strict inequalities are below rounding.
SPREADS = st.floats(-3.0, 3.0).map(lambda e: 10.0**e)


REWARDS = st.sampled_from((0.0, 0.25, 0.5, 1.0, -2.0))


@st.composite
def bandits(draw, most_arms=4, levels=2):
    """Draw one context with deterministic and random arms, policies down to 1e-6, ties."""
    k = draw(st.integers(2, most_arms))
    values = draw(
        st.lists(
            st.lists(REWARDS, min_size=levels, max_size=levels),
            min_size=k, max_size=k,
        )
    )  # fmt: skip
    first = draw(st.lists(st.sampled_from((0.0, 0.125, 0.5, 0.9, 1.0)), min_size=k, max_size=k))
    chances = np.column_stack([first] + [(1.0 - np.array(first)) / (levels - 1)] * (levels - 1))
    logits = draw(st.lists(st.integers(-7, 7), min_size=k, max_size=k))
    return {
        "bandit": Bandit.single(FiniteRewards(np.array(values), chances)),
        "logits": np.array([logits], dtype=np.float64),
    }


BASELINES = st.sampled_from(
    (Baseline(), Baseline("constant", 0.5), Baseline("oracle"), Baseline("expected-confidence"))
)


@st.composite
def outcomes(draw):
    """Draw the law of one decision under any signal and any baseline of the policy."""
    signal = draw(st.sampled_from(("delight", "advantage", "abs_advantage", "surprisal")))
    return outcomes_of_bandit(**draw(bandits()), baseline=draw(BASELINES), signal=signal)


def inside_an_atom_the_bias_is_below_its_bound(law, n, rate, temperature):
    margin = population_quantile(law.signal, rate).margin
    assume(margin > 1.0 / (n - 1))
    assume(2.0 * math.exp(-2.0 * (n - 1) * (margin - 1.0 / (n - 1)) ** 2) <= 1.0 / n)
    assume(law.size > 0.0)
    sides = price_bias.quantile_price_in_an_atom(law, n, rate, temperature)
    assert sides.holds, sides


def at_a_gap_the_update_is_near_the_mixture(law, n, where, temperature):
    inner = [p for p in law.signal.up_to[:-1] if 1e-3 < p < 1 - 1e-3]
    assume(inner and law.size > 0.0)
    sides = price_bias.quantile_price_at_a_gap(
        law, n, 1.0 - float(inner[where % len(inner)]), temperature
    )
    assert sides.holds, sides


def leave_one_out_is_a_mixture(setting, n, rate, temperature, baseline):
    sides = price_own.leave_one_out_mixture(
        **setting, n=n, rate=rate, temperature=temperature, baseline=baseline
    )
    assert sides.holds, sides


def over_batches_both_adapt(setting, n, rate, temperature):
    sides = price_own.adaptive_price_over_batches(
        **setting, n=n, rate=rate, temperature=temperature
    )
    assert sides.holds, sides


def the_order_is_closed(law, j, temperature):
    # Smooth on the scale of the spacing near the quantile: else the expansion starts later.
    sides = price_density.quantile_price_first_order(law, j / 32, temperature, smallest=1024)
    assert sides.holds, sides


def the_realised_rate_is_its_formula(std, mean, rate, temperature):
    law = NormalMixture.normal(std * temperature, mean * temperature)
    sides = rates.realised_rate_of_a_normal_signal(law, rate, temperature)
    assert sides.holds, sides


def the_realised_rate_is_between(law, rate, k, times):
    assume(rate < 0.499)
    t = law.std / k
    sides = rates.realised_rate_between(law, rate, t, times * t)
    assert sides.holds, sides


def the_limits_are_bounds(k, rate):
    sides = rates.realised_rate_limits(NormalMixture.normal(k), rate, 1.0)
    assert sides.holds, sides


def a_larger_rate_realises_more(law, rate, more, k):
    larger = rate + more * (1.0 - rate)
    assume(larger < 1.0)
    # The bisection of the quantile is good to 4 eps of the range: apart means by more.
    assert rates.realised_rate_rises(law, rate, larger, law.std / k).holds


def calibrated_is_the_rate(signal, rate, temperature):
    sides = price_calibrated.calibrated_price_keeps_the_rate(
        np.array(signal) / 64, rate, temperature
    )
    assert sides.holds, sides


def recall_is_between(k, rate):
    sides = price_calibrated.calibrated_recall(NormalMixture.normal(k), rate, 1.0)
    assert sides.holds, sides


def the_hard_gate_keeps_its_count(signal, rate):
    values = np.array(sorted(signal), dtype=np.float64)
    n = values.size
    h = (n - 1) * (1 - Fraction(rate))
    if h < n - 1 and n > 1:
        a, b = values[int(h)], values[int(h) + 1]
        assume(float(Fraction(a) + (h - int(h)) * (Fraction(b) - Fraction(a))) < b)
    sides = price_count.hard_gate_count(np.random.default_rng(n).permutation(values), rate)
    assert sides.actual == sides.claimed
    assert abs(sides.numbers["kept"] - sides.numbers["top-k"]) <= 1.0


def the_share_off_by_one(bits, a, first):
    rate = (2 * (a % 2 ** (bits - 1)) + 1) / 2**bits
    first += math.ceil(0.5 / rate)
    assert price_count.hard_gate_beside_top_k(rate, first).holds


NORMALS = st.builds(NormalMixture.normal, st.sampled_from((0.25, 1.0, 4.0)), st.integers(-2, 2))
# Symmetric about 0 and falling: scale mixtures of centred normals, heavy tails among them.
FALLING = st.builds(
    lambda p, ratio: NormalMixture(np.array([p, 1.0 - p]), np.zeros(2), np.array([1.0, ratio])),
    st.floats(0.05, 0.95), st.floats(1.0, 20.0),
)  # fmt: skip
CHECKS = {
    check.__name__: (check, strategies)
    for check, strategies in (
        (inside_an_atom_the_bias_is_below_its_bound,
         {"law": outcomes(), "n": st.integers(2, 3000), "rate": SHARES,
          "temperature": TEMPERATURES}),
        (at_a_gap_the_update_is_near_the_mixture,
         {"law": outcomes(), "n": st.integers(50, 5000), "where": st.integers(0, 9),
          "temperature": TEMPERATURES}),
        (leave_one_out_is_a_mixture,
         {"setting": bandits(3), "n": st.integers(2, 3), "rate": SHARES,
          "temperature": TEMPERATURES, "baseline": BASELINES}),
        (over_batches_both_adapt,
         {"setting": bandits(3), "n": st.integers(1, 3), "rate": SHARES,
          "temperature": TEMPERATURES}),
        (the_order_is_closed,
         {"law": NORMALS, "j": st.integers(1, 31),
          "temperature": st.sampled_from((0.5, 1.0, 4.0))}),
        (the_realised_rate_is_its_formula,
         {"std": SPREADS, "mean": st.integers(-3, 3), "rate": SHARES,
          "temperature": st.sampled_from((2.0**-20, 1.0, 1e6))}),
        (the_realised_rate_is_between,
         {"law": FALLING, "rate": SHARES, "k": st.floats(0.01, 100.0),
          "times": st.floats(1.5, 100.0)}),
        (the_limits_are_bounds, {"k": SPREADS, "rate": SHARES}),
        (a_larger_rate_realises_more,
         {"law": FALLING, "rate": SHARES, "more": st.floats(0.01, 0.99),
          "k": st.floats(0.01, 100.0)}),
        (calibrated_is_the_rate,
         {"signal": st.lists(st.integers(-999, 999), min_size=1, max_size=20), "rate": SHARES,
          "temperature": st.sampled_from((2.0**-6, 1.0, 64.0))}),
        (recall_is_between, {"k": SPREADS, "rate": SHARES}),
        (the_hard_gate_keeps_its_count,
         {"signal": st.sets(st.integers(-9999, 9999), min_size=1, max_size=60),
          "rate": SHARES | st.just(1.0)}),
        (the_share_off_by_one,
         {"bits": st.integers(1, 6), "a": st.integers(0, 63), "first": st.integers(1, 200)}),
    )
}  # fmt: skip


@pytest.mark.parametrize("name", CHECKS)
def test_a_claim_holds_over_its_hypotheses(name):
    body, strategies = CHECKS[name]
    settings(suppress_health_check=list(HealthCheck))(given(**strategies)(body))()


MUTANTS = [
    ("batch price without the own signal", "exact.priced_bandit.at_quantile_price",
     "given=(float(value),)", "given=()", over_batches_both_adapt),
    ("leave-one-out of n", "exact.priced_bandit.at_leave_one_out_price", "n - 1, rate", "n, rate",
     None),
    ("Z = kept", "exact.priced_bandit.Outcomes.update", "weight @ self.vectors",
     "weight @ self.vectors / max(1e-9, float(weight.sum()))", over_batches_both_adapt),
    ("law of n for the mixture", "claims.price_own.leave_one_out_mixture",
     'n if price == "batch" else n - 1', "n", leave_one_out_is_a_mixture),
    ("own signal in the price", "claims.price_own._enumerated", 'if price == "batch":', "if True:",
     leave_one_out_is_a_mixture),
    ("bound without its exponent", "claims.price_bias.quantile_price_in_an_atom",
     "np.exp(-2.0 * (n - 1) * inside**2)", "np.exp(-40.0 * (n - 1) * inside**2)",
     inside_an_atom_the_bias_is_below_its_bound),
    ("the update at a alone", "claims.price_bias.quantile_price_at_a_gap",
     "0.5 * (ends[0].mean + ends[1].mean)", "5.0 * (ends[0].mean + ends[1].mean)",
     at_a_gap_the_update_is_near_the_mixture),
    ("no effect on the own price", "claims.price_density.quantile_price_first_order",
     "order.price[0] + order.own[0]", "order.price[0]", the_order_is_closed),
    ("no bias of the price", "exact.quantile_order.first_order",
     "(1.0 - 2.0 * p) * g1 / f + spread", "spread", the_order_is_closed),
    ("no curvature of the quantile", "exact.quantile_order.first_order",
     "g2 / f**2 - g1 * slope / f**3", "g2 / f**2", the_order_is_closed),
    ("one decision at the price missing", "exact.quantile_density.batch_price_mean",
     "x, x, n - 1 - low", "x, x, n - 2 - low", the_order_is_closed),
    ("price of the rate, not of 1 - rate", "exact.realised_rate.NormalMixture.upper_quantile",
     "self.means[0] - self.stds[0] * ndtri(share)", "self.means[0] + self.stds[0] * ndtri(share)",
     the_realised_rate_is_its_formula),
    ("coarse rule", "exact.realised_rate.logistic_normal",
     "np.arange(-REACH, REACH + STEP / 2, STEP)", "np.arange(-3.0, 3.0, STEP)",
     the_realised_rate_is_its_formula),
    ("quantile price for the realised rate is the calibrated one", "claims.price_rate_laws._rate",
     'if price == "quantile":', 'if price != "quantile":', the_realised_rate_is_between),
    ("first limit without its slope", "claims.price_rate_laws.realised_rate_limits",
     "0.5 + k * z / 4.0", "0.5", the_limits_are_bounds),
    ("second limit too sharp", "claims.price_rate_laws.realised_rate_limits", "(6.0 * k**2)",
     "(60.0 * k**2)", the_limits_are_bounds),
    ("price of the other rate", "claims.price_rate_laws.realised_rate_rises",
     "law, larger, t", "law, rate, t", a_larger_rate_realises_more),
    ("rate of the quantile price", "price.Calibrated.solve",
     "values = np.sort(np.asarray(signal, dtype=np.float64))",
     "return upper_quantile(signal, self.rate)", calibrated_is_the_rate),
    ("bound on the recall without the spread", "claims.price_calibrated.calibrated_recall",
     "ndtr(k + ndtri(rate))", "ndtr(0.5 * k + ndtri(rate))", recall_is_between),
    ("recall of all that is kept", "exact.realised_rate.recall_at_price",
     "float(expit(bend)) * float(law.above(q))", "0.0", recall_is_between),
    (">= for > in the gate", "gate.keep_probability", "(signal > price)", "(signal >= price)",
     the_hard_gate_keeps_its_count),
    ("count from n", "claims.price_count.hard_gate_count", "(values.size - 1) * Fraction(rate)",
     "values.size * Fraction(rate)", the_hard_gate_keeps_its_count),
    ("k by floor", "gate.top_k_count", "round(rate * valid)", "int(rate * valid)",
     the_share_off_by_one),
]  # fmt: skip


def leave_one_out_of_a_bandit():
    """Two decisions: each meets the other's signal as its price."""
    law = price_bias.three_arms()
    at = at_leave_one_out_price(law, 2, 0.3, 0.5)
    keep = expit((law.signals[:, None] - law.signals) / 0.5) @ law.probabilities
    np.testing.assert_allclose(at.mean, law.update(keep).mean, rtol=0, atol=16 * EPS)


def test_leave_one_out_of_two_meets_the_other():
    leave_one_out_of_a_bandit()


@pytest.mark.parametrize("row", MUTANTS, ids=lambda row: row[0])
def test_a_mutant_dies(row):
    name, target, old, new, killer = row
    hunt = settings(
        max_examples=200, derandomize=True, database=None, deadline=None,
        phases=(Phase.explicit, Phase.generate), suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    check = leave_one_out_of_a_bandit
    if killer is not None:
        check = hunt(given(**CHECKS[killer.__name__][1])(killer))
    with Mutant(name, target, old, new, "").alive(), pytest.raises(AssertionError):
        check()
