"""Closed forms, layer by layer: what a forward, its backward and an update compute on so many rows.

Each function names a layer of `kondo_ref.layers` or `kondo_ref.attention` and takes dimensions
alone; a model is the sum of its layers. Forward and backward may run on other numbers of rows, so
a model is summed once for each, and of every sum one part is read.

Rules, the same for the counts taken where the operations run (`executed_rules`): a product
(m, k) @ (k, n) is 2 m k n, a single row's outer product among them; a sum or a maximum over n
entries is n operations, the first of which meets the start value; gathers, copies, conversions and
signs are none.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from kondo_ref import checks
from kondo_ref.flops.counts import Counts
from kondo_ref.flops.decoder_kept import as_fraction

OPTIMIZERS = ("sgd", "adam")
NONE = Counts()


@dataclass(frozen=True)
class Layer:
    """The counts of a layer, each part on the rows that the layer was made for.

    Parameters
    ----------
    forward : Counts
    recompute : Counts
        What the backward computes of the forward once more, since it is not kept.
    backward_input : Counts
        What carries the gradient down.
    backward_weight : Counts
        What gives the gradients of the layer's own parameters.
    """

    forward: Counts = NONE
    recompute: Counts = NONE
    backward_input: Counts = NONE
    backward_weight: Counts = NONE

    def __add__(self, other: "Layer") -> "Layer":
        return Layer(
            self.forward + other.forward,
            self.recompute + other.recompute,
            self.backward_input + other.backward_input,
            self.backward_weight + other.backward_weight,
        )

    def __mul__(self, times: int) -> "Layer":
        return Layer(
            self.forward * times,
            self.recompute * times,
            self.backward_input * times,
            self.backward_weight * times,
        )

    __rmul__ = __mul__

    @property
    def backward(self) -> Counts:
        """Both halves of the backward, without what it recomputes."""
        return self.backward_input + self.backward_weight


def linear(
    rows: int, inputs: int, outputs: int, *, bias: bool = False, need_dx: bool = True
) -> Layer:
    """Return the counts of out = x @ weight + bias, on N rows, I inputs and O outputs.

    Forward: matmul 2 N I O, add N O with a bias. Backward: the same for dweight = x.T @ dout and
    for dbias; matmul 2 N I O for dx = dout @ weight.T, which the first layer of a network has not.

    Parameters
    ----------
    rows, inputs, outputs : int
    bias : bool
    need_dx : bool
        Whether something below needs the gradient.
    """
    product = Counts(matmul=2 * rows * inputs * outputs)
    own = product + Counts(add=rows * outputs if bias else 0)
    return Layer(own, NONE, product if need_dx else NONE, own)


def relu(entries: int) -> Layer:
    """Return the counts of max(x, 0): forward 1 cmp an entry; backward 1 cmp and 1 mul."""
    return Layer(Counts(cmp=entries), NONE, Counts(cmp=entries, mul=entries))


def gelu(entries: int) -> Layer:
    """Return the counts of x cdf(x), exact: forward 3 mul, 1 add, 1 exp (erf) an entry.

    Backward, dout (cdf + x pdf): 5 mul, 1 add, 1 exp; the cdf is kept.
    """
    forward = Counts(mul=3, add=1, exp=1) * entries
    return Layer(forward, NONE, Counts(mul=5, add=1, exp=1) * entries)


def norm(rows: int, width: int, *, offset: bool = False, output_kept: bool = False) -> Layer:
    """Return the counts of LayerNorm on N rows of width D.

    Forward a row: 3 D mul, 3 D add (4 D with an offset), 3 div, 1 sqrt, 1 add. Backward a row:
    4 D mul, 4 D add, 2 div for dx; D mul, D add for dgain; D add for doffset.

    Parameters
    ----------
    rows, width : int
    offset : bool
    output_kept : bool
        Whether the forward keeps what it returns. If not, the backward of the product above it
        recomputes it from what the gain multiplies: D mul a row, and D add with an offset.
    """
    d, more = width, width if offset else 0
    return Layer(
        Counts(mul=3 * d, add=3 * d + more + 1, div=3, sqrt=1) * rows,
        NONE if output_kept else Counts(mul=d, add=more) * rows,
        Counts(mul=4 * d, add=4 * d, div=2) * rows,
        Counts(mul=d, add=d + more) * rows,
    )


def attention(scores: int, heads: int, head_width: int) -> Layer:
    """Return the counts of softmax(query key^T / sqrt(W)) value, with H heads of width W.

    Forward: matmul 4 W a score and head (query key^T, probabilities value); and 1 mul (scale),
    2 add (shift, sum), 1 cmp (largest), 1 exp, 1 div. Backward: matmul 8 W (dvalue, dp,
    dquery, dkey), 3 mul, 2 add. There are no parameters.

    Parameters
    ----------
    scores : int
        Of one head: `dense_scores` or `causal_scores`, summed over sequences.
    heads, head_width : int
        Of the queries; key-value heads that are shared change nothing here.
    """
    n = scores * heads
    forward = Counts(matmul=4 * head_width, mul=1, cmp=1, add=2, exp=1, div=1)
    backward = Counts(matmul=8 * head_width, mul=3, add=2)
    return Layer(forward * n, NONE, backward * n)


def dense_scores(queries: Sequence[int], keys: Sequence[int]) -> int:
    """Return the scores of q queries by k keys a sequence, later keys too: the sum of q k."""
    return sum(q * k for q, k in zip(queries, keys, strict=True))


def causal_scores(positions: Sequence[int]) -> int:
    """Return the scores of keys at or before the queries, at these places from 0 in theirs."""
    return sum(position + 1 for position in positions)


def embedding(rows: int, width: int) -> Layer:
    """Return the counts of a table's rows: forward a gather, none; backward N D add."""
    return Layer(backward_weight=Counts(add=rows * width))


def residual(rows: int, width: int) -> Layer:
    """Return the counts of x + f(x): N D add in the forward, and for the two gradients of x."""
    added = Counts(add=rows * width)
    return Layer(added, NONE, added)


def sgd(parameters: int) -> Counts:
    """Return the counts of an update by SGD: mul and add, one a parameter each."""
    return Counts(mul=parameters, add=parameters)


def adam(parameters: int, *, flush: bool = False) -> Counts:
    """Return the counts of an update by Adam: 6 mul, 4 add, 1 sqrt, 1 div a parameter.

    Parameters
    ----------
    parameters : int
    flush : bool
        Whether it is a step that sets tiny moments to 0, every `optim.FLUSH_EVERY`: 2 cmp more.
    """
    return Counts(mul=6, add=4, sqrt=1, div=1, cmp=2 if flush else 0) * parameters


def update(optimizer: str, shapes: Mapping[str, tuple[int, ...]], *, flush: bool = False) -> Counts:
    """Return the counts of an update of parameters of these shapes, by sgd or adam.

    Raises
    ------
    ValueError
        Another optimizer.
    """
    checks.one_of("optimizer", optimizer, OPTIMIZERS)
    parameters = sum(math.prod(shape) for shape in shapes.values())
    return sgd(parameters) if optimizer == "sgd" else adam(parameters, flush=flush)


def share(counts: Counts, rate: float | Fraction) -> Counts:
    """Return the rate times some counts, each rounded half to even from its exact value.

    The rate is in [0, 1]; .03 is 3/100.
    """
    exact = as_fraction("rate", rate)
    return Counts(**{name: round(exact * n) for name, n in counts.to_dict().items()})
