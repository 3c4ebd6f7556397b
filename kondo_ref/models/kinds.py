"""The kinds of models there are, and their settings as JSON values."""

from dataclasses import asdict
from typing import Any

from kondo_ref.models.mlp import MLP
from kondo_ref.models.transformer import Transformer

Model = MLP | Transformer

KINDS: dict[str, type[Model]] = {"mlp": MLP, "transformer": Transformer}


def kind_of(model: Model) -> str:
    """Return the name of a model's kind."""
    for kind, cls in KINDS.items():
        if isinstance(model, cls):
            return kind
    raise TypeError(f"model: expected one of {', '.join(KINDS)}, got {model!r}")


def describe(model: Model) -> dict[str, Any]:
    """Return ``kind`` and the settings of a model, as JSON values."""
    settings = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(model).items()}
    return {"kind": kind_of(model), **settings}


def model_of(description: dict[str, Any]) -> Model:
    """Return the model of a description.

    Raises
    ------
    TypeError, ValueError
        No such kind, or other settings than it has.
    """
    settings = dict(description)
    kind = settings.pop("kind", None)
    if kind not in KINDS:
        raise ValueError(f"kind: expected one of {', '.join(KINDS)}; got {kind!r}")
    return KINDS[kind](**settings)


def require_mlp(model: Model, backend: str) -> MLP:
    """Return the model if it is an MLP; refuse others for a backend that has no other.

    Raises
    ------
    TypeError
        Another kind of model.
    """
    if not isinstance(model, MLP):
        raise TypeError(f"state: the backend {backend} trains an MLP only, got a {kind_of(model)}")
    return model
