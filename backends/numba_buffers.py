"""Buffers that a training loop fills again and again, so that it allocates nothing."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class RowBuffers:
    """Buffers of some widths for a number of rows that changes; they grow and are kept."""

    def __init__(self, widths: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._widths, self._dtype = widths, dtype
        self._whole = self._new(0)
        self._views = self._whole

    def of(self, rows: int) -> tuple[Array, ...]:
        """Return one (rows, width) buffer a width, valid until the next call."""
        if rows != self._views[0].shape[0]:
            if rows > self._whole[0].shape[0]:
                self._whole = self._new(rows)
            self._views = tuple(buffer[:rows] for buffer in self._whole)
        return self._views

    def _new(self, rows: int) -> tuple[Array, ...]:
        return tuple(np.empty((rows, width), self._dtype) for width in self._widths)
