"""Input that is legal and extreme: the answer is right, in the right dtype, without a warning.

Under `filterwarnings = error` a warning of NumPy fails the test.
"""

import numpy as np
import pytest

from kondo_ref import baselines
from kondo_ref.gate import Gate
from kondo_ref.gradient import policy_gradient
from kondo_ref.price import Calibrated, Fixed, Quantile
from kondo_ref.screening import screen

LOGITS, ACTIONS = np.zeros((2, 2)), np.array([0, 1])
GROUP = np.zeros(2, dtype=int)


@pytest.mark.parametrize("rewards", [[0, 1, 1], [3, 3, 4]])
def test_integer_rewards_are_not_truncated(rewards: list[int]) -> None:
    whole, real, group = np.array(rewards), np.array(rewards, dtype=float), np.zeros(3, dtype=int)
    for baseline in (
        baselines.batch_mean,
        baselines.leave_one_out_mean,
        lambda r: baselines.constant(r, 0.5),
        lambda r: baselines.group_mean(r, group),
        lambda r: baselines.group_standardized(r, group),
    ):
        np.testing.assert_array_equal(baseline(whole), baseline(real))


@pytest.mark.parametrize("alpha", [0.5, np.float64(0.5), np.float32(0.5)])
def test_additive_signal_stays_in_the_dtype_of_the_logits(alpha: float) -> None:
    gate = Gate(signal="additive", alpha=alpha)
    screening = screen(LOGITS.astype(np.float32), ACTIONS, np.ones(2), gate)
    assert screening.signal.dtype == np.float32
    assert screening.weight.dtype == np.float32


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("temperature", [1e-50, 1e-300, 5e-324])
def test_tiny_temperature_is_a_step(dtype: type, temperature: float) -> None:
    gate = Gate(signal="advantage", temperature=temperature)
    screening = screen(LOGITS.astype(dtype), ACTIONS, [1.0, -1.0], gate)
    assert screening.weight.tolist() == [1.0, 0.0]
    at_price = screen(LOGITS.astype(dtype), ACTIONS, [0.0, 0.0], gate)
    assert at_price.weight.tolist() == [0.5, 0.5]


def test_calibrated_price_at_a_tiny_temperature() -> None:
    gate = Gate(signal="advantage", price=Calibrated(0.5), temperature=1e-300)
    screening = screen(LOGITS, ACTIONS, [1e10, -1e10], gate)
    assert screening.weight.tolist() == [1.0, 0.0]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_price_beyond_float32(temperature: float) -> None:
    gate = Gate(price=Fixed(1e300), temperature=temperature)
    screening = screen(LOGITS.astype(np.float32), ACTIONS, np.ones(2), gate)
    assert screening.weight.tolist() == [0.0, 0.0]


@pytest.mark.parametrize(("rate", "price"), [(1.0, -1.5e308), (0.5, 0.0)])
def test_quantile_of_a_range_beyond_the_largest_float(rate: float, price: float) -> None:
    gate = Gate(signal="advantage", price=Quantile(rate), temperature=0.0)
    assert screen(LOGITS, ACTIONS, [1.5e308, -1.5e308], gate).price == price


def test_logits_beyond_the_largest_difference() -> None:
    logits = np.array([[1e308, -1e308], [1e308, -1e308]])
    result = policy_gradient(logits, np.zeros(2, dtype=int), np.ones(2), Gate.named("pg"))
    assert result.loss == 0.0
    assert not result.dlogits.any()


@pytest.mark.parametrize("spread", [1e-170, 1e-300, 1e170])
def test_standardized_rewards_of_any_spread(spread: float) -> None:
    found = baselines.group_standardized(np.array([0.0, spread]), GROUP)
    np.testing.assert_allclose(found, [-1.0, 1.0], rtol=1e-15)


def test_loss_that_overflows_is_refused() -> None:
    logits = np.array([[0.0, 100.0]])
    with pytest.raises(ValueError, match=r"^(loss|advantages): "):
        policy_gradient(logits, [0], [1e308], Gate.named("pg"))
