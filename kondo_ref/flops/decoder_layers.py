"""Closed forms of the layers that the Llama family has and our own models have not.

As in `layers`: dimensions in, counts out, forward and backward apart. There is no kernel of these
here, so the counts are those of the formula written out, each intermediate kept for the backward
unless it says otherwise; tanh counts as exp.
"""

from kondo_ref.flops import layers
from kondo_ref.flops.counts import Counts
from kondo_ref.flops.layers import Layer


def rms_norm(rows: int, width: int, *, output_kept: bool = False) -> Layer:
    """Return the counts of RMSNorm: x / sqrt(mean(x^2) + epsilon) * gain, on N rows of width D.

    Forward a row: 3 D mul, D add, 2 div, 1 sqrt, 1 add. As for `layers.norm`, the backward of the
    product above recomputes what the gain gave, D mul, unless it is kept. Backward a row: 4 D mul
    (by the gain, with normed, normed by the mean, by the inverse), 2 D add, 1 div for dx; D mul,
    D add for dgain. (Zhang and Sennrich, arXiv 1910.07467.)
    """
    d = width
    return Layer(
        Counts(mul=3 * d, add=d + 1, div=2, sqrt=1) * rows,
        Counts() if output_kept else Counts(mul=d) * rows,
        Counts(mul=4 * d, add=2 * d, div=1) * rows,
        Counts(mul=d, add=d) * rows,
    )


def silu(entries: int) -> Layer:
    """Return the counts of x sigmoid(x): forward 1 mul, 1 add, 1 exp, 1 div an entry.

    Backward, dout s (1 + x (1 - s)) with the sigmoid s kept: 3 mul, 2 add.
    """
    return Layer(
        Counts(mul=1, add=1, exp=1, div=1) * entries, Counts(), Counts(mul=3, add=2) * entries
    )


def gelu_tanh(entries: int) -> Layer:
    """Return the counts of x / 2 (1 + tanh(c (x + a x^3))), an entry.

    Forward: x (x^2 a + 1) c is 4 mul, 1 add; 1 tanh (exp); x (t + 1) / 2 is 2 mul, 1 add.
    Backward, dout ((t + 1) / 2 + x / 2 (1 - t^2) c (1 + 3 a x^2)) with t kept: 9 mul, 4 add.
    """
    return Layer(Counts(mul=6, add=2, exp=1) * entries, Counts(), Counts(mul=9, add=4) * entries)


ACTIVATIONS = {
    "relu": layers.relu,
    "gelu": layers.gelu,
    "gelu_tanh": gelu_tanh,
    "silu": silu,
}


def feed_forward(
    rows: int, width: int, hidden: int, *, activation: str, gated: bool, bias: bool
) -> Layer:
    """Return the counts of the feed-forward, D -> F -> D.

    Gated, it is activation(x @ gate) * (x @ up) @ down (Shazeer, arXiv 2002.05202), the first two
    as one product D -> 2 F; 1 mul an entry of F, and 2 in its backward.
    """
    counts = (
        layers.linear(rows, width, hidden * (2 if gated else 1), bias=bias)
        + ACTIVATIONS[activation](rows * hidden)
        + layers.linear(rows, hidden, width, bias=bias)
    )
    if gated:
        counts += Layer(Counts(mul=1), Counts(), Counts(mul=2)) * (rows * hidden)
    return counts


def rotary(rows: int, heads: int, head_width: int) -> Layer:
    """Return the counts of turning the pairs of a head: 2 mul, 1 add an entry, and back the same.

    The sines and cosines are a table, counted as none (Su et al., arXiv 2104.09864).
    """
    turned = Counts(mul=2, add=1) * (rows * heads * head_width)
    return Layer(turned, Counts(), turned)
