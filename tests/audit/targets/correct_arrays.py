"""Correct implementations in JAX, NumPy and plain Python, each in a style of its own."""

from bisect import insort
from collections import deque
from math import exp, floor, isfinite, tanh

import jax
import jax.numpy as jnp
import numpy as np

from kondo_ref import Fixed, Rolling
from targets.register import DG, KONDO, PG, TOP_K, ZERO, correct


@correct("jax", "logits", DG)
def dg_vmapped(logits, actions, advantages):
    if actions.ndim != 1:
        raise ValueError(f"actions: expected (N,), got {actions.shape}")

    def one(z, a, u):
        logp = jax.nn.log_softmax(z)[a]
        w = jax.nn.sigmoid(u * jax.lax.stop_gradient(-logp))
        return -w * u * logp

    return jnp.mean(jax.vmap(one)(logits, actions, advantages))


@correct("jax", "logprobs", {**DG, "temperature": 0.5, "price": Fixed(0.5)})
def dg_stop_gradient(logp, advantages, mask=None, price=0.5, temperature=0.5):
    w = jax.nn.sigmoid((jax.lax.stop_gradient(-logp) * advantages - price) / temperature)
    loss = -w * advantages * logp
    if mask is None:
        return loss.mean()
    valid = mask.astype(bool)
    return jnp.where(valid, loss, 0.0).sum() / jnp.maximum(valid.sum(), 1)


@correct("jax", "logprobs", {**TOP_K, "rate": 0.25})
def top_k_lax(logp, advantages, rate=0.25):
    chi = jax.lax.stop_gradient(-logp * advantages).ravel()
    _, kept = jax.lax.top_k(chi, max(1, round(rate * chi.size)))
    return -jnp.take(advantages.ravel() * logp.ravel(), kept).sum() / chi.size


@correct("jax", "logits", KONDO)
def kondo_with_key(logits, actions, advantages, key, rate=0.1):
    logp = jnp.take_along_axis(jax.nn.log_softmax(logits), actions[..., None], -1).squeeze(-1)
    chi = jax.lax.stop_gradient(-logp * advantages)
    w = jax.nn.sigmoid(chi - jnp.quantile(chi, 1.0 - rate))
    gate = jax.random.bernoulli(key, w)
    return -jnp.mean(jnp.where(gate, advantages * logp, 0.0 * advantages * logp))


@correct("jax", "rewards", DG, baseline="batch")
def dg_with_batch_baseline(logits, actions, rewards):
    log_pi = jax.nn.log_softmax(logits)
    logp = jnp.einsum("nk,nk->n", log_pi, jax.nn.one_hot(actions, logits.shape[-1]))
    advantages = rewards - jnp.mean(rewards)
    gate = jax.nn.sigmoid(-jax.lax.stop_gradient(logp) * advantages)
    return -jnp.mean(gate * advantages * logp), {"gate": gate.mean()}


@correct("numpy", "logits", ZERO)
def zero_price_by_hand(logits, actions, advantages):
    """Return the gradient alone, of the kept rows."""
    if not (np.isfinite(logits).all() and np.isfinite(advantages).all()):
        raise ValueError("not finite")
    z = logits - logits.max(axis=-1, keepdims=True)
    p = np.exp(z)
    p /= p.sum(axis=-1, keepdims=True)
    # l > 0 wherever the action is not certain, so the sign of the delight is that of U.
    surprising = z.shape[-1] > 1
    kept = np.nonzero((advantages > 0) & surprising)
    dlogits = np.zeros_like(logits)
    dlogits[kept] = p[kept] * advantages[kept][:, None] / actions.size
    dlogits[(*kept, actions[kept])] -= advantages[kept] / actions.size
    return dlogits


@correct("numpy", "logits", PG)
def pg_in_loops(logits, actions, advantages):
    n, k = logits.shape
    loss, grad = 0.0, np.zeros((n, k))
    for i in range(n):
        top = max(logits[i])
        total = sum(exp(z - top) for z in logits[i])
        for j in range(k):
            pi = exp(logits[i, j] - top) / total
            grad[i, j] = advantages[i] * (pi - (j == actions[i])) / n
        loss -= advantages[i] * (logits[i, actions[i]] - top - np.log(total)) / n
    return loss, grad


@correct("numpy", "gate", {**KONDO, "rate": 0.2})
def kondo_gate_from_uniforms(log_probs, advantages, uniforms, rate=0.2):
    chi = -log_probs * advantages
    if not np.isfinite(chi).all():
        raise ValueError("delight: expected finite numbers")
    price = np.quantile(chi, 1 - rate)
    w = 0.5 * (1 + np.tanh((chi - price) / 2))
    return (uniforms < w).astype(chi.dtype)


@correct("numpy", "gate", {**KONDO, "rate": 0.25, "temperature": 0.0})
def kondo_at_temperature_zero(log_probs, advantages):
    chi = -log_probs * advantages
    if np.isnan(chi).any() or np.isinf(chi).any():
        raise FloatingPointError("delight")
    ordered = np.sort(chi, axis=None)
    position = 0.75 * (chi.size - 1)
    low = floor(position)
    high = min(low + 1, chi.size - 1)
    price = ordered[low] + (position - low) * (ordered[high] - ordered[low])
    return np.where(chi > price, 1.0, 0.0)


@correct("numpy", "logprobs", {**DG, "unit": "sequence"})
def dg_sequence_masked_arrays(logp, advantages, mask):
    delight = np.ma.masked_array(-advantages * logp, mask=~mask.astype(bool))
    chi = delight.mean(axis=1, keepdims=True).filled(0.0)
    coef = np.where(mask.astype(bool), advantages / (1 + np.exp(-chi)), 0.0)
    coef /= max(int(mask.astype(bool).sum()), 1)
    return -(coef * logp).sum(), -coef


@correct("numpy", "screen+loss", ZERO)
class NumpyFilter:
    def screen(self, logp, advantages):
        if not np.isfinite(logp * advantages).all():
            raise ValueError("delight: not finite")
        self.size = logp.size
        return np.flatnonzero(-logp * advantages > 0)

    def loss(self, logp, advantages):
        dlogp = -advantages / self.size
        return np.sum(dlogp * logp), dlogp


@correct("python", "lists", DG, returns=("weights",))
def dg_list_of_weights(logp, advantages):
    return [0.5 * (1.0 + tanh(-0.5 * u * lp)) for lp, u in zip(logp, advantages, strict=True)]


@correct("python", "lists", {**TOP_K, "rate": 0.25}, returns=("coefficients",))
def top_k_list_of_coefficients(logp, advantages, rate=0.25):
    n = len(logp)
    if not all(map(isfinite, [*logp, *advantages])):
        raise ValueError("logp, advantages: expected finite numbers")
    # sorted() is stable: the first of equal delights stays first.
    ranked = sorted(range(n), key=lambda i: advantages[i] * logp[i])
    kept = set(ranked[: max(1, round(rate * n))])
    return [u / n if i in kept else 0.0 for i, u in enumerate(advantages)]


@correct("python", "stream", {"method": "kondo", "price": Rolling(0.25, 32, 8), "temperature": 0.0})
class RollingStream:
    """Keeps a sorted copy of the window, so that the quantile is two look-ups."""

    def __init__(self, rate=0.25, history=32, warmup=8):
        self.rate, self.history, self.warmup = rate, history, warmup
        self.window, self.ordered = deque(), []

    def price(self):
        if len(self.ordered) < self.warmup:
            return float("-inf")
        position = (1 - self.rate) * (len(self.ordered) - 1)
        low = floor(position)
        high = min(low + 1, len(self.ordered) - 1)
        a, b = self.ordered[low], self.ordered[high]
        return a + (position - low) * (b - a)

    def decide(self, delight):
        if not isfinite(delight):
            raise ValueError(f"delight: {delight}")
        keep = delight > self.price()
        self.window.append(delight)
        insort(self.ordered, delight)
        if len(self.window) > self.history:
            self.ordered.remove(self.window.popleft())
        return keep


@correct("python", "stream", ZERO)
class SignStream:
    def decide(self, delight):
        if not isfinite(delight):
            raise ValueError(f"delight: {delight}")
        return delight > 0
