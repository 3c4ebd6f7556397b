"""The policy of a batch in the Numba backend: logits -> log pi, confidence, actions.

Nothing is computed before it is asked for, so that log pi, the confidence and the draw come in one
go. With m the largest logit of a row and s the sum of exp(z_j - m) over all j but the largest,
log pi_j = (z_j - m) - log1p(s), as in `kondo_ref.delight`: nothing cancels. exp and log1p are
NumPy's, which are SIMD code; from a kernel they would be called number by number, 5 times slower.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kondo_ref import checks
from kondo_ref.backends.numba_compile import for_kernel, kernel

Array = NDArray[Any]

NO_UNIFORMS = np.empty(0, dtype=np.float64)
NO_ACTIONS = np.empty(0, dtype=np.int64)


class NumbaPolicy:
    """The policy of a batch; log pi and confidence come in the pass that draws the actions.

    Parameters
    ----------
    logits : (N, A) or (B, T, A) float
        Finite, and this policy's own.
    memory : object
        What the model's backward asks for.
    turn : object
        Stands for the forward that it is from.
    """

    __slots__ = ("_confidence", "_rows", "logits", "memory", "turn")

    def __init__(self, logits: Array, memory: Any, turn: object) -> None:
        self.logits, self.memory, self.turn = logits, memory, turn
        self._rows: Array | None = None
        self._confidence: Array | None = None

    @property
    def rows(self) -> Array:
        """Return log pi of all decisions, in C order of the batch: (N, A) float."""
        if self._rows is None:
            self._fill(NO_UNIFORMS, NO_ACTIONS)
        assert self._rows is not None
        return self._rows

    @property
    def log_probabilities(self) -> Array:
        """Return log pi, of the shape of the logits."""
        return self.rows.reshape(self.logits.shape)

    @property
    def confidence(self) -> Array:
        """Return the sum over a of pi(a)^2 of every decision; the caller's own."""
        if self._confidence is None:
            self._fill(NO_UNIFORMS, NO_ACTIONS)
        assert self._confidence is not None
        return self._confidence.copy().reshape(self.logits.shape[:-1])

    def sample(self, uniforms: Array) -> Array:
        """Return an action for each decision, int64."""
        checks.require_shape("uniforms", uniforms, self.logits.shape[:-1])
        actions = np.empty(uniforms.shape, np.int64)
        if not self._fill(for_kernel(uniforms).reshape(-1), actions.reshape(-1)):
            raise ValueError("uniforms: expected numbers in [0, 1)")
        return actions

    def _fill(self, uniforms: Array, actions: Array) -> bool:
        """Fill in what is asked for. Cost a row: A exp, 1 log, and that of the three kernels."""
        logits = self.logits.reshape(-1, self.logits.shape[-1])
        rows, sums = np.empty_like(logits), np.empty((2, logits.shape[0]), logits.dtype)
        others, confidence = sums
        shift_rows(logits, rows)
        sound = policy_rows(np.exp(rows), uniforms, others, confidence, actions)
        normalize_rows(rows, np.log1p(others, others))
        self._rows, self._confidence = rows, confidence
        return sound


@kernel
def shift_rows(logits: Array, shifted: Array) -> None:
    """Fill `shifted` (N, A) with the logits (N, A) less the largest of their row.

    Cost a row: A cmp, A add.
    """
    for i in range(logits.shape[0]):
        row, out = logits[i], shifted[i]
        top = row[0]
        for j in range(1, row.size):
            top = max(top, row[j])
        for j in range(row.size):
            out[j] = row[j] - top


@kernel
def policy_rows(
    powers: Array, uniforms: Array, others: Array, confidence: Array, actions: Array
) -> bool:
    """Fill the sums that log pi needs, the confidence and, given uniforms, the actions drawn.

    Return whether all uniforms are in [0, 1).

    Action a is drawn where cdf(a - 1) <= u < cdf(a), as in `kondo_ref.randomness`. The largest
    logit's power is 1; the sum of the others stays apart, for log1p of it is right near 0 too.

    Parameters
    ----------
    powers : (N, A) float
        exp of the shifted logits.
    uniforms : (N,) or (0,) float
    others : (N,) float
        Receives the sum of the powers but for one that is 1.
    confidence : (N,) float
        Receives the sum over a of pi(a)^2.
    actions : (N,) or (0,) int

    Notes
    -----
    Cost a row: 4 A add, A cmp, A mul, 2 div; drawing A add, A cmp, 2 mul.
    """
    zero, one = powers.dtype.type(0), powers.dtype.type(1)
    below_one = one - np.finfo(powers.dtype).eps
    sound = True
    for i in range(powers.shape[0]):
        row = powers[i]
        total, rest, squares, ones = zero, zero, zero, zero
        for j in range(row.size):
            power = row[j]
            total += power
            squares += power * power
            rest += power if power < one else zero
            ones += zero if power < one else one
        rest += ones - one
        others[i] = rest
        scale = one + rest
        confidence[i] = squares / scale / scale
        if uniforms.size:
            u = uniforms[i]
            sound &= u >= 0.0 and u < 1.0
            threshold = min(u * total, total * below_one)
            cdf = zero
            below = 0
            for j in range(row.size):
                cdf += row[j]
                below += not cdf > threshold
            actions[i] = below if below < row.size else 0
    return sound


@kernel
def normalize_rows(shifted: Array, logarithms: Array) -> None:
    """Subtract from each row of `shifted` (N, A) its log1p (N,), in place. Cost: add N A."""
    for i in range(shifted.shape[0]):
        row, logarithm = shifted[i], logarithms[i]
        for j in range(row.size):
            row[j] -= logarithm
