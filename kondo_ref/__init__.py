"""The executable definition of the Delightful Policy Gradient and of the Kondo gate.

observations -> forward -> logits -> surprisal -> delight -> price -> keep probability -> gate
-> kept rows -> backward -> update. One module a station; everything before the gate is the
screening (forward only), everything after it sees the kept rows only.

The public names below are loaded on first use, so importing the package loads no array library.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kondo_ref.backend import load_backend
    from kondo_ref.delight import log_softmax, priority_signal, surprisal
    from kondo_ref.gate import Gate, keep_probability
    from kondo_ref.gradient import PolicyGradient, policy_gradient
    from kondo_ref.models.mlp import MLP
    from kondo_ref.models.transformer import Transformer
    from kondo_ref.optim import SGD, Adam
    from kondo_ref.parameters import Parameters
    from kondo_ref.price import Calibrated, Fixed, Quantile, Rolling
    from kondo_ref.randomness import Purpose, sample_actions, uniforms
    from kondo_ref.screening import Screening, Selectivity, screen, screen_surprisal
    from kondo_ref.step import Learner, StepResult, TrainingState

__version__ = "0.1.0"

_HOME = {
    "log_softmax": "delight",
    "priority_signal": "delight",
    "surprisal": "delight",
    "Gate": "gate",
    "keep_probability": "gate",
    "PolicyGradient": "gradient",
    "policy_gradient": "gradient",
    "MLP": "models.mlp",
    "Transformer": "models.transformer",
    "Adam": "optim",
    "SGD": "optim",
    "Parameters": "parameters",
    "Calibrated": "price",
    "Fixed": "price",
    "Quantile": "price",
    "Rolling": "price",
    "Purpose": "randomness",
    "sample_actions": "randomness",
    "uniforms": "randomness",
    "Screening": "screening",
    "Selectivity": "screening",
    "screen": "screening",
    "screen_surprisal": "screening",
    "Learner": "step",
    "StepResult": "step",
    "TrainingState": "step",
    "load_backend": "backend",
}

__all__ = [
    "MLP",
    "SGD",
    "Adam",
    "Calibrated",
    "Fixed",
    "Gate",
    "Learner",
    "Parameters",
    "PolicyGradient",
    "Purpose",
    "Quantile",
    "Rolling",
    "Screening",
    "Selectivity",
    "StepResult",
    "TrainingState",
    "Transformer",
    "keep_probability",
    "load_backend",
    "log_softmax",
    "policy_gradient",
    "priority_signal",
    "sample_actions",
    "screen",
    "screen_surprisal",
    "surprisal",
    "uniforms",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'kondo_ref' has no attribute {name!r}")
    value = getattr(import_module(f"kondo_ref.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
