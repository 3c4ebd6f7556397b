"""What stands for the surprisal where that needs the whole policy, not log pi(a) alone."""

import math
from collections.abc import Callable

import numpy as np

from kondo_ref.audit.batch import Batch
from kondo_ref.audit.known_parts.part import Part, number
from kondo_ref.audit.known_parts.transforms import transform
from kondo_ref.checks import BoolArray, FloatArray


def surprisal_part(part: Part, level: FloatArray, batch: Batch, valid: BoolArray) -> FloatArray:
    """Return what stands for the surprisal.

    Parameters
    ----------
    part : tuple
        entropy, greedy, centred-entropy, raw-logit, log-k, tempered; else as `transform`.
    level : (...) float
        The surprisal of the actions taken.
    batch : Batch
    valid : (...) bool
    """
    made = _OF_POLICY.get(str(part[0]))
    return transform(part, level, valid) if made is None else made(part, level, batch)


def _negative_entropy(batch: Batch) -> FloatArray:
    log_pi = batch.log_probabilities
    return np.asarray((np.exp(log_pi) * log_pi).sum(axis=-1))


def _taken(values: FloatArray, batch: Batch) -> FloatArray:
    return np.asarray(np.take_along_axis(values, batch.actions[..., None], axis=-1)[..., 0])


def _tempered(part: Part, batch: Batch) -> FloatArray:
    scaled = batch.logits / number(part, 1, 1.0)
    top = scaled.max(axis=-1, keepdims=True)
    log_z = top[..., 0] + np.log(np.exp(scaled - top).sum(axis=-1))
    return np.asarray(log_z - _taken(scaled, batch))


_OF_POLICY: dict[str, Callable[[Part, FloatArray, Batch], FloatArray]] = {
    "entropy": lambda _, __, batch: -_negative_entropy(batch),
    "greedy": lambda _, __, batch: np.asarray(-batch.log_probabilities.max(axis=-1)),
    "centred-entropy": lambda _, level, batch: level + _negative_entropy(batch),
    "raw-logit": lambda _, __, batch: -_taken(batch.logits, batch),
    "log-k": lambda _, level, batch: level / math.log(batch.logits.shape[-1]),
    "tempered": lambda part, _, batch: _tempered(part, batch),
}
