"""Mistakes in the surprisal: clamped, tempered, whitened, of something else than log pi(a)."""

import jax
import jax.numpy as jnp
import numpy as np
import torch

from targets.register import DG, TOP_K, ZERO, mutant


@mutant(
    "torch",
    "logits",
    DG,
    "surprisal.clamped",
    "Surprisal is clamped at 10 nat: rare failures are pushed down less than DG says.",
    on="rare",
)
def clamped_at_ten(logits, actions, advantages):
    logp = torch.log_softmax(logits, -1)[torch.arange(actions.shape[0]), actions]
    surprisal = (-logp).detach().clamp(-10.0, 10.0)
    gate = (advantages * surprisal).sigmoid()
    return -(gate * advantages * logp).mean()


@mutant(
    "numpy",
    "gate",
    DG,
    "surprisal.clamped",
    "log(p + 1e-4) caps the surprisal at 9.2 nat.",
    shows="weights",
    on="rare",
)
def log_of_p_plus_epsilon(log_probs, advantages):
    surprisal = -np.log(np.exp(log_probs) + 1e-4)
    return 1.0 / (1.0 + np.exp(-advantages * surprisal))


@mutant(
    "jax",
    "logprobs",
    DG,
    "surprisal.clamped",
    "Log-probabilities are clipped below at -5 before the delight is formed.",
    on="rare",
)
def logp_floor(logp, advantages):
    surprisal = -jax.lax.stop_gradient(jnp.maximum(logp, -5.0))
    return -jnp.mean(jax.nn.sigmoid(advantages * surprisal) * advantages * logp)


@mutant(
    "torch",
    "logits",
    DG,
    "surprisal.tempered",
    "The gate takes the surprisal of the sampling temperature 0.7, the loss that of the policy.",
)
def surprisal_at_sampling_temperature(logits, actions, advantages, sampling_temperature=0.7):
    index = actions.unsqueeze(-1)
    logp = logits.log_softmax(-1).gather(-1, index).squeeze(-1)
    with torch.no_grad():
        sampled = (logits / sampling_temperature).log_softmax(-1).gather(-1, index).squeeze(-1)
        gate = torch.sigmoid(advantages * -sampled)
    return -(gate * advantages * logp).sum() / actions.numel()


@mutant(
    "torch",
    "logprobs",
    DG,
    "surprisal.whitened",
    "Surprisal is centred and scaled over the batch: half of the delights change sign.",
)
def whitened_surprisal(logp, advantages):
    nll = -logp.detach()
    nll = (nll - nll.mean()) / (nll.std() + 1e-8)
    return -(torch.sigmoid(advantages * nll) * advantages * logp).mean()


def masked_whiten(values, mask, shift_mean=True):
    """As in lm-human-preferences and its descendants."""
    count = mask.sum()
    mean = (values * mask).sum() / count
    var = (((values - mean) ** 2) * mask).sum() / (count - 1)
    whitened = (values - mean) * torch.rsqrt(var + 1e-8)
    return whitened if shift_mean else whitened + mean


@mutant(
    "torch",
    "logprobs",
    ZERO,
    "signal.mean-added-back",
    "Delight is whitened and the mean is added back: many signs flip, so others are kept.",
    on="skewed",
)
def whiten_without_shift(logp, advantages, mask=None):
    mask = torch.ones_like(logp) if mask is None else mask.to(logp.dtype)
    delight = masked_whiten((advantages * -logp).detach(), mask, shift_mean=False)
    keep = (delight > 0).to(logp.dtype) * mask
    return -(keep * advantages * logp).sum() / mask.sum()


@mutant(
    "numpy",
    "logits",
    DG,
    "surprisal.whitened",
    "Surprisal is divided by its standard deviation over the batch, which changes the gate.",
)
def surprisal_over_its_deviation(logits, actions, advantages):
    shifted = logits - logits.max(-1, keepdims=True)
    log_pi = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    logp = np.take_along_axis(log_pi, actions[..., None], -1)[..., 0]
    nll = -logp / np.std(logp)
    coef = advantages / (1 + np.exp(-advantages * nll)) / actions.size
    dlogits = coef[..., None] * (np.exp(log_pi) - np.eye(logits.shape[-1])[actions])
    return -np.sum(coef * logp), dlogits


@mutant(
    "python",
    "lists",
    DG,
    "surprisal.probability",
    "1 - pi(a) stands in for -log pi(a): rare actions are never more than one nat surprising.",
    shows="weights",
    returns=("weights",),
)
def one_minus_probability(logp, advantages):
    from math import exp

    return [1 / (1 + exp(-u * (1 - exp(lp)))) for lp, u in zip(logp, advantages, strict=True)]


@mutant(
    "numpy",
    "gate",
    DG,
    "surprisal.scaled",
    "Surprisal in bits: every delight is 1.44 times too large.",
    shows="weights",
)
def delight_in_bits(log_probs, advantages):
    bits = -log_probs / np.log(2)
    return 0.5 * (1 + np.tanh(advantages * bits / 2))


@mutant(
    "jax",
    "logits",
    {**TOP_K, "rate": 0.25},
    "surprisal.entropy",
    "The policy's entropy stands in for the surprisal of the action taken.",
)
def entropy_times_advantage(logits, actions, advantages, rate=0.25):
    log_pi = jax.nn.log_softmax(logits)
    entropy = -(jnp.exp(log_pi) * log_pi).sum(-1)
    priority = jax.lax.stop_gradient(entropy * advantages)
    k = max(1, round(rate * priority.shape[0]))
    kept = jnp.argsort(-priority, stable=True)[:k]
    chosen = log_pi[kept, actions[kept]]
    return -(advantages[kept] * chosen).sum() / priority.shape[0]


@mutant(
    "torch",
    "logprobs",
    DG,
    "surprisal.stale",
    "From the second batch on, the surprisal is that of the batch before.",
    on="two batches",
)
class CachedSurprisal:
    """Keeps the sampler's log-probabilities, and forgets to refresh them with the batch."""

    def __init__(self):
        self.old_logp = None

    def __call__(self, logp, advantages):
        if self.old_logp is None or self.old_logp.shape != logp.shape:
            self.old_logp = logp.detach().clone()
        gate = torch.sigmoid(advantages * -self.old_logp)
        return -(gate * advantages * logp).mean()
