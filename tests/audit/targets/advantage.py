"""Mistakes in the advantage, in the gate and in the update: whitened, clipped, unsigned."""

import jax
import jax.numpy as jnp
import numpy as np
import torch

from targets.register import DG, PG, ZERO, mutant


def gather_logp(logits, actions):
    return logits.log_softmax(-1).gather(-1, actions.unsqueeze(-1)).squeeze(-1)


@mutant(
    "torch",
    "logits",
    DG,
    "advantage.standardised",
    "Advantages are normalised over the batch, in the gate and in the update.",
)
def normalised_advantages(logits, actions, advantages):
    logp = gather_logp(logits, actions)
    adv = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    gate = torch.sigmoid(-adv * logp.detach())
    return -(gate * adv * logp).mean()


@mutant(
    "torch",
    "logits",
    DG,
    "advantage.normalised-in-gate",
    "The gate sees whitened advantages, the update the given ones.",
)
def whitened_in_the_gate_only(logits, actions, advantages):
    logp = gather_logp(logits, actions)
    with torch.no_grad():
        white = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        gate = torch.sigmoid(white * -logp)
    return (-gate * advantages * logp).sum() / logp.numel()


@mutant(
    "jax",
    "logits",
    PG,
    "advantage.scaled",
    "Advantages are divided by their standard deviation: the step no longer knows the reward.",
)
def advantages_over_deviation(logits, actions, advantages):
    logp = jax.vmap(lambda z, a: jax.nn.log_softmax(z)[a])(logits, actions)
    scaled = advantages / (jnp.std(advantages) + 1e-8)
    return -jnp.mean(jax.lax.stop_gradient(scaled) * logp)


@mutant(
    "jax",
    "logprobs",
    DG,
    "advantage.centred",
    "The batch mean is subtracted from advantages that have a baseline already.",
)
def second_baseline(logp, advantages):
    adv = advantages - advantages.mean()
    w = jax.nn.sigmoid(jax.lax.stop_gradient(-adv * logp))
    return -(w * adv * logp).sum() / logp.size


@mutant(
    "torch",
    "logprobs",
    ZERO,
    "draw.all",
    "|U| l is positive for failures too: all of them are kept.",
)
def unsigned_delight(logp, advantages):
    keep = (advantages.abs() * -logp.detach()) > 0
    return -(keep * advantages * logp).sum() / logp.shape[0]


@mutant(
    "numpy",
    "logprobs",
    DG,
    "advantage.sign-dropped",
    "The update takes |U|: failures are reinforced.",
)
def failures_reinforced(logp, advantages):
    w = 1 / (1 + np.exp(advantages * logp))
    dlogp = -w * np.abs(advantages) / logp.size
    return float((dlogp * logp).sum()), dlogp


@mutant(
    "torch",
    "logits",
    DG,
    "advantage.positive-only",
    "Negative advantages are clamped to 0 in the update: DG still learns from failures.",
)
def successes_only(logits, actions, advantages):
    logp = gather_logp(logits, actions)
    gate = torch.sigmoid(advantages * -logp.detach())
    return -(gate * torch.relu(advantages) * logp).mean()


@mutant(
    "numpy",
    "logits",
    PG,
    "advantage.clipped",
    "Advantages are clipped to [-1, 1], as Atari rewards are.",
)
def clipped_advantages(logits, actions, advantages):
    logits = logits - logits.max(axis=-1, keepdims=True)
    probs = np.exp(logits)
    probs /= probs.sum(axis=-1, keepdims=True)
    adv = np.clip(advantages, -1, 1) / advantages.size
    grad = probs * adv[..., None]
    rows = np.arange(actions.size)
    grad.reshape(actions.size, -1)[rows, actions.ravel()] -= adv.ravel()
    return grad


@mutant(
    "torch",
    "logprobs",
    DG,
    "advantage.normalised-in-gate",
    "Inside the gate the advantage is clipped to [-1, 1], so large rewards count as small.",
)
def gate_clips_the_advantage(logp, advantages):
    delight = advantages.clamp(-1, 1) * -logp.detach()
    return -(torch.sigmoid(delight) * advantages * logp).mean()
