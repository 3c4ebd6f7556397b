"""What a transformer's forward leaves for its backward, and the buffers that rows pass through.

R rows in the forward, Q of them ask; D wide, F in the feed-forward, H heads. A backward has R rows
of prefixes, of which K asked. All of it lives in buffers that grow and are kept.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kondo_ref.backends.numba_buffers import RowBuffers
from kondo_ref.backends.numba_packing import Asking
from kondo_ref.checks import IntArray
from kondo_ref.models.transformer import Transformer

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Activations:
    """What the forward of one block leaves.

    Parameters
    ----------
    asking : Asking
        Which rows asked.
    normed1 : (R, D) float
        First normalization, before its gain.
    inverse1 : (R, 1) float
    rows : (R, 3 D) float
        Query, key and value of each row; the query only where it asked.
    powers : (n, H) float
        With n keys in all that the queries look at.
    scale : (Q, H) float
        Powers and the inverse of their sums, as `attention_forward` leaves them.
    context : (Q, D) float
    normed2 : (Q, D) float
    inverse2 : (Q, 1) float
    hidden : tuple of (Q, F) float
        After the activation; for gelu also before it, and the cdf.
    """

    asking: Asking
    normed1: Array
    inverse1: Array
    rows: Array
    powers: Array
    scale: Array
    context: Array
    normed2: Array
    inverse2: Array
    hidden: tuple[Array, ...]

    @property
    def nbytes(self) -> int:
        """Memory of the arrays, in bytes."""
        arrays = (
            *(self.normed1, self.inverse1, self.rows, self.powers, self.scale, self.context),
            *(self.normed2, self.inverse2, *self.hidden),
        )
        return sum(array.nbytes for array in arrays)


class Room:
    """Room for the activations of one block."""

    def __init__(self, model: Transformer, dtype: np.dtype[Any]) -> None:
        d, f, h = model.width, model.feed_forward, model.heads
        hidden = (f,) if model.activation == "relu" else (f, f, f)
        self._rows = RowBuffers((d, 1, 3 * d), dtype)
        self._powers = RowBuffers((h,), dtype)
        self._asking = RowBuffers((h, d, d, 1, *hidden), dtype)

    def of(self, rows: int, asking: Asking) -> Activations:
        """Return empty activations of some rows, valid until the next call."""
        normed1, inverse1, qkv = self._rows.of(rows)
        (powers,) = self._powers.of(int(asking.first[-1]))
        scale, context, normed2, inverse2, *hidden = self._asking.of(asking.queries.size)
        below = (asking, normed1, inverse1, qkv)
        return Activations(*below, powers, scale, context, normed2, inverse2, tuple(hidden))


class Stream:
    """The residual stream on its way up: x, and what the last product adds to it.

    The sum is made by the normalization that reads it, in the same pass.

    Attributes
    ----------
    x : (R, D) float
    delta : (R, D) float
        Room for a product, which belongs to the stream until the next normalization.
    normed : (R, D) float
        Room for what a normalization gives.
    bias : (D,) float or None
        Of the product in `delta`; None as long as there was none.
    """

    def __init__(self, model: Transformer, dtype: np.dtype[Any]) -> None:
        self._every = RowBuffers((model.width,) * 3, dtype)
        self._some = RowBuffers((model.width,) * 3, dtype)
        self.bias: Array | None = None
        self.start(0)

    def start(self, rows: int) -> None:
        """Make room for some rows."""
        self.x, self.delta, self.normed = self._every.of(rows)
        self.bias = None

    def only(self, rows: IntArray) -> None:
        """Go on with some rows, which are up to date."""
        x = self.x
        self.x, self.delta, self.normed = self._some.of(rows.size)
        x.take(rows, 0, self.x, "clip")  # other modes than clip buffer the result


class Scratch:
    """Buffers that the backward of every block uses in turn.

    Attributes
    ----------
    top : RowBuffers
        Of the kept rows: what the head was given, its gradient, the gradient that goes down.
    rows : RowBuffers
        Of the R rows: a normalization's output, its gradient, the gradient of query, key and
        value, the gradient that goes down.
    asked : RowBuffers
        Of the K rows that asked: a normalization's output, its gradient, context, its gradient,
        the query's; the hidden layer and its gradient.
    """

    def __init__(self, model: Transformer, dtype: np.dtype[Any]) -> None:
        d, f = model.width, model.feed_forward
        self.top = RowBuffers((d, d, d), dtype)
        self.rows = RowBuffers((d, d, 3 * d, d), dtype)
        self.asked = RowBuffers((d, d, d, d, d, f, f), dtype)


def taken(source: Array, rows: IntArray, out: Array) -> Array:
    """Return some rows, ascending, of `source`: itself for all of them, else in `out`."""
    if rows.size == source.shape[0]:
        return source
    return source.take(rows, 0, out, "clip")
