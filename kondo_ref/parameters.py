"""Parameters, gradients and moments: one flat buffer with named views.

An optimizer works on `flat`, a model on the views; both are the same memory.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from kondo_ref import checks


@dataclass(frozen=True, eq=False)
class Parameters:
    """Named arrays that are views into one flat array.

    Parameters
    ----------
    flat : (n,) array
        All entries, in the order of `views`.
    views : mapping of str to an array of its shape (...)
        Each a reshaped slice of `flat`.
    """

    flat: NDArray[Any]
    views: MappingProxyType[str, NDArray[Any]]

    @classmethod
    def wrap(cls, flat: NDArray[Any], shapes: dict[str, tuple[int, ...]]) -> Self:
        """Return named views of `flat` (n,), without a copy.

        Raises
        ------
        ValueError
            `flat` is not a contiguous (n,) array with n the sum of the sizes of `shapes`.
        """
        ends = np.cumsum([math.prod(shape) for shape in shapes.values()])
        checks.require_shape("flat", flat, (int(ends[-1]),))
        if not flat.flags.c_contiguous:
            raise ValueError("flat: expected a contiguous array")
        pieces = np.split(flat, ends[:-1])
        views = {
            name: piece.reshape(shape)
            for (name, shape), piece in zip(shapes.items(), pieces, strict=True)
        }
        return cls(flat, MappingProxyType(views))

    @classmethod
    def zeros(cls, shapes: dict[str, tuple[int, ...]], dtype: DTypeLike) -> Self:
        """Return zeros of the given shapes and dtype."""
        n = sum(math.prod(shape) for shape in shapes.values())
        return cls.wrap(np.zeros(n, dtype=dtype), shapes)

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every view, by name."""
        return {name: view.shape for name, view in self.views.items()}

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the buffer."""
        return self.flat.dtype

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.views[name]

    def zeros_like(self) -> Self:
        """Return zeros of the same shapes and dtype."""
        return type(self).zeros(self.shapes, self.dtype)

    def astype(self, dtype: DTypeLike) -> Self:
        """Return a copy in another dtype."""
        return type(self).wrap(self.flat.astype(dtype), self.shapes)
