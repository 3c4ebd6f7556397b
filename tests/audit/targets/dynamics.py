"""Mistakes of gates that remember: warm-up, history, reserve, drops in a row, decay."""

from collections import deque

import numpy as np
import torch

from kondo_ref import Rolling
from targets.register import DG, KONDO, TOP_K, ZERO, mutant

# A stream keeps what exceeds the 75 % quantile of the last 32 delights; all of the first 8.
STREAM = {"method": "kondo", "price": Rolling(0.25, 32, 8), "temperature": 0.0}


@mutant(
    "python",
    "stream",
    STREAM,
    "price.includes-itself",
    "A delight joins the history before it is priced: it has to exceed itself.",
    shows="weights",
    on="stream",
)
class PricesAfterAppending:
    def __init__(self, rate=0.25, size=32, warmup=8):
        self.rate, self.warmup = rate, warmup
        self.seen = deque(maxlen=size)

    def decide(self, delight):
        self.seen.append(delight)
        if len(self.seen) <= self.warmup:
            return True
        return bool(delight > np.quantile(self.seen, 1 - self.rate))


@mutant(
    "python",
    "stream",
    STREAM,
    "dynamics.warm-up",
    "Drops everything while the history is short, where everything should be kept.",
    shows="weights",
    on="stream",
)
class DropsDuringWarmup:
    def __init__(self):
        self.history = []

    def decide(self, delight):
        known = self.history[-32:]
        self.history.append(float(delight))
        if len(known) < 8:
            return False
        return float(delight) > float(np.quantile(known, 0.75))


@mutant(
    "python",
    "stream",
    STREAM,
    "dynamics.drift",
    "Only kept delights join the history: the price climbs until nothing passes.",
    shows="weights",
    on="stream",
)
class RemembersOnlyTheKept:
    def __init__(self, rate=0.25, history=32, warmup=8):
        self.rate, self.history, self.warmup = rate, history, warmup
        self.buffer = []

    def decide(self, delight):
        full = len(self.buffer) >= self.warmup
        keep = not full or delight > np.quantile(self.buffer[-self.history :], 1 - self.rate)
        if keep:
            self.buffer.append(delight)
        return bool(keep)


@mutant(
    "python",
    "stream",
    STREAM,
    "dynamics.drop-cap",
    "After six drops in a row a decision is kept, however bad.",
    shows="weights",
    on="stream",
)
class NeverSilentForLong:
    def __init__(self, patience=6):
        self.patience, self.dropped, self.window = patience, 0, deque(maxlen=32)

    def decide(self, delight):
        price = np.quantile(self.window, 0.75) if len(self.window) >= 8 else -np.inf
        self.window.append(delight)
        keep = delight > price or self.dropped >= self.patience
        self.dropped = 0 if keep else self.dropped + 1
        return bool(keep)


@mutant(
    "python",
    "stream",
    STREAM,
    "price.history-size",
    "The history never forgets: a policy that has improved is priced by its first days.",
    shows="weights",
    on="stream",
)
class NeverForgets:
    def __init__(self):
        self.all = []

    def decide(self, delight):
        keep = len(self.all) < 8 or delight > np.quantile(self.all, 0.75)
        self.all.append(delight)
        return bool(keep)


@mutant(
    "python",
    "stream",
    STREAM,
    "price.other",
    "An exponential mean and deviation with a normal quantile stand in for the history's.",
    shows="weights",
    on="stream",
)
class GaussianPrice:
    def __init__(self, decay=0.95, z=0.674):
        self.decay, self.z, self.n, self.mean, self.square = decay, z, 0, 0.0, 0.0

    def decide(self, delight):
        spread = max(self.square - self.mean**2, 0.0) ** 0.5
        keep = self.n < 8 or delight > self.mean + self.z * spread
        d = self.decay if self.n else 0.0
        self.mean = d * self.mean + (1 - d) * delight
        self.square = d * self.square + (1 - d) * delight**2
        self.n += 1
        return bool(keep)


@mutant(
    "torch",
    "logits",
    {**TOP_K, "rate": 0.25},
    "dynamics.warm-up",
    "The first batch is not gated: dense until the statistics are 'warm'.",
)
class DenseFirst:
    def __init__(self, rate=0.25, warmup_steps=1):
        self.rate, self.warmup_steps, self.steps = rate, warmup_steps, 0

    def __call__(self, logits, actions, advantages):
        logp = logits.log_softmax(-1).gather(-1, actions.unsqueeze(-1)).squeeze(-1)
        self.steps += 1
        if self.steps <= self.warmup_steps:
            return -(advantages * logp).mean()
        delight = (advantages * -logp).detach().flatten()
        k = max(1, round(self.rate * delight.numel()))
        kept = delight.argsort(descending=True, stable=True)[:k]
        return -(advantages.flatten()[kept] * logp.flatten()[kept]).sum() / delight.numel()


@mutant(
    "torch",
    "logprobs",
    DG,
    "dynamics.drift",
    "The temperature is annealed by call: the same batch gives another step later.",
    on="two batches",
)
class AnnealedTemperature:
    def __init__(self):
        self.temperature = 1.0

    def __call__(self, logp, advantages):
        gate = torch.sigmoid(-advantages * logp.detach() / self.temperature)
        self.temperature *= 0.9
        return -(gate * advantages * logp).mean()


@mutant(
    "torch",
    "gate",
    {**KONDO, "rate": 0.2},
    "dynamics.reserve",
    "A reserve of 5 % is kept at random whatever its delight.",
    shows="share",
)
def five_percent_reserve(log_probs, advantages, rate=0.2, reserve=0.05):
    delight = -log_probs * advantages
    w = torch.sigmoid(delight - torch.quantile(delight, 1 - rate))
    lucky = torch.rand_like(w) < reserve
    return ((torch.rand_like(w) < w) | lucky).to(w.dtype)


@mutant(
    "torch",
    "logprobs",
    ZERO,
    "dynamics.stale",
    "The gate is computed once for a rollout and reused: later batches get the first one's.",
    on="two batches",
)
class GateOfTheFirstEpoch:
    def __init__(self):
        self.keep = None

    def __call__(self, logp, advantages):
        if self.keep is None or self.keep.shape != logp.shape:
            self.keep = (advantages * -logp.detach() > 0).to(logp.dtype)
        return -(self.keep * advantages * logp).mean()


@mutant(
    "torch",
    "logprobs",
    {"method": "kondo", "price": Rolling(0.25, 64, 1), "temperature": 0.0},
    "robustness.history-poisoned",
    "An empty batch adds a NaN to the history, and from then on nothing exceeds the price.",
    on="empty, then full",
)
class PoisonedHistory:
    def __init__(self, rate=0.25, size=64):
        self.rate, self.size, self.history = rate, size, []

    def __call__(self, logp, advantages, mask):
        valid = mask.bool()
        flat = (advantages * -logp).detach()
        gate = torch.zeros_like(flat)
        if not valid.any():
            self.history.append(float(flat[valid].mean()))
            return (logp * 0).sum()
        for i in valid.nonzero().flatten().tolist():
            known = self.history[-self.size :]
            price = np.quantile(known, 1 - self.rate) if known else -np.inf
            gate[i] = float(flat[i] > price)
            self.history.append(float(flat[i]))
        return -(gate * advantages * logp).sum() / valid.sum()


@mutant(
    "numpy",
    "logprobs",
    TOP_K,
    "dynamics.reserve",
    "What a small batch rounds down is carried over: later batches keep one more.",
    on="small sizes",
)
class CarriesTheRemainder:
    def __init__(self, rate=0.1):
        self.rate, self.carry = rate, 0.0

    def __call__(self, logp, advantages):
        budget = self.rate * logp.size + self.carry
        k = max(1, round(budget))
        self.carry = budget - k
        kept = np.argsort(advantages * logp, kind="stable")[:k]
        grad = np.zeros_like(logp)
        grad[kept] = -advantages[kept] / logp.size
        return (grad * logp).sum(), grad
