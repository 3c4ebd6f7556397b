"""Mistakes in the unit that is gated, and in how a sequence's delight is aggregated."""

import jax
import jax.numpy as jnp
import numpy as np
import torch
import torch.nn.functional as F

from targets.register import DG, TOP_K, ZERO, mutant

SEQUENCE_TOP_K = {**TOP_K, "rate": 0.3, "unit": "sequence"}
SEQUENCE_DG = {**DG, "unit": "sequence"}


@mutant(
    "torch",
    "logits",
    DG,
    "units.sequence-for-token",
    "Each row of a (B, T) batch is gated by its mean delight, although tokens are claimed.",
    on="sequences",
)
def row_gate_said_to_be_per_token(logits, actions, advantages):
    logp = torch.log_softmax(logits, dim=-1).gather(-1, actions[..., None])[..., 0]
    with torch.no_grad():
        delight = -advantages * logp
        if delight.dim() == 2:
            delight = delight.mean(dim=1, keepdim=True).expand_as(delight)
        gate = torch.sigmoid(delight)
    return -(gate * advantages * logp).mean()


@mutant(
    "jax",
    "logits",
    SEQUENCE_TOP_K,
    "units.token-for-sequence",
    "Ranks single tokens and keeps 30 % of them, although whole sequences are claimed.",
    on="sequences",
)
def token_top_k_said_to_be_per_sequence(logits, actions, advantages, rate=0.3):
    all_logps = jax.nn.log_softmax(logits)
    logps = jnp.take_along_axis(all_logps, actions[..., None], axis=-1).squeeze(-1)
    delight = jax.lax.stop_gradient(-advantages * logps).ravel()
    k = max(1, round(rate * delight.size))
    order = jnp.argsort(-delight, stable=True)
    gate = jnp.zeros(delight.size).at[order[:k]].set(1.0).reshape(logps.shape)
    return -jnp.sum(gate * advantages * logps) / delight.size


@mutant(
    "torch",
    "logprobs",
    DG,
    "units.batch",
    "A packed row of several responses gets one gate, from the mean delight of all of them.",
)
def one_gate_for_a_packed_row(logp, advantages):
    """Flash-attention style: the responses of a micro-batch lie one after the other."""
    delight = (advantages * -logp.detach()).mean()
    gate = torch.sigmoid(delight)
    return -(gate * advantages * logp).sum() / logp.numel()


@mutant(
    "torch",
    "logits",
    DG,
    "units.mask-changes-unit",
    "With a mask, even one of ones, rows are gated; without it, tokens.",
    on="ones mask",
)
def mask_turns_tokens_into_rows(logits, actions, advantages, mask=None):
    logp = -F.cross_entropy(
        logits.reshape(-1, logits.shape[-1]), actions.reshape(-1), reduction="none"
    ).view(actions.shape)
    surprisal = -logp.detach()
    if mask is None:
        gate = torch.sigmoid(advantages * surprisal)
        return -(gate * advantages * logp).mean()
    m = mask.to(logp.dtype)
    delight = (advantages * surprisal * m).sum(-1) / m.sum(-1).clamp(min=1)
    gate = torch.sigmoid(delight).unsqueeze(-1)
    return -(gate * advantages * logp * m).sum() / m.sum()


@mutant(
    "numpy",
    "logits",
    ZERO,
    "units.shared",
    "Micro-batches of 8 rows are kept or dropped as one, by their mean delight.",
)
def whole_micro_batches(logits, actions, advantages, size=8):
    z = logits - logits.max(axis=-1, keepdims=True)
    p = np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)
    n = actions.shape[0]
    logp = np.log(p[np.arange(n), actions])
    delight = -advantages * logp
    dlogits = np.zeros_like(logits)
    loss = 0.0
    for start in range(0, n, size):
        rows = np.arange(start, min(start + size, n))
        if delight[rows].mean() <= 0:
            continue
        one_hot = np.eye(logits.shape[1])[actions[rows]]
        dlogits[rows] = advantages[rows, None] * (p[rows] - one_hot) / n
        loss -= (advantages[rows] * logp[rows]).sum() / n
    return loss, dlogits


@mutant(
    "torch",
    "rewards",
    DG,
    "units.shared",
    "One gate for all answers to a prompt: the mean delight of the group.",
    on="groups",
    baseline="group",
)
def prompt_level_gate(logits, actions, rewards, groups):
    logp = torch.distributions.Categorical(logits=logits).log_prob(actions)
    _, index = torch.unique(groups, return_inverse=True)
    size = torch.bincount(index).to(rewards.dtype)

    def group_mean(x):
        return (torch.zeros_like(size).index_add(0, index, x) / size)[index]

    adv = rewards - group_mean(rewards)
    # The delights of a group do not cancel although its advantages do.
    gate = torch.sigmoid(group_mean(adv * -logp.detach()))
    return -(gate * adv * logp).mean()


@mutant(
    "torch",
    "logits",
    {**TOP_K, "rate": 0.25},
    "units.row-budget",
    "The budget of 25 % is spent on rows: kept tokens elsewhere are lost.",
    on="sequences",
)
def budget_in_rows(logits, actions, advantages, rate=0.25):
    logp = logits.log_softmax(-1).gather(-1, actions.unsqueeze(-1)).squeeze(-1)
    delight = (advantages * -logp).detach()
    k = max(1, round(rate * delight.numel()))
    order = torch.argsort(delight.flatten(), descending=True, stable=True)
    keep = torch.zeros(delight.numel(), dtype=torch.bool)
    keep[order[:k]] = True
    keep = keep.view_as(delight)
    if keep.dim() == 2:
        rows = max(1, round(rate * keep.shape[0]))
        busiest = keep.sum(1).argsort(descending=True)[:rows]
        executed = torch.zeros(keep.shape[0], dtype=torch.bool)
        executed[busiest] = True
        keep &= executed[:, None]
    return -(logp * advantages)[keep].sum() / delight.numel()


@mutant(
    "torch",
    "logits",
    {**SEQUENCE_TOP_K, "rate": 0.4},
    "aggregation.sum",
    "Sequences are ranked by the sum of their delight: long ones win.",
    on="ragged",
)
def summed_delight(logits, actions, advantages, mask, rate=0.4):
    logp = logits.log_softmax(-1).gather(-1, actions.unsqueeze(-1)).squeeze(-1)
    score = (advantages * -logp.detach() * mask).sum(dim=-1)
    k = max(1, round(rate * score.numel()))
    keep = torch.zeros_like(score).scatter(0, score.argsort(descending=True, stable=True)[:k], 1.0)
    return -(keep[:, None] * mask * advantages * logp).sum() / mask.sum()


@mutant(
    "jax",
    "logits",
    SEQUENCE_DG,
    "aggregation.max",
    "A sequence's delight is that of its most delightful token.",
    on="sequences",
)
def best_token_speaks_for_the_row(logits, actions, advantages):
    log_pi = jax.nn.log_softmax(logits, axis=-1)
    logp = jnp.sum(log_pi * jax.nn.one_hot(actions, logits.shape[-1]), axis=-1)
    chi = jax.lax.stop_gradient(-logp) * advantages
    gate = jax.nn.sigmoid(jnp.max(chi, axis=-1, keepdims=True))
    return jnp.mean(-gate * advantages * logp)


@mutant(
    "numpy",
    "logprobs",
    SEQUENCE_DG,
    "aggregation.counts-padding",
    "The mean over a row divides by its padded length, so short rows look dull.",
    on="ragged",
)
def padded_mean(logp, advantages, mask):
    delight = np.where(mask, -advantages * logp, 0.0)
    gate = 1.0 / (1.0 + np.exp(-delight.mean(axis=1, keepdims=True)))
    coefficient = np.where(mask, gate * advantages, 0.0) / mask.sum()
    return -(coefficient * logp).sum(), -coefficient


@mutant(
    "torch",
    "logprobs",
    SEQUENCE_DG,
    "aggregation.product-of-means",
    "Mean advantage times mean surprisal, which is not the mean delight of a dense reward.",
    on="sequences",
)
def mean_times_mean(logp, advantages):
    with torch.no_grad():
        gate = torch.sigmoid(advantages.mean(dim=1) * -logp.mean(dim=1))
    per_token = -gate.unsqueeze(1) * advantages * logp
    return per_token.sum() / per_token.numel()
