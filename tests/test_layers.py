"""Every layer: its forward against its formula, its backward by complex step, shapes and cost.

The formulas are computed in another way: in 80-bit or 30-digit numbers, or one number at a time.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import mpmath
import numpy as np
import pytest
from properties import plain
from properties.recorded import elementwise, product_flop, recorded, recording
from strategies import generic

from kondo_ref import layers
from kondo_ref.attention import attention_backward, attention_forward
from kondo_ref.models.packing import Packing, Spans
from kondo_ref.ratio import error_ratio

Arrays = dict[str, Any]
STEP = 1e-30
N, IN, OUT, D = 5, 4, 3, 6
INDICES = np.array([2, 0, 2, 3, 2])


@dataclass(frozen=True)
class Case:
    """A layer on inputs of given shapes: forward, formula, and gradients by input."""

    shapes: dict[str, tuple[int, ...]]
    forward: Callable[[Arrays], Any]
    formula: Callable[[Arrays], Any]
    backward: Callable[[Arrays, Any], Arrays]
    out: tuple[int, ...]

    def arrays(self) -> Arrays:
        return {name: generic(i, *shape) for i, (name, shape) in enumerate(self.shapes.items())}

    def dout(self) -> Any:
        return generic(9, *self.out)


def filled(array: Any) -> Any:
    """Return what a backward has to overwrite."""
    return np.full_like(array, np.nan)


def linear_gradients(a: Arrays, dout: Any, *, need_dx: bool = True) -> Arrays:
    dweight, dbias = filled(a["weight"]), filled(a["bias"]) if "bias" in a else None
    dx = layers.linear_backward(dout, a["x"], a["weight"], dweight, dbias, need_dx=need_dx)
    given = {"x": dx, "weight": dweight, "bias": dbias}
    return {name: value for name, value in given.items() if value is not None}


def linear_case(rows: int, *, bias: bool) -> Case:
    shapes = {"x": (rows, IN), "weight": (IN, OUT)} | ({"bias": (OUT,)} if bias else {})
    return Case(
        shapes,
        lambda a: layers.linear_forward(a["x"], a["weight"], a.get("bias")),
        lambda a: np.array(
            [plain.product(row, a["weight"], a.get("bias")) for row in a["x"].tolist()]
        ),
        linear_gradients,
        (rows, OUT),
    )


def gelu_formula(a: Arrays) -> Any:
    with mpmath.workdps(30):
        return np.array([[float(v * mpmath.ncdf(v)) for v in row] for row in a["x"].tolist()])


def norm_formula(a: Arrays) -> Any:
    x = a["x"].astype(np.longdouble)
    out = (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + 1e-6)
    return (out * a["gain"] + a.get("offset", 0.0)).astype(np.float64)


def norm_gradients(a: Arrays, dout: Any) -> Arrays:
    _, normed, inverse = layers.norm_forward(a["x"], a["gain"], a.get("offset"))
    gradients = {name: filled(a[name]) for name in ("gain", "offset") if name in a}
    dx = layers.norm_backward(
        dout, normed, inverse, a["gain"], gradients["gain"], gradients.get("offset")
    )
    return gradients | {"x": dx}


def norm_case(*, offset: bool) -> Case:
    return Case(
        {"x": (N, D), "gain": (D,)} | ({"offset": (D,)} if offset else {}),
        lambda a: layers.norm_forward(a["x"], a["gain"], a.get("offset"))[0],
        norm_formula,
        norm_gradients,
        (N, D),
    )


def embedding_gradients(a: Arrays, dout: Any) -> Arrays:
    dtable = filled(a["table"])
    layers.embedding_backward(dout, INDICES, dtable)
    return {"table": dtable}


def attention_case(lengths: list[int], asking: list[int] | None, heads: int) -> Case:
    grid = np.where(np.arange(max(lengths)) < np.array(lengths)[:, None], 0, -1)
    packing = Packing.of(grid, 1)
    spans = Spans(packing.offsets) if asking is None else packing.spans(np.array(asking))
    rows = list(range(packing.rows)) if asking is None else asking

    def formula(a: Arrays) -> Any:
        expected = []
        for query, row in zip(a["query"].tolist(), rows, strict=True):
            upto = slice(row - int(packing.positions[row]), row + 1)
            keys, values = a["key"][upto].tolist(), a["value"][upto].tolist()
            expected.append(plain.attention(query, keys, values, heads))
        return np.array(expected)

    def gradients(a: Arrays, dout: Any) -> Arrays:
        _, probabilities = attention_forward(a["query"], a["key"], a["value"], spans, heads)
        out = (filled(a["query"]), filled(a["key"]), filled(a["value"]))
        attention_backward(dout, a["query"], a["key"], a["value"], probabilities, spans, heads, out)
        return dict(zip(("query", "key", "value"), out, strict=True))

    return Case(
        {"query": (len(rows), D), "key": (packing.rows, D), "value": (packing.rows, D)},
        lambda a: attention_forward(a["query"], a["key"], a["value"], spans, heads)[0],
        formula,
        gradients,
        (len(rows), D),
    )


CASES = {
    "linear": linear_case(N, bias=True),
    "linear without bias": linear_case(N, bias=False),
    "linear of one row": linear_case(1, bias=True),
    "relu": Case(
        {"x": (N, OUT)},
        lambda a: layers.relu_forward(a["x"].copy()),
        lambda a: np.array([[plain.relu(v) for v in row] for row in a["x"].tolist()]),
        lambda a, dout: {
            "x": layers.relu_backward(dout.copy(), layers.relu_forward(a["x"].copy()))
        },
        (N, OUT),
    ),
    "gelu": Case(
        {"x": (N, OUT)},
        lambda a: layers.gelu_forward(a["x"])[0],
        gelu_formula,
        lambda a, dout: {"x": layers.gelu_backward(dout, a["x"], layers.gelu_forward(a["x"])[1])},
        (N, OUT),
    ),
    "norm": norm_case(offset=True),
    "norm without offset": norm_case(offset=False),
    "embedding": Case(
        {"table": (5, D)},
        lambda a: layers.embedding_forward(a["table"], INDICES),
        lambda a: np.array([a["table"][i].tolist() for i in INDICES]),
        embedding_gradients,
        (N, D),
    ),
    "attention": attention_case([4, 4], None, 2),
    "attention of one head": attention_case([3], None, 1),
    "attention of ragged sequences": attention_case([4, 1, 3, 4], None, 3),
    "attention of some queries": attention_case([4, 2, 4], [1, 5, 7, 9], 2),
    "attention of the first token": attention_case([3, 2], [0, 3], 2),
}

each_case = pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))


@each_case
def test_the_forward_is_its_formula(case: Case) -> None:
    out = case.forward(case.arrays())
    assert out.shape == case.out
    assert error_ratio(out, case.formula(case.arrays())) <= 32


@each_case
def test_the_backward_is_the_complex_step(case: Case) -> None:
    arrays, dout = case.arrays(), case.dout()
    found = case.backward(arrays, dout)
    assert found.keys() == arrays.keys()
    moved = {name: array.astype(np.complex128) for name, array in arrays.items()}
    for name, array in arrays.items():
        expected = np.empty_like(array)
        for i in range(array.size):
            moved[name].flat[i] += 1j * STEP
            expected.flat[i] = (dout * case.forward(moved)).sum().imag / STEP
            moved[name].flat[i] = array.flat[i]
        assert found[name].shape == array.shape
        assert np.linalg.norm(found[name] - expected) <= 1e-12 * np.linalg.norm(expected), name


def test_the_complex_step_sees_a_wrong_backward() -> None:
    def forgetful(a: Arrays, dout: Any) -> Arrays:
        return norm_gradients(a, dout) | {"x": dout * a["gain"]}

    with pytest.raises(AssertionError, match="x"):
        test_the_backward_is_the_complex_step(replace(CASES["norm"], backward=forgetful))


@each_case
def test_float32_stays_float32(case: Case) -> None:
    single = {name: array.astype(np.float32) for name, array in case.arrays().items()}
    double = {name: array.astype(np.float64) for name, array in single.items()}
    dout = case.dout().astype(np.float32)
    found = case.backward(single, dout) | {"out": case.forward(single)}
    expected = case.backward(double, dout.astype(np.float64)) | {"out": case.forward(double)}
    for name, array in expected.items():
        assert found[name].dtype == np.float32, name
        assert error_ratio(found[name], array, float(np.finfo(np.float32).eps)) <= 32, name


def test_the_first_layer_needs_no_dx() -> None:
    case = CASES["linear"]
    gradients = linear_gradients(case.arrays(), case.dout(), need_dx=False)
    assert gradients.keys() == {"weight", "bias"}


def test_what_the_forwards_leave() -> None:
    x = generic(0, N, D)
    _, normed, inverse = layers.norm_forward(x, generic(1, D), None)
    assert (normed.shape, inverse.shape) == ((N, D), (N, 1))
    _, cdf = layers.gelu_forward(x)
    assert cdf.shape == (N, D)
    spans = Packing.of(np.array([[0, 0, 0], [0, 0, -1], [0, 0, 0]]), 1).spans(np.array([1, 4, 5]))
    context, probabilities = attention_forward(
        generic(2, 3, D), generic(3, 8, D), generic(4, 8, D), spans, 2
    )
    assert context.shape == (3, D)
    # By numbers of queries and of keys, both ascending: one sequence of two keys, two of three.
    assert [p.shape for p in probabilities] == [(1, 2, 1, 2), (2, 2, 1, 3)]
    assert probabilities[1][0, :, 0, 2].tolist() == [0.0, 0.0]


def test_far_values_stay_finite() -> None:
    x = np.array([[-40.0, -9.0, 9.0, 40.0]])
    out, cdf = layers.gelu_forward(x)
    assert out.tolist() == [[0.0, out[0, 1], 9.0, 40.0]]
    assert abs(out[0, 1]) < 1e-14
    assert np.isfinite(layers.gelu_backward(np.ones_like(x), x, cdf)).all()
    constant, gain = np.full((1, D), 7.0), np.ones(D)
    out, normed, inverse = layers.norm_forward(constant, gain, None)
    assert not out.any()
    dx = layers.norm_backward(generic(0, 1, D), normed, inverse, gain, np.empty(D), None)
    assert np.isfinite(dx).all()
    assert abs(dx.sum()) <= 1e-12 * np.abs(dx).sum()
    spans = Spans(np.array([0, 3]))
    rows = 1e3 * generic(1, 3, D)
    context, (p,) = attention_forward(rows, rows, rows, spans, 2)
    assert np.isfinite(context).all()
    assert p.sum(axis=3) == pytest.approx(1.0)


# By the lines of the docstrings; q k H scores, k D the sums over kept rows.
SCORES = 2 * (1 * 4 + 1 * 2 + 2 * 4)
PRODUCTS = D * (1 * 4 + 1 * 2 + 2 * 4)
COSTS: dict[str, tuple[tuple[int, dict[str, int]], tuple[int, dict[str, int]]]] = {
    "linear": ((2 * N * IN * OUT, {"add": N * OUT}), (4 * N * IN * OUT, {"add": N * OUT})),
    "linear without bias": ((2 * N * IN * OUT, {}), (4 * N * IN * OUT, {})),
    "linear of one row": ((2 * IN * OUT, {"add": OUT}), (4 * IN * OUT, {"add": OUT})),
    "relu": ((0, {"cmp": N * OUT}), (0, {"cmp": N * OUT, "mul": N * OUT})),
    "gelu": (
        (0, {"mul": 3 * N * OUT, "add": N * OUT, "exp": N * OUT}),
        (0, {"mul": 5 * N * OUT, "add": N * OUT, "exp": N * OUT}),
    ),
    "norm": (
        (0, {"mul": 3 * N * D, "add": N * (4 * D + 1), "sqrt": N, "div": 3 * N}),
        (0, {"mul": 5 * N * D, "add": 6 * N * D, "div": 2 * N}),
    ),
    "norm without offset": (
        (0, {"mul": 3 * N * D, "add": N * (3 * D + 1), "sqrt": N, "div": 3 * N}),
        (0, {"mul": 5 * N * D, "add": 5 * N * D, "div": 2 * N}),
    ),
    "embedding": ((0, {}), (0, {"add": N * D})),
    "attention of some queries": (
        (
            4 * PRODUCTS,
            {"mul": SCORES, "cmp": SCORES, "add": 2 * SCORES, "exp": SCORES, "div": SCORES},
        ),
        (8 * PRODUCTS, {"mul": 3 * SCORES, "add": 2 * SCORES}),
    ),
}


@pytest.mark.parametrize("name", COSTS)
def test_a_layer_costs_what_its_docstring_says(name: str) -> None:
    case = CASES[name]
    arrays = {name: recorded(array) for name, array in case.arrays().items()}
    with recording() as run:
        case.forward(arrays)
    with recording() as both:
        # A backward here runs the forward that it needs the cache of, but for a linear layer.
        case.backward(arrays, recorded(case.dout()))
    again = 0 if name.startswith(("linear", "embedding")) else len(run)
    forward, backward = COSTS[name]
    assert (product_flop(run), elementwise(run)) == forward
    assert both[:again] == run[:again]
    assert (product_flop(both[again:]), elementwise(both[again:])) == backward
