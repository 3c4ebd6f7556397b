"""The multilayer perceptron of the Numba backend: observations -> logits, kept rows -> gradients.

`kondo_ref.models.mlp` says what it computes. After the gate only the kept rows are there: they are
gathered from the activations of the forward, and the backward sees nothing else.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kondo_ref import checks
from kondo_ref.backends import numba_kernels as kernels
from kondo_ref.backends.numba_buffers import RowBuffers
from kondo_ref.checks import IntArray
from kondo_ref.models.mlp import MLP
from kondo_ref.parameters import Parameters

Array = NDArray[Any]


class MLPNetwork:
    """A multilayer perceptron on a learner's parameters and gradient.

    Parameters
    ----------
    model : MLP
    parameters, gradient : Parameters
        Views of them are kept.

    Attributes
    ----------
    dbias : (A,) float
        Receives the gradient of the last bias, which comes with the gradient in the logits.
    activation_bytes : int
        Memory of what the last forward left: the logits too, not the observations.
    """

    def __init__(self, model: MLP, parameters: Parameters, gradient: Parameters) -> None:
        self._model, self._dtype = model, parameters.dtype
        sizes = model.sizes
        names = [(f"weight{layer}", f"bias{layer}") for layer in range(1, len(sizes))]
        self._layers = [(parameters[w], parameters[b]) for w, b in names]
        self._dlayers = [(gradient[w], gradient[b]) for w, b in names]
        self.dbias = self._dlayers[-1][1]
        self._hidden: dict[int, tuple[Array, ...]] = {}
        self._gathered = RowBuffers(sizes[:-1], parameters.dtype)
        self._douts = RowBuffers(sizes[1:], parameters.dtype)
        self._row_bytes = sum(sizes[1:]) * parameters.dtype.itemsize
        self.activation_bytes = 0

    def run(self, observations: Any) -> tuple[Array, bool, Array]:
        """Return new logits (N, A), whether all are known to be finite, and the observations."""
        x = np.asarray(observations)
        if x.ndim != 2 or x.shape[1] != self._model.sizes[0] or x.shape[0] == 0:
            raise ValueError(
                f"x: expected shape (N, {self._model.sizes[0]}), N >= 1, got {x.shape}"
            )
        if x.dtype != self._dtype:
            raise TypeError(f"x: expected dtype {self._dtype}, got {x.dtype}")
        n = x.shape[0]
        self.activation_bytes = n * self._row_bytes
        hidden = self._hidden.get(n)
        if hidden is None:
            hidden = self._hidden[n] = self._model.buffers(n, x.dtype)[:-1]
        value = x
        for (weight, bias), buffer in zip(self._layers, hidden, strict=False):
            np.dot(value, weight, out=buffer)
            sound = kernels.bias_relu_forward(buffer, bias)
            if not sound and value is x:
                checks.real_array("x", x)
            value = buffer
        weight, bias = self._layers[-1]
        logits = np.dot(value, weight)
        sound = kernels.bias_forward(logits, bias)
        if not sound and value is x:
            checks.real_array("x", x)
        return logits, sound, x

    def dlogits(self, count: int) -> Array:
        """Return room for the gradient in the logits of the kept rows, (K, A) float."""
        return self._douts.of(count)[-1]

    def backward(self, x: Array, dlogits: Array, kept: IntArray) -> int:
        """Fill the gradient from the kept rows (K,); return their number.

        From out = rows @ weight + bias: dweight = rows.T @ dout, drows = dout @ weight.T.
        """
        n, douts = x.shape[0], (*self._douts.of(kept.size)[:-1], dlogits)
        sources = (x, *self._hidden[n])
        if kept.size != n:
            for source, rows in zip(sources, self._gathered.of(kept.size), strict=True):
                source.take(kept, 0, rows, "clip")  # other modes than clip buffer the result
            sources = self._gathered.of(kept.size)
        for layer in range(len(sources) - 1, 0, -1):
            rows, dout, drows = sources[layer], douts[layer], douts[layer - 1]
            np.dot(rows.T, dout, out=self._dlayers[layer][0])
            np.dot(dout, self._layers[layer][0].T, out=drows)
            kernels.relu_backward(drows, rows, self._dlayers[layer - 1][1])
        np.dot(sources[0].T, douts[0], out=self._dlayers[0][0])
        return kept.size
