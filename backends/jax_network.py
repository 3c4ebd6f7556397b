"""JAX, part two: the multilayer perceptron, its gradient on the kept rows, SGD and Adam.

The gradient is that of `jax.value_and_grad`, nothing is derived by hand: so agreeing with the
reference's backward means something. The kept rows go through the forward once more, as autodiff
under jit wants it; the rows that were dropped go through it only once, without a gradient.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array

from kondo_ref.backends.jax_stations import Tree, gated_loss, gather_kept, log_softmax


def network(parameters: Tree, x: Array) -> Array:
    """Return the logits (N, K) of observations (N, D[0]).

    The products are asked for in full precision: an accelerator would otherwise run float32 ones
    with fewer bits. The relu is JAX's, with slope 0 at 0; `jnp.maximum` has 1/2 there.
    """
    layers = len(parameters) // 2
    for layer in range(1, layers + 1):
        weight, bias = parameters[f"weight{layer}"], parameters[f"bias{layer}"]
        x = jnp.matmul(x, weight, precision=jax.lax.Precision.HIGHEST) + bias
        if layer < layers:
            x = jax.nn.relu(x)
    return x


@jax.jit
def policy_of(parameters: Tree, x: Array) -> tuple[Array, Array, Array, Array]:
    """Return logits, log pi, and whether all observations and all logits are finite."""
    logits = network(parameters, x)
    return logits, log_softmax(logits), jnp.isfinite(x).all(), jnp.isfinite(logits).all()


def network_loss(parameters: Tree, x: Array, actions: Array, coefficients: Array) -> Array:
    """Return the gated loss of some rows as a function of the parameters."""
    return gated_loss(network(parameters, x), actions, coefficients)


@partial(jax.jit, static_argnames="capacity")
def network_gradient(
    parameters: Tree,
    x: Array,
    actions: Array,
    weight: Array,
    advantages: Array,
    divisor: float | Array,
    capacity: int,
) -> tuple[Array, Tree]:
    """Return the gated loss and its gradient in the parameters, from `capacity` rows alone."""
    rows, coefficients = gather_kept(weight, advantages, divisor, capacity)
    return jax.value_and_grad(network_loss)(parameters, x[rows], actions[rows], coefficients)


@jax.jit
def sgd_step(parameters: Tree, gradient: Tree, learning_rate: float | Array) -> Tree:
    """Return theta - learning_rate * g."""
    return {name: theta - learning_rate * gradient[name] for name, theta in parameters.items()}


@partial(jax.jit, static_argnames=("beta1", "beta2"))
def adam_step(
    parameters: Tree,
    gradient: Tree,
    first: Tree,
    second: Tree,
    rate: float | Array,
    epsilon: float | Array,
    below: float | Array,
    *,
    beta1: float,
    beta2: float,
) -> tuple[Tree, Tree, Tree]:
    """Return parameters and moments after a step.

    `rate` and `epsilon` come from the host with the bias corrections in them, in float64 also for
    float32 parameters. Moments smaller than `below` are set to 0.
    """
    after: tuple[Tree, Tree, Tree] = ({}, {}, {})
    for name, theta in parameters.items():
        g = gradient[name]
        m = beta1 * first[name] + (1.0 - beta1) * g
        v = beta2 * second[name] + (1.0 - beta2) * (g * g)
        after[0][name] = theta - rate * (m / (jnp.sqrt(v) + epsilon))
        for moments, moment in zip(after[1:], (m, v), strict=True):
            moments[name] = jnp.where(jnp.abs(moment) < below, 0.0, moment)
    return after
