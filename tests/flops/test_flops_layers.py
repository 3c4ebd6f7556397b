"""Every kernel by itself: its cost line, its closed form, and what runs are one number."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kondo_ref import SGD, Adam, Parameters, attention, delight, gradient
from kondo_ref import layers as kernels
from kondo_ref.flops import gate, layers
from kondo_ref.flops.counts import Counts, Step
from kondo_ref.flops.executed import Tally, counted
from kondo_ref.flops.executed_stations import counting
from kondo_ref.models.packing import Spans
from kondo_ref.optim import FLUSH_EVERY

SIZES = st.integers(1, 6)
RNG = np.random.default_rng(3)


def ran(function: Callable[..., Any], *arrays: Any, into: tuple[Any, ...] = ()) -> Step:
    """Return what a kernel counts; `into` are gradients of parameters, in one buffer."""
    ends = np.cumsum([0, *(np.prod(shape, dtype=int) for shape in into)])
    flat = np.empty(ends[-1])
    views = [flat[a:b].reshape(s) for a, b, s in zip(ends[:-1], ends[1:], into, strict=True)]
    tally = Tally(flat)
    with counting(tally), tally.stage("backward_input"):
        function(*counted([a.copy() if isinstance(a, np.ndarray) else a for a in arrays]), *views)
    return tally.step


def of(layer: layers.Layer) -> Step:
    return Step.of(backward_input=layer.backward_input, backward_weight=layer.backward_weight)


def forward(counts: Counts) -> Step:
    return Step.of(backward_input=counts)


def floats(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape)


@dataclass(frozen=True)
class Kernel:
    """A kernel with its cost line, as text and as a function of n, i and o."""

    function: Any
    text: str
    line: Callable[[int, int, int], Counts]
    closed: Callable[[int, int, int], Step]
    run: Callable[[int, int, int], Step]


KERNELS = [
    Kernel(
        kernels.linear_forward,
        "Cost: matmul 2 N I O, add N O with a bias.",
        lambda n, i, o: Counts(matmul=2 * n * i * o, add=n * o),
        lambda n, i, o: forward(layers.linear(n, i, o, bias=True).forward),
        lambda n, i, o: ran(kernels.linear_forward, floats(n, i), floats(i, o), floats(o)),
    ),
    Kernel(
        kernels.linear_backward,
        "Cost: matmul 2 K I O for dweight, add K O for dbias, matmul 2 K I O for dx if needed.",
        lambda n, i, o: Counts(matmul=4 * n * i * o, add=n * o),
        lambda n, i, o: of(layers.linear(n, i, o, bias=True)),
        lambda n, i, o: ran(
            lambda *a: kernels.linear_backward(*a, need_dx=True),
            *(floats(n, o), floats(n, i), floats(i, o)),
            into=((i, o), (o,)),
        ),
    ),
    Kernel(
        kernels.relu_forward,
        "Cost: cmp, one an entry.",
        lambda n, i, _: Counts(cmp=n * i),
        lambda n, i, _: forward(layers.relu(n * i).forward),
        lambda n, i, _: ran(kernels.relu_forward, floats(n, i)),
    ),
    Kernel(
        kernels.relu_backward,
        "Cost: cmp and mul, one an entry each.",
        lambda n, i, _: Counts(cmp=n * i, mul=n * i),
        lambda n, i, _: of(layers.relu(n * i)),
        lambda n, i, _: ran(kernels.relu_backward, floats(n, i), floats(n, i)),
    ),
    Kernel(
        kernels.gelu_forward,
        "Cost an entry: 3 mul, 1 add, 1 erf (counted as exp).",
        lambda n, i, _: Counts(mul=3, add=1, exp=1) * n * i,
        lambda n, i, _: forward(layers.gelu(n * i).forward),
        lambda n, i, _: ran(kernels.gelu_forward, floats(n, i)),
    ),
    Kernel(
        kernels.gelu_backward,
        "Cost an entry: 5 mul, 1 add, 1 exp.",
        lambda n, i, _: Counts(mul=5, add=1, exp=1) * n * i,
        lambda n, i, _: of(layers.gelu(n * i)),
        lambda n, i, _: ran(kernels.gelu_backward, *(floats(n, i) for _ in range(3))),
    ),
    Kernel(
        kernels.norm_forward,
        "Cost a row: 3 D mul, 3 D + 1 add (4 D + 1 with an offset), 1 sqrt, 3 div.",
        lambda n, i, _: Counts(mul=3 * i, add=4 * i + 1, sqrt=1, div=3) * n,
        lambda n, i, _: forward(layers.norm(n, i, offset=True).forward),
        lambda n, i, _: ran(kernels.norm_forward, floats(n, i), floats(i), floats(i)),
    ),
    Kernel(
        kernels.norm_backward,
        "Cost a row: 5 D mul, 5 D add (6 D with an offset), 2 div.",
        lambda n, i, _: Counts(mul=5 * i, add=6 * i, div=2) * n,
        lambda n, i, _: of(layers.norm(n, i, offset=True)),
        lambda n, i, _: ran(
            kernels.norm_backward,
            *(floats(n, i), floats(n, i), floats(n, 1), floats(i)),
            into=((i,), (i,)),
        ),
    ),
    Kernel(
        kernels.embedding_backward,
        "Cost: add K D.",
        lambda n, i, _: Counts(add=n * i),
        lambda n, i, _: Step.of(backward_input=layers.embedding(n, i).backward_weight),
        lambda n, i, o: ran(
            kernels.embedding_backward, floats(n, i), np.arange(n) % o, floats(o, i)
        ),
    ),
    Kernel(
        attention.attention_forward,
        "matmul 4 q k D; a score, of which there are q k H: 1 mul, 1 cmp, 2 add, 1 exp, 1 div.",
        lambda n, i, o: (
            Counts(matmul=4 * n * n * i * o, mul=n * n * i, cmp=n * n * i, add=2 * n * n * i)
            + Counts(exp=n * n * i, div=n * n * i)
        ),
        lambda n, i, o: forward(layers.attention(n * n, i, o).forward),
        lambda n, i, o: ran(
            lambda q, k, v: attention.attention_forward(q, k, v, Spans(np.array([0, n])), i),
            *(floats(n, i * o) for _ in range(3)),
        ),
    ),
    Kernel(
        attention.attention_backward,
        "matmul 8 q k D; a score, of which there are q k H: 3 mul, 2 add.",
        lambda n, i, o: Counts(matmul=8 * n * n * i * o, mul=3 * n * n * i, add=2 * n * n * i),
        lambda n, i, o: of(layers.attention(n * n, i, o)),
        lambda n, i, o: ran(
            lambda d, q, k, v, p, *out: attention.attention_backward(
                d, q, k, v, (p,), Spans(np.array([0, n])), i, out
            ),
            *(floats(n, i * o) for _ in range(4)),
            floats(1, i, n, n),
            *(floats(n, i * o) for _ in range(3)),
        ),
    ),
    Kernel(
        delight.log_softmax,
        "Cost a row: K cmp, 3 K add, K exp, 1 log.",
        lambda n, i, _: Counts(cmp=i, add=3 * i, exp=i, log=1) * n,
        lambda n, i, _: forward(gate.log_softmax(n, i)),
        lambda n, i, _: ran(delight.log_softmax, floats(n, i)),
    ),
    Kernel(
        gradient.kept_dlogits,
        "Cost a row: K exp, 1 expm1 (counted as exp), K mul.",
        lambda n, i, _: Counts(exp=i + 1, mul=i) * n,
        lambda n, i, _: forward(gate.dlogits(n, i)),
        lambda n, i, _: ran(gradient.kept_dlogits, floats(n, i), np.arange(n) % i, floats(n)),
    ),
    Kernel(
        SGD.step,
        "Cost: mul and add, one an entry each.",
        lambda n, i, _: Counts(mul=n * i, add=n * i),
        lambda n, i, _: Step.of(update=layers.sgd(n * i)),
        lambda n, i, _: optimized(SGD(0.1), n * i),
    ),
    Kernel(
        Adam,
        "Cost an entry: mul 6, add 4, sqrt 1, div 1; 2 cmp at a flush.",
        lambda n, i, _: Counts(mul=6, add=4, sqrt=1, div=1, cmp=2) * n * i,
        lambda n, i, _: Step.of(update=layers.adam(n * i, flush=True)),
        lambda n, i, _: optimized(Adam(0.1), n * i),
    ),
]


def optimized(optimizer: Any, size: int) -> Step:
    """Return what an update counts; Adam's at a flush."""
    if isinstance(optimizer, Adam):
        optimizer.steps = FLUSH_EVERY - 1
    buffers = [Parameters.wrap(counted(floats(size)), {"a": (size,)}) for _ in range(2)]
    tally = Tally()
    with counting(tally):
        optimizer.step(*buffers)
    return tally.step


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: k.function.__qualname__)
def test_cost_line_closed_form_and_what_runs_are_one(kernel: Kernel) -> None:
    documented = " ".join(kernel.function.__doc__.split())
    assert kernel.text in documented

    @given(SIZES, SIZES, SIZES)
    def check(n: int, i: int, o: int) -> None:
        closed = kernel.closed(n, i, o)
        assert closed == kernel.run(n, i, o)
        assert closed.total == kernel.line(n, i, o)

    check()


def test_a_network_without_options_is_cheaper_by_them() -> None:
    assert layers.linear(2, 3, 4, bias=True).forward - layers.linear(2, 3, 4).forward == Counts(
        add=8
    )
    first = layers.linear(2, 3, 4, need_dx=False)
    assert first.backward == layers.linear(2, 3, 4).backward_weight
    bare = layers.norm(2, 3)
    assert layers.norm(2, 3, offset=True).forward - bare.forward == Counts(add=6)
    assert layers.norm(2, 3, output_kept=True).recompute == Counts()
    assert bare.recompute == Counts(mul=6)


def test_layers_add_up() -> None:
    a, b = layers.linear(2, 3, 5, bias=True), layers.norm(2, 5)
    assert (a + b).forward == a.forward + b.forward
    assert (a + b).recompute == b.recompute
    assert (a + b).backward == a.backward + b.backward
    assert 3 * a == a + a + a


def test_scores() -> None:
    assert layers.dense_scores([3, 1], [3, 5]) == 14
    assert layers.causal_scores(range(4)) == 10
    with pytest.raises(ValueError, match="argument"):
        layers.dense_scores([3], [3, 5])


def test_a_share_is_rounded_once_from_the_exact_value() -> None:
    assert layers.share(Counts(matmul=1000, mul=50), 0.03) == Counts(matmul=30, mul=2)
    assert layers.share(Counts(matmul=10**20 + 3), Fraction(1, 3)) == Counts(
        matmul=33333333333333333334
    )
