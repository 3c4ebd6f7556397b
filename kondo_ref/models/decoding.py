"""Sampling token by token with a key-value cache: what a rollout costs one forward for.

The prompt runs once, each new token alone, against the keys and values of those before it. B
sequences with prompts of P tokens and S sampled ones; D wide, H heads of width W. The actions are
those of a sampler that runs the whole forward for every token, on the same uniforms, as long as no
uniform falls within rounding of a boundary of the inverse CDF.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kondo_ref import checks
from kondo_ref.checks import FloatArray, IntArray
from kondo_ref.delight import log_softmax
from kondo_ref.layers import gelu_forward, linear_forward, norm_forward, relu_forward
from kondo_ref.models.block import BlockParameters
from kondo_ref.models.packing import Packing
from kondo_ref.models.transformer import Transformer
from kondo_ref.parameters import Parameters
from kondo_ref.randomness import sample_actions

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class KeyValues:
    """Keys and values of the tokens so far, and room for those to come.

    Parameters
    ----------
    keys, values : list of (B, H, P + S - 1, W) float
        One a block.
    """

    keys: list[Array]
    values: list[Array]


def generate(
    model: object, parameters: Parameters, prompts: IntArray, uniforms: FloatArray
) -> IntArray:
    """Sample a continuation of every prompt.

    Parameters
    ----------
    model : Transformer
        Whose actions are tokens that it reads: A <= V.
    parameters : Parameters
    prompts : (B, P) int
        In 0..V-1. A prompt that occurs more than once is run once.
    uniforms : (B, S) float
        In [0, 1): token s of sequence b is drawn by the inverse CDF of uniforms[b, s].

    Returns
    -------
    (B, S) int64

    Raises
    ------
    TypeError, ValueError
        Prompts or uniforms of another kind or shape, more tokens than the model has positions for
        (P + S - 1 are read), or logits that are not finite (the parameters have diverged).
    """
    if not isinstance(model, Transformer):
        raise TypeError(f"model: expected a Transformer to sample tokens from, got {model!r}")
    prompts, steps = check_rollout(model, prompts, uniforms)
    draws = np.asarray(uniforms)
    different, which = np.unique(prompts, axis=0, return_inverse=True)
    logits, memory = _start(model, parameters, different, which.ravel(), steps)
    actions = np.empty((len(prompts), steps), np.int64)
    for step in range(steps):
        if step:
            place = prompts.shape[1] + step - 1
            # What overflows shows in the logits.
            with np.errstate(over="ignore", invalid="ignore"):
                logits = _extend(model, parameters, memory, actions[:, step - 1], place)
        probabilities = np.exp(log_softmax(checks.logits_array(logits)))
        actions[:, step] = sample_actions(probabilities, draws[:, step])
    return actions


def check_rollout(model: Transformer, prompts: Any, uniforms: Any) -> tuple[IntArray, int]:
    """Return the prompts as an array (B, P) and the number of tokens to sample, or refuse them."""
    if model.actions > model.vocabulary:
        raise ValueError(
            f"model: {model.actions} actions cannot be read back by a vocabulary of "
            f"{model.vocabulary}"
        )
    packing = Packing.of(prompts, model.vocabulary, "prompts")
    if not packing.whole:
        raise ValueError("prompts: expected prompts of one length, got one that ends early")
    grid = np.asarray(prompts)
    shape = checks.any_array("uniforms", uniforms).shape
    if len(shape) != 2 or shape[0] != grid.shape[0] or shape[1] == 0:
        raise ValueError(f"uniforms: expected shape ({grid.shape[0]}, S), S >= 1, got {shape}")
    if grid.shape[1] + shape[1] - 1 > model.length:
        raise ValueError(
            f"uniforms: prompts of {grid.shape[1]} and {shape[1]} sampled tokens do not fit into "
            f"the model's length {model.length}"
        )
    checks.uniform_array(uniforms, shape)
    return grid, shape[1]


def _start(
    model: Transformer, parameters: Parameters, prompts: IntArray, which: IntArray, steps: int
) -> tuple[Array, KeyValues]:
    """Run the prompts (U, P); return logits (B, A) after them and the memory of all B sequences."""
    n, p = prompts.shape
    last = np.arange(n) * p + p - 1
    logits, cache = model.forward(parameters, prompts, asking=last)
    keys: list[Array] = []
    values: list[Array] = []
    for block in cache.blocks:
        for rows, room in ((block.key, keys), (block.value, values)):
            split = rows.reshape(n, p, model.heads, -1).swapaxes(1, 2)
            buffer = np.empty((which.size, model.heads, p + steps - 1, split.shape[3]), rows.dtype)
            buffer[:, :, :p] = split[which]
            room.append(buffer)
    return logits[which], KeyValues(keys, values)


def _extend(
    model: Transformer, parameters: Parameters, memory: KeyValues, tokens: IntArray, place: int
) -> Array:
    """Read one more token (B,) of every sequence, at `place`; return the logits (B, A) after it.

    Notes
    -----
    Cost a sequence: the products of one row, and matmul 4 (place + 1) D a block for the attention.
    """
    x = parameters["token_embedding"][tokens] + parameters["position_embedding"][place]
    for block in range(model.layers):
        p = BlockParameters(parameters, block + 1)
        x = _block(model, p, x, memory.keys[block], memory.values[block], place)
    if model.final_norm:
        offset = parameters.views.get("final_norm_offset")
        x = norm_forward(x, parameters["final_norm_gain"], offset)[0]
    return linear_forward(x, parameters["head"], parameters.views.get("head_bias"))


def _block(
    model: Transformer, p: BlockParameters, x: Array, keys: Array, values: Array, place: int
) -> Array:
    """Run one block on one row a sequence, and remember its key and value."""
    n, width = x.shape
    every = slice(None)
    a = norm_forward(x, p["norm1_gain"], p.optional("norm1_offset"))[0]
    qkv = linear_forward(a, *p.part("query_key_value", every))
    query, key, value = qkv.reshape(n, 3, model.heads, -1).swapaxes(0, 1)
    keys[:, :, place], values[:, :, place] = key, value
    scores = np.matmul(keys[:, :, : place + 1], query[..., None])[..., 0]
    scores *= scores.dtype.type(query.shape[2] ** -0.5)
    scores -= scores.max(axis=2, keepdims=True)
    weights = np.exp(scores, out=scores)
    weights /= weights.sum(axis=2, keepdims=True)
    context = np.matmul(weights[:, :, None], values[:, :, : place + 1]).reshape(n, width)
    middle = linear_forward(context, *p.part("projection", every))
    middle += x
    b = norm_forward(middle, p["norm2_gain"], p.optional("norm2_offset"))[0]
    inner = linear_forward(b, *p.part("expand", every))
    hidden = relu_forward(inner) if model.activation == "relu" else gelu_forward(inner)[0]
    out = linear_forward(hidden, *p.part("contract", every))
    out += middle
    return out
