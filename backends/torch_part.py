"""One rank's part of a batch, up to its signals: it may be empty, or without a valid decision.

What a batch of one process is refused for, a part may be: the batch is that of all ranks.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from kondo_ref import checks
from kondo_ref.backends import torch_checks as tensors
from kondo_ref.backends import torch_stations as stations
from kondo_ref.backends.torch_checks import Tensor
from kondo_ref.backends.torch_learner import TorchPolicy
from kondo_ref.backends.torch_network import Network, Run
from kondo_ref.backends.torch_screening import Units, read_history, read_units
from kondo_ref.gate import Gate
from kondo_ref.models.mlp import MLP


def empty_policy(network: Network, shape: tuple[int, ...], turn: object) -> TorchPolicy:
    """Return the policy of observations (0, D[0]) or tokens (0, T)."""
    model: Any = network.model
    flat = isinstance(model, MLP)
    decisions = (*shape[: 1 if flat else 2], model.sizes[-1] if flat else model.actions)
    nothing = torch.zeros(decisions, dtype=network.dtype, device=network.device)
    return TorchPolicy(nothing, Run(None, nothing), turn)


def read_part(
    network: Network,
    policy: TorchPolicy,
    actions: Any,
    advantages: Any,
    gate: Gate,
    uniforms: Any,
    mask: Any,
    history: Any,
) -> tuple[Tensor, Units]:
    """Return the actions of a part, and its signals; arguments as in `TorchLearner.update`.

    Raises
    ------
    TypeError, ValueError
        As `TorchLearner.update`, but for a part that is empty or has no valid decision.
    """
    if not isinstance(gate, Gate):
        raise TypeError(f"gate: expected a Gate, got {checks.shown(gate)}")
    *shape, k = policy.log_probabilities.shape
    if shape[0] == 0:
        given = {"actions": actions, "advantages": advantages, "mask": mask}
        return _read_nothing(policy, gate, history, given)
    unused = mask is not None and not torch.as_tensor(mask).any()
    if unused:
        _require_mask(torch.as_tensor(mask), tuple(shape))
    else:
        network.check_mask(policy.run, mask)
    taken = tensors.action_tensor(actions, tuple(shape), k, network.device)
    level = stations.surprisal(policy.log_probabilities, taken)
    units = read_units(
        level,
        advantages,
        gate,
        uniforms=uniforms,
        mask=None if unused else mask,
        history=history,
    )
    if not unused:
        return taken, units
    valid, known = (torch.zeros_like(t, dtype=torch.bool) for t in (level, units.signal))
    return taken, replace(units, mask=valid, unit_mask=known)


def _read_nothing(
    policy: TorchPolicy, gate: Gate, history: Any, given: dict[str, Any]
) -> tuple[Tensor, Units]:
    """Return the actions and signals of an empty part."""
    level = policy.log_probabilities[..., 0]
    shape = tuple(level.shape)
    for name, values in given.items():
        if values is not None and np.shape(values) != shape:
            raise ValueError(f"{name}: expected shape {shape}, got {np.shape(values)}")
    past = read_history(gate, history, level.device, level.dtype)
    signal = level if gate.unit == "token" else level.new_zeros(0)
    return level.to(torch.int64), Units(gate, level, level, None, signal, None, None, past)


def _require_mask(mask: Tensor, shape: tuple[int, ...]) -> None:
    if mask.dtype != torch.bool:
        raise TypeError(f"mask: expected booleans, got dtype {tensors.dtype_name(mask)}")
    tensors.require_shape("mask", mask, shape)
