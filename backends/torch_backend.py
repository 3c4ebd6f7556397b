"""The PyTorch backend: torch modules, torch autograd, torch.optim, compaction by gather.

The backward is not ours: that it agrees with the hand-written one means something. Tensors stay on
the device from the observations to the update; numbers cross over where a check, a price or the
loss is one, and the signals where scipy solves a calibrated price or a rolling price is followed.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from kondo_ref import checks
from kondo_ref.backends import torch_checks as tensors
from kondo_ref.backends import torch_stations as stations
from kondo_ref.backends.torch_checks import Tensor
from kondo_ref.backends.torch_learner import TorchLearner
from kondo_ref.backends.torch_screening import (
    kept_coefficients,
    normalizer_count,
    screen_surprisal,
)
from kondo_ref.gate import Gate
from kondo_ref.gradient import NORMALIZERS, PolicyGradient, require_finite
from kondo_ref.step import TrainingState


class TorchBackend:
    """Arithmetic by PyTorch, in the dtype of the parameters.

    Parameters
    ----------
    device : str
        Where the tensors live, as torch names it: cpu, cuda, cuda:1, ...
    compile : bool
        Whether the network's forward and backward run through `torch.compile`, which on the CPU
        needs a C++ compiler. Row counts are symbolic, so that one compilation serves every number
        of kept rows from 2 on. Screening and loss stay eager. An MLP only: a learner of a
        transformer is refused.

    Raises
    ------
    ValueError
        A device that torch cannot use.
    """

    name = "torch"
    models = ("mlp", "transformer")

    def __init__(self, device: str = "cpu", compile: bool = False) -> None:
        try:
            self._device = torch.empty(0, device=device).device
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            reason = str(error).partition("\n")[0]
            raise ValueError(f"device: torch cannot use {device!r} ({reason})") from error
        self._compile = compile

    def versions(self) -> dict[str, str]:
        """Return the version of torch, and the device."""
        return {"torch": str(torch.__version__), "device": str(self._device)}

    def array(self, values: NDArray[Any]) -> Tensor:
        """Return a tensor of the same dtype on the device.

        On the CPU it shares the memory of `values`, unless these are read-only.
        """
        return tensors.tensor_of(values, self._device)

    def to_numpy(self, values: Any) -> NDArray[Any]:
        """Return a tensor as a NumPy array of the same dtype, on the CPU in the same memory."""
        return tensors.host(values) if isinstance(values, Tensor) else np.asarray(values)

    def policy_gradient(
        self,
        logits: Any,
        actions: Any,
        advantages: Any,
        gate: Gate,
        *,
        normalizer: str = "decisions",
        uniforms: Any = None,
        mask: Any = None,
        history: Any = None,
    ) -> PolicyGradient:
        """Screen a batch; return the gated loss and, by autograd, its gradient in the logits.

        Parameters
        ----------
        logits, actions, advantages, gate, normalizer, uniforms, mask, history
            As in `kondo_ref.policy_gradient`; tensors or NumPy arrays.

        Returns
        -------
        PolicyGradient
            Its arrays are tensors, detached: no graph is built on what was handed in, and the
            backward has the kept rows alone.

        Raises
        ------
        TypeError, ValueError
            As `kondo_ref.policy_gradient`.
        """
        checks.one_of("normalizer", normalizer, NORMALIZERS)
        z = tensors.logits_tensor(logits, self._device)
        k = z.shape[-1]
        taken = tensors.action_tensor(actions, tuple(z.shape[:-1]), k, self._device)
        screening = screen_surprisal(
            stations.surprisal(stations.log_softmax(z), taken),
            advantages,
            gate,
            uniforms=uniforms,
            mask=mask,
            history=history,
        )
        kept, divisor = screening.kept, normalizer_count(screening, normalizer)
        coefficients = kept_coefficients(screening, divisor)
        rows = z.reshape(-1, k)[kept].requires_grad_()
        with torch.enable_grad():
            chosen = stations.differentiable_surprisal(rows, taken.reshape(-1)[kept])
            total = torch.dot(coefficients, chosen)
        loss = total.item()
        require_finite(loss)
        dlogits: Any = torch.zeros_like(z)
        dlogits.view(-1, k)[kept] = torch.autograd.grad(total, rows)[0]
        result: Any = screening
        return PolicyGradient(loss, dlogits, result, divisor)

    def learner(self, state: TrainingState) -> TorchLearner:
        """Return a learner that starts from `state`, in the dtype of its parameters.

        Raises
        ------
        TypeError, ValueError
            As `TorchLearner`.
        """
        return TorchLearner(state, self._device, compile=self._compile)
