"""Mistakes in what is held constant, and in where the gate stands in the objective."""

import jax
import jax.numpy as jnp
import torch
import torch.nn.functional as F

from kondo_ref import Fixed
from targets.register import DG, KONDO, PG, TOP_K, ZERO, mutant


@mutant(
    "torch",
    "logits",
    DG,
    "detach.gate",
    "Nothing is detached: cosine .985 to DG, norm 1.15 times.",
)
def attached_gate(logits, actions, advantages):
    logp = -F.cross_entropy(logits, actions, reduction="none")
    gate = torch.sigmoid(advantages * -logp)
    return -(gate * advantages * logp).mean()


@mutant(
    "jax",
    "logprobs",
    DG,
    "detach.gate",
    "stop_gradient around the advantage only: the gate is differentiated.",
)
def stops_the_wrong_thing(logp, advantages):
    gate = jax.nn.sigmoid(jax.lax.stop_gradient(advantages) * -logp)
    return -(gate * jax.lax.stop_gradient(advantages) * logp).mean()


@mutant(
    "torch",
    "logprobs",
    DG,
    "detach.gate",
    "silu(delight) has the value w * chi, and the slope of an attached gate.",
)
def silu_of_the_delight(logp, advantages):
    return F.silu(advantages * -logp).mean()


@mutant(
    "torch",
    "logits",
    ZERO,
    "detach.straight-through",
    "Hard gate forward, sigmoid backward.",
)
def straight_through(logits, actions, advantages):
    logp = torch.distributions.Categorical(logits=logits).log_prob(actions)
    soft = torch.sigmoid(-advantages * logp)
    hard = (soft > 0.5).to(soft.dtype)
    gate = hard + soft - soft.detach()
    return -(gate * advantages * logp).mean()


@mutant(
    "jax",
    "logits",
    {**DG, "price": Fixed(0.5)},
    "weights.delight",
    "U l^2 / 2 instead of U l: the update weighs by the delight.",
)
def quadratic_in_surprisal(logits, actions, advantages, price=0.5):
    logp = jax.nn.log_softmax(logits)[jnp.arange(actions.size), actions]
    w = jax.nn.sigmoid(jax.lax.stop_gradient(-logp * advantages) - price)
    return jnp.mean(w * advantages * logp**2 / 2)


@mutant(
    "torch",
    "logits",
    {**DG, "price": Fixed(0.0)},
    "detach.partial",
    "Half of the gate's derivative leaks: 0.5 l + 0.5 l.detach() from a smoothing trick.",
)
def half_detached(logits, actions, advantages):
    logp = logits.log_softmax(-1).gather(-1, actions.unsqueeze(-1)).squeeze(-1)
    surprisal = -(0.5 * logp + 0.5 * logp.detach())
    return -(torch.sigmoid(advantages * surprisal) * advantages * logp).mean()


@mutant(
    "jax",
    "rewards",
    PG,
    "detach.baseline",
    "The baseline sum pi^2 is differentiated: the gradient pulls on all logits.",
    shows="residual",
    baseline="expected",
)
def attached_baseline(logits, actions, rewards):
    log_pi = jax.nn.log_softmax(logits)
    baseline = jnp.sum(jnp.exp(2 * log_pi), axis=-1)
    logp = jnp.take_along_axis(log_pi, actions[:, None], axis=-1)[:, 0]
    return -jnp.mean((rewards - baseline) * logp)


@mutant(
    "torch",
    "logits",
    DG,
    "placement.entropy",
    "An entropy bonus of 0.01 is part of the loss: a gradient of its own in every row.",
    shows="residual",
)
def with_entropy_bonus(logits, actions, advantages, ent_coef=0.01):
    dist = torch.distributions.Categorical(logits=logits)
    logp = dist.log_prob(actions)
    gate = torch.sigmoid(advantages * -logp.detach())
    pg_loss = -(gate * advantages * logp).mean()
    return pg_loss - ent_coef * dist.entropy().mean()


@mutant(
    "jax",
    "logits",
    PG,
    "placement.entropy",
    "A KL to the uniform policy is added to the loss.",
    shows="residual",
)
def with_kl_to_uniform(logits, actions, advantages, kl_coef=0.05):
    log_pi = jax.nn.log_softmax(logits)
    logp = jnp.take_along_axis(log_pi, actions[..., None], -1)[..., 0]
    kl = jnp.sum(jnp.exp(log_pi) * (log_pi + jnp.log(logits.shape[-1])), axis=-1)
    return jnp.mean(-advantages * logp + kl_coef * kl)


@mutant(
    "torch",
    "logits",
    DG,
    "placement.probability",
    "The gradient is that of pi, not of log pi: rare actions hardly move.",
)
def probability_objective(logits, actions, advantages):
    prob = logits.softmax(-1).gather(-1, actions.unsqueeze(-1)).squeeze(-1)
    with torch.no_grad():
        gate = torch.sigmoid(-advantages * prob.log())
    return -(gate * advantages * prob).mean()


@mutant(
    "torch",
    "logits",
    ZERO,
    "draw.all",
    "Only successes are gated; failures pass as in PG.",
)
def failures_pass(logits, actions, advantages):
    logp = logits.log_softmax(-1).gather(-1, actions.unsqueeze(-1)).squeeze(-1)
    gate = torch.where(advantages > 0, (-advantages * logp.detach() > 0).to(logp.dtype), 1.0)
    return -(gate * advantages * logp).mean()


@mutant(
    "jax",
    "logprobs",
    DG,
    "placement.ungated-share",
    "Half of the loss is plain PG, as an auxiliary term.",
)
def mixed_with_pg(logp, advantages, mix=0.5):
    w = jax.nn.sigmoid(-jax.lax.stop_gradient(logp) * advantages)
    return -jnp.mean(((1 - mix) * w + mix) * advantages * logp)


@mutant(
    "torch",
    "logprobs",
    {**TOP_K, "rate": 0.25},
    "advantage.missing",
    "Cross-entropy on what was kept: the advantage chooses, and then is forgotten.",
)
def behaviour_cloning_of_the_kept(logp, advantages, rate=0.25):
    delight = (advantages * -logp).detach()
    k = max(1, round(rate * logp.numel()))
    kept = delight.argsort(descending=True, stable=True)[:k]
    return -logp[kept].sum() / logp.numel()


@mutant(
    "torch",
    "rewards",
    ZERO,
    "advantage.baseline",
    "The gate multiplies the rewards before the baseline is taken: dropped answers still move it.",
    on="rewards",
    baseline="batch",
)
def gated_rewards(logits, actions, rewards):
    logp = torch.distributions.Categorical(logits=logits).log_prob(actions)
    advantages = rewards - rewards.mean()
    gate = (advantages * -logp.detach() > 0).to(logp.dtype)
    gated = gate * rewards
    return -((gated - gated.mean()) * logp).mean()


@mutant(
    "jax",
    "rewards",
    DG,
    "advantage.baseline",
    "The gate sees the raw reward, the update the reward less its baseline.",
    on="rewards",
    baseline="batch",
)
def raw_reward_in_the_gate(logits, actions, rewards):
    logp = jax.nn.log_softmax(logits)[jnp.arange(actions.shape[0]), actions]
    gate = jax.nn.sigmoid(jax.lax.stop_gradient(-logp) * rewards)
    return -jnp.mean(gate * (rewards - rewards.mean()) * logp)


@mutant(
    "torch",
    "rewards",
    PG,
    "advantage.standardised",
    "GRPO: the group's advantages are divided by their standard deviation.",
    on="groups",
    baseline="group",
)
def grpo_advantages(logits, actions, rewards, groups):
    logp = torch.log_softmax(logits, -1).gather(-1, actions[:, None]).squeeze(1)
    adv = torch.empty_like(rewards)
    for g in groups.unique():
        members = groups == g
        r = rewards[members]
        adv[members] = (r - r.mean()) / (r.std(unbiased=False) + 1e-4)
    return -(adv * logp).mean()


@mutant(
    "torch",
    "logprobs",
    KONDO,
    "draw.other",
    "A relaxed Bernoulli (Gumbel-sigmoid) gate, differentiated.",
)
def relaxed_bernoulli(logp, advantages, rate=0.1):
    delight = -advantages * logp
    price = torch.quantile(delight.detach(), 1 - rate)
    u = torch.rand_like(logp)
    noise = torch.log(u) - torch.log1p(-u)
    gate = torch.sigmoid((delight - price + noise) / 0.1)
    return -(gate * advantages * logp).mean()
