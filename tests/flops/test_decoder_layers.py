"""The layers of the Llama family, counted where their formulas run, and the formulas themselves.

tanh is written with exp here, as it is counted; what surrounds it is checked for being a gradient.
"""

import numpy as np
import pytest

from kondo_ref.flops import decoder_layers
from kondo_ref.flops.counts import Counts
from kondo_ref.flops.executed import Tally, counted, tallying

ROWS, WIDTH = 5, 6
RNG = np.random.default_rng(3)
X, DOUT = RNG.normal(size=(2, ROWS, WIDTH))
GAIN = RNG.normal(size=WIDTH)
C, A = 0.7978845608, 0.044715


def counts_of(function, *arrays) -> tuple[object, Counts]:
    tally = Tally()
    with tallying(tally), tally.stage("forward"):
        result = function(*map(counted, arrays))
    return result, tally.step["forward"]


def derivative(function, x):
    step = 1e-6
    return (function(x + step) - function(x - step)) / (2 * step)


def silu(x):
    sigmoid = 1.0 / (1.0 + np.exp(-x))
    return x * sigmoid, sigmoid


def silu_backward(dout, x, sigmoid):
    return dout * (sigmoid * (1.0 + x * (1.0 - sigmoid)))


def gelu_tanh(x, tanh):
    t = tanh(C * (x * (1.0 + x * x * A)))
    return 0.5 * x * (1.0 + t), t


def gelu_tanh_backward(dout, x, t):
    inner = C * (1.0 + (3 * A) * (x * x))
    return dout * (0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * inner)


def rms_norm(x, gain):
    squares = np.einsum("nd,nd->n", x, x)[:, None]
    inverse = 1.0 / np.sqrt(squares / WIDTH + 1e-6)
    normed = x * inverse
    return normed * gain, normed, inverse


def rms_norm_input(dout, normed, inverse, gain):
    dnormed = dout * gain
    along = np.einsum("nd,nd->n", dnormed, normed)[:, None] / WIDTH
    return (dnormed - normed * along) * inverse


def test_silu():
    (out, sigmoid), forward = counts_of(silu, X)
    dx, backward = counts_of(silu_backward, DOUT, X, sigmoid)
    layer = decoder_layers.silu(X.size)
    assert (layer.forward, layer.backward_input) == (forward, backward)
    np.testing.assert_allclose(out, X / (1 + np.exp(-X)))
    np.testing.assert_allclose(dx, DOUT * derivative(lambda x: silu(x)[0], X), rtol=1e-6)


def test_gelu_by_tanh():
    (_, t), forward = counts_of(lambda x: gelu_tanh(x, np.exp), X)
    _, backward = counts_of(gelu_tanh_backward, DOUT, X, t)
    layer = decoder_layers.gelu_tanh(X.size)
    assert (layer.forward, layer.backward_input) == (forward, backward)
    t = gelu_tanh(X, np.tanh)[1]
    expected = DOUT * derivative(lambda x: gelu_tanh(x, np.tanh)[0], X)
    np.testing.assert_allclose(gelu_tanh_backward(DOUT, X, t), expected, rtol=1e-6)


def test_rms_norm():
    (_, normed, inverse), forward = counts_of(rms_norm, X, GAIN)
    dx, backward = counts_of(rms_norm_input, DOUT, normed, inverse, GAIN)
    _, weight = counts_of(lambda d, n: np.einsum("nd,nd->d", d, n), DOUT, normed)
    _, again = counts_of(lambda n, g: n * g, normed, GAIN)
    layer = decoder_layers.rms_norm(ROWS, WIDTH)
    assert (layer.forward, layer.backward_input) == (forward, backward)
    assert (layer.backward_weight, layer.recompute) == (weight, again)
    assert decoder_layers.rms_norm(ROWS, WIDTH, output_kept=True).recompute == Counts()
    for i, j in ((0, 0), (3, 4)):
        moved = X.copy()
        slope = []
        for step in (1e-6, -1e-6):
            moved[i, j] = X[i, j] + step
            slope.append(np.sum(DOUT * rms_norm(moved, GAIN)[0]))
        assert dx[i, j] == pytest.approx((slope[0] - slope[1]) / 2e-6, rel=1e-5)


def test_rotary():
    def turn(a, b, cosine, sine):
        return a * cosine - b * sine, b * cosine + a * sine

    half = (X[:, :3], X[:, 3:], DOUT[:, :3], DOUT[:, 3:])
    _, forward = counts_of(turn, *half)
    layer = decoder_layers.rotary(ROWS, 1, WIDTH)
    assert layer.forward == layer.backward_input == forward


@pytest.mark.parametrize("activation", ["relu", "gelu", "gelu_tanh", "silu"])
def test_a_gate_is_one_product_more_and_three_multiplications_an_entry(activation):
    plain, gated = (
        decoder_layers.feed_forward(ROWS, WIDTH, 7, activation=activation, gated=gated, bias=False)
        for gated in (False, True)
    )
    product = Counts(matmul=2 * ROWS * WIDTH * 7)
    assert gated.forward - plain.forward == product + Counts(mul=ROWS * 7)
    assert gated.backward - plain.backward == 2 * product + Counts(mul=2 * ROWS * 7)
