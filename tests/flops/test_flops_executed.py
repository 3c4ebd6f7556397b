"""Counted arrays: what counts, what is free, what is refused, and that nothing gets past them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.special import erf, expit, gammaln

from kondo_ref.flops import executed
from kondo_ref.flops.counts import Counts
from kondo_ref.flops.executed import CountedArray, Tally, counted, tallying
from kondo_ref.flops.executed_rules import UncountedOperationError

# What ndarray methods do with floats. The others ask for ufuncs, or are refused.
FREE_METHODS = {
    *("astype", "byteswap", "compress", "conj", "conjugate", "copy", "diagonal", "dump", "dumps"),
    *("fill", "flatten", "getfield", "item", "put", "ravel", "repeat", "reshape", "resize"),
    *("setfield", "setflags", "squeeze", "swapaxes", "take", "to_device", "tobytes", "tofile"),
    *("tolist", "transpose", "view"),
}


def count(function: Callable[..., Any], *arrays: Any) -> Counts:
    """Return the counts of a function of counted arrays, all in one stage."""
    tally = Tally()
    with tallying(tally), tally.stage("forward"):
        function(*counted(arrays))
    assert tally.step.total == tally.step["forward"]
    return tally.step["forward"]


def x(*shape: int) -> np.ndarray:
    return np.arange(1.0, 1.0 + np.prod(shape)).reshape(shape) / 7


@pytest.mark.parametrize(
    ("function", "arrays", "expected"),
    [
        (lambda a, b: a @ b, (x(3, 4), x(4, 5)), Counts(matmul=2 * 60)),
        (np.matmul, (x(2, 1, 3, 4), x(6, 4, 5)), Counts(matmul=2 * 12 * 60)),
        (lambda a, b: a @ b, (x(4), x(4)), Counts(matmul=8)),
        (lambda a, b: a + b, (x(3, 4), x(4)), Counts(add=12)),
        (lambda a: 2.0 * a - 1.0, (x(3, 4),), Counts(mul=12, add=12)),
        (lambda a: a / 3, (x(3, 4),), Counts(div=12)),
        (lambda a: a**2, (x(5),), Counts(mul=5)),
        (np.sqrt, (x(5),), Counts(sqrt=5)),
        (lambda a: np.expm1(np.log1p(a)), (x(5),), Counts(exp=5, log=5)),
        (lambda a: erf(np.exp(a)), (x(5),), Counts(exp=10)),
        (expit, (x(5),), Counts(exp=5, add=5, div=5)),
        (lambda a: a > 1, (x(5),), Counts(cmp=5)),
        (lambda a: np.maximum(a, 0, out=a), (x(5),), Counts(cmp=5)),
        (lambda a: a.sum(), (x(3, 4),), Counts(add=12)),
        (lambda a: np.sum(a, axis=0), (x(3, 4),), Counts(add=12)),
        (lambda a: a.mean(axis=1), (x(3, 4),), Counts(add=12, div=3)),
        (lambda a: np.max(a, axis=1, where=a > 1, initial=0), (x(3, 4),), Counts(cmp=24)),
        (lambda a: a.argmax(), (x(7),), Counts(cmp=7)),
        (lambda a: np.argmax(a, axis=1), (x(3, 4),), Counts(cmp=12)),
        (lambda a: np.partition(a, (1, 2)), (x(7),), Counts(cmp=7)),
        (np.sort, (x(9),), Counts(cmp=36)),
        (lambda a: np.searchsorted(a, 1.0), (x(8),), Counts(cmp=4)),
        (lambda a: a.searchsorted([0.5, 1.0]), (x(7),), Counts(cmp=6)),
        (np.flatnonzero, (x(7),), Counts(cmp=7)),
        (lambda a: np.add.reduceat(a, [0, 2], axis=0), (x(5, 3),), Counts(add=15)),
        (lambda a: np.einsum("nd->n", a), (x(3, 4),), Counts(add=12)),
        (lambda a: np.einsum("nd,nd->d", a, a), (x(3, 4),), Counts(mul=12, add=12)),
        (lambda a: np.einsum("nd,nd->n", a, a[:1]), (x(3, 4),), Counts(mul=12, add=12)),
        (lambda a: np.einsum("nd,d->nd", a, a[0]), (x(3, 4),), Counts(mul=12)),
        (lambda a, b: np.einsum("ij,jk->ik", a, b), (x(3, 4), x(4, 5)), Counts(matmul=120)),
        (
            lambda a, b: np.einsum("bij,bkj->bik", a, b),
            (x(2, 3, 4), x(2, 5, 4)),
            Counts(matmul=240),
        ),
    ],
)
def test_what_operations_count_for(function, arrays, expected) -> None:
    assert count(function, *arrays) == expected


@pytest.mark.parametrize(
    "function",
    [
        lambda a: a[1:, ::2],
        lambda a: a[[0, 2]],
        lambda a: a[np.array([True, False, True])],
        lambda a: a.T.reshape(-1).ravel()[:, None],
        lambda a: a.swapaxes(0, 1).copy(),
        lambda a: a.astype(np.float32),
        lambda a: a.real,
        lambda a: np.take(a, [0, 1], axis=0),
        lambda a: np.concatenate([a, np.stack([a[0], a[1]])]),
        lambda a: np.where(a.astype(bool), a, 0.0),
        lambda a: np.repeat(a, 2, axis=0),
        lambda a: np.split(a, 3),
        lambda a: np.copyto(a, -np.inf, where=a.astype(bool)),
        lambda a: a.__setitem__(slice(1, None), 0.0),
        np.zeros_like,
        lambda a: -np.abs(a),
        lambda a: np.cumsum(a.astype(int)) + 3 * np.diff(np.unique(a.astype(int))),
        lambda a: ~(np.argsort(a.astype(int), axis=None) > 2),
    ],
)
def test_what_is_free(function) -> None:
    assert count(function, x(3, 4)) == Counts()


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (np.tanh, "tanh"),
        (gammaln, "gammaln"),
        (lambda a: a**1.5, "power"),
        (np.add.accumulate, "add.accumulate"),
        (lambda a: a.cumsum(), "add.accumulate"),
        (lambda a: np.add.reduceat(a, [1, 0]), "add.reduceat"),
        (lambda a: np.multiply.outer(a, a), "multiply.outer"),
        (lambda a: np.dot(a, a), "dot"),
        (lambda a: a.dot(a), "ndarray.dot"),
        (lambda a: a.sort(), "ndarray.sort"),
        (lambda a: a.round(1), "ndarray.round"),
        (np.linalg.norm, "norm"),
        (np.median, "median"),
        (np.argsort, "argsort"),
        (lambda a: np.einsum("i...->i", a), "einsum"),
        (lambda a: np.einsum("i,i,i->", a, a, a), "einsum"),
        (lambda a: np.einsum("i,i", a, a), "einsum"),
        (lambda a: np.sort(a[None]), "sort of shape"),
        (lambda a: a + 1j, "add of c"),
        (lambda a: a.astype(complex) * 2, "multiply of c"),
    ],
)
def test_what_has_no_rule_is_refused_by_name(function, name) -> None:
    with pytest.raises(UncountedOperationError, match=name):
        count(function, x(5))
    function(counted(x(5)))  # uncounted, it is an array as any other


def test_no_method_of_an_array_goes_uncounted() -> None:
    given: dict[str, tuple[Any, ...]] = {
        "argpartition": (1,),
        "choose": ([x(6)],),
        "clip": (0, 1),
        "dot": (x(6),),
        "partition": (1,),
        "round": (1,),
        "searchsorted": (1.0,),
    }
    free = []
    for name in dir(np.ndarray):
        method = getattr(np.ndarray, name)
        if name.startswith("_") or not callable(method) or name in FREE_METHODS:
            continue
        array = x(2, 3) if name == "trace" else x(6)
        try:
            if count(lambda a, n=name: getattr(a, n)(*given.get(n, ())), array) == Counts():
                free.append(name)
        except UncountedOperationError:
            pass
    assert free == []


def test_operations_in_place_and_into_out_count_once_and_write_there() -> None:
    a, out = x(4), np.empty(4)

    def function(b: Any, target: Any) -> None:
        b += 1
        b *= b
        assert np.sqrt(b, out=target) is target
        assert np.einsum("n,n->n", b, b, out=target) is target

    assert count(function, a, out) == Counts(add=4, mul=8, sqrt=4)
    assert np.array_equal(a, (x(4) + 1) ** 2)
    assert np.array_equal(out, a * a)
    plain = x(4)
    assert count(plain.__iadd__, x(4)) == Counts(add=4)


def test_what_comes_out_is_counted_again() -> None:
    tally = Tally()
    with tallying(tally), tally.stage("screen"):
        a = counted(x(3, 4))
        results = [
            a + 1,
            a[0],
            a.sum(axis=0),
            np.where(a > 1, a, 0),
            *np.split(a, 3),
            np.sort(a[0]),
        ]
    assert {type(result) for result in results} == {CountedArray}
    assert type(executed.plain(a)) is np.ndarray
    assert executed.plain({"a": [a]})["a"][0].base is not None


def test_stages_are_the_innermost_and_have_to_be_open() -> None:
    tally = Tally()
    a = counted(x(5))
    with tallying(tally):
        with tally.stage("screen"):
            a + 1
            with tally.stage("checks"):
                a > 0  # noqa: B015
            a * 1
        with pytest.raises(UncountedOperationError, match="add outside of every stage"):
            a + 1
        with (
            pytest.raises(ValueError, match=r"stage: expected one of .*; got 'sreen'"),
            tally.stage("sreen"),
        ):
            pass
    a + 1
    assert tally.step["screen"] == tally.step.total == Counts(add=5, mul=5)
    assert tally.checks == Counts(cmp=5)


def test_what_is_written_into_the_gradient_is_of_the_weights() -> None:
    gradient = np.zeros(20)
    tally = Tally(gradient)
    dout, rows = counted(x(1, 3)), counted(x(1, 4))
    with tallying(tally), tally.stage("backward_input"):
        np.multiply(rows.T, dout, out=gradient[:12].reshape(4, 3))  # one row: an outer product
        np.add.reduce(dout, axis=0, out=gradient[12:15])
        dout * 2
    assert tally.step["backward_weight"] == Counts(matmul=2 * 12, add=3)
    assert tally.step["backward_input"] == Counts(mul=3)
