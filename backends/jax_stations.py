"""JAX, part one: the stations as pure functions of arrays, for jit and grad.

Logits -> log pi -> surprisal -> signal -> price -> keep probability -> gate -> kept rows -> loss.
Nothing here looks at a value or has a shape that depends on one: what is static (the kind of the
gate, the capacity of the kept rows) is an argument, and numbers that follow from the count of valid
decisions come in from the host, so that a new mask compiles nothing anew. Checking the input is the
business of `jax_screening` and `jax_backend`.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

Tree = dict[str, Array]


@jax.jit
def log_softmax(logits: Array) -> Array:
    """Return log pi (..., K), with log1p over all but the largest logit.

    The largest entry is cut out with `where` in both places, so that autodiff keeps its relative
    accuracy too: the gradient at a policy with pi(a) = 1 - 1e-12 is right to rounding.
    """
    largest = jnp.argmax(logits, axis=-1, keepdims=True)
    is_largest = jnp.arange(logits.shape[-1]) == largest
    top = jnp.take_along_axis(logits, largest, axis=-1)
    below = jnp.where(is_largest, 0.0, logits - top)
    others = jnp.where(is_largest, 0.0, jnp.exp(below))
    return below - jnp.log1p(others.sum(axis=-1, keepdims=True))


@jax.jit
def surprisal(log_probabilities: Array, actions: Array) -> Array:
    """Return l = -log pi(a) of the actions taken, (...)."""
    index = actions.astype(jnp.int32)[..., None]
    chosen: Array = jnp.take_along_axis(log_probabilities, index, axis=-1)[..., 0]
    return 0.0 - chosen


@jax.jit
def logits_surprisal(logits: Array, actions: Array) -> Array:
    """Return the surprisal of the actions under logits (..., K)."""
    level: Array = surprisal(log_softmax(logits), actions)
    return level


@partial(jax.jit, static_argnames="signal")
def priority_signal(
    signal: str, advantages: Array, surprisals: Array, alpha: float | Array
) -> Array:
    """Return the signal of every decision, (...)."""
    if signal == "additive":
        return alpha * advantages + (1.0 - alpha) * surprisals
    return {
        "delight": advantages * surprisals,
        "advantage": advantages,
        "abs_advantage": jnp.abs(advantages),
        "surprisal": surprisals,
        "uniform": jnp.ones_like(surprisals),
    }[signal]


@jax.jit
def sequence_signal(signal: Array, mask: Array | None) -> Array:
    """Return the mean signal (B,) over the valid tokens of every row of a (B, T) batch."""
    if mask is None:
        return signal.mean(axis=1)
    tokens = jnp.maximum(mask.sum(axis=1), 1).astype(signal.dtype)
    return jnp.where(mask, signal, 0.0).sum(axis=1) / tokens


@jax.jit
def neighbours(
    signal: Array, mask: Array | None, low: int | Array, high: int | Array
) -> tuple[Array, Array]:
    """Return two order statistics of the valid signals, between which a quantile lies."""
    ordered = jnp.sort(_or_last(signal, mask))
    return ordered[low], ordered[high]


@jax.jit
def top_k(signal: Array, mask: Array | None, k: int | Array) -> Array:
    """Mark the k largest valid signals, ties to the lowest index: the sort is stable."""
    order = jnp.argsort(_or_last(-signal, mask), stable=True)
    first = jnp.arange(order.size) < k
    return jnp.zeros(order.shape, dtype=bool).at[order].set(first).reshape(signal.shape)


def _or_last(values: Array, mask: Array | None) -> Array:
    """Return the values, flat, with infinity where invalid, so that a sort puts those last."""
    return (values if mask is None else jnp.where(mask, values, jnp.inf)).ravel()


@partial(jax.jit, static_argnames=("draw", "hard", "shape"))
def keep_and_weigh(
    signal: Array,
    price: float | Array,
    temperature: float | Array,
    k: int | Array,
    uniforms: Array | None,
    mask: Array | None,
    unit_mask: Array | None,
    *,
    draw: str,
    hard: bool,
    shape: tuple[int, ...],
) -> tuple[Array, Array]:
    """Return the keep probability w of every unit and the weight G of every decision, `shape`.

    A hard gate is one of temperature 0. Only what changes the program is static: another price,
    temperature or k is another input.
    """
    if draw == "top_k":
        w = top_k(signal, unit_mask, k).astype(signal.dtype)
    elif hard:
        w = (signal > price).astype(signal.dtype)
    else:
        w = keep_probability(signal, price, temperature)
    if unit_mask is not None:
        w = jnp.where(unit_mask, w, 0.0)
    weight = w
    if draw == "bernoulli" and uniforms is not None:
        weight = (uniforms < w).astype(signal.dtype)
    if weight.shape != shape:
        weight = jnp.broadcast_to(weight[:, None], shape)
        weight = weight if mask is None else jnp.where(mask, weight, 0.0)
    return w, weight


def keep_probability(signal: Array, price: float | Array, temperature: float | Array) -> Array:
    """Return sigmoid((signal - price) / temperature), computed in float64, in the signal's dtype.

    A temperature that is 0 or infinite in float32 divides in float64; one that is subnormal there
    divides by 0 in XLA, and what lies on the price is then 0 / 0: its probability is 1/2.
    """
    above = signal.astype(jnp.float64) - price
    x = jnp.where(above == 0.0, 0.0, above / temperature)
    tail = jnp.exp(-jnp.abs(x))
    return (jnp.where(x >= 0, 1.0, tail) / (1.0 + tail)).astype(signal.dtype)


@jax.jit
def sample_actions(log_probabilities: Array, uniforms: Array) -> Array:
    """Return an action for each decision by the inverse CDF, as the reference adds it up.

    From left to right: a parallel prefix sum may give an action of probability 0 a sliver.
    """
    probabilities = jnp.moveaxis(jnp.exp(log_probabilities), -1, 0)

    def add(total: Array, p: Array) -> tuple[Array, Array]:
        return total + p, total + p

    total, cdf = jax.lax.scan(add, jnp.zeros_like(probabilities[0]), probabilities)
    below_one = 1.0 - float(np.finfo(cdf.dtype).eps)
    threshold = jnp.minimum(uniforms * total, total * below_one)
    return jnp.argmax(cdf > threshold, axis=0)


@jax.jit
def confidence(log_probabilities: Array) -> Array:
    """Return the sum over a of pi(a)^2."""
    return jnp.square(jnp.exp(log_probabilities)).sum(axis=-1)


def capacity_for(kept: int, rows: int) -> int:
    """Return how many rows the backward runs for `kept` >= 1 of `rows`.

    The next power of two, at most all rows. jit compiles once for each shape: so it does at most
    log2(rows) + 2 times for a batch size, however often the number of kept rows changes.
    """
    return min(rows, 1 << (kept - 1).bit_length())


def gather_kept(
    weight: Array, advantages: Array, divisor: float | Array, capacity: int
) -> tuple[Array, Array]:
    """Return the kept rows in a buffer of fixed capacity, and c_i = G_i U_i / Z of each.

    The buffer is filled up with the first kept row and coefficient 0: a row that was dropped is
    not even read.
    """
    flat = weight.ravel()
    rows = jnp.nonzero(flat, size=capacity, fill_value=0)[0]
    real = jnp.arange(capacity) < jnp.count_nonzero(flat)
    rows = jnp.where(real, rows, rows[0])
    return rows, jnp.where(real, flat[rows] * advantages.ravel()[rows] / divisor, 0.0)


def gated_loss(logits: Array, actions: Array, coefficients: Array) -> Array:
    """Return -sum_i c_i log pi(a_i); the coefficients are constants, nothing to differentiate."""
    return jnp.sum(coefficients * logits_surprisal(logits, actions))


@partial(jax.jit, static_argnames="capacity")
def logits_gradient(
    logits: Array,
    actions: Array,
    weight: Array,
    advantages: Array,
    divisor: float | Array,
    capacity: int,
) -> tuple[Array, Array]:
    """Return the gated loss and its gradient in the logits, 0 in the rows that were not kept."""
    rows, coefficients = gather_kept(weight, advantages, divisor, capacity)
    flat = logits.reshape(-1, logits.shape[-1])
    loss, drows = jax.value_and_grad(gated_loss)(flat[rows], actions.ravel()[rows], coefficients)
    return loss, jnp.zeros_like(flat).at[rows].add(drows).reshape(logits.shape)
