"""What `Gate`, the prices, the random numbers and the baselines refuse, and in which words."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from refusal import refused

from kondo_ref import baselines, randomness
from kondo_ref.gate import Gate
from kondo_ref.price import Calibrated, Fixed, Price, Quantile, Rolling

TOP, SOFT = {"draw": "top_k"}, {"draw": "soft"}
GATES: list[tuple[dict[str, Any], type[Exception], str, str]] = [
    ({"signal": "regret"}, ValueError, "signal", "'regret'"),
    ({"draw": "hard"}, ValueError, "draw", "'hard'"),
    ({"unit": "episode"}, ValueError, "unit", "'episode'"),
    ({"temperature": -0.5}, ValueError, "temperature", "-0.5"),
    ({"temperature": np.inf}, ValueError, "temperature", "inf"),
    ({"temperature": np.nan}, ValueError, "temperature", "nan"),
    ({"temperature": True}, TypeError, "temperature", "True"),
    ({"temperature": "1"}, TypeError, "temperature", "'1'"),
    ({"temperature": 10**400}, ValueError, "temperature", "1000"),
    ({"price": Calibrated(0.5), "temperature": 0.0}, ValueError, "temperature", "0.0"),
    ({"price": 0.0}, TypeError, "price", "0.0"),
    ({"price": None}, TypeError, "price", "None"),
    ({"rate": 0.5, **SOFT}, ValueError, "rate", "0.5"),
    ({"rate": 0.5, "draw": "bernoulli"}, ValueError, "rate", "0.5"),
    (TOP, ValueError, "rate", "None"),
    ({**TOP, "rate": 0.0}, ValueError, "rate", "0.0"),
    ({**TOP, "rate": 1.1}, ValueError, "rate", "1.1"),
    ({**TOP, "rate": 0.5, "price": Quantile(0.5)}, ValueError, "price", "Quantile(rate=0.5)"),
    ({**TOP, "rate": 0.5, "price": Fixed(1.0)}, ValueError, "price", "Fixed(value=1.0)"),
    ({"signal": "additive"}, ValueError, "alpha", "None"),
    ({"alpha": 0.5}, ValueError, "alpha", "0.5"),
    ({"signal": "additive", "alpha": -0.1}, ValueError, "alpha", "-0.1"),
    ({"signal": "additive", "alpha": 1.5}, ValueError, "alpha", "1.5"),
    ({"signal": "additive", "alpha": np.nan}, ValueError, "alpha", "nan"),
    ({"signal": "additive", "alpha": "half"}, TypeError, "alpha", "'half'"),
]


@pytest.mark.parametrize(("arguments", "error", "name", "shown"), GATES)
def test_gate_is_refused(
    arguments: dict[str, Any], error: type[Exception], name: str, shown: str
) -> None:
    refused(lambda: Gate(**arguments), error, name, shown)


@pytest.mark.parametrize(
    ("name", "arguments", "argument", "shown"),
    [
        ("ppo", {}, "name", "'ppo'"),
        ("pg", {"rate": 0.5}, "rate", "0.5"),
        ("pg", {"price": Fixed(1.0)}, "price", "Fixed(value=1.0)"),
        ("pg", {"temperature": 1.0}, "temperature", "1.0"),
        ("dg", {"rate": 0.5}, "rate", "0.5"),
        ("zero-price", {"temperature": 1.0}, "temperature", "1.0"),
        ("zero-price", {"price": Fixed(1.0)}, "price", "Fixed(value=1.0)"),
        ("kondo", {}, "rate", "None"),
        ("kondo", {"rate": 0.5, "price": Fixed(1.0)}, "rate", "Fixed(value=1.0)"),
        ("kondo-top-k", {}, "rate", "None"),
        ("kondo-top-k", {"rate": 0.5, "temperature": 1.0}, "temperature", "1.0"),
        ("kondo-top-k", {"rate": 0.5, "price": Fixed(1.0)}, "price", "Fixed(value=1.0)"),
    ],
)
def test_named_gate_is_refused(
    name: str, arguments: dict[str, Any], argument: str, shown: str
) -> None:
    refused(lambda: Gate.named(name, **arguments), ValueError, argument, shown)


@pytest.mark.parametrize("price", [Quantile, Calibrated, Rolling])
@pytest.mark.parametrize(
    ("rate", "error"),
    [
        (0, ValueError),
        (-0.1, ValueError),
        (1.1, ValueError),
        (np.nan, ValueError),
        (np.inf, ValueError),
        (True, TypeError),
        ("0.5", TypeError),
        (None, TypeError),
    ],
)
def test_rate_is_refused(price: type[Price], rate: Any, error: type[Exception]) -> None:
    refused(lambda: price(rate), error, "rate", repr(rate))


@pytest.mark.parametrize(
    ("call", "error", "name", "shown"),
    [
        (lambda: Fixed(np.nan), ValueError, "value", "nan"),
        (lambda: Fixed(None), TypeError, "value", "None"),
        (lambda: Rolling(0.5, 0), ValueError, "history", "0"),
        (lambda: Rolling(0.5, 2.5), TypeError, "history", "2.5"),
        (lambda: Rolling(0.5, 4, 0), ValueError, "warmup", "0"),
        (lambda: Rolling(0.5, 4, 5), ValueError, "warmup", "5"),
        (lambda: Quantile(np.array([[0.5], [0.5]])), TypeError, "rate", "0.5"),
        (lambda: Calibrated(0.5).solve(np.ones(2), 0.0), ValueError, "temperature", "0.0"),
        (lambda: randomness.words(-1, 0, 0, 1), ValueError, "seed", "-1"),
        (lambda: randomness.words(0, 2**64, 0, 1), ValueError, "purpose", str(2**64)),
        (lambda: randomness.words(0, 0, 1.5, 1), TypeError, "step", "1.5"),
        (lambda: randomness.words(0, 0, 0, -1), ValueError, "n", "-1"),
        (lambda: randomness.uniforms(0, 0, 0, (1,), "f2"), TypeError, "dtype", "float16"),
        (
            lambda: randomness.sample_actions(np.ones((2, 2)) / 2, np.zeros((2, 1))),
            ValueError,
            "uniforms",
            "(2, 1)",
        ),
        (lambda: baselines.leave_one_out_mean(np.ones(1)), ValueError, "rewards", "1"),
        (
            lambda: baselines.leave_one_out_mean(np.ones(2), np.array([True, False])),
            ValueError,
            "rewards",
            "1",
        ),
        (lambda: baselines.batch_mean(np.ones(0)), ValueError, "rewards", "empty"),
        (lambda: baselines.batch_mean(np.array([np.nan])), ValueError, "rewards", "nan"),
        (lambda: baselines.batch_mean(np.ones(2), np.array([1, 0])), TypeError, "mask", "int64"),
        (lambda: baselines.batch_mean(np.ones(2), np.zeros(2, bool)), ValueError, "mask", "(2,)"),
        (
            lambda: baselines.group_mean(np.ones((2, 1)), np.zeros((2, 1), int)),
            ValueError,
            "rewards",
            "(2, 1)",
        ),
        (lambda: baselines.group_mean(np.ones(2), np.zeros(1, int)), ValueError, "groups", "(1,)"),
        (lambda: baselines.group_mean(np.ones(2), np.zeros(2)), TypeError, "groups", "float64"),
        (
            lambda: baselines.group_standardized(np.ones(2), np.zeros(2, int), epsilon=-1.0),
            ValueError,
            "epsilon",
            "-1.0",
        ),
        (
            lambda: baselines.group_standardized(np.ones(2), np.zeros(2, int), ddof=-1),
            ValueError,
            "ddof",
            "-1",
        ),
        (
            lambda: baselines.oracle_value(np.ones((2, 3)), np.ones(3)),
            ValueError,
            "action_rewards",
            "(3,)",
        ),
        (lambda: baselines.constant(np.ones(2), np.nan), ValueError, "value", "nan"),
    ],
)
def test_argument_is_refused(
    call: Callable[[], Any], error: type[Exception], name: str, shown: str
) -> None:
    refused(call, error, name, shown)
