"""A crafted batch: what a probe hands to a target, in float64, before any framework sees it.

The first station of the audit. A batch is made to tell two implementations apart: one advantage or
surprisal varied with the others held, ties, masked decisions, extreme numbers.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kondo_ref.checks import BoolArray, FloatArray, IntArray
from kondo_ref.delight import log_softmax, surprisal


@dataclass(frozen=True, eq=False)
class Batch:
    """The arguments of one call.

    Parameters
    ----------
    logits : (N, K) or (B, T, K) float64
    actions : (N,) or (B, T) int64
    advantages : (N,) or (B, T) float64
        For a target that computes them itself (surface rewards) these are the rewards.
    mask : (N,) or (B, T) bool, optional
        Valid decisions.
    groups : (N,) int64, optional
        Prompt of each sample, for a baseline that is inside the target.
    dtype : str
        The floating dtype that the target is handed: float64, float32, bfloat16, float16.
    mask_dtype : str
        The dtype of the mask that the target is handed: bool, int64, float32.
    """

    logits: FloatArray
    actions: IntArray
    advantages: FloatArray
    mask: BoolArray | None = None
    groups: IntArray | None = None
    dtype: str = "float64"
    mask_dtype: str = "bool"

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the decisions, (N,) or (B, T)."""
        return self.actions.shape

    @cached_property
    def log_probabilities(self) -> FloatArray:
        """Log pi of every action, in the shape of the logits, (N, K) or (B, T, K)."""
        return log_softmax(self.logits)

    @cached_property
    def surprisal(self) -> FloatArray:
        """Of the actions taken, (N,) or (B, T), in nat."""
        return surprisal(self.log_probabilities, self.actions)

    @property
    def valid(self) -> BoolArray:
        """The mask, (N,) or (B, T), all true where there is none."""
        return np.ones(self.shape, dtype=np.bool_) if self.mask is None else self.mask
