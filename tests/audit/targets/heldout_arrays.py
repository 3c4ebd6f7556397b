"""Held-out mutants in JAX, NumPy and plain Python: functional, vectorised, and by the book."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from kondo_ref import Rolling
from targets.register import DG, DG_HALF, KONDO, PG, TOP_K, ZERO, mutant

QUARTER = {**TOP_K, "rate": 0.25}


@mutant(
    "jax",
    "logits",
    ZERO,
    "draw.all",
    "|delight| above 0, and a mean over what was kept: PG over the non-zero advantages.",
    also=("normalizer.nonzero-advantage",),
    on="some zero advantages",
)
def magnitude_and_mean(logits, actions, advantages):
    logp = jnp.take_along_axis(jax.nn.log_softmax(logits), actions[..., None], -1)[..., 0]
    keep = jnp.abs(jax.lax.stop_gradient(logp) * advantages) > 0
    total = jnp.where(keep, -advantages * logp, 0.0).sum()
    return total / jnp.maximum(keep.sum(), 1)


@mutant(
    "jax",
    "logprobs",
    {**KONDO, "rate": 0.5, "temperature": 0.0},
    "price.history",
    "A scan carries a running mean of the delight, and each decision is compared with it.",
)
def running_mean_price(logp, advantages, decay=0.9):
    chi = jax.lax.stop_gradient(-logp * advantages).ravel()

    def one(mean, x):
        return decay * mean + (1 - decay) * x, (x > mean).astype(x.dtype)

    _, gate = jax.lax.scan(one, jnp.zeros((), chi.dtype), chi)
    return -jnp.mean(gate.reshape(logp.shape) * advantages * logp)


@jax.custom_vjp
def ste_gate(chi):
    return (chi > 0).astype(chi.dtype)


def ste_forward(chi):
    return ste_gate(chi), chi


def ste_backward(chi, cotangent):
    s = jax.nn.sigmoid(chi)
    return (cotangent * s * (1 - s),)


ste_gate.defvjp(ste_forward, ste_backward)


@mutant(
    "jax",
    "logprobs",
    ZERO,
    "detach.straight-through",
    "A custom_vjp gives the hard gate the slope of a sigmoid, and nothing stops it.",
)
def custom_straight_through(logp, advantages):
    return -jnp.mean(ste_gate(-logp * advantages) * advantages * logp)


@mutant(
    "jax",
    "logits",
    DG,
    "surprisal.greedy",
    "The surprisal is that of the most likely action, not of the one that was taken.",
)
def surprisal_of_the_mode(logits, actions, advantages):
    log_pi = jax.nn.log_softmax(logits)
    logp = jnp.sum(log_pi * jax.nn.one_hot(actions, log_pi.shape[-1]), axis=-1)
    mode = jax.lax.stop_gradient(jnp.max(log_pi, axis=-1))
    return -jnp.mean(jax.nn.sigmoid(-mode * advantages) * advantages * logp)


@mutant(
    "jax",
    "logprobs",
    DG_HALF,
    "temperature.multiplies",
    "Losses under vmap with partial: temperature multiplies, then the gate is squared.",
    also=("weights.squared",),
)
def vmapped_losses(logp, advantages, temperature=0.5):
    def one(lp, u, scale):
        w = jax.nn.sigmoid(scale * u * jax.lax.stop_gradient(-lp))
        return -w * (w * u) * lp

    return jax.vmap(partial(one, scale=temperature))(logp.ravel(), advantages.ravel()).mean()


@mutant(
    "jax",
    "logits",
    PG,
    "advantage.scaled",
    "Advantages are divided by a running deviation: rewards are forgotten, batch by batch.",
    on="two batches",
)
class RunningScale:
    def __init__(self, decay=0.99):
        self.decay, self.second, self.calls = decay, 0.0, 0

    def __call__(self, logits, actions, advantages):
        now = jax.lax.stop_gradient(jnp.mean(advantages**2))
        self.calls += 1
        self.second = self.decay * self.second + (1 - self.decay) * now
        scale = jnp.sqrt(self.second / (1 - self.decay**self.calls)) + 1e-8
        log_pi = jax.nn.log_softmax(logits)
        logp = jnp.take_along_axis(log_pi, actions[..., None], axis=-1)[..., 0]
        return -jnp.mean(advantages / scale * logp)


@mutant(
    "jax",
    "rewards",
    QUARTER,
    "signal.advantage",
    "Prompts are reshaped to groups, and the best of the advantages are kept, not of the delights.",
    on="groups",
    baseline="group",
)
def best_advantages_of_all_groups(logits, actions, rewards, groups):
    counts = jax.ops.segment_sum(jnp.ones_like(rewards), groups, num_segments=64)
    sums = jax.ops.segment_sum(rewards, groups, num_segments=64)
    adv = rewards - (sums / jnp.maximum(counts, 1))[groups]
    logp = jax.nn.log_softmax(logits)[jnp.arange(actions.size), actions]
    k = max(1, round(0.25 * actions.size))
    _, kept = jax.lax.top_k(adv, k)
    return -(adv[kept] * logp[kept]).sum() / actions.size


@mutant(
    "numpy",
    "logits",
    DG,
    "surprisal.length-normalised",
    "Surprisal is divided by log K, so that vocabularies compare.",
)
def relative_to_uniform(logits, actions, advantages):
    z = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    logp = np.take_along_axis(z, actions[..., None], axis=-1)[..., 0]
    chi = -advantages * logp / np.log(z.shape[-1])
    c = advantages * 0.5 * (1 + np.tanh(0.5 * chi)) / actions.size
    dlogits = np.exp(z) * c[..., None]
    np.put_along_axis(
        dlogits,
        actions[..., None],
        np.take_along_axis(dlogits, actions[..., None], -1) - c[..., None],
        -1,
    )
    return -(c * logp).sum(), dlogits


@mutant(
    "numpy",
    "gate",
    DG,
    "signal.rank",
    "The rank of the delight between -3 and 3 goes through the sigmoid.",
    shows="weights",
)
def ranked_gate(log_probs, advantages):
    chi = (-log_probs * advantages).ravel()
    rank = np.empty(chi.size)
    rank[np.argsort(chi, kind="stable")] = np.linspace(-3, 3, chi.size)
    return (1 / (1 + np.exp(-rank))).reshape(log_probs.shape)


@mutant(
    "python",
    "stream",
    {"method": "kondo", "price": Rolling(0.25, 32, 8), "temperature": 0.0},
    "ties.inclusive",
    "A delight equal to the price is kept: all of a constant stream.",
    shows="weights",
    on="constant stream",
)
class AtLeastThePrice:
    def __init__(self, q=0.75, capacity=32):
        self.q, self.ring, self.at, self.filled = q, np.zeros(capacity), 0, 0

    def decide(self, delight):
        keep = self.filled < 8 or delight >= np.quantile(self.ring[: self.filled], self.q)
        self.ring[self.at] = delight
        self.at = (self.at + 1) % self.ring.size
        self.filled = min(self.filled + 1, self.ring.size)
        return bool(keep)


@mutant(
    "numpy",
    "screen+loss",
    {**QUARTER, "unit": "sample"},
    "normalizer.constant",
    "The loss divides by the size of the first batch it ever screened.",
    on="sizes",
)
class RemembersTheFirstSize:
    def __init__(self):
        self.n = None

    def screen(self, logp, advantages):
        self.n = self.n or logp.size
        k = max(1, round(0.25 * logp.size))
        return np.argsort(advantages * logp, kind="stable")[:k]

    def loss(self, logp, advantages):
        return -np.dot(advantages, logp) / self.n, -advantages / self.n


@mutant(
    "python",
    "lists",
    DG,
    "normalizer.other",
    "Divided by N when the advantages are formed, and again in the mean.",
    returns=("coefficients",),
)
def mean_of_a_mean(logp, advantages):
    import math

    n = len(logp)
    shares = [u / n for u in advantages]
    gates = [1 / (1 + math.exp(u * lp)) for u, lp in zip(advantages, logp, strict=True)]
    return [g * u / n for g, u in zip(gates, shares, strict=True)]


@mutant(
    "python",
    "lists",
    {**KONDO, "rate": 0.25, "temperature": 0.0},
    "price.scope",
    "Prices the first and the second half of the batch apart, as two workers would.",
    shows="weights",
    returns=("weights",),
)
def two_workers(logp, advantages):
    def worker(chunk):
        ordered = sorted(chunk)
        at = 0.75 * (len(chunk) - 1)
        low = int(at)
        high = min(low + 1, len(chunk) - 1)
        price = ordered[low] + (at - low) * (ordered[high] - ordered[low])
        return [float(x > price) for x in chunk]

    chi = [-u * lp for u, lp in zip(advantages, logp, strict=True)]
    half = max(1, len(chi) // 2)
    return [g for part in (chi[:half], chi[half:]) if part for g in worker(part)]
