"""The masked step in torch, as public implementations write it: what skipping is measured against.

One forward with a graph over all rows, a gate of zeros and ones, a masked mean as the loss, one
backward over all rows, Adam. The gate saves nothing here, whatever the rate. Nothing is slowed
down: data and labels are tensors from the start, and nothing is checked.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from kondo_ref.optim import Adam
from kondo_ref.step import TrainingState

if TYPE_CHECKING:
    from kondo_ref.bench.mlp import Batch


def masked_variants(
    state: TrainingState, sample: "Batch", rate: float
) -> dict[str, Callable[[], int]]:
    """Return the masked step, with torch's default Adam and with its fused one.

    Parameters
    ----------
    state : TrainingState
        Parameters and Adam settings to start from; torch's moments start at zero.
    sample : Batch
    rate : float
        The gate keeps the ``max(1, round(rate * N))`` largest delights, and ties with the last.

    Returns
    -------
    dict
        By name, a step that returns the rows that entered the backward: all of them.
    """
    return {
        "torch masked": masked_step(state, sample, rate, fused=None),
        "torch masked fused": masked_step(state, sample, rate, fused=True),
    }


def masked_step(
    state: TrainingState, sample: "Batch", rate: float, *, fused: bool | None
) -> Callable[[], int]:
    """Return the masked step of a network of its own; ``step.network`` is that network."""
    import torch
    from torch.nn import functional as F

    assert isinstance(state.optimizer, Adam)
    network = _network(state)
    optimizer = torch.optim.Adam(
        network.parameters(),
        lr=state.optimizer.learning_rate,
        betas=(state.optimizer.beta1, state.optimizer.beta2),
        eps=state.optimizer.epsilon,
        fused=fused,
    )
    x = torch.tensor(sample.x)
    labels = torch.tensor(np.asarray(sample.labels, dtype=np.int64))
    k = max(1, round(rate * len(x)))

    def step() -> int:
        u = torch.from_numpy(sample.uniforms())
        log_probs = F.log_softmax(network(x), dim=-1)
        with torch.no_grad():
            probs = log_probs.exp()
            cdf = probs.cumsum(-1)
            actions = torch.searchsorted(cdf, (u * cdf[:, -1])[:, None], right=True)
            actions = actions.clamp_(max=cdf.shape[-1] - 1)
            rewards = (actions[:, 0] == labels).to(x.dtype)
            advantages = rewards - probs.square().sum(-1)
        log_prob = log_probs.gather(-1, actions)[:, 0]
        with torch.no_grad():
            delight = advantages * -log_prob
            gate = (delight >= delight.topk(k).values[-1]).to(x.dtype)
        loss = -(gate * advantages * log_prob).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return len(x)

    step.network = network  # type: ignore[attr-defined]
    return step


def _network(state: TrainingState) -> Any:
    import torch

    layers: list[torch.nn.Module] = []
    for layer in range(1, state.model.layers + 1):
        weight, bias = state.parameters[f"weight{layer}"], state.parameters[f"bias{layer}"]
        linear = torch.nn.utils.skip_init(torch.nn.Linear, *weight.shape)  # type: ignore[no-untyped-call]
        linear.weight = torch.nn.Parameter(torch.tensor(weight.T.copy()))
        linear.bias = torch.nn.Parameter(torch.tensor(bias))
        layers += [linear] if layer == state.model.layers else [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers)
