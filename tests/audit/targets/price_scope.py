"""Mistakes in where a price comes from: parts of a batch, padding, other batches, the rate."""

import jax
import jax.numpy as jnp
import numpy as np
import torch

from kondo_ref import Calibrated
from targets.register import KONDO, mutant

# At temperature 0 a quantile price keeps what exceeds it strictly: no draw hides the price.
HARD = {**KONDO, "rate": 0.25, "temperature": 0.0}


def action_logp(logits, actions):
    return torch.gather(logits.log_softmax(-1), -1, actions.unsqueeze(-1)).squeeze(-1)


@mutant(
    "torch",
    "logits",
    HARD,
    "price.scope",
    "The quantile is taken in each micro-batch of 8, so dull ones keep their share too.",
)
def price_per_micro_batch(logits, actions, advantages, rate=0.25, micro_batch=8):
    total = logits.new_zeros(())
    for z, a, u in zip(
        logits.split(micro_batch),
        actions.split(micro_batch),
        advantages.split(micro_batch),
        strict=True,
    ):
        logp = action_logp(z, a)
        delight = (u * -logp).detach()
        gate = delight > torch.quantile(delight, 1 - rate)
        total = total - (gate * u * logp).sum()
    return total / actions.numel()


@mutant(
    "jax",
    "logprobs",
    HARD,
    "price.scope",
    "Each of two ranks prices its own half of the batch: vmap over ranks, no all-gather.",
)
def price_per_rank(logp, advantages, rate=0.25, ranks=2):
    def rank_loss(lp, u):
        chi = jax.lax.stop_gradient(-lp * u)
        return -jnp.sum((chi > jnp.quantile(chi, 1 - rate)) * u * lp)

    if logp.size % ranks:
        ranks = 1
    losses = jax.vmap(rank_loss)(logp.reshape(ranks, -1), advantages.reshape(ranks, -1))
    return losses.sum() / logp.size


@mutant(
    "torch",
    "logits",
    HARD,
    "price.scope",
    "quantile(..., dim=-1): every row of a (B, T) batch has a price of its own.",
    on="sequences",
)
def price_per_row(logits, actions, advantages, rate=0.25):
    logp = action_logp(logits, actions)
    delight = (advantages * -logp).detach()
    gate = (delight > torch.quantile(delight, 1 - rate, dim=-1, keepdim=True)).to(logp.dtype)
    return -(gate * advantages * logp).mean()


@mutant(
    "numpy",
    "logprobs",
    HARD,
    "price.includes-masked",
    "Padding counts in the quantile, as delights of 0.",
    on="ragged",
)
def padding_in_the_quantile(logp, advantages, mask, rate=0.25):
    delight = -advantages * logp * mask
    keep = (delight > np.quantile(delight, 1 - rate)) & mask.astype(bool)
    grad = np.where(keep, -advantages, 0.0) / mask.sum()
    return (grad * logp).sum(), grad


@mutant(
    "torch",
    "logprobs",
    HARD,
    "price.history",
    "The price is the quantile of the batch before, so a drifting batch keeps all or nothing.",
    on="two batches",
)
class LaggedPrice:
    def __init__(self, rate=0.25):
        self.rate, self.price = rate, None

    def __call__(self, logp, advantages):
        delight = (advantages * -logp).detach()
        fresh = torch.quantile(delight, 1 - self.rate)
        price = fresh if self.price is None else self.price
        self.price = fresh
        return -((delight > price) * advantages * logp).mean()


@mutant(
    "torch",
    "logprobs",
    HARD,
    "price.dual-ascent",
    "The price is a multiplier that starts at 0 and climbs while too much is kept.",
)
class DualPrice:
    def __init__(self, rate=0.25, step_size=0.1):
        self.rate, self.step_size, self.multiplier = rate, step_size, 0.0

    def __call__(self, logp, advantages):
        delight = (advantages * -logp).detach()
        gate = (delight > self.multiplier).to(logp.dtype)
        self.multiplier += self.step_size * (float(gate.mean()) - self.rate)
        return -(gate * advantages * logp).mean()


@mutant(
    "numpy",
    "gate",
    {"method": "kondo", "price": Calibrated(0.1)},
    "rate.realised",
    "A quantile price where the rate is claimed to be met: far more than 10 % is kept.",
    shows="share",
    on="dull",
)
def quantile_said_to_meet_the_rate(log_probs, advantages, uniforms, rate=0.1):
    chi = -log_probs * advantages
    w = 1 / (1 + np.exp(np.quantile(chi, 1 - rate) - chi))
    return (uniforms < w).astype(np.float64)


@mutant(
    "torch",
    "gate",
    KONDO,
    "price.calibrated",
    "The price is bisected until the mean keep probability is the rate, not the quantile.",
    shows="share",
    on="dull",
)
def bisected_price(log_probs, advantages, rate=0.1):
    delight = -log_probs * advantages
    low, high = delight.min() - 50, delight.max() + 50
    for _ in range(80):
        mid = (low + high) / 2
        if torch.sigmoid(delight - mid).mean() > rate:
            low = mid
        else:
            high = mid
    return torch.bernoulli(torch.sigmoid(delight - low))
