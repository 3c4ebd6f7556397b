"""Mistakes in what the sum is divided by."""

import jax
import jax.numpy as jnp
import numpy as np
import torch

from targets.register import DG, PG, TOP_K, ZERO, mutant


def selective_log_softmax(logits, index):
    return torch.gather(logits.log_softmax(-1), -1, index.unsqueeze(-1)).squeeze(-1)


@mutant(
    "torch",
    "logits",
    TOP_K,
    "normalizer.kept",
    ".mean() after indexing: the step is 1/rate times as long.",
)
def mean_over_kept(logits, actions, advantages, rate=0.1):
    logp = selective_log_softmax(logits, actions)
    delight = (advantages * -logp).detach()
    idx = delight.argsort(descending=True, stable=True)[: max(1, round(rate * delight.numel()))]
    return -(advantages[idx] * logp[idx]).mean()


@mutant(
    "numpy",
    "logprobs",
    ZERO,
    "normalizer.kept",
    "np.mean over the boolean selection.",
)
def mean_of_the_selection(logp, advantages):
    keep = -logp * advantages > 0
    grad = np.zeros_like(logp)
    if keep.any():
        grad[keep] = -advantages[keep] / keep.sum()
    return (grad * logp).sum(), grad


@mutant(
    "jax",
    "logits",
    DG,
    "normalizer.none",
    "jnp.sum: the step grows with the batch.",
)
def summed_over_the_batch(logits, actions, advantages):
    logp = jnp.take_along_axis(jax.nn.log_softmax(logits), actions[..., None], -1)[..., 0]
    gate = jax.nn.sigmoid(advantages * jax.lax.stop_gradient(-logp))
    return -jnp.sum(gate * advantages * logp)


@mutant(
    "torch",
    "logprobs",
    PG,
    "normalizer.nonzero-advantage",
    "Zero-advantage decisions are filtered out and do not count in the mean.",
    on="some zero advantages",
)
def informative_only(logp, advantages):
    used = advantages != 0
    return -(advantages[used] * logp[used]).sum() / used.sum().clamp(min=1)


@mutant(
    "torch",
    "logits",
    DG,
    "normalizer.includes-masked",
    "The mean is over B * T: padding counts.",
    on="ragged",
)
def mean_over_padding(logits, actions, advantages, mask):
    logp = selective_log_softmax(logits, actions)
    gate = torch.sigmoid(advantages * -logp.detach())
    return -(gate * advantages * logp * mask).mean()


@mutant(
    "jax",
    "logprobs",
    DG,
    "normalizer.weight-sum",
    "A weighted mean: divided by the sum of the gates.",
)
def weighted_average(logp, advantages):
    w = jax.nn.sigmoid(-jax.lax.stop_gradient(logp) * advantages)
    return jnp.average(-advantages * logp, weights=w)


@mutant(
    "torch",
    "logprobs",
    DG,
    "normalizer.sequence-mean",
    "GRPO's mean of row means: tokens of short answers weigh more.",
    on="ragged",
)
def mean_of_row_means(logp, advantages, mask):
    m = mask.to(logp.dtype)
    gate = torch.sigmoid(advantages * -logp.detach())
    per_token_loss = -gate * advantages * logp
    return ((per_token_loss * m).sum(-1) / m.sum(-1).clamp(min=1.0)).mean()


@mutant(
    "torch",
    "logits",
    DG,
    "normalizer.sequences",
    "Summed over tokens, averaged over sequences.",
    on="ragged",
)
def mean_over_trajectories(logits, actions, advantages, mask=None):
    logp = selective_log_softmax(logits, actions)
    gate = torch.sigmoid(advantages * -logp.detach())
    loss = -(gate * advantages * logp)
    if mask is not None:
        loss = loss * mask
    return loss.sum(-1).mean() if loss.dim() == 2 else loss.mean()


@mutant(
    "numpy",
    "logprobs",
    PG,
    "normalizer.constant",
    "Divides by the batch size of the config, 32, whatever comes.",
    on="sizes",
)
def configured_batch_size(logp, advantages, batch_size=32):
    return -(advantages * logp).sum() / batch_size, -advantages / batch_size


@mutant(
    "torch",
    "logits",
    ZERO,
    "normalizer.kept",
    "Micro-batches of 8 are each averaged over their own kept rows, then averaged.",
)
def micro_batch_means(logits, actions, advantages, micro_batch_size=8):
    losses = []
    for i in range(0, actions.shape[0], micro_batch_size):
        part = slice(i, i + micro_batch_size)
        logp = selective_log_softmax(logits[part], actions[part])
        keep = advantages[part] * -logp.detach() > 0
        losses.append(-(keep * advantages[part] * logp).sum() / keep.sum().clamp(min=1))
    return torch.stack(losses).mean()
