"""Mistakes in the temperature: on the wrong side, relative to the batch, or lost at its limit 0."""

import jax
import jax.numpy as jnp
import numpy as np
import torch

from kondo_ref import Fixed
from targets.register import DG, DG_HALF, ZERO, mutant


@mutant(
    "torch",
    "logits",
    DG_HALF,
    "temperature.multiplies",
    "The delight is multiplied by the temperature 0.5, where it should be divided.",
)
def temperature_multiplies(logits, actions, advantages, temperature=0.5):
    logp = -torch.nn.functional.cross_entropy(logits, actions, reduction="none")
    gate = torch.sigmoid(temperature * advantages * -logp.detach())
    return -(gate * advantages * logp).mean()


@mutant(
    "jax",
    "gate",
    {**DG, "temperature": 2.0},
    "temperature.multiplies",
    "`beta` is documented as the temperature and used as its inverse.",
    shows="weights",
)
def beta_is_an_inverse_temperature(log_probs, advantages, beta=2.0):
    return jax.nn.sigmoid(beta * -log_probs * advantages)


@mutant(
    "torch",
    "logprobs",
    DG,
    "temperature.adaptive",
    "The delight is divided by its root mean square: the gate forgets the scale of the reward.",
)
def scaled_by_rms(logp, advantages):
    delight = (advantages * -logp).detach()
    rms = delight.square().mean().sqrt().clamp(min=1e-8)
    return -(torch.sigmoid(delight / rms) * advantages * logp).mean()


@mutant(
    "numpy",
    "logprobs",
    DG,
    "signal.whitened",
    "The delight is z-scored: the price becomes its mean, the temperature its deviation.",
)
def z_scored_delight(logp, advantages):
    chi = -advantages * logp
    chi = (chi - chi.mean()) / (chi.std() + 1e-6)
    w = np.reciprocal(1 + np.exp(-chi))
    grad = -w * advantages / logp.size
    return np.dot(grad.ravel(), logp.ravel()), grad


@mutant(
    "torch",
    "logits",
    ZERO,
    "temperature.positive",
    "`temperature or 1.0` reads 0 as unset: the hard gate is a soft one.",
)
def zero_is_falsy(logits, actions, advantages, temperature=0.0):
    logp = logits.log_softmax(-1).gather(-1, actions.unsqueeze(-1)).squeeze(-1)
    delight = (-advantages * logp).detach()
    gate = torch.sigmoid(delight / (temperature or 1.0))
    return -(gate * advantages * logp).mean()


@mutant(
    "jax",
    "gate",
    ZERO,
    "temperature.positive",
    "Temperature 0 is taken as 0.05: small delights are kept by halves.",
    shows="weights",
)
def small_temperature_for_zero(log_probs, advantages, temperature=0.0):
    return jax.nn.sigmoid(-log_probs * advantages / max(temperature, 0.05))


@mutant(
    "numpy",
    "gate",
    ZERO,
    "temperature.tie-value",
    "The limit is a Heaviside step with 1/2 at the tie: delight 0 is half kept.",
    shows="weights",
    on="zero advantages",
)
def heaviside_half(log_probs, advantages):
    return np.heaviside(-log_probs * advantages, 0.5)


@mutant(
    "jax",
    "logits",
    {**DG_HALF, "price": Fixed(1.0)},
    "temperature.divides-price",
    "Delight is divided by the temperature 0.5, the price 1 is not.",
)
def price_in_other_units(logits, actions, advantages, price=1.0, temperature=0.5):
    logp = jax.nn.log_softmax(logits)[jnp.arange(actions.shape[0]), actions]
    chi = jax.lax.stop_gradient(-logp) * advantages
    return -(jax.nn.sigmoid(chi / temperature - price) * advantages * logp).mean()
