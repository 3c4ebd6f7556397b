"""Mistakes of objects that screen first and take the loss of a subset."""

import jax
import jax.numpy as jnp
import numpy as np
import torch

from targets.register import KONDO, TOP_K, ZERO, mutant

QUARTER = {**TOP_K, "rate": 0.25}


@mutant(
    "torch",
    "screen+loss",
    QUARTER,
    "normalizer.kept",
    "The loss cannot know how many were screened, and takes the mean of what it is given.",
)
class SelectThenMean:
    def __init__(self, rate=0.25):
        self.rate = rate

    @torch.no_grad()
    def screen(self, logp, advantages):
        delight = -advantages * logp
        k = max(1, round(self.rate * delight.numel()))
        return delight.argsort(descending=True, stable=True)[:k]

    def loss(self, logp, advantages):
        return -(advantages * logp).mean()


@mutant(
    "torch",
    "screen+loss",
    ZERO,
    "draw.chained",
    "The loss weighs the survivors with the sigmoid of their delight.",
)
class SelectThenWeigh:
    def screen(self, logp, advantages):
        self.n = logp.numel()
        return (advantages * -logp.detach()) > 0

    def loss(self, logp, advantages):
        gate = torch.sigmoid(-advantages * logp.detach())
        return -(gate * advantages * logp).sum() / self.n


@mutant(
    "numpy",
    "screen+loss",
    QUARTER,
    "ties.all-kept",
    "The mask holds whatever reaches the k-th largest: all of them in a batch of ties.",
    on="ties",
)
class ThresholdMask:
    def screen(self, logp, advantages):
        chi = -logp * advantages
        self.n = chi.size
        k = max(1, round(0.25 * chi.size))
        return chi >= np.partition(chi, -k)[-k]

    def loss(self, logp, advantages):
        grad = -advantages / self.n
        return (grad * logp).sum(), grad


@mutant(
    "jax",
    "screen+loss",
    QUARTER,
    "signal.advantage",
    "The screen never looks at the log-probabilities.",
)
class ScreensByAdvantage:
    def screen(self, logp, advantages):
        self.n = logp.shape[0]
        k = max(1, round(0.25 * self.n))
        return jax.lax.top_k(advantages, k)[1]

    def loss(self, logp, advantages):
        return -jnp.sum(advantages * logp) / self.n


@mutant(
    "torch",
    "screen+loss",
    KONDO,
    "weights.inverse-probability",
    "The screen remembers the keep probabilities, and the loss divides by them.",
)
class UnbiasedSubset:
    def screen(self, logp, advantages, rate=0.1):
        delight = (advantages * -logp).detach()
        w = torch.sigmoid(delight - torch.quantile(delight, 1 - rate))
        kept = torch.nonzero(torch.rand_like(w) < w).squeeze(-1)
        self.w, self.n = w[kept], w.numel()
        return kept

    def loss(self, logp, advantages):
        return -(advantages * logp / self.w).sum() / self.n


@mutant(
    "torch",
    "screen+loss",
    QUARTER,
    "execution.lost",
    "The budget of the executor is 8 rows: what was kept beyond it is lost.",
)
class BoundedExecutor:
    def __init__(self, rate=0.25, capacity=8):
        self.rate, self.capacity = rate, capacity

    def screen(self, logp, advantages):
        self.n = logp.shape[0]
        order = torch.sort(advantages * logp.detach(), stable=True).indices
        return order[: max(1, round(self.rate * self.n))]

    def loss(self, logp, advantages):
        fits = slice(0, self.capacity)
        return -(advantages[fits] * logp[fits]).sum() / self.n
