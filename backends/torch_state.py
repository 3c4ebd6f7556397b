"""Our optimizers as torch's, with their moments, and back: every number stays as it is.

torch counts steps in float32; the exact count is the learner's own.
"""

from typing import Any

import torch

from kondo_ref.backends.torch_network import Network, layout
from kondo_ref.optim import SGD, Adam, Optimizer
from kondo_ref.parameters import Parameters

MOMENTS = {"first": "exp_avg", "second": "exp_avg_sq"}


def torch_optimizer(network: Network, optimizer: Optimizer) -> torch.optim.SGD | torch.optim.Adam:
    """Return torch's optimizer with the settings, moments and steps of ours.

    Fused: one kernel for all tensors of the network.

    Raises
    ------
    TypeError
        The optimizer is neither SGD nor Adam.
    """
    if isinstance(optimizer, SGD):
        return torch.optim.SGD(network.parameters(), lr=optimizer.learning_rate, fused=True)
    if not isinstance(optimizer, Adam):
        raise TypeError(f"state: expected the optimizer SGD or Adam, got {optimizer!r}")
    result = torch.optim.Adam(
        network.parameters(),
        lr=optimizer.learning_rate,
        betas=(optimizer.beta1, optimizer.beta2),
        eps=optimizer.epsilon,
        fused=True,
    )
    for name, theirs in MOMENTS.items():
        flat = getattr(optimizer, name)
        views = None if flat is None else Parameters.wrap(flat, network.model.shapes)
        for entry, parameter, transposed in network.entries():
            state: dict[str, Any] = result.state[parameter]
            state["step"] = torch.tensor(float(optimizer.steps), device=parameter.device)
            state[theirs] = (
                torch.zeros_like(parameter, requires_grad=False)
                if views is None
                else layout(views[entry], parameter.device, transposed=transposed)
            )
    return result


def our_optimizer(
    network: Network, start: Optimizer, trained: torch.optim.Optimizer, steps: int
) -> Optimizer:
    """Return ours with the settings of `start` and what `trained` has after `steps` steps."""
    if not isinstance(start, Adam):
        return start
    result = Adam(start.learning_rate, start.beta1, start.beta2, start.epsilon)
    result.steps = steps
    if start.first is not None or steps > 0:
        for name, theirs in MOMENTS.items():
            moments = network.gather(lambda p, key=theirs: trained.state[p][key])  # type: ignore[misc]
            setattr(result, name, moments.flat)
    return result
