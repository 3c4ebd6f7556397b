"""Mistakes in the draw of the gate, and in what a drawn decision weighs."""

import jax
import jax.numpy as jnp
import numpy as np
import torch

from targets.register import DG, KONDO, PG, TOP_K, mutant


def keep_probs(logp, advantages, rate):
    delight = (advantages * -logp).detach()
    return torch.sigmoid(delight - torch.quantile(delight, 1 - rate))


@mutant(
    "torch",
    "logprobs",
    KONDO,
    "draw.soft",
    "Weighs by the keep probability and draws nothing: no row is ever dropped.",
)
def never_drawn(logp, advantages, rate=0.1):
    return -(keep_probs(logp, advantages, rate) * advantages * logp).mean()


@mutant(
    "jax",
    "logprobs",
    KONDO,
    "draw.deterministic",
    "Keeps where the probability exceeds one half: a threshold at the price.",
    shows="share",
)
def more_likely_than_not(logp, advantages, rate=0.1):
    chi = jax.lax.stop_gradient(-logp * advantages)
    w = jax.nn.sigmoid(chi - jnp.quantile(chi, 1 - rate))
    return -jnp.mean(jnp.round(w) * advantages * logp)


@mutant(
    "torch",
    "gate",
    KONDO,
    "draw.complement",
    "rand > w: the decisions that should be dropped are kept.",
    shows="share",
)
def the_wrong_side_of_the_coin(log_probs, advantages, rate=0.1):
    w = keep_probs(log_probs, advantages, rate)
    return (torch.rand_like(w) > w).to(w.dtype)


@mutant(
    "numpy",
    "gate",
    KONDO,
    "draw.shared-uniform",
    "One random number for the batch: either the best ones are kept, or almost all.",
    shows="count",
)
def one_coin_for_all(log_probs, advantages, generator, rate=0.1):
    chi = -log_probs * advantages
    w = 1 / (1 + np.exp(np.quantile(chi, 1 - rate) - chi))
    return (generator.random() < w).astype(float)


@mutant(
    "torch",
    "gate",
    KONDO,
    "draw.fixed-seed",
    "A generator seeded with 0 in the call: the same uniforms at every step.",
    shows="share",
)
def seeded_in_the_call(log_probs, advantages, rate=0.1):
    g = torch.Generator().manual_seed(0)
    w = keep_probs(log_probs, advantages, rate)
    return (torch.rand(w.shape, generator=g, dtype=w.dtype) < w).to(w.dtype)


@mutant(
    "torch",
    "logits",
    TOP_K,
    "draw.bernoulli",
    "Draws with the sigmoid at the quantile price where exactly k are claimed.",
    shows="share",
)
def coin_flips_for_top_k(logits, actions, advantages, rate=0.1):
    logp = logits.log_softmax(-1).gather(-1, actions.unsqueeze(-1)).squeeze(-1)
    gate = torch.bernoulli(keep_probs(logp, advantages, rate))
    return -(gate * advantages * logp).sum() / logp.numel()


@mutant(
    "torch",
    "gate",
    KONDO,
    "draw.fixed-count",
    "Samples exactly k without replacement, in proportion to the keep probability.",
    shows="count",
)
def multinomial_k(log_probs, advantages, rate=0.1):
    w = keep_probs(log_probs, advantages, rate)
    k = max(1, round(float(w.sum())))
    return torch.zeros_like(w).index_fill(0, torch.multinomial(w, k), 1.0)


@mutant(
    "torch",
    "logprobs",
    KONDO,
    "draw.chained",
    "Survivors of the Kondo gate are weighted by the DG sigmoid again: a double gate.",
)
def double_gate(logp, advantages, rate=0.1):
    delight = (advantages * -logp).detach()
    survived = torch.rand_like(logp) < keep_probs(logp, advantages, rate)
    dg = torch.sigmoid(delight)
    return -(survived * dg * advantages * logp).mean()


@mutant(
    "numpy",
    "gate",
    KONDO,
    "draw.twice",
    "The filter runs in the collector and again in the learner: kept with w squared.",
    shows="share",
)
def filtered_twice(log_probs, advantages, generator, rate=0.1):
    chi = -log_probs * advantages
    w = 1 / (1 + np.exp(np.quantile(chi, 1 - rate) - chi))
    collected = generator.random(w.shape) < w
    return np.where(collected, generator.random(w.shape) < w, False).astype(float)


@mutant(
    "torch",
    "logits",
    KONDO,
    "weights.inverse-probability",
    "Survivors weigh 1/w, which estimates plain PG again.",
)
def importance_weighted_survivors(logits, actions, advantages, rate=0.1):
    logp = logits.log_softmax(-1).gather(-1, actions.unsqueeze(-1)).squeeze(-1)
    w = keep_probs(logp, advantages, rate)
    gate = torch.bernoulli(w) / w
    return -(gate * advantages * logp).mean()


@mutant(
    "jax",
    "logprobs",
    TOP_K,
    "weights.inverse-rate",
    "The kept tenth is scaled up by 1/rate, to keep the step as long as before.",
)
def compensated_for_the_rate(logp, advantages, rate=0.1):
    n = logp.shape[0]
    k = max(1, round(rate * n))
    order = jnp.argsort(-jax.lax.stop_gradient(-logp * advantages), stable=True)
    kept = order[:k]
    scale = 1.0 / rate
    return -scale * (logp[kept] * advantages[kept]).sum() / n


@mutant(
    "torch",
    "logits",
    DG,
    "weights.gain",
    "2 sigmoid(delight), to be 1 at delight 0: twice the step of DG.",
)
def gain_of_two(logits, actions, advantages):
    logp = logits.log_softmax(-1).gather(-1, actions.unsqueeze(-1)).squeeze(-1)
    gate = 2.0 * torch.sigmoid(-advantages * logp.detach())
    return -(gate * advantages * logp).mean()


@mutant(
    "numpy",
    "logprobs",
    DG,
    "weights.bounded",
    "Gates are clipped to [0.2, 0.8], so that nothing is ever quite dropped.",
)
def clipped_gates(logp, advantages):
    w = np.clip(1 / (1 + np.exp(logp * advantages)), 0.2, 0.8)
    return -(w * advantages * logp).mean(), -w * advantages / logp.size


@mutant(
    "jax",
    "gate",
    DG,
    "placement.ungated-share",
    "eps + (1 - eps) sigmoid: dropped decisions keep a tenth of their weight.",
    shows="weights",
)
def exploration_floor(log_probs, advantages, eps=0.1):
    return eps + (1 - eps) * jax.nn.sigmoid(-advantages * log_probs)


@mutant(
    "torch",
    "logprobs",
    DG,
    "weights.squared",
    "The gate is applied to the advantage and to the loss: w squared.",
)
def gated_twice(logp, advantages):
    gate = torch.sigmoid(advantages * -logp.detach())
    gated_advantages = gate * advantages
    losses = -gated_advantages * logp
    return (gate * losses).mean()


@mutant(
    "torch",
    "logprobs",
    DG,
    "weights.delight",
    "The update multiplies log pi by the gated delight, not by the gated advantage.",
)
def delight_in_the_update(logp, advantages):
    delight = (advantages * -logp).detach()
    return -(torch.sigmoid(delight) * delight * logp).mean()


@mutant(
    "jax",
    "logits",
    DG,
    "normalizer.weight-sum",
    "Gates are divided by their mean: the step is as long as that of PG.",
)
def mean_one_gates(logits, actions, advantages):
    logp = jnp.sum(jax.nn.log_softmax(logits) * jax.nn.one_hot(actions, logits.shape[-1]), -1)
    w = jax.nn.sigmoid(jax.lax.stop_gradient(-logp) * advantages)
    return -jnp.mean(w / w.mean() * advantages * logp)


@mutant(
    "python",
    "lists",
    DG,
    "weights.other",
    "softmax of the delights instead of a sigmoid of each: weights compete.",
    shows="weights",
    returns=("weights",),
)
def softmax_of_delights(logp, advantages):
    from math import exp

    chi = [-u * lp for u, lp in zip(advantages, logp, strict=True)]
    top = max(chi)
    exponentials = [exp(c - top) for c in chi]
    return [e / sum(exponentials) for e in exponentials]


@mutant(
    "torch",
    "logits",
    PG,
    "weights.sign",
    "The loss has no minus: the step unlearns.",
)
def ascends_the_loss(logits, actions, advantages):
    logp = logits.log_softmax(-1).gather(-1, actions.unsqueeze(-1)).squeeze(-1)
    return (advantages * logp).mean()
