"""Held-out mutants that own backward and optimizer, and trackers that remember."""

import torch

from targets.register import DG, PG, TOP_K, ZERO, mutant

SKIPS = {**TOP_K, "rate": 0.25, "unit": "sample", "skips": True}


def logp_of(model, observations, actions):
    return torch.distributions.Categorical(logits=model(observations)).log_prob(actions)


@mutant(
    "torch",
    "step",
    PG,
    "dynamics.other",
    "zero_grad is missing: every step repeats the gradients of all before.",
    shows="gradients",
)
class NeverZeroed:
    def __call__(self, model, observations, actions, advantages):
        loss = -(advantages * logp_of(model, observations, actions)).mean()
        loss.backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(parameter.grad, alpha=-0.01)


@mutant(
    "torch",
    "step",
    SKIPS,
    "execution.padded",
    "Kept rows are padded with dropped ones to a multiple of 16.",
    shows="rows",
)
def padded_to_sixteen(model, observations, actions, advantages, rate=0.25, multiple=16):
    n = len(actions)
    with torch.no_grad():
        order = torch.argsort(advantages * logp_of(model, observations, actions), stable=True)
    k = max(1, round(rate * n))
    rows = order[: min(n, -(-k // multiple) * multiple)]
    weight = (torch.arange(len(rows)) < k).to(advantages.dtype)
    model.zero_grad(set_to_none=True)
    logp = logp_of(model, observations[rows], actions[rows])
    (-(weight * advantages[rows] * logp).sum() / n).backward()
    torch.optim.SGD(model.parameters(), lr=0.01).step()


@mutant(
    "torch",
    "step",
    {**ZERO, "unit": "sample", "skips": True},
    "empty.steps",
    "With nothing kept the backward is skipped, and the optimizer repeats the last gradient.",
    shows="moved",
    on="full, then nothing",
)
class StaleGradient:
    def __init__(self, lr=0.01):
        self.lr = lr

    def step(self, model, observations, actions, advantages):
        with torch.no_grad():
            kept = (-advantages * logp_of(model, observations, actions) > 0).nonzero()[:, 0]
        if len(kept):
            model.zero_grad()
            logp = logp_of(model, observations[kept], actions[kept])
            (-(advantages[kept] * logp).sum() / len(actions)).backward()
        torch.optim.SGD(model.parameters(), lr=self.lr).step()

    __call__ = step


@mutant(
    "torch",
    "step",
    SKIPS,
    "execution.masked",
    "Row by row, with a gate of 0 for most: as many backward passes as rows.",
    shows="rows",
)
def one_backward_a_row(model, observations, actions, advantages, rate=0.25):
    n = actions.numel()
    with torch.no_grad():
        ranked = torch.argsort(advantages * logp_of(model, observations, actions), stable=True)
    gate = torch.zeros(n, dtype=advantages.dtype).index_fill_(
        0, ranked[: max(1, round(rate * n))], 1.0
    )
    model.zero_grad()
    for i in range(n):
        logp = logp_of(model, observations[i : i + 1], actions[i : i + 1])
        (-gate[i] * advantages[i] * logp.sum() / n).backward()
    torch.optim.SGD(model.parameters(), lr=0.01).step()


@mutant(
    "torch",
    "step",
    DG,
    "detach.gate",
    "The gate is attached inside a trainer that owns the backward.",
    shows="gradients",
)
def attached_in_the_trainer(model, observations, actions, advantages):
    logp = logp_of(model, observations, actions)
    loss = (torch.sigmoid(-advantages * logp) * -advantages * logp).mean()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
