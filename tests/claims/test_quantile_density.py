"""Prices of continuous signals, by other routes: more digits, grids of batches, extrapolation."""

import mpmath
import numpy as np
import pytest
from scipy.special import expit, ndtri

from kondo_ref.claims import price_bias, price_density
from kondo_ref.exact.atoms import Bandit, FiniteRewards, GaussianRewards
from kondo_ref.exact.batches import Baseline
from kondo_ref.exact.priced_bandit import (
    at_fixed_price,
    at_leave_one_out_price,
    at_quantile_price,
    outcomes_of_bandit,
)
from kondo_ref.exact.quantile_density import MarkedSignal, batch_price_mean, leave_one_out_mean
from kondo_ref.exact.quantile_law import population_quantile
from kondo_ref.exact.quantile_order import first_order
from kondo_ref.exact.realised_rate import NormalMixture, logistic_normal, recall_at_price

EPS = float(np.finfo(np.float64).eps)


@pytest.mark.parametrize(("std", "rate"), [(0.05, 0.03), (1.0, 0.03), (5.0, 0.1), (200.0, 0.5)])
def test_logistic_normal_in_more_digits(std, rate):
    z = ndtri(rate)

    def integrand(x):
        return mpmath.npdf(x) / (1 + mpmath.exp(-std * (x + z)))

    cuts = sorted({-20, -5, 0, 1, 5, 20, *(-float(z) + d / std for d in (-30, -5, 0, 5, 30))})
    more = float(mpmath.quad(integrand, [c for c in cuts if -20 <= c <= 20]))
    assert abs(float(logistic_normal(std * z, std)) - more) <= 16 * EPS


def test_recall_in_more_digits():
    law, rate, price = NormalMixture.normal(5.0), 0.03, 10.0
    z = -float(ndtri(rate))
    more = mpmath.quad(
        lambda x: mpmath.npdf(x) / (1 + mpmath.exp(price - 5 * x)), [z, z + 0.5, 3, 5, 20]
    )
    assert recall_at_price(law, price, 1.0, rate) == pytest.approx(float(more) / rate, rel=1e-13)


@pytest.mark.parametrize(("n", "rate"), [(2, 0.4), (3, 0.25), (3, 0.7)])
def test_order_statistics_by_a_dense_grid_of_batches(n, rate):
    # All batches of normal quantiles: the midpoint rule in probability, of order 1/cells.
    cells = 80
    grid = ndtri((np.arange(cells) + 0.5) / cells)
    batch = np.stack(np.meshgrid(*[grid] * n, indexing="ij"), axis=-1).reshape(-1, n)
    price = np.quantile(batch, 1 - rate, axis=1)[:, None]
    marked = MarkedSignal.count(NormalMixture.normal(1.0))
    exact = float(batch_price_mean(marked, n, rate, 0.5)[0])
    assert expit((batch - price) / 0.5).mean() == pytest.approx(exact, abs=1.0 / cells)
    if n == 3:
        others = np.quantile(batch[:, 1:], 1 - rate, axis=1)
        loo = float(leave_one_out_mean(marked, 3, rate, 0.5)[0])
        assert expit((batch[:, 0] - others) / 0.5).mean() == pytest.approx(loo, abs=1.0 / cells)


def test_a_marked_update_turns_by_the_order_of_one_over_n():
    # Two arms of normal reward with surprisals log 2: v = U (1, -1)/2 or U (-1, 1)/2.
    law = NormalMixture(np.array([0.5, 0.5]), np.log(2) * np.array([0.5, -0.5]),
                        np.log(2) * np.array([1.0, 1.5]))  # fmt: skip
    slope = np.array([[0.5, 0.25], [-0.5, 0.75]]) / np.log(2)
    marked = MarkedSignal(law, np.zeros((2, 2)), slope)
    order = first_order(marked, 0.25, 1.0)
    sizes = [256 * 2**j + 1 for j in range(4)]
    for part in range(2):
        scaled = [
            n * float((batch_price_mean(marked, n, 0.25, 1.0) - order.limit)[part]) for n in sizes
        ]
        value, last = price_density.extrapolated([1 / n for n in sizes], scaled)
        coefficient = float((order.price + order.own)[part])
        assert abs(value - coefficient) <= 10 * abs(last) + 128 * sizes[-1] * EPS


def test_the_bias_of_a_bandit_falls_exponentially():
    law = price_bias.three_arms()
    fixed = at_fixed_price(law, population_quantile(law.signal, 0.375).lower, 0.25)
    sizes = (101, 201, 401)
    bias = [np.linalg.norm(at_quantile_price(law, n, 0.375, 0.25).mean - fixed.mean) for n in sizes]
    # Twice the batch divides c/n^k by the same number again; this falls faster each time.
    assert bias[2] / bias[1] < (bias[1] / bias[0]) ** 1.5
    assert bias[1] / bias[0] < 0.1


def test_what_is_refused():
    law = price_bias.three_arms()
    with pytest.raises(ValueError, match="n: expected at least 2 decisions, got 1"):
        at_leave_one_out_price(law, 1, 0.5, 1.0)
    bandit = Bandit.single(GaussianRewards(np.zeros(2), np.ones(2)))
    with pytest.raises(ValueError, match="bandit: expected finite rewards"):
        outcomes_of_bandit(bandit, np.zeros((1, 2)))
    finite = Bandit.single(FiniteRewards.certain(np.array([0.0, 1.0])))
    with pytest.raises(ValueError, match="baseline: expected one of zero"):
        outcomes_of_bandit(finite, np.zeros((1, 2)), baseline=Baseline("batch-mean"))
    with pytest.raises(ValueError, match="stds: expected numbers >= 0, got -1"):
        NormalMixture.normal(-1.0)
    with pytest.raises(ValueError, match="law: expected stds above 0"):
        MarkedSignal.count(NormalMixture.normal(0.0))
