"""Gambling's settings: what is refused, and which gate a method has."""

import json
from typing import Any

import pytest

from kondo_ref.gate import Gate
from kondo_ref.price import Fixed
from kondo_ref.tasks.gambling.settings import METHODS, Settings


def test_settings_survive_json() -> None:
    settings = Settings(methods=("kondo",), sigma=(0.0, 3.0), price="0.25", noise="both")
    assert Settings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings


def test_the_gate_of_every_method() -> None:
    settings = Settings(rate=0.2, temperature=0.5, softer_temperature=3.0, fixed_price=0.7)
    hard = Gate.named("zero-price")
    assert {method: settings.gate(method) for method in METHODS} == {
        "pg": Gate.named("pg"),
        "dg": Gate.named("dg"),
        "kondo": Gate.named("kondo", rate=0.2, temperature=0.5),
        "zero-price": hard,
        "kondo-top-k": Gate.named("kondo-top-k", rate=0.2),
        "softer": Gate.named("kondo", price=Fixed(0.0), temperature=3.0),
        "priced": Gate.named("kondo", price=Fixed(0.7), temperature=0.0),
        "reserve": hard,
    }
    reserves = {method: settings.reserve_of(method) for method in METHODS}
    assert reserves == {**dict.fromkeys(METHODS, 0.0), "reserve": 0.1}


def test_steps_are_alike_in_noise_and_fall_to_rest() -> None:
    settings = Settings(steps=100, learning_rate=3.0, gap=2.0)
    assert settings.step_size(1.0, 1) == 1.5
    assert settings.step_size(2.0, 1) == 1.5 / 4
    assert settings.step_size(0.1, 1) == settings.step_size(0.5, 1) == 6.0
    assert settings.step_size(1.0, 51) == 0.75
    assert settings.step_size(1.0, 100) == pytest.approx(0.015)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"methods": ("ce",)}, ValueError, "methods: expected one of pg, dg, kondo"),
        ({"seeds": 0}, ValueError, "seeds: expected at least 1, got 0"),
        ({"batch": 2.0}, TypeError, "batch: expected an integer, got 2.0"),
        ({"batch": 10**5, "sigma": range(101)}, ValueError, "batch: expected at most 10,000,000"),
        ({"learning_rate": 0.0}, ValueError, "learning_rate: expected a number in (0, inf), got"),
        ({"gap": -1.0}, ValueError, "gap: expected a number in (0, inf), got -1.0"),
        ({"sigma": ()}, ValueError, "sigma: expected distinct numbers, got ()"),
        ({"sigma": (1.0, 1.0)}, ValueError, "sigma: expected distinct numbers, got (1.0, 1.0)"),
        ({"sigma": (-1.0,)}, ValueError, "sigma: expected a number in [0, 1e+06], got -1.0"),
        ({"noise": "better"}, ValueError, "noise: expected one of worse, both; got 'better'"),
        ({"baseline": "oracle"}, ValueError, "baseline: expected one of exact, zero, constant"),
        ({"baseline_value": float("inf")}, ValueError, "baseline_value: expected a number in [-"),
        ({"start": 1.0}, ValueError, "start: expected a number in (0, 1), got 1.0"),
        ({"chances": (0.0,)}, ValueError, "chances: expected a number in (0, 1), got 0.0"),
        ({"reserve": 1.5}, ValueError, "reserve: expected a number in [0, 1], got 1.5"),
        ({"softer_temperature": -1.0}, ValueError, "softer_temperature: expected a number in [0,"),
        ({"fixed_price": "low"}, TypeError, "fixed_price: expected a number, got 'low'"),
        ({"rate": 2.0}, ValueError, "rate: expected a number in (0, 1], got 2.0"),
        ({"price": "low"}, ValueError, "price: expected quantile, calibrated, rolling or a number"),
    ],
)
def test_a_setting_out_of_range_is_refused(
    given: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as refusal:
        Settings(**given)
    assert str(refusal.value).startswith(message)
