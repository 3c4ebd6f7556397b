"""The parts of a batch on which prices and counts are taken."""

import math
from collections.abc import Callable

import numpy as np

from kondo_ref.audit.known_parts.part import Part, number
from kondo_ref.checks import IntArray


def parts_of(scope: Part, shape: tuple[int, ...]) -> IntArray:
    """Return the label of the part in which each unit is priced or ranked, (...) int."""
    name = str(scope[0])
    wide = len(shape) > 1
    if name in _FLAT:
        size = math.prod(shape)
        label = _FLAT[name](np.arange(size), number(scope, 1, _DEFAULTS[name]))
        return np.asarray(label, dtype=np.int64).reshape(shape)
    if name == "row" and wide:
        return np.broadcast_to(np.arange(shape[0])[:, None], shape).copy()
    if name == "column" and wide:
        return np.broadcast_to(np.arange(shape[1])[None, :], shape).copy()
    return np.zeros(shape, dtype=np.int64)


def _split(index: IntArray, pieces: float) -> IntArray:
    """Into this many parts of (almost) one size."""
    label = np.empty(index.size, dtype=np.int64)
    for i, piece in enumerate(np.array_split(index, int(pieces))):
        label[piece] = i
    return label


_FLAT: dict[str, Callable[[IntArray, float], IntArray]] = {
    "split": _split,
    "chunk": lambda index, size: index // int(size),
    "strided": lambda index, size: index % int(size),
}
_DEFAULTS = {"split": 2.0, "chunk": 8.0, "strided": 2.0}
