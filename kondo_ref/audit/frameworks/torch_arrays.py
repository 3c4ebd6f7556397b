"""Torch tensors, differentiated by autograd."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kondo_ref.audit.guard import Unreadable
from kondo_ref.audit.returned import Returned
from kondo_ref.audit.seeds import mixed
from kondo_ref.checks import FloatArray


class TorchArrays:
    """Tensors on the CPU."""

    name = "torch"
    differentiates = True
    compiles = False

    def __init__(self) -> None:
        from kondo_ref.flops.foreign_torch import require

        self._torch: Any = require()
        self._generator: Any = None

    def during(self) -> AbstractContextManager[Any]:
        """Return autograd, switched on."""
        context: AbstractContextManager[Any] = self._torch.enable_grad()
        return context

    def floats(self, values: FloatArray, dtype: str) -> Any:
        """Return a new tensor."""
        torch = self._torch
        return torch.tensor(values, dtype=getattr(torch, dtype))

    def integers(self, values: NDArray[Any]) -> Any:
        """Return a new int64 tensor."""
        return self._torch.tensor(values, dtype=self._torch.int64)

    def mask(self, values: NDArray[Any], dtype: str) -> Any:
        """Return a new tensor of bool, int64 or float32."""
        return self._torch.tensor(values, dtype=getattr(self._torch, dtype))

    def random(self, role: str, seed: int, call: int) -> Any:
        """Return a `torch.Generator`, or a seed."""
        if role == "seed":
            return mixed(seed + call, 31)
        if call == 0 or self._generator is None:
            self._generator = self._torch.Generator().manual_seed(mixed(seed))
        return self._generator

    def to_numpy(self, value: Any) -> FloatArray:
        """Return a new float64 array."""
        torch = self._torch
        if isinstance(value, torch.Tensor):
            value = value.detach()
            if value.is_sparse:
                value = value.to_dense()
            if value.dtype != torch.float64:
                value = value.to(torch.float64)
            array: FloatArray = np.array(value.cpu().resolve_conj().resolve_neg().numpy())
            return array
        if isinstance(value, list | tuple) and any(isinstance(v, torch.Tensor) for v in value):
            value = [v.item() if isinstance(v, torch.Tensor) else v for v in value]
        array = np.asarray(value)
        if array.dtype.kind not in "biuf":
            raise TypeError(f"expected numbers, got {type(value).__name__} of {array.dtype}")
        return array.astype(np.float64)

    def content(self, value: Any) -> Any:
        """Return shape and bytes of a tensor."""
        plain = value.detach()
        if plain.dtype == self._torch.bfloat16:
            plain = plain.view(self._torch.int16)
        return tuple(plain.shape), plain.dtype, plain.numpy().tobytes()

    def tracked(self, value: Any) -> Any:
        """Return a tensor with a graph."""
        return value.requires_grad_(True).clone() if value.is_floating_point() else value

    def attached(self, value: Any) -> bool | None:
        """Whether a tensor has a graph."""
        return bool(value.requires_grad) if isinstance(value, self._torch.Tensor) else None

    def differentiate(
        self,
        function: Callable[..., Any],  # noqa: ARG002
        call: Callable[[dict[str, Any]], Returned],
        values: dict[str, Any],
        leaf: str,
        reduction: str,
    ) -> tuple[Returned, FloatArray, bool | None]:
        """Return the gradient in the leaf, by the target's backward or by one of ours.

        The target is handed a copy that belongs to a graph, as a model's output does: it may
        change it in place.
        """
        torch = self._torch
        given = values[leaf]
        given.requires_grad_(True)
        found = call(values | {leaf: given.clone()})
        loss = found.loss
        if loss is None:
            raise Unreadable("returned no loss")
        if not isinstance(loss, torch.Tensor):
            if given.grad is not None:  # it ran its backward itself
                return found, self.to_numpy(given.grad), True
            self.to_numpy(loss)
            raise Unreadable(
                f"returned a loss of type {type(loss).__name__}, which cannot be differentiated"
            )
        if loss.dim() > 0:
            loss = loss.sum() if reduction == "sum" else loss.mean()
            found.loss = loss
        reached = True
        if loss.requires_grad:
            (gradient,) = torch.autograd.grad(loss, given, allow_unused=True)
            reached = gradient is not None
        else:
            gradient = given.grad
            reached = gradient is not None
        if gradient is None:
            return found, np.zeros(tuple(given.shape)), False
        return found, self.to_numpy(gradient), reached

    def versions(self) -> dict[str, str]:
        """Return the versions of torch and NumPy."""
        return {"torch": str(self._torch.__version__), "numpy": np.__version__}
