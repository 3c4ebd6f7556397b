"""Steps on a table of logits, in JAX and NumPy: wrong ones and right ones."""

import jax
import jax.numpy as jnp
import numpy as np

from targets.register import DG, ZERO, correct, mutant


@correct("jax", "step", DG)
def dg_gradient_of_a_table(params, observations, actions, advantages):
    def loss(p):
        logp = jax.nn.log_softmax(p[observations])[jnp.arange(actions.size), actions]
        gate = jax.lax.stop_gradient(jax.nn.sigmoid(-logp * advantages))
        return -jnp.mean(gate * advantages * logp)

    return jax.grad(loss)(params)


@mutant(
    "jax",
    "step",
    DG,
    "detach.gate",
    "jax.grad runs through the gate, in a step on a table of logits.",
)
def attached_gradient_of_a_table(params, observations, actions, advantages):
    def loss(p):
        logp = jax.nn.log_softmax(p[observations])[jnp.arange(actions.size), actions]
        return jnp.mean(-jax.nn.sigmoid(-logp * advantages) * advantages * logp)

    return jax.grad(loss)(params)


@mutant(
    "numpy",
    "step",
    ZERO,
    "normalizer.kept",
    "The table moves by the mean over the kept decisions.",
)
def mean_of_the_kept_on_a_table(params, observations, actions, advantages, lr=0.1):
    z = params[observations]
    log_pi = z - np.logaddexp.reduce(z, axis=-1, keepdims=True)
    chi = -advantages * log_pi[np.arange(actions.size), actions]
    new = params.copy()
    kept = np.flatnonzero(chi > 0)
    for i in kept:
        score = -np.exp(log_pi[i])
        score[actions[i]] += 1.0
        new[observations[i]] += lr * advantages[i] * score / len(kept)
    return new
