"""Mistakes that only certain batches show: dtypes, shapes, masks, numbers that are none."""

import jax
import jax.numpy as jnp
import numpy as np
import torch

from targets.register import DG, PG, TOP_K, ZERO, mutant


def token_logp(logits, actions):
    return logits.log_softmax(-1).gather(-1, actions.unsqueeze(-1)).squeeze(-1)


@mutant(
    "torch",
    "logits",
    DG,
    "robustness.nan-silent",
    "nan_to_num turns a NaN advantage into 0: a broken reward model is never noticed.",
    shows="silent",
    on="nan",
)
def nan_becomes_zero(logits, actions, advantages):
    logp = token_logp(logits, actions)
    adv = torch.nan_to_num(advantages)
    gate = torch.sigmoid(adv * -logp.detach())
    return -(gate * adv * logp).mean()


@mutant(
    "numpy",
    "logprobs",
    ZERO,
    "robustness.nan-silent",
    "NaN > 0 is False: a decision that is not a number is silently one that was dropped.",
    shows="silent",
    on="nan",
)
def comparison_hides_nan(logp, advantages):
    kept = np.flatnonzero(-logp * advantages > 0)
    grad = np.zeros_like(logp)
    grad[kept] = -advantages[kept] / logp.size
    return float((grad[kept] * logp[kept]).sum()), grad


@mutant(
    "jax",
    "logprobs",
    DG,
    "robustness.infinite",
    "Infinite advantages are clipped to the largest number of the dtype's half, silently.",
    shows="silent",
    on="infinity",
)
def infinities_are_clipped(logp, advantages):
    adv = jnp.clip(advantages, -65504.0, 65504.0)
    w = jax.nn.sigmoid(jax.lax.stop_gradient(-logp) * adv)
    return -jnp.mean(w * adv * logp)


@mutant(
    "torch",
    "logits",
    DG,
    "robustness.int-mask",
    "The gate is cast to the mask's dtype: an integer mask makes all soft gates 0.",
    on="int mask",
)
def gate_in_the_masks_dtype(logits, actions, advantages, mask):
    logp = token_logp(logits, actions)
    if mask.dtype == torch.bool:
        mask = mask.to(logp.dtype)
    gate = torch.sigmoid(advantages * -logp.detach()).to(mask.dtype)
    return -(gate * mask * advantages * logp).sum() / mask.sum()


@mutant(
    "torch",
    "logprobs",
    ZERO,
    "robustness.int-mask",
    "~mask on an integer mask is -1 - mask: everything counts as padding.",
    on="int mask",
)
def inverted_int_mask(logp, advantages, mask):
    delight = (advantages * -logp).detach()
    delight[(~mask).bool()] = 0.0
    keep = (delight > 0).to(logp.dtype)
    return -(keep * advantages * logp).sum() / mask.sum()


@mutant(
    "torch",
    "logits",
    DG,
    "robustness.broadcast",
    "The row's advantage (B,) is multiplied with (B, T) without an axis: right shape if B = T.",
    on="square",
)
def outcome_reward_over_columns(logits, actions, advantages):
    logp = token_logp(logits, actions)
    # The outcome's advantage is the same at every token: take the last.
    outcome = advantages[..., -1] if advantages.dim() == 2 else advantages
    gate = torch.sigmoid(outcome * -logp.detach())
    return -(gate * outcome * logp).mean()


@mutant(
    "torch",
    "logits",
    PG,
    "robustness.broadcast",
    "(B, 1) log-probabilities times (B,) advantages is (B, B): every action gets the mean of all.",
)
def missing_squeeze(logits, actions, advantages):
    logp = logits.log_softmax(-1).gather(1, actions.view(-1, 1))
    return -(logp * advantages).mean()


@mutant(
    "torch",
    "logprobs",
    DG,
    "robustness.dtype",
    "The delight is formed in float16 to save memory: gates have three digits.",
)
def half_precision_gate(logp, advantages):
    delight = -(advantages.half() * logp.detach().half())
    gate = torch.sigmoid(delight.float()).to(logp.dtype)
    return -(gate * advantages * logp).mean()


@mutant(
    "torch",
    "logprobs",
    DG,
    "robustness.dtype",
    "A fast path for half precision forgets the gate: under autocast it is plain PG.",
    on="float16",
)
def ungated_in_half_precision(logp, advantages):
    if logp.dtype in (torch.float16, torch.bfloat16):
        return -(advantages * logp).mean()
    return -(torch.sigmoid(advantages * -logp.detach()) * advantages * logp).mean()


@mutant(
    "torch",
    "logits",
    {**TOP_K, "rate": 0.25},
    "robustness.single",
    "squeeze() without an axis makes a batch of one decision a scalar, which has no rows.",
    shows="broken",
    on="one",
)
def squeezed_away(logits, actions, advantages, rate=0.25):
    logp = logits.log_softmax(-1).gather(1, actions.unsqueeze(1)).squeeze()
    delight = -advantages * logp.detach()
    kept = delight.argsort(descending=True, stable=True)[: max(1, round(rate * len(logp)))]
    return -(logp[kept] * advantages[kept]).sum() / len(logp)


@mutant(
    "numpy",
    "logprobs",
    {"method": "dg"},
    "robustness.single",
    "A batch of one has no deviation: skipped as degenerate, although DG needs none.",
    on="one",
)
def one_is_not_a_batch(logp, advantages):
    if logp.size < 2:
        return 0.0, np.zeros_like(logp)
    w = 1 / (1 + np.exp(advantages * logp))
    grad = -w * advantages / logp.size
    return (grad * logp).sum(), grad


@mutant(
    "torch",
    "logprobs",
    PG,
    "robustness.empty-mask",
    "A batch without a valid decision is 0/0: NaN in every weight.",
    shows="broken",
    on="empty mask",
)
def divides_by_an_empty_mask(logp, advantages, mask):
    return -(advantages * logp * mask).sum() / mask.sum()


@mutant(
    "torch",
    "logits",
    DG,
    "robustness.extreme",
    "log(softmax) underflows: a confident wrong action has -inf, and the loss is NaN.",
    shows="broken",
    on="huge logits",
)
def log_of_softmax(logits, actions, advantages):
    probs = torch.softmax(logits, dim=-1)
    logp = torch.log(probs.gather(-1, actions.unsqueeze(-1)).squeeze(-1))
    gate = torch.sigmoid(advantages * -logp.detach())
    return -(gate * advantages * logp).mean()


@mutant(
    "numpy",
    "logits",
    PG,
    "robustness.extreme",
    "exp without the maximum taken off overflows from logits of 710 on.",
    shows="broken",
    on="huge logits",
)
def exp_overflows(logits, actions, advantages):
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
        logp = np.log(np.take_along_axis(p, actions[..., None], -1)[..., 0])
        coef = advantages / actions.size
        grad = coef[..., None] * (p - np.eye(logits.shape[-1])[actions])
        return -(coef * logp).sum(), grad


@mutant(
    "torch",
    "logprobs",
    DG,
    "robustness.zero-advantage",
    "Advantages are scaled to 1 for half precision and scaled back: 0/0 where all are 0.",
    shows="broken",
    on="zero advantages",
)
def scaled_and_back(logp, advantages):
    gate = torch.sigmoid(advantages * -logp.detach())
    scale = advantages.abs().max()
    return -(gate * (advantages / scale) * logp).mean() * scale


@mutant(
    "torch",
    "logprobs",
    DG,
    "robustness.constant-signal",
    "Where all delights are equal 'there is nothing to choose', and the gate is left out.",
    on="ties",
)
def ungated_when_degenerate(logp, advantages):
    delight = (advantages * -logp).detach()
    if delight.max() - delight.min() < 1e-8:
        return -(advantages * logp).mean()
    return -(torch.sigmoid(delight) * advantages * logp).mean()


@mutant(
    "torch",
    "logits",
    PG,
    "robustness.mask-ignored",
    "The mask is an argument that nothing reads: padding is learned from.",
    on="ragged",
)
def mask_for_show(logits, actions, advantages, mask=None):
    count = actions.numel() if mask is None else mask.sum()
    return -(advantages * token_logp(logits, actions)).sum() / count


@mutant(
    "torch",
    "logprobs",
    DG,
    "robustness.mutates",
    "Advantages are masked in place: the caller's buffer is changed for the next epoch.",
    shows="arguments",
    on="ragged",
)
def masks_in_place(logp, advantages, mask):
    advantages *= mask
    gate = torch.sigmoid(advantages * -logp.detach())
    return -(gate * advantages * logp).sum() / mask.sum()


@mutant(
    "torch",
    "logits",
    DG,
    "robustness.seeds",
    "Sets the global seed in every call, 'for reproducibility'.",
    shows="seed",
)
def reseeds_the_world(logits, actions, advantages):
    torch.manual_seed(42)
    logp = token_logp(logits, actions)
    gate = torch.sigmoid(advantages * -logp.detach())
    return -(gate * advantages * logp).mean()


@mutant(
    "torch",
    "logits",
    ZERO,
    "robustness.mask-matters",
    "0 * inf: whatever is written in the padding's advantage spreads by multiplication.",
    on="dirty padding",
)
def padding_in_the_maximum(logits, actions, advantages, mask):
    logp = token_logp(logits, actions)
    # Scaled for float16; the maximum is over padding too, and the small ones flush to 0.
    scale = (advantages * -logp).detach().abs().max()
    delight = (advantages * -logp).detach() / scale
    keep = (delight > 1e-6) & mask.bool()
    return -(keep * advantages * logp).sum() / mask.sum()
