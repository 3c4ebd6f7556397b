"""Functions that stand where the sigmoid of the gate does."""

from collections.abc import Callable

import numpy as np
from scipy.special import expit, ndtr

from kondo_ref.checks import FloatArray


def _softmax(x: FloatArray) -> FloatArray:
    top = np.exp(x - x.max()) if x.size else x
    return np.asarray(top / top.sum())


_SQUASHES: dict[str, Callable[[FloatArray], FloatArray]] = {
    "sigmoid": expit,
    "linear": lambda x: np.clip(0.5 + 0.25 * x, 0.0, 1.0),
    "hard-sigmoid": lambda x: np.clip(0.5 + x / 6.0, 0.0, 1.0),
    "clip": lambda x: np.clip(x, 0.0, 1.0),
    "probit": ndtr,
    "tanh": np.tanh,
    "positive-tanh": lambda x: np.maximum(np.tanh(x), 0.0),
    "exp": lambda x: np.exp(np.minimum(x, 0.0)),
    "square": lambda x: expit(x) ** 2,
    "complement": lambda x: expit(-x),
    "linear-above": lambda x: np.maximum(x, 0.0),
    "softmax": _softmax,
}


def squash(name: str, x: FloatArray) -> FloatArray:
    """Return the keep probability from the scaled distance to the price, (...) float.

    Raises
    ------
    ValueError
        An unknown name.
    """
    kind, _, share = name.partition(" ")
    if kind == "reserve":  # kept at random beside the gate
        return np.asarray(float(share) + (1.0 - float(share)) * expit(x))
    if name not in _SQUASHES:
        raise ValueError(f"squash: unknown, {name!r}")
    return np.asarray(_SQUASHES[name](x))
