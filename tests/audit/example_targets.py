"""One target for every surface and framework: the zero-price gate, written as each is called.

`c = 1{U l > 0} U / N`: the same coefficients from all of them.
"""

# A target has the arguments that its surface has.
# ruff: noqa: ARG002

import math

import jax
import jax.numpy as jnp
import numpy as np
import torch


def torch_logp(logits, actions):
    return logits.log_softmax(-1).gather(-1, actions[..., None])[..., 0]


def torch_gate(logp, advantages):
    return (-advantages * logp > 0).to(logp.dtype).detach()


def torch_logits(logits, actions, advantages, mask=None):
    logp = torch_logp(logits, actions)
    mask = torch.ones_like(logp) if mask is None else mask.to(logp.dtype)
    return -(mask * torch_gate(logp, advantages) * advantages * logp).sum() / mask.sum()


def torch_logprobs(log_probs, adv, loss_mask=None):
    loss_mask = torch.ones_like(log_probs) if loss_mask is None else loss_mask.to(log_probs.dtype)
    per_token = -loss_mask * torch_gate(log_probs, adv) * adv * log_probs
    return per_token / loss_mask.sum(), {"kept": torch_gate(log_probs, adv).mean()}


def torch_rewards(logits, actions, rewards, groups=None):
    return torch_logits(logits, actions, rewards if groups is None else rewards - 1.0)


class TorchScreen:
    def screen(self, logp, advantages):
        return torch_gate(logp, advantages).nonzero()[:, 0]

    def loss(self, logp, advantages, num_decisions):
        return -(advantages * logp).sum() / num_decisions


class TorchTrainer:
    """Owns its optimizer; a second forward sees the kept rows alone, and none means no step."""

    def __init__(self, model, lr=0.1):
        self.model, self.optimizer = model, torch.optim.Adam(model.parameters(), lr=lr)

    def step(self, observations, actions, advantages):
        with torch.no_grad():
            kept = torch_gate(torch_logp(self.model(observations), actions), advantages) > 0
        if not kept.any():
            return {"loss": 0.0}
        logp = torch_logp(self.model(observations[kept]), actions[kept])
        loss = -(advantages[kept] * logp).sum() / advantages.numel()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {"loss": loss.item(), "kept": int(kept.sum())}


def torch_step(model, obs, actions, adv):
    """All rows enter the backward, and the step is done by hand."""
    loss = torch_logits(model(obs), actions, adv)
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    with torch.no_grad():
        for parameter, gradient in zip(model.parameters(), gradients, strict=True):
            parameter.sub_(0.1 * gradient)
    return loss


def jax_logp(logits, actions):
    return jnp.take_along_axis(jax.nn.log_softmax(logits), actions[..., None], -1)[..., 0]


def jax_gate(logp, advantages):
    return jax.lax.stop_gradient((-advantages * logp > 0).astype(logp.dtype))


def jax_logprobs(logp, advantages, mask=None):
    mask = jnp.ones_like(logp) if mask is None else mask.astype(logp.dtype)
    kept = jax_gate(logp, advantages)
    return -(mask * kept * advantages * logp).sum() / mask.sum(), {"kept": kept.mean()}


@jax.jit
def jax_logits(logits, actions, advantages):
    return jax_logprobs(jax_logp(logits, actions), advantages)[0]


def jax_rewards(logits, actions, rewards):
    return jax_logits(logits, actions, rewards)


class JaxScreen:
    def screen(self, logp, advantages):
        return jax_gate(logp, advantages) > 0

    def loss(self, logits, actions, advantages, num_decisions):
        return -(advantages * jax_logp(logits, actions)).sum() / num_decisions


def jax_step(params, observations, actions, advantages, lr):
    def loss(table):
        return jax_logits(table[observations], actions, advantages)

    return params - lr * jax.grad(loss)(params)


def numpy_gate(logp, advantages):
    return -advantages * logp > 0


def numpy_logprobs(logp, advantages, mask=None):
    mask = np.ones_like(logp) if mask is None else mask
    c = mask * numpy_gate(logp, advantages) * advantages / mask.sum()
    return -(c * logp).sum(), -c


def numpy_logits(logits, actions, advantages):
    logp = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    taken = np.take_along_axis(logp, actions[..., None], -1)[..., 0]
    loss, dlogp = numpy_logprobs(taken, advantages)
    onehot = np.eye(logits.shape[-1])[actions]
    return loss, dlogp[..., None] * (onehot - np.exp(logp))


def numpy_rewards(logits, actions, rewards):
    return numpy_logits(logits, actions, rewards)[1]


class NumpyScreen:
    def screen(self, logp, advantages):
        return np.flatnonzero(numpy_gate(logp, advantages))

    def loss(self, logp, advantages, num_decisions):
        return -advantages / num_decisions


def numpy_step(params, observations, actions, advantages):
    gradient = np.zeros_like(params)
    np.add.at(gradient, observations, numpy_rewards(params[observations], actions, advantages))
    return gradient


def python_gate(logp, advantages):
    return [1.0 if -u * lp > 0 else 0.0 for lp, u in zip(logp, advantages, strict=True)]


def python_coefficients(logp, advantages):
    gate = python_gate(logp, advantages)
    return [g * u / len(gate) for g, u in zip(gate, advantages, strict=True)]


def python_logprobs(logp, advantages):
    return [-c for c in python_coefficients(logp, advantages)]


def python_logits(logits, actions, advantages):
    rows = []
    for row, action, u in zip(logits, actions, advantages, strict=True):
        total = sum(math.exp(z) for z in row)
        c = u / len(logits) if u * (math.log(total) - row[action]) > 0 else 0.0
        rows.append([c * (math.exp(z) / total - (k == action)) for k, z in enumerate(row)])
    return rows


class PythonScreen:
    def screen(self, logp, advantages):
        return [g > 0 for g in python_gate(logp, advantages)]

    def loss(self, logp, advantages, num_decisions):
        return [-u / num_decisions for u in advantages]


class Stream:
    """Keeps what is positive, and remembers how much it saw."""

    def __init__(self):
        self.seen = 0

    def decide(self, delight):
        self.seen += 1
        return delight > 0


def odd(batch, *, scale):
    """Take one dict, as no usual signature does, and return what is to be ascended."""
    logp = torch_logp(batch["scores"], batch["chosen"].squeeze(-1))
    gate = torch_gate(logp, batch["signal"])
    return {"objective": scale * (gate * batch["signal"] * logp).mean(), "entropy": 0.5}


def adapter(logits, actions, advantages):
    """Adapt `odd`: what a user writes for a signature that options do not reach."""
    batch = {"scores": logits, "chosen": actions[..., None], "signal": advantages}
    return -odd(batch, scale=1.0)["objective"]
