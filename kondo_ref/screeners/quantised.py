"""The screener in fewer bits: the exact parameters, rounded anew for every batch.

int8: integers of 8 bit for weights (a scale for every output channel) and for what goes into a
product (a scale for every row), products summed exactly, biases and everything between the products
in the dtype of the parameters. bfloat16: weights and what goes into a product are rounded to
bfloat16, and the product is summed in float32, or in float64 where the parameters are.
Emulated: the operations that run here are float32. A count of FLOP sees no saving, since it is
free of dtypes; a count by width does (`kondo_ref.flops.speculation.width`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kondo_ref import checks
from kondo_ref.checks import FloatArray, IntArray
from kondo_ref.delight import log_softmax
from kondo_ref.layers import relu_forward
from kondo_ref.models.mlp import MLP
from kondo_ref.parameters import Parameters
from kondo_ref.screeners.screener import Look, Screener
from kondo_ref.step import Learner

Product = Callable[[FloatArray, FloatArray], FloatArray]

FORMATS = {"int8": 8, "bfloat16": 16}
LARGEST = 127


@dataclass(frozen=True)
class Quantised(Screener):
    """The exact parameters of this moment in another format.

    Parameters
    ----------
    format : str
        int8 or bfloat16.

    Raises
    ------
    ValueError
        Another one.
    """

    format: str

    def __post_init__(self) -> None:
        checks.one_of("format", self.format, tuple(FORMATS))

    def look(self, learner: Learner, x: FloatArray, index: IntArray | None) -> Look:
        """Return the policy of the rounded network; arguments as in `Screener.look`."""
        del index
        assert isinstance(learner.model, MLP)
        logits = quantised_logits(learner.model, learner.parameters, x, self.format)
        return Look(x, log_softmax(logits))


def quantised_logits(
    model: MLP, parameters: Parameters, x: FloatArray, number_format: str
) -> FloatArray:
    """Return the logits (N, K) with every product in the format.

    Parameters
    ----------
    model : MLP
    parameters : Parameters
        float32 or float64.
    x : (N, D[0]) float
        In the dtype of the parameters.
    number_format : str
        int8 or bfloat16.

    Notes
    -----
    Cost: that of the network's forward; int8 beside it, for a product of (N, I) and (I, O): I O cmp
    and div, O div for the weights, N I cmp and div, N div for the rows, 2 N O mul after it.
    """
    product: Product = int8_product if number_format == "int8" else bfloat16_product
    value: FloatArray = x
    for layer in range(1, model.layers + 1):
        value = product(value, parameters[f"weight{layer}"])
        value += parameters[f"bias{layer}"]
        if layer < model.layers:
            relu_forward(value)
    return value


def int8_product(x: FloatArray, weight: FloatArray) -> FloatArray:
    """Return x @ weight (N, O) of x (N, I) and weight (I, O), both rounded to 8-bit integers.

    A row of x is rint(x / s) with s its largest absolute value over 127, a column of the weight
    likewise. The integers are multiplied in floats that hold every partial sum exactly.
    """
    rows, row_scale = _integers(x, axis=1)
    columns, column_scale = _integers(weight, axis=0)
    exact = exact_dtype(x.shape[1])
    total: FloatArray = np.matmul(rows.astype(exact), columns.astype(exact)).astype(x.dtype)
    total *= row_scale
    total *= column_scale
    return total


def exact_dtype(inputs: int) -> type[np.floating]:
    """Return the float in which a sum of so many products of 8-bit integers is exact."""
    return np.float32 if inputs * LARGEST**2 < 2**24 else np.float64


def _integers(values: FloatArray, axis: int) -> tuple[FloatArray, FloatArray]:
    """Return values / scale rounded to integers in -127..127, and the scale of each line."""
    scale = np.max(np.abs(values), axis=axis, keepdims=True) / LARGEST
    scale[scale == 0.0] = 1.0
    return np.rint(values / scale), scale


def bfloat16_product(x: FloatArray, weight: FloatArray) -> FloatArray:
    """Return `x` (N, I) @ `weight` (I, O), both rounded to bfloat16, summed in the dtype of x."""
    product: FloatArray = np.matmul(bfloat16(x), bfloat16(weight))
    return product


def bfloat16(values: FloatArray) -> FloatArray:
    """Return the nearest bfloat16 numbers to `values` (...), ties to even, in their dtype.

    Of float64 the float32 number is rounded. The values are finite, and stay so below 3.39e38.
    """
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    last = (bits >> np.uint32(16)) & np.uint32(1)
    rounded = (bits + np.uint32(0x7FFF) + last) & np.uint32(0xFFFF0000)
    result: FloatArray = rounded.view(np.float32).astype(values.dtype, copy=False)
    return result
