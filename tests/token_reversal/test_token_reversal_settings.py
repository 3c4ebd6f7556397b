"""The settings of token reversal: what they refuse, and which gate each method has."""

import json
from typing import Any

import pytest

from kondo_ref.gate import Gate
from kondo_ref.models.transformer import Transformer
from kondo_ref.price import Calibrated, Fixed, Quantile, Rolling
from kondo_ref.tasks.token_reversal.settings import METHODS, Settings


def test_settings_survive_json() -> None:
    settings = Settings(methods=("ppo",), epochs=3, length=4, price="0.25")
    assert Settings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings


def test_the_model_reads_the_question_and_all_answer_tokens_but_the_last() -> None:
    model = Settings(length=7, vocabulary=5, width=12, layers=1, heads=3, feed_forward=20).model()
    assert model == Transformer(
        vocabulary=6, actions=5, length=14, width=12, layers=1, heads=3, feed_forward=20
    )


def test_the_gate_of_every_method() -> None:
    settings = Settings(rate=0.2, temperature=0.5)
    everything = Gate.named("pg")
    kondo = {"price": Quantile(0.2), "temperature": 0.5}
    assert {method: settings.gate(method) for method in METHODS} == {
        "pg": everything,
        "dg": Gate.named("dg"),
        "kondo": Gate.named("kondo", unit="sequence", **kondo),
        "kondo-token": Gate.named("kondo", **kondo),
        "zero-price": Gate.named("zero-price", unit="sequence"),
        "zero-price-token": Gate.named("zero-price"),
        "kondo-top-k": Gate.named("kondo-top-k", rate=0.2, unit="sequence"),
        "kondo-top-k-token": Gate.named("kondo-top-k", rate=0.2),
        "ppo": everything,
        "pmpo": everything,
    }


@pytest.mark.parametrize(
    ("word", "price", "has_rate"),
    [
        ("quantile", Quantile(0.1), True),
        ("calibrated", Calibrated(0.1), True),
        ("rolling", Rolling(0.1), True),
        ("-0.5", Fixed(-0.5), False),
    ],
)
def test_the_price_of_a_word(word: str, price: Any, has_rate: bool) -> None:
    settings = Settings(rate=0.1, price=word)
    assert settings.gate("kondo").price == settings.gate("kondo-token").price == price
    assert settings.price_has_rate is has_rate


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"methods": ()}, ValueError, "methods: expected distinct names, got ()"),
        ({"methods": ("dg", "dg")}, ValueError, "methods: expected distinct names"),
        ({"methods": ("ce",)}, ValueError, "methods: expected one of pg, dg, kondo, kondo-token"),
        ({"seeds": 0}, ValueError, "seeds: expected at least 1, got 0"),
        ({"steps": 2.0}, TypeError, "steps: expected an integer, got 2.0"),
        ({"prompts": 0}, ValueError, "prompts: expected at least 1"),
        ({"samples": 1}, ValueError, "samples: the baseline group-mean needs at least 2, got 1"),
        (
            {"samples": 1, "baseline": "leave-one-out"},
            ValueError,
            "samples: the baseline leave-one-out needs at least 2, got 1",
        ),
        ({"length": 0}, ValueError, "length: expected at least 1, got 0"),
        ({"length": 10**6}, ValueError, "length: expected at most 100000, got 1000000"),
        ({"vocabulary": 1}, ValueError, "vocabulary: expected at least 2, got 1"),
        ({"reward": "sum"}, ValueError, "reward: expected one of prefix, fraction, exact"),
        ({"kappa": 1.5}, ValueError, "kappa: expected a number in [0, 1], got 1.5"),
        ({"zero_prompts": -0.1}, ValueError, "zero_prompts: expected a number in [0, 1]"),
        ({"alpha": "half"}, TypeError, "alpha: expected a number, got 'half'"),
        ({"noisy_zero": -1.0}, ValueError, "noisy_zero: expected a finite number >= 0, got -1.0"),
        ({"noisy_zero": float("inf")}, ValueError, "noisy_zero: expected a finite number"),
        ({"baseline": "mean"}, ValueError, "baseline: expected one of group-mean, leave-one-out"),
        ({"baseline_value": float("inf")}, ValueError, "baseline_value: expected a finite number"),
        ({"rate": 0}, ValueError, "rate: expected a number in (0, 1], got 0"),
        ({"price": "low", "methods": ("kondo",)}, ValueError, "price: expected quantile, calib"),
        ({"temperature": -1, "methods": ("kondo",)}, ValueError, "temperature: expected a finite"),
        ({"heads": 3}, ValueError, "heads: expected a divisor of the width 64, got 3"),
        ({"width": 0}, ValueError, "width: expected at least 1, got 0"),
        ({"learning_rate": 0.0}, ValueError, "learning_rate: expected a finite number > 0"),
        ({"dtype": "float16"}, ValueError, "dtype: expected one of float32, float64"),
        ({"normalizer": "tokens"}, ValueError, "normalizer: expected one of decisions"),
        ({"epochs": 0}, ValueError, "epochs: expected at least 1, got 0"),
        (
            {"epochs": 2, "methods": ("ppo", "pmpo")},
            ValueError,
            "epochs: expected 1 with pmpo, got 2: from its second update on",
        ),
        ({"clip": 0.0}, ValueError, "clip: expected a number in (0, 1), got 0.0"),
    ],
)
def test_what_settings_refuse(given: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as refusal:
        Settings(**given)
    assert str(refusal.value).startswith(message)
    assert "\n" not in str(refusal.value)
