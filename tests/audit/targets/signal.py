"""Mistakes in what is ranked or priced: not the delight U * l."""

import jax
import jax.numpy as jnp
import numpy as np
import torch

from targets.register import DG, KONDO, TOP_K, mutant

QUARTER = {**TOP_K, "rate": 0.25}


@mutant(
    "torch",
    "logits",
    QUARTER,
    "signal.advantage",
    "The largest advantages are kept, however expected the action was.",
)
def largest_advantages(logits, actions, advantages, keep_frac=0.25):
    n = advantages.shape[0]
    k = max(1, round(keep_frac * n))
    idx = torch.sort(advantages, descending=True, stable=True).indices[:k]
    logp = torch.distributions.Categorical(logits=logits[idx]).log_prob(actions[idx])
    return -(logp * advantages[idx]).sum() / n


@mutant(
    "numpy",
    "logprobs",
    QUARTER,
    "signal.abs-delight",
    "The largest |delight| is kept: surprising failures crowd out successes.",
)
def largest_magnitude(logp, advantages, rate=0.25):
    chi = np.abs(advantages * logp)
    k = max(1, int(np.rint(rate * chi.size)))
    kept = np.argsort(-chi, kind="stable")[:k]
    dlogp = np.zeros_like(logp)
    dlogp[kept] = -advantages[kept] / chi.size
    return (dlogp * logp).sum(), dlogp


@mutant(
    "torch",
    "gate",
    QUARTER,
    "signal.abs-advantage",
    "Prioritised by |U|, as replay is.",
    shows="weights",
)
def prioritised_by_magnitude(log_probs, advantages):
    k = max(1, round(0.25 * advantages.numel()))
    gate = torch.zeros_like(log_probs)
    gate[advantages.abs().argsort(descending=True, stable=True)[:k]] = 1
    return gate


@mutant(
    "jax",
    "logprobs",
    QUARTER,
    "signal.surprisal",
    "The most surprising actions are kept, good or bad.",
)
def most_surprising(logp, advantages, rate=0.25):
    k = max(1, round(rate * logp.shape[0]))
    _, kept = jax.lax.top_k(-logp, k)
    gate = jnp.zeros_like(logp).at[kept].set(1.0)
    return -(jax.lax.stop_gradient(gate) * advantages * logp).sum() / logp.shape[0]


@mutant(
    "python",
    "lists",
    DG,
    "signal.additive",
    "Half the advantage plus half the surprisal: a failure can outrank a success.",
    shows="weights",
    returns=("weights",),
)
def weighted_sum_of_both(logp, advantages, alpha=0.5):
    import math

    signal = [alpha * u - (1 - alpha) * lp for lp, u in zip(logp, advantages, strict=True)]
    return [1.0 / (1.0 + math.exp(-s)) for s in signal]


@mutant(
    "torch",
    "logits",
    DG,
    "signal.sign",
    "U log pi instead of -U log pi: successes get the small gates, failures the large ones.",
)
def surprisal_without_its_minus(logits, actions, advantages):
    logp = logits.log_softmax(dim=-1).gather(-1, actions.unsqueeze(-1)).squeeze(-1)
    delight = (advantages * logp).detach()
    return -(delight.sigmoid() * advantages * logp).mean()


@mutant(
    "torch",
    "logprobs",
    KONDO,
    "signal.uniform",
    "Keeps 10 % at random: the rate is right, the choice is blind.",
    shows="share",
)
def random_tenth(logp, advantages, rate=0.1):
    gate = (torch.rand_like(logp) < rate).to(logp.dtype)
    return -(gate * advantages * logp).mean()


@mutant(
    "numpy",
    "gate",
    DG,
    "signal.other",
    "|U| f(l) with a focal-loss factor (1 - pi)^2 as the gate.",
    shows="weights",
)
def focal_gate(log_probs, advantages):
    focal = (1 - np.exp(log_probs)) ** 2
    return np.tanh(np.abs(advantages) * focal)


@mutant(
    "torch",
    "logits",
    DG,
    "surprisal.other",
    "U pi(a) l: delight weighed by the probability once more, so rare successes look dull.",
)
def expected_delight(logits, actions, advantages):
    log_pi = torch.log_softmax(logits, dim=-1)
    logp = log_pi.gather(-1, actions[..., None]).squeeze(-1)
    with torch.no_grad():
        gate = torch.sigmoid(advantages * -(logp.exp() * logp))
    return -torch.mean(gate * advantages * logp)
