"""The bandit's settings: the two experiments, what is refused, and which gate a method has."""

import json
from typing import Any

import pytest

from kondo_ref.gate import Gate
from kondo_ref.price import Calibrated, Fixed, Quantile
from kondo_ref.tasks.bandit.settings import METHODS, Settings


def test_settings_survive_json() -> None:
    settings = Settings.of({"experiment": "single-context", "price": "0.25", "methods": ["ce"]})
    assert Settings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings


def test_the_published_experiments() -> None:
    many, single = Settings.of({}), Settings.of({"experiment": "single-context", "arms": 7})
    assert many == Settings()
    assert (many.contexts, many.arms, many.spread, many.baseline) == (100, 10, 1.0, "zero")
    assert (many.gradients, many.learning_rate) == ("exact", 0.1)
    assert (single.contexts, single.arms, single.spread, single.batch) == (1, 7, 0.0, 100)
    assert (single.gradients, single.baseline, single.baseline_value) == (
        "sampled",
        "constant",
        0.5,
    )


def test_the_gate_of_every_method() -> None:
    settings = Settings(rate=0.2, temperature=0.5, price="calibrated")
    assert {method: settings.gate(method) for method in METHODS} == {
        "pg": Gate.named("pg"),
        "dg": Gate.named("dg", temperature=0.5),
        "kondo": Gate.named("kondo", price=Calibrated(0.2), temperature=0.5),
        "zero-price": Gate.named("zero-price"),
        "kondo-top-k": Gate.named("kondo-top-k", rate=0.2),
        "ce": Gate.named("pg"),
    }
    assert settings.price_has_rate
    assert Settings(price="-1").gate("kondo").price == Fixed(-1.0)
    assert Settings().gate("kondo").price == Quantile(0.03)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"experiment": "one"}, ValueError, "experiment: expected one of many-contexts, single"),
        ({"methods": ("ppo",)}, ValueError, "methods: expected one of pg, dg, kondo"),
        ({"steps": 0}, ValueError, "steps: expected at least 1, got 0"),
        ({"contexts": 0}, ValueError, "contexts: expected at least 1, got 0"),
        ({"arms": 1}, ValueError, "arms: expected at least 2, got 1"),
        ({"contexts": 10_000, "arms": 100}, ValueError, "contexts: expected at most 10,000,000"),
        ({"spread": -1.0}, ValueError, "spread: expected a number in [0, 100], got -1.0"),
        ({"gradients": "true"}, ValueError, "gradients: expected one of exact, sampled"),
        ({"batch": 1.5}, TypeError, "batch: expected an integer, got 1.5"),
        ({"baseline": "mean"}, ValueError, "baseline: expected one of zero, constant"),
        ({"baseline_value": float("inf")}, ValueError, "baseline_value: expected a finite"),
        ({"learning_rate": 0.0}, ValueError, "learning_rate: expected a finite number > 0"),
        ({"rate": 0.0}, ValueError, "rate: expected a number in (0, 1], got 0.0"),
        ({"temperature": -1.0}, ValueError, "temperature: expected a finite number >= 0"),
        ({"price": "low"}, ValueError, "price: expected quantile, calibrated, rolling or a number"),
        ({"price": "rolling"}, ValueError, "price: a rolling price needs --gradients sampled"),
    ],
)
def test_a_setting_out_of_range_is_refused(
    given: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as refusal:
        Settings.of(given)
    assert str(refusal.value).startswith(message)
