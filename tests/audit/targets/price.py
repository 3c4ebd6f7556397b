"""Mistakes in the price: another quantile, of another signal, with another sign."""

import jax
import jax.numpy as jnp
import numpy as np
import torch

from kondo_ref import Fixed
from targets.register import DG, KONDO, mutant

# At temperature 0 a quantile price keeps what exceeds it strictly: no draw hides the price.
HARD = {**KONDO, "rate": 0.25, "temperature": 0.0}


def selected_logp(logits, actions):
    return torch.gather(logits.log_softmax(-1), -1, actions.unsqueeze(-1)).squeeze(-1)


@mutant(
    "torch",
    "logits",
    HARD,
    "price.inverted",
    "torch.quantile(delight, rate): the gate keeps 75 % for a rate of 25 %.",
)
def quantile_from_the_wrong_side(logits, actions, advantages, rate=0.25):
    logp = selected_logp(logits, actions)
    delight = (advantages * -logp).detach()
    gate = (delight > torch.quantile(delight, rate)).to(logp.dtype)
    return -(gate * advantages * logp).mean()


@mutant(
    "torch",
    "logprobs",
    HARD,
    "price.interpolation",
    "interpolation='higher' puts the price on a decision, which then does not exceed it.",
)
def quantile_higher(logp, advantages, rate=0.25):
    delight = (advantages * -logp).detach()
    price = torch.quantile(delight, 1 - rate, interpolation="higher")
    return -((delight > price) * advantages * logp).sum() / logp.numel()


@mutant(
    "numpy",
    "gate",
    {**KONDO, "rate": 0.25, "temperature": 0.0},
    "price.interpolation",
    "method='higher' in NumPy: one decision fewer in some batches.",
    shows="weights",
)
def numpy_quantile_higher(log_probs, advantages, rate=0.25):
    chi = -log_probs * advantages
    return (chi > np.quantile(chi, 1 - rate, method="higher")).astype(float)


@mutant(
    "numpy",
    "gate",
    {**KONDO, "rate": 0.2, "temperature": 0.05},
    "price.interpolation",
    "method='lower': the price, and with it every keep probability, is off.",
    shows="share",
)
def lower_price(log_probs, advantages, uniforms, rate=0.2):
    chi = -log_probs * advantages
    w = 1 / (1 + np.exp((np.quantile(chi, 1 - rate, method="lower") - chi) / 0.05))
    return (uniforms < w).astype(float)


@mutant(
    "torch",
    "logits",
    KONDO,
    "price.order-statistic",
    "Sorts and takes the k-th largest delight as the price of a Bernoulli gate.",
    shows="share",
    on="small",
)
def kth_largest_is_the_price(logits, actions, advantages, rate=0.1):
    logp = selected_logp(logits, actions)
    with torch.no_grad():
        delight = -advantages * logp
        k = max(1, round(rate * delight.numel()))
        price = torch.topk(delight.flatten(), k).values[-1]
        gate = torch.bernoulli(torch.sigmoid(delight - price))
    return -(gate * advantages * logp).mean()


@mutant(
    "python",
    "lists",
    HARD,
    "price.interpolation",
    "sorted(delight)[int((1 - rate) * n)]: no interpolation, and one decision fewer.",
    shows="weights",
    returns=("weights",),
)
def price_by_index(logp, advantages, rate=0.25):
    delight = [-u * lp for u, lp in zip(advantages, logp, strict=True)]
    price = sorted(delight)[int((1 - rate) * len(delight))]
    return [float(chi > price) for chi in delight]


@mutant(
    "torch",
    "logprobs",
    HARD,
    "price.order-statistic",
    "torch.kthvalue counts from 1 at the small end: the price is one rank low or high.",
)
def kthvalue_price(logp, advantages, rate=0.25):
    delight = (-advantages * logp).detach().reshape(-1)
    k = int((1 - rate) * delight.numel()) + 2
    price = delight.kthvalue(min(k, delight.numel())).values
    gate = (delight > price).view_as(logp)
    return -(gate * advantages * logp).mean()


@mutant(
    "jax",
    "logprobs",
    HARD,
    "price.mean",
    "Keeps what is better than the mean delight, whatever the rate.",
)
def better_than_average(logp, advantages, rate=0.25):  # noqa: ARG001
    chi = jax.lax.stop_gradient(-advantages * logp)
    return -jnp.mean(jnp.where(chi > chi.mean(), advantages * logp, 0.0))


@mutant(
    "torch",
    "logprobs",
    HARD,
    "price.other",
    "The quantile is that of the advantages, and is compared with delights.",
)
def quantile_of_the_advantage(logp, advantages, rate=0.25):
    delight = (advantages * -logp).detach()
    gate = delight > torch.quantile(advantages.detach(), 1 - rate)
    return -(gate * advantages * logp).mean()


@mutant(
    "torch",
    "logprobs",
    HARD,
    "price.absolute",
    "The quantile of |delight|: in a batch of failures hardly anything exceeds it.",
)
def quantile_of_magnitudes(logp, advantages, rate=0.25):
    delight = (advantages * -logp).detach()
    gate = delight > torch.quantile(delight.abs(), 1 - rate)
    return -(gate * advantages * logp).mean()


@mutant(
    "torch",
    "logits",
    {**DG, "price": Fixed(0.5)},
    "price.value",
    "The price is added where it should be subtracted.",
)
def price_is_added(logits, actions, advantages, price=0.5):
    logp = selected_logp(logits, actions)
    gate = torch.sigmoid(-advantages * logp.detach() + price)
    return -(gate * advantages * logp).mean()


@mutant(
    "jax",
    "gate",
    {**DG, "price": Fixed(0.5)},
    "price.missing",
    "The price is an argument that nothing reads.",
    shows="weights",
)
def price_never_used(log_probs, advantages, price=0.5):  # noqa: ARG001
    return jax.nn.sigmoid(-log_probs * advantages)
