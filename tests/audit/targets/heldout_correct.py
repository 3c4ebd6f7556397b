"""Held-out correct implementations, in styles that the main library does not have."""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import torch
from scipy.optimize import brentq
from scipy.special import expit
from torch import nn

from kondo_ref import Calibrated, Rolling
from targets.register import DG, PG, TOP_K, ZERO, correct


@correct("torch", "logprobs", {**DG, "temperature": 2.0})
class DelightfulLoss(nn.Module):
    def __init__(self, temperature=2.0):
        super().__init__()
        self.register_buffer("temperature", torch.tensor(temperature, dtype=torch.float64))

    def forward(self, logp, advantages, mask=None):
        weight = torch.ones_like(logp) if mask is None else mask.to(logp.dtype)
        with torch.no_grad():
            chi = advantages * logp.neg()
            gate = torch.sigmoid(chi / self.temperature.to(logp.dtype))
        total = torch.einsum("...,...,...,...->", gate, weight, advantages, logp)
        return total.neg() / weight.sum().clamp_min(1)


class TopKPolicyGradient(torch.autograd.Function):
    """Backward by hand: the gradient of the kept rows alone."""

    @staticmethod
    def forward(ctx, logits, actions, advantages, rate):
        log_pi = logits.log_softmax(-1)
        logp = log_pi.gather(-1, actions[:, None])[:, 0]
        n = len(actions)
        kept = torch.argsort(-advantages * logp, descending=True, stable=True)
        kept = kept[: max(1, round(rate * n))]
        ctx.save_for_backward(log_pi[kept], actions[kept], advantages[kept], kept)
        ctx.rows = n
        return -(advantages[kept] * logp[kept]).sum() / n

    @staticmethod
    def backward(ctx, grad_output):
        log_pi, actions, advantages, kept = ctx.saved_tensors
        c = (advantages / ctx.rows)[:, None]
        rows = c * log_pi.exp()
        rows.scatter_add_(1, actions[:, None], -c)
        dlogits = log_pi.new_zeros(ctx.rows, log_pi.shape[1])
        return grad_output * dlogits.index_copy(0, kept, rows), None, None, None


@correct("torch", "logits", {**TOP_K, "rate": 0.25})
def top_k_by_autograd_function(logits, actions, advantages):
    if logits.dim() != 2:
        raise ValueError(f"logits: expected (N, K), got {tuple(logits.shape)}")
    return TopKPolicyGradient.apply(logits, actions, advantages, 0.25)


@correct("torch", "rewards", PG, baseline="leave-one-out")
def rloo(logits, actions, rewards, groups):
    same = groups[:, None].eq(groups).to(rewards.dtype)
    baseline = (same @ rewards - rewards) / (same.sum(1) - 1).clamp(min=1)
    logp = torch.distributions.Categorical(logits=logits).log_prob(actions)
    return -((rewards - baseline) * logp).mean()


@correct("torch", "step", {**TOP_K, "rate": 0.25, "skips": True})
class AccumulatingTrainer:
    """The gate is global; micro-batches hold kept rows only, each divided by the whole N."""

    def __init__(self, rate=0.25, micro_batch=4, lr=0.02):
        self.rate, self.micro_batch, self.lr = rate, micro_batch, lr

    @torch.no_grad()
    def select(self, model, observations, actions, advantages):
        chi = -advantages * self.logp(model, observations, actions)
        k = max(1, round(self.rate * chi.numel()))
        return chi.argsort(descending=True, stable=True)[:k]

    def logp(self, model, observations, actions):
        return model(observations).log_softmax(-1).gather(-1, actions[:, None]).squeeze(-1)

    def __call__(self, model, observations, actions, advantages):
        (n,) = actions.shape
        rows = self.select(model, observations, actions, advantages)
        optimizer = torch.optim.SGD(model.parameters(), lr=self.lr)
        optimizer.zero_grad()
        for part in rows.split(self.micro_batch):
            logp = self.logp(model, observations[part], actions[part])
            (-(advantages[part] * logp).sum() / n).backward()
        optimizer.step()


@jax.custom_vjp
def delightful(logp, advantages):
    w = jax.nn.sigmoid(-logp * advantages)
    return -jnp.sum(w * advantages * logp) / logp.size


def delightful_forward(logp, advantages):
    return delightful(logp, advantages), (logp, advantages)


def delightful_backward(saved, cotangent):
    logp, advantages = saved
    slope = -jax.nn.sigmoid(-logp * advantages) * advantages / logp.size
    return cotangent * slope, jnp.zeros_like(advantages)


delightful.defvjp(delightful_forward, delightful_backward)


@correct("jax", "logprobs", DG)
def dg_with_a_slope_of_its_own(logp, advantages):
    return delightful(logp, advantages)


class Batch(NamedTuple):
    logp: jax.Array
    advantages: jax.Array


@correct("jax", "rewards", ZERO, baseline="group")
def zero_price_by_segments(logits, actions, rewards, groups):
    n = rewards.shape[0]
    ones = jax.ops.segment_sum(jnp.ones(n), groups, num_segments=n)
    level = jax.ops.segment_sum(rewards, groups, num_segments=n) / jnp.maximum(ones, 1)
    log_pi = jax.nn.log_softmax(logits)
    batch = Batch(log_pi[jnp.arange(n), actions], rewards - level[groups])

    def one(row):
        keep = jax.lax.stop_gradient(-row.logp * row.advantages) > 0
        return -keep.astype(row.logp.dtype) * row.advantages * row.logp

    return jax.vmap(one)(batch).mean()


@correct("numpy", "gate", {"method": "kondo", "price": Calibrated(0.2)})
@dataclass
class SolvedGate:
    rate: float = 0.2

    def __call__(self, log_probs, advantages, uniforms):
        chi = -log_probs * advantages
        if not np.isfinite(chi).all():
            raise ValueError("delight: expected finite numbers")

        def surplus(price):
            return expit(chi - price).mean() - self.rate

        price = brentq(surplus, chi.min() - 50.0, chi.max() + 50.0, xtol=1e-14)
        return np.less(uniforms, expit(chi - price)).astype(chi.dtype)


@correct("numpy", "logprobs", {**ZERO, "unit": "sequence"})
def zero_price_of_packed_rows(logp, advantages, mask):
    """Valid tokens are packed; segments are summed by their starts."""
    if not np.isfinite(logp * advantages).all():
        raise ValueError("delight: expected finite numbers")
    valid = np.asarray(mask).astype(bool)
    rows = np.repeat(np.arange(len(logp)), valid.sum(1))
    packed = (-advantages * logp)[valid]
    total = np.bincount(rows, weights=packed, minlength=len(logp))
    gate = (total > 0).astype(logp.dtype)[rows]
    grad = np.zeros_like(logp)
    grad[valid] = -gate * advantages[valid] / max(packed.size, 1)
    return float((grad * logp).sum()), grad


@correct("python", "stream", {"method": "kondo", "price": Rolling(0.25, 32, 8), "temperature": 0.0})
class RingBuffer:
    def __init__(self, rate=0.25, size=32, warmup=8):
        self.quantile, self.warmup = 1.0 - rate, warmup
        self.ring, self.count = np.zeros(size), 0

    def decide(self, delight):
        if not np.isfinite(delight):
            raise ValueError(f"delight: {delight}")
        known = self.ring[: min(self.count, self.ring.size)]
        keep = known.size < self.warmup or bool(delight > np.quantile(known, self.quantile))
        self.ring[self.count % self.ring.size] = delight
        self.count += 1
        return keep
