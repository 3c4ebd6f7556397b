"""Two training steps with the same gradient at every rate; one of them saves what it claims."""

import torch
from torch import nn

torch.manual_seed(0)
network = nn.Sequential(
    nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, 10)
)
x, actions, advantages = torch.randn(100, 784), torch.randint(10, (100,)), torch.randn(100)


def log_probs(rows):
    """Return log pi of the actions in some rows of the batch."""
    return torch.log_softmax(network(x[rows]), -1).gather(-1, actions[rows, None])[:, 0]


def largest_delights(log_p, rate):
    """Return the rows that the gate keeps: those of the largest delights."""
    return (advantages * -log_p.detach()).topk(max(1, round(rate * 100))).indices


def masked(rate):
    """Return a loss in which dropped rows are multiplied by 0."""
    log_p = log_probs(torch.arange(100))
    gate = torch.zeros(100)
    gate[largest_delights(log_p, rate)] = 1.0
    return -(gate * advantages * log_p).sum() / 100


def skipping(rate):
    """Return the same loss; what is dropped never enters its graph."""
    with torch.no_grad():
        kept = largest_delights(log_probs(torch.arange(100)), rate)
    return -(advantages[kept] * log_probs(kept)).sum() / 100
