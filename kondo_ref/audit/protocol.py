"""The protocol of the framework subprocess: targets in any language, JSON lines over a pipe.

The audit starts a command, writes one JSON object a line to its standard input and reads one line
for each from its standard output. Numbers that JSON has no word for are the strings ``"nan"``,
``"inf"`` and ``"-inf"``, both ways. What the command writes to standard error, and lines of its
output that are no JSON objects, are taken as printed.

hello, once after each start::

    {"type": "hello", "protocol": 1, "surface": "logits"}
    -> {"protocol": 1, "takes": ["mask", "sequences"], "versions": {"node": "20.1"}}

`takes` names what may be handed besides: mask, groups, sequences (arrays as (B, T)).

call, once for each batch::

    {"type": "call", "id": 7, "fresh": true, "seed": 0, "dtype": "float64",
     "logits": [[0.1, 1.2], ...], "actions": [1, ...], "advantages": [0.5, ...], "mask": null}
    -> {"id": 7, "coefficients": [0.1, ...]}

`fresh` is true for the first batch of a sequence: a target that remembers forgets then. `seed` is
for its generator, then. The arguments are those of the surface:

=========== =========================================== =====================================
surface     handed                                      answered
=========== =========================================== =====================================
logits      logits, actions, advantages, mask, uniforms dlogits, or coefficients
logprobs    logp, advantages, mask, uniforms            dlogp, or coefficients
rewards     logits, actions, rewards, groups, mask      dlogits, or coefficients
gate, lists logp, advantages, mask, uniforms            weights (gate: the same), coefficients
stream      delight                                     weights, one for each, decided in order
screen+loss logp, advantages, mask, uniforms            kept: indices, or booleans
=========== =========================================== =====================================

`coefficients` are c_i with dloss/dlogits_i = -c_i (onehot(a_i) - pi_i). An answer may have `loss`
and `metrics`, an object of numbers. On the surface screen+loss a second message follows, with the
kept decisions alone; `decisions` is the number of valid ones in the whole batch::

    {"type": "loss", "id": 8, "logp": [...], "advantages": [...], "decisions": 32}
    -> {"id": 8, "dlogp": [...], "loss": 0.3}

A batch that the target refuses is answered by ``{"id": 7, "error": "one line"}``.
"""

import json
from typing import Any

import numpy as np

from kondo_ref.audit.guard import Unreadable
from kondo_ref.checks import FloatArray

PROTOCOL = 1
TAKES = ("mask", "groups", "sequences")
# What is handed on each surface, beside mask and groups.
HANDED = {
    "logits": ("logits", "actions", "advantages", "uniforms"),
    "logprobs": ("logp", "advantages", "uniforms"),
    "rewards": ("logits", "actions", "rewards", "uniforms"),
    "gate": ("logp", "advantages", "uniforms"),
    "lists": ("logp", "advantages", "uniforms"),
    "stream": ("delight",),
    "screen+loss": ("logp", "advantages", "uniforms"),
}
WORDS = {"nan": np.nan, "inf": np.inf, "-inf": -np.inf, "infinity": np.inf, "-infinity": -np.inf}


def encoded(value: Any) -> Any:
    """Return arrays and numbers as JSON values, those that JSON has no word for as strings."""
    if isinstance(value, np.ndarray):
        array: Any = value
        if array.dtype.kind != "f" or np.isfinite(array).all():
            return array.tolist()
        return encoded(array.tolist())
    if isinstance(value, list):
        return [encoded(one) for one in value]
    if isinstance(value, float) and not np.isfinite(value):
        return "nan" if np.isnan(value) else ("inf" if value > 0 else "-inf")
    return value


def line(message: dict[str, Any]) -> str:
    """Return a message as one line of JSON."""
    return json.dumps({name: encoded(value) for name, value in message.items()}, allow_nan=False)


def number(value: Any) -> float:
    """Return a number that came as one, or as the word for it.

    Raises
    ------
    Unreadable
        It is neither.
    """
    if isinstance(value, str) and value.lower() in WORDS:
        return float(WORDS[value.lower()])
    if isinstance(value, bool | int | float):
        return float(value)
    raise Unreadable(f"answered {value!r:.40} where a number was expected")


def array(value: Any, name: str) -> FloatArray:
    """Return nested lists of numbers as a float64 array.

    Raises
    ------
    Unreadable
        They are not rectangular, or hold something else.
    """

    def numbers(part: Any) -> Any:
        return [numbers(one) for one in part] if isinstance(part, list) else number(part)

    try:
        return np.array(numbers(value), dtype=np.float64)
    except ValueError:
        raise Unreadable(f"answered {name} that are not rectangular") from None
