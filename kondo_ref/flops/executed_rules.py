"""What an operation of NumPy or SciPy counts for, by its types and shapes; no rule, no count.

The rules, which the closed forms share:

* A product is 2 m k n, of `matmul` or of an einsum that is one.
* Elementwise operations count for every entry of the result; a reduction for every entry of what
  it reduces, one under a mask for those under the mask too. A logistic function is 1 exp, 1 add,
  1 div.
* To find the largest, or a nonzero, is 1 cmp an entry; to partition n entries n cmp; to sort them
  n ceil(log2 n) cmp; to search among n of them ceil(log2(n + 1)) cmp.
* Views, gathers, copies, conversions, signs, rounding to an integer, and all arithmetic of integers
  and booleans (indices and masks) count for nothing.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf, expit

from kondo_ref.flops.counts import Counts

Array = NDArray[Any]

ELEMENTWISE: dict[Any, Counts] = {
    **dict.fromkeys((np.add, np.subtract), Counts(add=1)),
    **dict.fromkeys((np.multiply, np.square), Counts(mul=1)),
    **dict.fromkeys((np.divide, np.reciprocal), Counts(div=1)),
    **dict.fromkeys((np.exp, np.expm1, erf), Counts(exp=1)),
    **dict.fromkeys((np.log, np.log1p), Counts(log=1)),
    np.sqrt: Counts(sqrt=1),
    expit: Counts(exp=1, add=1, div=1),
    **dict.fromkeys((np.maximum, np.minimum, np.isfinite), Counts(cmp=1)),
    **dict.fromkeys((np.greater, np.greater_equal, np.less, np.less_equal), Counts(cmp=1)),
    **dict.fromkeys((np.equal, np.not_equal), Counts(cmp=1)),
    **dict.fromkeys((np.negative, np.absolute, np.rint), Counts()),
}

# They do what they do by ufuncs, which are counted by themselves.
COMPOSED = frozenset({np.all, np.any, np.max, np.min, np.sum})

# They only move entries.
MOVING = frozenset(
    {
        *(np.concatenate, np.copyto, np.empty_like, np.full_like, np.ones_like, np.repeat),
        *(np.split, np.stack, np.take, np.where, np.zeros_like),
    }
)


class UncountedOperationError(TypeError):
    """An operation on floats for which there is no rule; the message names it."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name}: an operation without a counting rule")


def ufunc_counts(
    ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], result: Any, *, outer: bool = False
) -> Counts:
    """Return what a call of a ufunc, or of a method of one, counts for.

    Parameters
    ----------
    ufunc : numpy.ufunc
    method : str
        ``__call__``, ``reduce`` or ``reduceat``.
    inputs : tuple
        Arrays and numbers.
    result : array or number
    outer : bool
        Whether a multiplication is the outer product of a single row, counted as the product that
        it stands for.

    Raises
    ------
    UncountedOperationError
        There is no rule for it.
    """
    name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
    if not _is_float(name, (*inputs, result)):
        return Counts()
    if ufunc is np.matmul and method == "__call__":
        return Counts(matmul=2 * np.size(result) * np.shape(inputs[0])[-1])
    rule = ELEMENTWISE.get(ufunc)
    if rule is None:
        raise UncountedOperationError(name)
    if method == "__call__":
        if outer and ufunc is np.multiply:
            return Counts(matmul=2 * np.size(result))
        return rule * np.size(result)
    if method == "reduce":
        return rule * np.size(inputs[0])
    if method == "reduceat" and inputs[1][0] == 0 and (np.diff(inputs[1]) > 0).all():
        return rule * np.size(inputs[0])
    raise UncountedOperationError(name)


def function_counts(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any
) -> Counts:
    """Return what a call of a NumPy function counts for.

    Raises
    ------
    UncountedOperationError
        There is no rule for it, and it is not on integers and booleans alone.
    """
    name = getattr(function, "__name__", repr(function))
    operands = (*arrays_in(args), *arrays_in(kwargs), *arrays_in(result))
    if function in MOVING or not _is_float(name, operands):
        return Counts()
    rule = FUNCTIONS.get(function)
    if rule is None:
        raise UncountedOperationError(name)
    return rule(*args, **kwargs)


def arrays_in(value: Any) -> Iterator[Array]:
    """Yield the arrays in nested tuples, lists and dictionaries."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from arrays_in(item)
    elif isinstance(value, dict):
        yield from arrays_in(list(value.values()))


def _is_float(name: str, operands: tuple[Any, ...]) -> bool:
    kinds = {"f" if isinstance(x, float) else np.asarray(x).dtype.kind for x in operands}
    if not kinds <= set("biuf"):
        raise UncountedOperationError(f"{name} of {', '.join(sorted(kinds - set('biuf')))}")
    return "f" in kinds


def _einsum(subscripts: str, *operands: Array, out: Array | None = None) -> Counts:
    """Return the counts of one or two operands: sums, elementwise products summed, or a matmul."""
    del out
    given, arrow, left = subscripts.replace(" ", "").partition("->")
    terms = given.split(",")
    if not arrow or "." in given or len(terms) != len(operands) or len(terms) > 2:
        raise UncountedOperationError(f"einsum {subscripts}")
    lengths: dict[str, int] = {}
    for term, operand in zip(terms, operands, strict=True):
        for index, length in zip(term, operand.shape, strict=True):
            lengths[index] = max(length, lengths.get(index, 1)) if length else 0
    size, summed = math.prod(lengths.values()), set(lengths) - set(left)
    if any(len(set(term)) != len(term) for term in terms):
        raise UncountedOperationError(f"einsum {subscripts}")
    sums = Counts(add=size if summed else 0)
    if len(terms) == 1:
        return sums
    a, b = map(set, terms)
    if a - b and b - a and a & b & summed:
        return Counts(matmul=2 * size)
    return sums + Counts(mul=size)


def _one_comparison_an_entry(values: Array, *args: Any, **kwargs: Any) -> Counts:
    del args, kwargs
    return Counts(cmp=np.size(values))


def _sort(values: Array) -> Counts:
    if np.ndim(values) != 1:
        raise UncountedOperationError(f"sort of shape {np.shape(values)}")
    return Counts(cmp=sort_comparisons(np.size(values)))


def _searchsorted(values: Array, wanted: Any, side: str = "left") -> Counts:
    del side
    return Counts(cmp=np.size(wanted) * search_comparisons(np.size(values)))


FUNCTIONS: dict[Callable[..., Any], Callable[..., Counts]] = {
    np.einsum: _einsum,
    **dict.fromkeys((np.argmax, np.argmin), _one_comparison_an_entry),
    **dict.fromkeys((np.count_nonzero, np.flatnonzero, np.nonzero), _one_comparison_an_entry),
    np.partition: _one_comparison_an_entry,
    np.sort: _sort,
    np.searchsorted: _searchsorted,
}


def sort_comparisons(n: int) -> int:
    """Return n ceil(log2 n), the comparisons that sorting n entries counts for."""
    return n * (n - 1).bit_length() if n else 0


def search_comparisons(n: int) -> int:
    """Return ceil(log2(n + 1)), the comparisons that finding a place among n entries counts for."""
    return n.bit_length()
