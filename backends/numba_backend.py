"""The Numba backend: fused kernels on NumPy arrays, one thread, for speed on a CPU.

The same way as the reference, station by station, in machine code that was compiled on its first
call and cached. Its arrays are NumPy arrays; uniforms are inputs, as everywhere.
"""

from typing import Any

import llvmlite
import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from kondo_ref import checks
from kondo_ref.backends.numba_compile import for_kernel
from kondo_ref.backends.numba_gate import actions_for_kernel, advantages_for_kernel, screen_rows
from kondo_ref.backends.numba_kernels import gather_dlogits
from kondo_ref.backends.numba_learner import NumbaLearner
from kondo_ref.backends.numba_policy import NumbaPolicy
from kondo_ref.gate import Gate
from kondo_ref.gradient import NORMALIZERS, PolicyGradient, normalizer_count, require_finite
from kondo_ref.step import ACTIVATIONS, TrainingState


class NumbaBackend:
    """Kernels compiled by Numba, products by NumPy's BLAS.

    Parameters
    ----------
    activations : str
        cache or recompute, as `kondo_ref.step.Learner` takes it.
    """

    name = "numba"
    models = ("mlp", "transformer")

    def __init__(self, activations: str = "cache") -> None:
        checks.one_of("activations", activations, ACTIVATIONS)
        self._activations = activations

    def versions(self) -> dict[str, str]:
        """Return the versions of Numba, llvmlite and NumPy."""
        return {
            "numba": numba.__version__,
            "llvmlite": llvmlite.__version__,
            "numpy": np.__version__,
        }

    def array(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return `values` as they are."""
        return values

    def to_numpy(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return `values` as they are."""
        return values

    def policy_gradient(
        self,
        logits: ArrayLike,
        actions: ArrayLike,
        advantages: ArrayLike,
        gate: Gate,
        *,
        normalizer: str = "decisions",
        uniforms: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        history: ArrayLike | None = None,
    ) -> PolicyGradient:
        """Return the gated loss and its gradient in the logits, as `kondo_ref.policy_gradient`.

        Parameters
        ----------
        logits : (N, A) or (B, T, A) float
        actions, advantages, gate, normalizer, uniforms, mask, history
            As in `kondo_ref.policy_gradient`.

        Raises
        ------
        TypeError, ValueError
            As `kondo_ref.policy_gradient`.
        """
        checks.one_of("normalizer", normalizer, NORMALIZERS)
        z = checks.logits_array(logits)
        shape, k = z.shape[:-1], z.shape[-1]
        taken = actions_for_kernel(actions, shape, k)
        gain = advantages_for_kernel(advantages, shape, z.dtype)
        rows = NumbaPolicy(for_kernel(z), None, None).rows
        screening = screen_rows(rows, taken, gain, gate, uniforms, mask, history)
        divisor = normalizer_count(screening, normalizer)
        kept = screening.kept
        drows = np.empty((kept.size, k), z.dtype)
        loss = gather_dlogits(
            rows,
            taken.reshape(-1),
            gain.reshape(-1),
            screening.surprisal.reshape(-1),
            screening.weight.reshape(-1),
            kept,
            divisor,
            drows,
            np.empty(k, z.dtype),
        )
        require_finite(loss)
        dlogits = np.zeros(rows.shape, z.dtype)
        dlogits[kept] = drows
        return PolicyGradient(loss, dlogits.reshape(z.shape), screening, divisor)

    def learner(self, state: TrainingState) -> NumbaLearner:
        """Return a learner that starts from `state`."""
        return NumbaLearner(state, activations=self._activations)
