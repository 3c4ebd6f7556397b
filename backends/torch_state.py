"""A training state as torch modules and optimizer, and back: every number stays as it is.

`torch.nn.Linear` keeps its weight as (outputs, inputs), the reference as (inputs, outputs), so
weights and their moments are transposed on the way. torch counts steps in float32; the exact count
is the learner's own.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from kondo_ref.backends.torch_checks import Tensor, host, tensor_of
from kondo_ref.models.mlp import MLP
from kondo_ref.optim import SGD, Adam, Optimizer
from kondo_ref.parameters import Parameters

MOMENTS = {"first": "exp_avg", "second": "exp_avg_sq"}


class Network(nn.Module):
    """Linear layers with ReLU between them.

    Parameters
    ----------
    parameters : Parameters
        Of a `kondo_ref.MLP`; copied.
    device : torch.device
    """

    def __init__(self, parameters: Parameters, device: torch.device) -> None:
        super().__init__()
        count = len(parameters.views) // 2
        layers: list[nn.Module] = []
        for layer in range(1, count + 1):
            weight, bias = parameters[f"weight{layer}"], parameters[f"bias{layer}"]
            # Without an initialization, which would move torch's global generator.
            linear = nn.utils.skip_init(nn.Linear, *weight.shape, device=device)  # type: ignore[no-untyped-call]
            linear.weight = nn.Parameter(_torch_layout(weight, device))
            linear.bias = nn.Parameter(_torch_layout(bias, device))
            layers += [linear] if layer == count else [linear, nn.ReLU()]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits (n, K), and what the first layer gave, (n, D[1]), before its ReLU."""
        entrance, *others = self.layers
        first: Tensor = entrance(x)
        logits = first
        for layer in others:
            logits = layer(logits)
        return logits, first

    def entries(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the torch parameters by the reference's names, in its order."""
        linears = [layer for layer in self.layers if isinstance(layer, nn.Linear)]
        for layer, linear in enumerate(linears, start=1):
            yield f"weight{layer}", linear.weight
            yield f"bias{layer}", linear.bias

    def gather(self, model: MLP, tensor: Callable[[Tensor], Tensor | None]) -> Parameters:
        """Return a NumPy copy of one tensor for each parameter, zeros where it is None."""
        dtype = next(self.parameters()).dtype
        result = Parameters.zeros(model.shapes, host(torch.empty(0, dtype=dtype)).dtype)
        for name, parameter in self.entries():
            value = tensor(parameter)
            if value is not None:
                result[name][...] = host(value).T
        return result


def torch_optimizer(
    network: Network, model: MLP, optimizer: Optimizer
) -> torch.optim.SGD | torch.optim.Adam:
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
        views = None if flat is None else Parameters.wrap(flat, model.shapes)
        for entry, parameter in network.entries():
            state: dict[str, Any] = result.state[parameter]
            state["step"] = torch.tensor(float(optimizer.steps), device=parameter.device)
            state[theirs] = (
                torch.zeros_like(parameter, requires_grad=False)
                if views is None
                else _torch_layout(views[entry], parameter.device)
            )
    return result


def our_optimizer(
    network: Network, model: MLP, start: Optimizer, trained: torch.optim.Optimizer, steps: int
) -> Optimizer:
    """Return ours with the settings of `start` and what `trained` has after `steps` steps."""
    if not isinstance(start, Adam):
        return start
    result = Adam(start.learning_rate, start.beta1, start.beta2, start.epsilon)
    result.steps = steps
    if start.first is not None or steps > 0:
        for name, theirs in MOMENTS.items():
            moments = network.gather(model, lambda p, key=theirs: trained.state[p][key])  # type: ignore[misc]
            setattr(result, name, moments.flat)
    return result


def _torch_layout(view: NDArray[Any], device: torch.device) -> Tensor:
    """Return a copy of a parameter or moment, a weight as (outputs, inputs)."""
    return tensor_of(np.array(view.T, order="C"), device)
