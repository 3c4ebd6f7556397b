"""One update of the sweep: every sigma has its own batch, gate and logits.

The gradient is the backend's `policy_gradient`. A gate that looks at a batch is asked once a
sigma; with a fixed price the decisions are independent, and all sigmas go in one call.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from kondo_ref.backend import Backend
from kondo_ref.checks import BoolArray, FloatArray, IntArray
from kondo_ref.gate import Gate
from kondo_ref.price import Fixed
from kondo_ref.screening import screen

EVERYTHING = Gate.named("pg")


@dataclass(frozen=True, eq=False)
class Batch:
    """Decisions at every sigma.

    Parameters
    ----------
    logits : (S, 2) float
    actions : (S, B) int
    gain : (S, B) float
        U.
    uniforms : (S, B) float or None
        For the gate, where it needs them.
    """

    logits: FloatArray
    actions: IntArray
    gain: FloatArray
    uniforms: FloatArray | None

    def of(self, index: int) -> "Batch":
        """Return the batch of one sigma."""
        own = slice(index, index + 1)
        draws = None if self.uniforms is None else self.uniforms[own]
        return Batch(self.logits[own], self.actions[own], self.gain[own], draws)

    @property
    def rows(self) -> FloatArray:
        """The logits of every decision, (S, B, 2)."""
        shape = (*self.actions.shape, 2)
        return np.ascontiguousarray(np.broadcast_to(self.logits[:, None, :], shape))


def with_reserve(keep_probability: FloatArray, reserve: float) -> FloatArray:
    """Return 1 - (1 - w)(1 - reserve): kept unseen with that probability, else by the gate (ours).

    Parameters
    ----------
    keep_probability : (...) float
        w of the gate.
    reserve : float
        In [0, 1].
    """
    return reserve + (1.0 - reserve) * keep_probability


class Update:
    """Turns batches into updates.

    Parameters
    ----------
    backend : Backend
    gate : Gate
    reserve : float
    """

    def __init__(self, backend: Backend, gate: Gate, reserve: float) -> None:
        self.backend, self.gate, self.reserve = backend, gate, reserve
        self.history: dict[int, Any] = {}

    @property
    def needs_uniforms(self) -> bool:
        """Whether the gate or the reserve draws."""
        return self.gate.needs_uniforms or self.reserve > 0.0

    def __call__(self, batch: Batch) -> tuple[FloatArray, BoolArray]:
        """Return the ascent (S, 2), a mean over the batch, and which decisions were kept (S, B)."""
        if self.reserve:
            return self._reserved(batch)
        if isinstance(self.gate.price, Fixed):
            return self._gated(batch, None)
        parts = []
        for index in range(len(batch.logits)):
            parts.append(self._gated(batch.of(index), index))
        ascents, kept = zip(*parts, strict=True)
        return np.concatenate(ascents), np.concatenate(kept)

    def _gated(self, batch: Batch, index: int | None) -> tuple[FloatArray, BoolArray]:
        array, shape = self.backend.array, batch.actions.shape
        history = None if index is None else self.history.get(index)
        result = self.backend.policy_gradient(
            array(batch.rows),
            array(batch.actions),
            array(batch.gain),
            self.gate,
            normalizer="none",
            uniforms=None if batch.uniforms is None else array(batch.uniforms),
            history=history,
        )
        if index is not None:
            self.history[index] = result.screening.history
        rows = self.backend.to_numpy(result.dlogits)
        kept = self.backend.to_numpy(result.screening.weight) > 0.0
        return -rows.sum(axis=1) / shape[1], kept

    def _reserved(self, batch: Batch) -> tuple[FloatArray, BoolArray]:
        """Keep by the gate or by the reserve; what is kept weighs U, as it does in the gate."""
        array, shape = self.backend.array, batch.actions.shape
        rows = batch.rows
        seen = screen(rows, batch.actions, batch.gain, self.gate)
        assert batch.uniforms is not None
        kept: BoolArray = batch.uniforms < with_reserve(seen.keep_probability, self.reserve)
        if not kept.any():
            return np.zeros_like(batch.logits), kept
        result = self.backend.policy_gradient(
            array(rows),
            array(batch.actions),
            array(batch.gain),
            EVERYTHING,
            normalizer="none",
            mask=array(kept),
        )
        ascent: FloatArray = -self.backend.to_numpy(result.dlogits).sum(axis=1) / shape[1]
        return ascent, kept
