"""Mistakes in what is executed: rows that were dropped and still cost a backward, empty steps."""

import torch
from torch import nn

from targets.register import KONDO, TOP_K, ZERO, mutant

SKIPS = {**TOP_K, "rate": 0.25, "skips": True}
ZERO_SKIPS = {**ZERO, "skips": True}


def log_probs(logits, actions):
    return logits.log_softmax(-1).gather(-1, actions.unsqueeze(-1)).squeeze(-1)


def largest(delight, rate):
    k = max(1, round(rate * delight.numel()))
    return delight.argsort(descending=True, stable=True)[:k]


@mutant(
    "torch",
    "step",
    SKIPS,
    "execution.masked",
    "Dropped rows are multiplied by 0: all of them enter the backward.",
    shows="rows",
)
def masked_step(model, observations, actions, advantages, rate=0.25):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    logp = log_probs(model(observations), actions)
    delight = (advantages * -logp).detach()
    gate = torch.zeros_like(delight)
    gate[largest(delight, rate)] = 1.0
    loss = -(gate * advantages * logp).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


@mutant(
    "torch",
    "step",
    SKIPS,
    "execution.masked",
    "Kept log-probabilities are indexed after the only forward: the trunk still sees all rows.",
    shows="rows",
)
def indexed_after_the_forward(model, observations, actions, advantages, rate=0.25):
    logp = log_probs(model(observations), actions)
    idx = largest((advantages * -logp).detach(), rate)
    loss = -(advantages[idx] * logp[idx]).sum() / actions.numel()
    model.zero_grad()
    loss.backward()
    with torch.no_grad():
        for p in model.parameters():
            p.sub_(p.grad, alpha=0.01)


@mutant(
    "torch",
    "step",
    SKIPS,
    "execution.partial",
    "A micro-batch of 8 is skipped only where all its rows are dropped, which is rare.",
    shows="rows",
)
def skips_whole_micro_batches(model, observations, actions, advantages, rate=0.25, size=8):
    opt = torch.optim.SGD(model.parameters(), lr=0.01)
    opt.zero_grad()
    n = actions.shape[0]
    with torch.no_grad():
        delight = -advantages * log_probs(model(observations), actions)
    keep = torch.zeros(n, dtype=torch.bool)
    keep[largest(delight, rate)] = True
    for rows in torch.arange(n).split(size):
        if not keep[rows].any():
            continue
        logp = log_probs(model(observations[rows]), actions[rows])
        (-(keep[rows] * advantages[rows] * logp).sum() / n).backward()
    opt.step()


@mutant(
    "torch",
    "step",
    SKIPS,
    "execution.masked",
    "Kept rows are padded back to the batch's size, to keep compiled shapes static.",
    shows="rows",
)
class PaddedCompaction:
    def __init__(self, rate=0.25):
        self.rate = rate

    def step(self, model, observations, actions, advantages):
        n = actions.shape[0]
        with torch.no_grad():
            delight = -advantages * log_probs(model(observations), actions)
        idx = largest(delight, self.rate)
        pad = idx.new_zeros(n - idx.numel())
        rows = torch.cat([idx, pad])
        weight = torch.cat([torch.ones_like(idx), pad]).to(advantages.dtype)
        logp = log_probs(model(observations[rows]), actions[rows])
        model.zero_grad()
        (-(weight * advantages[rows] * logp).sum() / n).backward()
        torch.optim.SGD(model.parameters(), lr=0.01).step()

    __call__ = step


@mutant(
    "torch",
    "step",
    {**KONDO, "skips": True},
    "execution.masked",
    "Per-row weights in the data loader's order; zeros are there to be skipped and never are.",
    shows="rows",
)
def weighted_cross_entropy(model, observations, actions, advantages, rate=0.1):
    opt = torch.optim.SGD(model.parameters(), lr=0.01)
    logits = model(observations)
    nll = nn.functional.cross_entropy(logits, actions, reduction="none")
    with torch.no_grad():
        delight = advantages * nll
        keep = torch.bernoulli(torch.sigmoid(delight - torch.quantile(delight, 1 - rate)))
    opt.zero_grad()
    torch.mean(keep * advantages * nll).backward()
    opt.step()


@mutant(
    "torch",
    "step",
    ZERO_SKIPS,
    "empty.steps",
    "Adam steps on an all-zero gradient: momentum moves the weights of an empty batch.",
    shows="moved",
    on="full, then nothing",
)
class AdamOnEmpty:
    def __init__(self):
        self.optimizer = None

    def __call__(self, model, observations, actions, advantages):
        if self.optimizer is None:
            self.optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        with torch.no_grad():
            idx = torch.nonzero(-advantages * log_probs(model(observations), actions) > 0)[:, 0]
        logp = log_probs(model(observations[idx]), actions[idx])
        loss = -(advantages[idx] * logp).sum() / actions.shape[0]
        self.optimizer.zero_grad(set_to_none=False)
        loss.backward()
        self.optimizer.step()


@mutant(
    "torch",
    "step",
    ZERO_SKIPS,
    "empty.steps",
    "The backward is skipped, the optimizer is not: weight decay goes on.",
    shows="moved",
    on="nothing",
)
def decays_on_empty(model, observations, actions, advantages):
    opt = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    with torch.no_grad():
        keep = -advantages * log_probs(model(observations), actions) > 0
    if keep.any():
        logp = log_probs(model(observations[keep]), actions[keep])
        (-(advantages[keep] * logp).sum() / actions.shape[0]).backward()
    opt.step()


@mutant(
    "torch",
    "logits",
    ZERO,
    "empty.forced-one",
    "With nothing above the price the least bad decision is kept: a failure is learned from.",
    on="nothing",
)
def at_least_one(logits, actions, advantages):
    logp = log_probs(logits, actions)
    delight = (advantages * -logp).detach()
    keep = delight > 0
    if not keep.any():
        keep = torch.zeros_like(keep).index_fill(0, delight.argmax(), True)
    return -(keep * advantages * logp).mean()


@mutant(
    "torch",
    "logprobs",
    ZERO,
    "empty.dense-fallback",
    "With nothing kept the whole batch is used, and 0 is reported as its rate.",
    on="nothing",
)
def dense_when_empty(logp, advantages):
    keep = (advantages * -logp.detach()) > 0
    rate = keep.to(logp.dtype).mean()
    if not keep.any():
        keep = torch.ones_like(keep)
    return -(keep * advantages * logp).mean(), {"keep_rate": rate.item()}


@mutant(
    "torch",
    "logprobs",
    {**ZERO, "normalizer": "kept"},
    "empty.nan",
    "The mean of no kept decision is NaN, and so are all weights after it.",
    shows="broken",
    on="nothing",
)
def mean_of_nothing(logp, advantages):
    keep = (advantages * -logp.detach()) > 0
    return -(advantages[keep] * logp[keep]).mean()


@mutant(
    "torch",
    "logits",
    ZERO,
    "empty.raises",
    "Stacks the kept losses: an empty list cannot be stacked.",
    shows="broken",
    on="nothing",
)
def stacks_the_kept(logits, actions, advantages):
    losses = []
    for z, a, u in zip(logits, actions, advantages, strict=True):
        logp = z.log_softmax(-1)[a]
        if (-u * logp).item() > 0:
            losses.append(-u * logp)
    return torch.stack(losses).sum() / len(actions)
