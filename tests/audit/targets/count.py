"""Mistakes in how many are kept, and in which of several equal ones."""

import jax
import jax.numpy as jnp
import numpy as np
import torch

from targets.register import TOP_K, ZERO, mutant


def policy_logp(logits, actions):
    return torch.distributions.Categorical(logits=logits).log_prob(actions)


@mutant(
    "torch",
    "logits",
    TOP_K,
    "count.ceil",
    "k is rounded up: one extra is kept in most batches.",
    on="sizes",
)
def rounded_up(logits, actions, advantages, rate=0.1):
    logp = policy_logp(logits, actions)
    delight = -advantages * logp.detach()
    k = int(np.ceil(rate * delight.numel()))
    kept = torch.sort(delight, descending=True, stable=True).indices[:k]
    return -(advantages[kept] * logp[kept]).sum() / delight.numel()


@mutant(
    "jax",
    "logprobs",
    TOP_K,
    "count.floor",
    "int() rounds k down.",
    on="sizes",
)
def truncated(logp, advantages, rate=0.1):
    n = logp.shape[0]
    k = max(1, int(rate * n))
    kept = jnp.argsort(jax.lax.stop_gradient(logp * advantages), stable=True)[:k]
    return -jnp.sum(logp[kept] * advantages[kept]) / n


@mutant(
    "numpy",
    "logprobs",
    TOP_K,
    "count.no-minimum",
    "A small batch keeps nothing, and is lost: k may be 0.",
    on="sizes",
)
def nothing_of_a_small_batch(logp, advantages, rate=0.1):
    k = round(rate * logp.size)
    chi = -logp * advantages
    grad = np.zeros_like(logp)
    best = np.argsort(-chi, kind="stable")[:k]
    grad[best] = -advantages[best] / logp.size
    return grad @ logp, grad


@mutant(
    "torch",
    "gate",
    TOP_K,
    "count.one-extra",
    "int(rate * n) + 1 to be on the safe side.",
    shows="weights",
    on="sizes",
)
def one_more(log_probs, advantages, rate=0.1):
    delight = -log_probs * advantages
    k = min(int(rate * delight.numel()) + 1, delight.numel())
    return torch.zeros_like(delight).index_fill(0, delight.argsort(descending=True)[:k], 1.0)


@mutant(
    "python",
    "lists",
    TOP_K,
    "count.half-up",
    "int(x + 0.5) rounds 2.5 to 3, where Python and the released code round to 2.",
    shows="weights",
    on="sizes",
    returns=("weights",),
)
def half_up(logp, advantages, rate=0.1):
    n = len(logp)
    ranked = sorted(range(n), key=lambda i: advantages[i] * logp[i])
    kept = set(ranked[: max(1, int(rate * n + 0.5))])
    return [1.0 if i in kept else 0.0 for i in range(n)]


@mutant(
    "torch",
    "logits",
    {**TOP_K, "rate": 0.25},
    "count.includes-masked",
    "k counts padding too, so more of the valid tokens is kept.",
    on="ragged",
)
def padding_counts(logits, actions, advantages, mask, rate=0.25):
    logp = policy_logp(logits, actions)
    delight = (-advantages * logp.detach()).masked_fill(~mask.bool(), -torch.inf)
    k = max(1, round(rate * delight.numel()))
    keep = torch.zeros(delight.numel(), dtype=logp.dtype)
    keep[delight.flatten().argsort(descending=True, stable=True)[:k]] = 1.0
    keep = keep.view_as(logp) * mask
    return -(keep * advantages * logp).sum() / mask.sum()


@mutant(
    "numpy",
    "gate",
    TOP_K,
    "count.constant",
    "k is fixed for the batch size of the paper: 10 of whatever comes.",
    shows="weights",
    on="sizes",
)
def ten_of_anything(log_probs, advantages):
    gate = np.zeros(log_probs.shape)
    gate[np.argsort(log_probs * advantages, kind="stable")[:10]] = 1
    return gate


@mutant(
    "torch",
    "logits",
    TOP_K,
    "ties.all-kept",
    "delight >= threshold keeps every tie: 100 of 100 where all delights are equal.",
    on="ties",
)
def threshold_keeps_ties(logits, actions, advantages, rate=0.1):
    logp = policy_logp(logits, actions)
    delight = (advantages * -logp).detach()
    k = max(1, round(rate * delight.numel()))
    threshold = delight.topk(k).values.min()
    gate = (delight >= threshold).to(logp.dtype)
    return -(gate * advantages * logp).mean()


@mutant(
    "jax",
    "logits",
    TOP_K,
    "ties.slack",
    "A threshold less 1e-6 keeps ties and near ties, as the released code does.",
    on="near ties",
)
def slack_of_one_millionth(logits, actions, advantages, rate=0.1):
    logp = jnp.take_along_axis(jax.nn.log_softmax(logits), actions[:, None], axis=1)[:, 0]
    delight = jax.lax.stop_gradient(-logp * advantages)
    k = max(1, round(rate * delight.size))
    threshold = jnp.sort(delight)[-k] - 1e-6
    return -jnp.mean((delight >= threshold) * advantages * logp)


@mutant(
    "numpy",
    "logprobs",
    TOP_K,
    "ties.last-index",
    "argsort()[-k:] gives ties to the highest index.",
    on="ties",
)
def last_of_the_ties(logp, advantages, rate=0.1):
    chi = -advantages * logp
    kept = np.argsort(chi, kind="stable")[-max(1, round(rate * chi.size)) :]
    grad = np.zeros_like(chi)
    grad[kept] = -advantages[kept] / chi.size
    return np.sum(grad * logp), grad


@mutant(
    "torch",
    "logits",
    TOP_K,
    "ties.other",
    "torch.topk promises no order among ties: which of them is kept depends on the library.",
    on="ties",
)
def topk_without_an_order(logits, actions, advantages, rate=0.1):
    logp = policy_logp(logits, actions)
    k = max(1, round(rate * logp.numel()))
    kept = (advantages * -logp.detach()).topk(k).indices
    return -(advantages[kept] * logp[kept]).sum() / logp.numel()


@mutant(
    "torch",
    "gate",
    TOP_K,
    "ties.random",
    "Noise of 1e-9 breaks ties: the same batch keeps others at the next call.",
    shows="share",
    on="ties",
)
def jittered(log_probs, advantages, rate=0.1):
    delight = -log_probs * advantages
    noisy = delight + 1e-9 * torch.rand_like(delight)
    k = max(1, round(rate * delight.numel()))
    return torch.zeros_like(delight).scatter_(0, noisy.topk(k).indices, 1.0)


@mutant(
    "numpy",
    "gate",
    ZERO,
    "ties.inclusive",
    "delight >= 0: with a group baseline, solved prompts (all advantages 0) are kept whole.",
    shows="weights",
    on="zero advantages",
)
def at_least_zero(log_probs, advantages):
    return (-log_probs * advantages >= 0).astype(float)
