"""The multilayer perceptron: observations -> logits, and the kept rows back to gradients.

D[0] inputs, D[1]..D[L-1] hidden widths, D[L] = K actions; N rows in the forward, K rows kept in
the backward. The forward caches every activation; the backward gathers the kept rows of the cache
and works on them alone. Nothing of a dropped row enters a product.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from kondo_ref import checks, randomness
from kondo_ref.checks import FloatArray
from kondo_ref.layers import linear_backward, linear_forward, relu_backward, relu_forward
from kondo_ref.parameters import Parameters

Array = NDArray[Any]

# Standard deviation of a standard normal truncated to (-2, 2): sqrt(1 - 4 pdf(2) / (2 cdf(2) - 1)).
TRUNCATED_STD = 0.8796256610342398


@dataclass(frozen=True, eq=False)
class Cache:
    """What the forward leaves for the backward.

    Parameters
    ----------
    x : (N, D[0]) float
        The observations; not copied.
    activations : tuple of (N, D[i]) float
        After the ReLU of hidden layers 1..L-1, then the logits.
    """

    x: Array
    activations: tuple[Array, ...]

    @property
    def nbytes(self) -> int:
        """Memory of the activations, in bytes."""
        return sum(array.nbytes for array in self.activations)


@dataclass(frozen=True)
class MLP:
    """A multilayer perceptron with ReLU between its linear layers.

    Parameters
    ----------
    sizes : tuple of int
        D[0]..D[L], at least two, each at least 1. Two sizes are a linear model.

    Raises
    ------
    TypeError, ValueError
        Other sizes.
    """

    sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "sizes", tuple(self.sizes))
        if len(self.sizes) < 2:
            raise ValueError(f"sizes: expected at least inputs and actions, got {self.sizes}")
        for size in self.sizes:
            checks.count("sizes", size, 1)

    @property
    def layers(self) -> int:
        """The number of linear layers L."""
        return len(self.sizes) - 1

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Parameter shapes by name: weight1 (D[0], D[1]), bias1 (D[1],), weight2, ..."""
        shapes: dict[str, tuple[int, ...]] = {}
        for layer in range(1, self.layers + 1):
            shapes[f"weight{layer}"] = (self.sizes[layer - 1], self.sizes[layer])
            shapes[f"bias{layer}"] = (self.sizes[layer],)
        return shapes

    def initialize(self, seed: int, dtype: DTypeLike = np.float64) -> Parameters:
        """Return LeCun normal weights and zero biases.

        As ``lecun_normal`` of JAX: a normal truncated at two standard deviations, then scaled to
        the variance 1 / inputs. The papers print no initialization. The numbers are drawn in
        float64 and rounded, so float32 parameters are the rounded ones.

        Raises
        ------
        TypeError
            The dtype is neither float32 nor float64.
        """
        if np.dtype(dtype) not in checks.FLOAT_DTYPES:
            raise TypeError(f"dtype: expected float32 or float64, got {np.dtype(dtype)}")
        parameters = Parameters.zeros(self.shapes, np.float64)
        for layer in range(1, self.layers + 1):
            weight = parameters[f"weight{layer}"]
            weight[...] = lecun_normal(seed, layer, weight.shape, weight.shape[0])
        return parameters.astype(dtype)

    def buffers(self, rows: int, dtype: DTypeLike) -> tuple[Array, ...]:
        """Return empty buffers of activations, (rows, D[i]) each, for the forward's `out`."""
        return tuple(np.empty((rows, size), dtype=dtype) for size in self.sizes[1:])

    def forward(
        self, parameters: Parameters, x: ArrayLike, out: tuple[Array, ...] | None = None
    ) -> tuple[Array, Cache]:
        """Return the logits and the cache.

        Parameters
        ----------
        parameters : Parameters
            Of `shapes`; complex parameters are allowed, for complex-step differentiation.
        x : (N, D[0]) float
            In the dtype of the parameters.
        out : tuple of (N, D[i]) float, optional
            From `buffers`. The cache and the logits then live there until the next call.

        Returns
        -------
        logits : (N, K) float
        cache : Cache

        Raises
        ------
        TypeError
            `x` has another dtype than the parameters.
        ValueError
            `x` has another shape, or a value that is not finite; `out` has other shapes.
        """
        rows = self._observations(parameters, x)
        buffers = self.buffers(rows.shape[0], parameters.dtype) if out is None else out
        shapes = [(rows.shape[0], size) for size in self.sizes[1:]]
        if [b.shape for b in buffers] != shapes or buffers[0].dtype != parameters.dtype:
            raise ValueError(f"out: expected {parameters.dtype} buffers of shapes {shapes}")
        value = rows
        # What overflows shows in the logits, which every screening checks; no warning besides.
        with np.errstate(over="ignore", invalid="ignore"):
            for layer, buffer in enumerate(buffers, start=1):
                weight, bias = parameters[f"weight{layer}"], parameters[f"bias{layer}"]
                value = linear_forward(value, weight, bias, out=buffer)
                if layer == 1 and not np.isfinite(value.sum()):
                    _refuse_nonfinite(rows)
                if layer < self.layers:
                    relu_forward(value)
        return value, Cache(rows, buffers)

    def backward(
        self,
        parameters: Parameters,
        cache: Cache,
        dlogits: Array,
        kept: NDArray[np.integer[Any]],
        out: Parameters | None = None,
    ) -> Parameters:
        """Return the gradient of the loss in the parameters, from the kept rows.

        Parameters
        ----------
        parameters : Parameters
        cache : Cache
            Of the forward with N rows.
        dlogits : (K, D[L]) float
            Of the kept rows alone, in the order of `kept`. Not changed.
        kept : (K,) int
            Rows of the forward, ascending. All of them are used without a copy; none gives a zero
            gradient.
        out : Parameters, optional
            Receives the gradient.

        Returns
        -------
        gradient : Parameters

        Raises
        ------
        TypeError
            `dlogits` has another dtype than the parameters, `kept` is not integer.
        ValueError
            The shapes do not belong together, or `kept` is not ascending or names a row that is
            not there.
        """
        n = cache.x.shape[0]
        gradient = prepare_backward(parameters, dlogits, kept, (n, self.sizes[-1]), out)
        if kept.size == 0:
            gradient.flat[...] = 0
            return gradient
        everything = kept.size == n
        dout = dlogits
        for layer in range(self.layers, 0, -1):
            source = cache.x if layer == 1 else cache.activations[layer - 2]
            rows = source if everything else np.take(source, kept, axis=0)
            dx = linear_backward(
                dout,
                rows,
                parameters[f"weight{layer}"],
                gradient[f"weight{layer}"],
                gradient[f"bias{layer}"],
                need_dx=layer > 1,
            )
            if dx is not None:
                dout = relu_backward(dx, rows)
        return gradient

    def _observations(self, parameters: Parameters, x: ArrayLike) -> Array:
        if parameters.shapes != self.shapes:
            raise ValueError(f"parameters: expected {self.shapes}, got {parameters.shapes}")
        rows = np.asarray(x)
        if rows.ndim != 2 or rows.shape[1] != self.sizes[0] or rows.shape[0] == 0:
            raise ValueError(f"x: expected shape (N, {self.sizes[0]}), N >= 1, got {rows.shape}")
        if rows.dtype != parameters.dtype and parameters.dtype.kind != "c":
            raise TypeError(f"x: expected dtype {parameters.dtype}, got {rows.dtype}")
        return rows


def lecun_normal(seed: int, stream: int, shape: tuple[int, ...], inputs: int) -> FloatArray:
    """Return normals of variance 1 / inputs, `shape` float64, truncated at two deviations."""
    purpose = randomness.Purpose.INITIALIZATION
    draws = randomness.normals(seed, purpose, stream, shape, bound=2.0)
    result: FloatArray = draws / (TRUNCATED_STD * np.sqrt(inputs))
    return result


def prepare_backward(
    parameters: Parameters,
    dlogits: Array,
    kept: NDArray[Any],
    shape: tuple[int, int],
    out: Parameters | None,
) -> Parameters:
    """Return where the gradient goes; refuse what does not fit a forward of `shape` (N, K).

    Parameters
    ----------
    parameters : Parameters
    dlogits : (kept, K) float
    kept : (kept,) int
    shape : tuple of int
    out : Parameters, optional
    """
    gradient = parameters.zeros_like() if out is None else out
    if (gradient.shapes, gradient.dtype) != (parameters.shapes, parameters.dtype):
        raise ValueError(f"out: expected {parameters.dtype} arrays of {parameters.shapes}")
    check_kept(kept, shape[0])
    checks.require_shape("dlogits", dlogits, (kept.size, shape[1]))
    if dlogits.dtype != parameters.dtype:
        raise TypeError(f"dlogits: expected dtype {parameters.dtype}, got {dlogits.dtype}")
    return gradient


def check_kept(kept: NDArray[Any], n: int, name: str = "kept") -> None:
    """Refuse indices of kept decisions, `kept` (K,), that do not ascend within 0..n-1."""
    if kept.ndim != 1 or kept.dtype.kind not in "iu":
        raise TypeError(
            f"{name}: expected a ({name},) integer array, got {kept.dtype} {kept.shape}"
        )
    if kept.size and not (kept[0] >= 0 and kept[-1] < n and (kept[1:] > kept[:-1]).all()):
        raise ValueError(f"{name}: expected ascending rows in 0..{n - 1}, got {kept}")


def _refuse_nonfinite(x: Array) -> None:
    bad = ~np.isfinite(x)
    if bad.any():
        index = checks.first_index(bad)
        raise ValueError(f"x: not finite at index {index} ({x[index]})")
