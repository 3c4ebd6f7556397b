"""Held-out mutants in torch: budgets, counts and prices that are kept wrongly."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from targets.register import DG, KONDO, TOP_K, ZERO, mutant

QUARTER = {**TOP_K, "rate": 0.25}
SAMPLES = {**QUARTER, "unit": "sample"}


def gather_log_probs(logits, labels):
    return -F.cross_entropy(logits.movedim(-1, 1), labels, reduction="none")


@mutant(
    "torch",
    "logits",
    DG,
    "normalizer.other",
    "Means of micro-batches of 8 are averaged: rows of a short last one weigh more.",
    on="sizes",
)
def accumulated_means(logits, actions, advantages, micro=8):
    parts = (x.split(micro) for x in (logits, actions, advantages))
    chunks = list(zip(*parts, strict=True))
    loss = logits.new_zeros(())
    for z, a, u in chunks:
        logp = gather_log_probs(z, a)
        gate = torch.sigmoid(u * -logp.detach())
        loss = loss + (-(gate * u * logp).mean()) / len(chunks)
    return loss


@mutant(
    "torch",
    "logits",
    QUARTER,
    "count.per-part",
    "Each micro-batch of 10 keeps its own best quarter, rounded by itself.",
)
def top_k_of_each_chunk(logits, actions, advantages, rate=0.25, chunk=10):
    kept_loss = []
    for rows in torch.arange(actions.shape[0]).split(chunk):
        z, a, u = logits[rows], actions[rows], advantages[rows]
        logp = gather_log_probs(z, a)
        best = (-u * logp).detach().argsort(descending=True, stable=True)
        best = best[: max(1, round(rate * len(a)))]
        kept_loss.append(-(u * logp)[best].sum())
    return torch.stack(kept_loss).sum() / actions.numel()


@mutant(
    "torch",
    "logprobs",
    {**KONDO, "rate": 0.25, "temperature": 0.0},
    "price.history",
    "A registered buffer follows the quantile with a decay of 0.9, and is what is compared.",
    on="two batches",
)
class SmoothedPrice(nn.Module):
    def __init__(self, rate=0.25, decay=0.9):
        super().__init__()
        self.rate, self.decay = rate, decay
        self.register_buffer("price", torch.zeros((), dtype=torch.float64))
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    def forward(self, logp, advantages):
        delight = (advantages * -logp).detach()
        now = torch.quantile(delight.double(), 1 - self.rate)
        self.price = now if self.steps == 0 else torch.lerp(now, self.price, self.decay)
        self.steps += 1
        keep = (delight > self.price).to(logp.dtype)
        return -(keep * advantages * logp).mean()


@mutant(
    "torch",
    "logits",
    SAMPLES,
    "dynamics.warm-up",
    "The rate falls from 1 to 0.25 over the first four calls.",
)
@dataclass
class AnnealedRate:
    final: float = 0.25
    calls: int = 0

    def __call__(self, logits, actions, advantages):
        rate = max(self.final, 1.0 - 0.25 * self.calls)
        self.calls += 1
        logp = gather_log_probs(logits, actions)
        delight = (advantages * -logp).detach()
        k = max(1, round(rate * delight.numel()))
        kept = delight.argsort(descending=True, stable=True)[:k]
        return -(advantages[kept] * logp[kept]).sum() / delight.numel()


@mutant(
    "torch",
    "logits",
    TOP_K,
    "count.minimum",
    "At least four rows are kept, so that the batch norm of the head has something to see.",
    on="small",
)
def never_fewer_than_four(logits, actions, advantages, rate=0.1, least=4):
    logp = gather_log_probs(logits, actions)
    ranks = torch.argsort(advantages * logp.detach(), stable=True)
    k = min(max(least, round(rate * len(ranks))), len(ranks))
    keep = torch.isin(torch.arange(len(ranks)), ranks[:k])
    return -torch.where(keep, advantages * logp, 0.0).sum() / len(ranks)


@mutant(
    "torch",
    "logprobs",
    SAMPLES,
    "advantage.positive-only",
    "Of the k largest only those with positive delight are kept: none of a batch of failures.",
    on="nothing",
)
def positive_top_k(logp, advantages, rate=0.25):
    delight = (advantages * -logp).detach()
    values, order = delight.sort(descending=True, stable=True)
    k = max(1, round(rate * len(delight)))
    kept = order[:k][values[:k] > 0]
    return -(advantages[kept] * logp[kept]).sum() / len(delight)


@mutant(
    "torch",
    "logits",
    QUARTER,
    "robustness.mask-ignored",
    "Indices into the valid tokens are used on the padded ones: with padding, others are kept.",
    on="ragged",
)
def index_of_another_array(logits, actions, advantages, mask, rate=0.25):
    logp = gather_log_probs(logits, actions)
    valid = mask.bool()
    delight = (advantages * -logp).detach()[valid]
    k = max(1, round(rate * delight.numel()))
    kept = delight.argsort(descending=True, stable=True)[:k]
    return -(advantages.flatten()[kept] * logp.flatten()[kept]).sum() / valid.sum()


@mutant(
    "torch",
    "gate",
    QUARTER,
    "draw.bernoulli",
    "Gumbel top-k: noise is added to the delight, so the k largest are a sample.",
    shows="share",
    also=("draw.fixed-count",),
)
def gumbel_top_k(log_probs, advantages, rate=0.25):
    u = torch.rand_like(log_probs).clamp_min(1e-12)
    noisy = -log_probs * advantages - torch.log(-torch.log(u))
    k = max(1, round(rate * noisy.numel()))
    kth = noisy.kthvalue(noisy.numel() - k + 1).values
    return (noisy >= kth).to(log_probs.dtype)


@mutant(
    "torch",
    "logprobs",
    ZERO,
    "price.value",
    "A decision has to beat the price by 0.2: small delights are lost.",
)
def with_a_margin(logp, advantages, margin=0.2):
    keep = torch.gt(advantages * -logp.detach(), margin)
    return -torch.masked_select(advantages * logp, keep).sum() / keep.numel()
