"""Steps of a rate that save what they claim, a part of it, or nothing; and some that cannot run.

Rows are 40, of 6 numbers, through layers of 5, 4 and 3: 50 products a row and layer input.
"""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from kondo_ref.flops.foreign import counted
from kondo_ref.flops.foreign_report import FlopReport, ModuleCount

N, SIZES = 40, (6, 5, 4, 3)
RATES = (1.0, 0.1)
PRODUCTS = [m * n for m, n in pairwise(SIZES)]
FORWARD = 2 * N * sum(PRODUCTS)
# The first layer needs no gradient of its input.
BACKWARD = 2 * FORWARD - 2 * N * PRODUCTS[0]

generator = torch.Generator().manual_seed(0)
X = torch.randn(N, SIZES[0], generator=generator)
ACTIONS = torch.randint(SIZES[-1], (N,), generator=generator)
ADVANTAGES = torch.randn(N, generator=generator)


class Policy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4), nn.Tanh())
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor, rows: Tensor | None = None) -> Tensor:
        hidden = self.body(x)
        return self.head(hidden if rows is None else hidden[rows])


POLICY = Policy()


def count(rate: float) -> int:
    return max(1, round(rate * N))


def log_probs(logits: Tensor, rows: Tensor) -> Tensor:
    return torch.log_softmax(logits, -1).gather(-1, ACTIONS[rows, None])[:, 0]


def everything() -> Tensor:
    return torch.arange(N)


def largest(rate: float) -> Tensor:
    with torch.no_grad():
        delight = ADVANTAGES * -log_probs(POLICY(X), everything())
    return delight.topk(count(rate)).indices


def loss_of(rows: Tensor) -> Tensor:
    return -(ADVANTAGES[rows] * log_probs(POLICY(X[rows]), rows)).sum() / N


def masked(rate: float) -> Tensor:
    log_p = log_probs(POLICY(X), everything())
    delight = ADVANTAGES * -log_p.detach()
    gate = (delight >= delight.topk(count(rate)).values[-1]).float()
    return -(gate * ADVANTAGES * log_p).mean()


def indexed_late(rate: float) -> Tensor:
    log_p = log_probs(POLICY(X), everything())
    kept = (ADVANTAGES * -log_p.detach()).topk(count(rate)).indices
    return -(ADVANTAGES[kept] * log_p[kept]).sum() / N


def indexed(rate: float) -> Tensor:
    """Gate by delights that are known already, before the only forward."""
    gate = torch.zeros(N, dtype=torch.bool)
    gate[: count(rate)] = True
    return loss_of(everything()[gate])


def forward_again(rate: float) -> None:
    """As `indexed`, screened by a forward of its own, and with a backward of its own."""
    loss_of(largest(rate)).backward()


def head_only(rate: float) -> Tensor:
    rows = everything()[: count(rate)]
    return -(ADVANTAGES[rows] * log_probs(POLICY(X, rows=rows), rows)).sum() / N


def drawn(rate: float) -> Tensor:
    """Keep a random number: more from call to call, so that no two runs are equal."""
    drawn.calls += 1
    return loss_of(everything()[: N if rate == 1.0 else drawn.calls])


drawn.calls = 0


def nothing_kept(rate: float) -> Tensor | None:
    return loss_of(everything()) if rate == 1.0 else None


def raises(rate: float) -> None:
    raise RuntimeError(f"no such\nrate: {rate}")


def no_backward(_: float) -> None:
    POLICY(X)


def optimized(rate: float) -> None:
    """A masked step in the closure of an optimizer, which runs it."""
    optimizer = torch.optim.SGD(POLICY.parameters(), lr=0.0)

    def closure() -> float:
        loss = masked(rate)
        loss.backward()
        return loss.item()

    optimizer.step(closure)


def recomputed(rate: float, *, reentrant: bool = False) -> Tensor:
    rows = everything()[: count(rate)]
    x = X[rows].requires_grad_()
    return checkpoint(POLICY, x, use_reentrant=reentrant).sum()


def functional(rate: float) -> Tensor:
    """No module: a product with the bare weights."""
    weight = POLICY.body[0].weight
    return torch.einsum("ni,oi->no", X[: count(rate)], weight).sum()


def gradient_of_input(rate: float) -> None:
    """As a penalty on the gradient of the input does it."""
    x = X[: count(rate)].clone().requires_grad_()
    torch.autograd.grad(POLICY(x).sum(), x)


def run_counted(step: Callable[[], object]) -> FlopReport:
    with counted() as count:
        step()
    return count.report()


def modules(report: FlopReport) -> dict[str, ModuleCount]:
    return {module.name: module for module in report.modules}
