"""Checks of what callers hand to the torch backend, on tensors, with the reference's refusals.

What is no tensor is checked by `kondo_ref.checks` before it becomes one. A tensor is checked where
it lies; only when it is to be refused does it go to the host, where the reference finds the words.
Each check makes one number of a whole tensor, so a batch costs a handful of synchronisations.
"""

import math
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray

from kondo_ref import checks

Tensor = torch.Tensor

NUMPY_DTYPES: dict[torch.dtype, np.dtype[Any]] = {
    torch.float32: np.dtype(np.float32),
    torch.float64: np.dtype(np.float64),
}


def tensor_of(values: NDArray[Any], device: torch.device) -> Tensor:
    """Return a tensor of the same dtype; on the CPU in the same memory where torch can have it.

    Torch has no read-only tensors, no negative strides and no foreign byte order: such arrays are
    copied.
    """
    native = values.dtype.newbyteorder("=")
    if not values.flags.writeable or values.dtype != native or min(values.strides, default=0) < 0:
        values = np.array(values, dtype=native, order="C")
    return torch.as_tensor(values, device=device)


def host(tensor: Tensor) -> NDArray[Any]:
    """Return a tensor as a NumPy array, on the CPU in the same memory."""
    array: NDArray[Any] = tensor.detach().cpu().numpy()
    return array


def dtype_name(tensor: Tensor) -> str:
    """Return the name of a dtype as NumPy writes it."""
    return str(tensor.dtype).removeprefix("torch.")


def is_integer(tensor: Tensor) -> bool:
    """Whether the dtype is an integer one; bool is not."""
    dtype = tensor.dtype
    return not (dtype.is_floating_point or dtype.is_complex or dtype == torch.bool)


def all_finite(tensor: Tensor) -> bool:
    """Whether every value is finite. A sum tells in one pass, unless it overflows by itself."""
    return math.isfinite(tensor.sum().item()) or bool(torch.isfinite(tensor).all())


def require_shape(name: str, tensor: Tensor, shape: tuple[int, ...]) -> None:
    """Refuse a tensor of any other shape, also one that would broadcast."""
    if tuple(tensor.shape) != shape:
        raise ValueError(f"{name}: expected shape {shape}, got {tuple(tensor.shape)}")


def real_tensor(
    name: str, values: Any, device: torch.device, dtype: torch.dtype | None = None
) -> Tensor:
    """Return `values` as a finite float32 or float64 tensor; as `kondo_ref.checks.real_array`."""
    if not isinstance(values, Tensor):
        target = None if dtype is None else NUMPY_DTYPES[dtype]
        return tensor_of(checks.real_array(name, values, target), device)
    tensor = values.detach().to(device)
    if is_integer(tensor):
        tensor = tensor.to(torch.float64)
    if tensor.dtype not in NUMPY_DTYPES:
        raise TypeError(f"{name}: expected float32 or float64, got dtype {dtype_name(tensor)}")
    if not all_finite(tensor):
        _refuse(checks.real_array, name, host(tensor))
    if dtype is not None and tensor.dtype != dtype:
        converted = tensor.to(dtype)
        if not all_finite(converted):
            _refuse(checks.real_array, name, host(tensor), NUMPY_DTYPES[dtype])
        tensor = converted
    return tensor


def logits_tensor(logits: Any, device: torch.device) -> Tensor:
    """Return logits as a finite, contiguous (N, K) or (B, T, K) tensor of at least one decision."""
    tensor = real_tensor("logits", logits, device).contiguous()
    if tensor.ndim not in (2, 3) or tensor.numel() == 0:
        _refuse(checks.logits_array, host(tensor))
    return tensor


def action_tensor(actions: Any, shape: tuple[int, ...], k: int, device: torch.device) -> Tensor:
    """Return actions as an int64 tensor of `shape` with values in 0..k-1."""
    if not isinstance(actions, Tensor):
        array = checks.action_array(actions, shape, k)
        return tensor_of(array.astype(np.int64, copy=False), device)
    if not is_integer(actions):
        raise TypeError(f"actions: expected integers, got dtype {dtype_name(actions)}")
    require_shape("actions", actions, shape)
    taken = actions.to(device, torch.int64)
    low, high = torch.aminmax(taken)
    if low.item() < 0 or high.item() >= k:
        _refuse(checks.action_array, host(actions), shape, k)
    return taken


def decision_tensor(
    name: str, values: Any, shape: tuple[int, ...], device: torch.device, dtype: torch.dtype
) -> Tensor:
    """Return one finite float a decision; a shape that fits only by broadcasting is refused."""
    tensor = real_tensor(name, values, device, dtype)
    require_shape(name, tensor, shape)
    return tensor


def mask_tensor(mask: Any, shape: tuple[int, ...], device: torch.device) -> Tensor | None:
    """Return a boolean mask of valid decisions, or None if every decision is valid."""
    if mask is None:
        return None
    if not isinstance(mask, Tensor):
        array = checks.mask_array(mask, shape)
        return None if array is None else tensor_of(array, device)
    if mask.dtype != torch.bool:
        raise TypeError(
            f"mask: expected booleans, got dtype {dtype_name(mask)}; pass mask.to(torch.bool)"
        )
    require_shape("mask", mask, shape)
    valid = mask.to(device)
    if not valid.any():
        _refuse(checks.mask_array, host(mask), shape)
    return None if valid.all() else valid


def uniform_tensor(uniforms: Any, shape: tuple[int, ...], device: torch.device) -> Tensor:
    """Return one uniform in [0, 1) for each unit of the gate."""
    tensor = real_tensor("uniforms", uniforms, device)
    require_shape("uniforms", tensor, shape)
    low, high = torch.aminmax(tensor)
    if low.item() < 0.0 or high.item() >= 1.0:
        _refuse(checks.uniform_array, host(tensor), shape)
    return tensor


def _refuse(check: Callable[..., Any], *arguments: Any) -> NoReturn:
    """Let the reference refuse what was found to be bad."""
    check(*arguments)
    raise AssertionError(f"{check.__name__} accepts what was found to be bad")
