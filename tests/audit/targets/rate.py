"""Mistakes in the rate: what is reported, what is kept, and what the choice is worth."""

import jax
import jax.numpy as jnp
import numpy as np
import torch

from kondo_ref import Calibrated
from targets.register import DG, KONDO, TOP_K, ZERO, mutant

THREE = {**TOP_K, "rate": 0.03}


@mutant(
    "torch",
    "logits",
    THREE,
    "rate.realised",
    "Said to keep 3 of 100; Bernoulli at the quantile price keeps nearly half of small delights.",
    shows="share",
    on="dull",
)
def three_percent_in_name(logits, actions, advantages, rate=0.03):
    logp = torch.log_softmax(logits, -1).gather(-1, actions[:, None])[:, 0]
    delight = (advantages * -logp).detach()
    price = delight.quantile(1 - rate)
    gate = (torch.rand_like(delight) < torch.sigmoid(delight - price)).to(logp.dtype)
    return -(gate * advantages * logp).mean()


@mutant(
    "torch",
    "gate",
    KONDO,
    "rate.selectivity",
    "Calibrated to the rate at a temperature of 100: the rate is right, the choice is random.",
    shows="share",
    on="plain",
)
def right_rate_blind_choice(log_probs, advantages, rate=0.1, temperature=100.0):
    delight = -log_probs * advantages / temperature
    low, high = delight.min() - 20, delight.max() + 20
    for _ in range(60):
        mid = (low + high) / 2
        over = torch.sigmoid(delight - mid).mean() > rate
        low, high = (mid, high) if over else (low, mid)
    return (torch.rand_like(delight) < torch.sigmoid(delight - mid)).to(delight.dtype)


@mutant(
    "torch",
    "logits",
    {**ZERO},
    "rate.reported",
    "The metric is the configured rate 0.3, not the share that was kept.",
    shows="metrics",
)
def reports_its_config(logits, actions, advantages, rate=0.3):
    logp = torch.distributions.Categorical(logits=logits).log_prob(actions)
    gate = (advantages * -logp.detach() > 0).to(logp.dtype)
    loss = -(gate * advantages * logp).mean()
    return loss, {"keep_rate": rate}


@mutant(
    "jax",
    "logits",
    {**TOP_K, "rate": 0.25},
    "rate.reported",
    "The metric divides by all positions, padding included: .30 is reported where .41 was kept.",
    shows="metrics",
    on="ragged",
)
def rate_over_padding(logits, actions, advantages, mask, rate=0.25):
    log_pi = jax.nn.log_softmax(logits)
    logp = jnp.take_along_axis(log_pi, actions[..., None], axis=-1)[..., 0]
    valid = mask.astype(bool)
    delight = jnp.where(valid, jax.lax.stop_gradient(-logp * advantages), -jnp.inf).ravel()
    k = jnp.maximum(1, jnp.round(rate * valid.sum())).astype(int)
    rank = jnp.argsort(jnp.argsort(-delight, stable=True))
    gate = (rank < k).astype(logp.dtype).reshape(logp.shape)
    loss = -jnp.sum(gate * advantages * logp) / valid.sum()
    return loss, {"keep_rate": gate.mean()}


@mutant(
    "numpy",
    "gate",
    {**TOP_K, "rate": 0.25},
    "count.rate",
    "The rate is applied to the survivors of the zero price: a quarter of the positives is kept.",
    shows="weights",
)
def quarter_of_the_positive(log_probs, advantages, rate=0.25):
    chi = -log_probs * advantages
    k = max(1, round(rate * int((chi > 0).sum())))
    gate = np.zeros_like(chi)
    gate[np.argsort(-chi, kind="stable")[:k]] = 1.0
    return gate


@mutant(
    "torch",
    "logits",
    {"method": "kondo", "price": Calibrated(0.03), "temperature": 0.5},
    "rate.realised",
    "One Newton step from the quantile price, where the rate is claimed to be met.",
    shows="share",
    on="dull",
)
def one_newton_step(logits, actions, advantages, rate=0.03, temperature=0.5):
    logp = torch.log_softmax(logits, -1).gather(-1, actions[:, None])[:, 0]
    delight = (advantages * -logp).detach()
    price = delight.quantile(1 - rate)
    w = torch.sigmoid((delight - price) / temperature)
    price = price + temperature * (w.mean() - rate) / (w * (1 - w)).mean()
    w = torch.sigmoid((delight - price) / temperature)
    return -(torch.bernoulli(w) * advantages * logp).mean()


@mutant(
    "jax",
    "gate",
    {**KONDO, "rate": 0.2},
    "price.rate",
    "The rate is halved, since half of the decisions is 'never kept anyway'.",
    shows="share",
)
def half_the_rate(log_probs, advantages, key, rate=0.2):
    chi = -log_probs * advantages
    w = jax.nn.sigmoid(chi - jnp.quantile(chi, 1 - rate / 2))
    return jax.random.bernoulli(key, w).astype(w.dtype)


@mutant(
    "torch",
    "logits",
    {**DG, "temperature": 0.1},
    "temperature.value",
    "The config says 0.1, the argument is never passed on: 1.0 is used.",
)
def default_temperature_wins(logits, actions, advantages):
    def gate(delight, temperature=1.0):
        return torch.sigmoid(delight / temperature)

    logp = torch.log_softmax(logits, -1).gather(-1, actions[..., None])[..., 0]
    return -(gate(-advantages * logp.detach()) * advantages * logp).mean()
