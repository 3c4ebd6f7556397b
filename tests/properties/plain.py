"""The transformer once more, as slowly as it is defined: one token, one head, one number at a time.

Sums are `math.fsum`, so nothing here depends on their order, and only the formulas are left to be
wrong. Vectors are lists of floats.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from kondo_ref.models.transformer import Transformer
from kondo_ref.parameters import Parameters

Vector = Sequence[float]

NORM_EPSILON = 1e-6


def dot(a: Vector, b: Vector) -> float:
    return math.fsum(x * y for x, y in zip(a, b, strict=True))


def product(x: Vector, weight: np.ndarray, bias: np.ndarray | None) -> list[float]:
    columns = weight.T.tolist()
    offsets = [0.0] * len(columns) if bias is None else bias.tolist()
    return [dot(x, column) + offset for column, offset in zip(columns, offsets, strict=True)]


def norm(x: Vector, gain: np.ndarray, offset: np.ndarray | None) -> list[float]:
    mean = math.fsum(x) / len(x)
    centred = [v - mean for v in x]
    deviation = math.sqrt(dot(centred, centred) / len(x) + NORM_EPSILON)
    offsets = [0.0] * len(x) if offset is None else offset.tolist()
    return [v / deviation * g + o for v, g, o in zip(centred, gain.tolist(), offsets, strict=True)]


def gelu(x: float) -> float:
    return x * 0.5 * math.erfc(-x / math.sqrt(2.0))


def attend(query: Vector, keys: Sequence[Vector], values: Sequence[Vector]) -> list[float]:
    """Return the softmax-weighted mean of `values`, in one head."""
    scores = [dot(query, key) / math.sqrt(len(query)) for key in keys]
    weights = [math.exp(score - max(scores)) for score in scores]
    total = math.fsum(weights)
    return [dot([w / total for w in weights], column) for column in zip(*values, strict=True)]


def attention(
    query: Vector, keys: Sequence[Vector], values: Sequence[Vector], heads: int
) -> list[float]:
    """Return what every head attends to, one after the other."""
    w = len(query) // heads
    context: list[float] = []
    for h in range(heads):
        part = slice(h * w, (h + 1) * w)
        context += attend(query[part], [k[part] for k in keys], [v[part] for v in values])
    return context


def logits(model: Transformer, parameters: Parameters, tokens: Sequence[int]) -> Any:
    """Return the logits (T, A) of one sequence."""
    views = parameters.views

    def normalized(name: str, x: Vector) -> list[float]:
        return norm(x, views[f"{name}_gain"], views.get(f"{name}_offset"))

    def multiplied(name: str, x: Vector) -> list[float]:
        return product(x, views[name], views.get(f"{name}_bias"))

    d = model.width
    rows = [
        (views["token_embedding"][token] + views["position_embedding"][t]).tolist()
        for t, token in enumerate(tokens)
    ]
    for block in range(1, model.layers + 1):
        name = f"block{block}"
        made = [multiplied(f"{name}_query_key_value", normalized(f"{name}_norm1", x)) for x in rows]
        keys, values = [row[d : 2 * d] for row in made], [row[2 * d :] for row in made]
        for t, row in enumerate(made):
            context = attention(row[:d], keys[: t + 1], values[: t + 1], model.heads)
            after = add(rows[t], multiplied(f"{name}_projection", context))
            inner = multiplied(f"{name}_expand", normalized(f"{name}_norm2", after))
            act = gelu if model.activation == "gelu" else relu
            rows[t] = add(after, multiplied(f"{name}_contract", [act(v) for v in inner]))
    if model.final_norm:
        rows = [normalized("final_norm", x) for x in rows]
    return np.array([multiplied("head", x) for x in rows])


def relu(x: float) -> float:
    return max(x, 0.0)


def add(a: Vector, b: Vector) -> list[float]:
    return [x + y for x, y in zip(a, b, strict=True)]
