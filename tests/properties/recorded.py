"""An array that notes what is computed with it: every ufunc and einsum, and the operands' shapes.

Whatever is computed from a `Recorded` is one, so a forward and a backward on recorded parameters
are seen whole: operators, calls by name and reductions. Taking rows of an array is not computing.
"""

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar
from unittest import mock

import numpy as np

from kondo_ref.parameters import Parameters

Shape = tuple[int, ...]

TYPES = {
    "multiply": "mul",
    "add": "add",
    "subtract": "add",
    "maximum": "cmp",
    "greater": "cmp",
    "exp": "exp",
    "erf": "exp",
    "sqrt": "sqrt",
    "divide": "div",
    "negative": "mul",
}


@dataclass(frozen=True)
class Call:
    """An operation: its name, how it was called, the operands' shapes, the result's."""

    name: str
    how: str
    operands: tuple[Shape, ...]
    result: Shape

    @property
    def product_flop(self) -> int:
        """2 m k n of a matrix product, or of an outer one, which has k = 1; 0 of all else."""
        if self.name == "matmul":
            return 2 * math.prod(self.result) * self.operands[0][-1]
        if self.name == "multiply" and self.how == "__call__" and len(self.result) == 2:
            (m, *one), (also_one, *n) = ((*shape, 0)[:2] for shape in self.operands)
            if (one, also_one) == ([1], 1) and self.result == (m, *n):
                return 2 * math.prod(self.result)
        return 0

    @property
    def elementwise(self) -> Counter[str]:
        """Scalar operations by type; a sum of n numbers is n additions."""
        if self.product_flop:
            return Counter()
        entries = math.prod(max(self.operands, key=math.prod))
        if self.name == "einsum":
            return Counter(add=entries, mul=entries * (len(self.operands) - 1))
        if self.how != "__call__":
            return Counter({TYPES[self.name]: entries})
        return Counter({TYPES[self.name]: math.prod(self.result)})


class Recorded(np.ndarray[Any, Any]):
    """An array whose operations are noted in `log`."""

    log: ClassVar[list[Call]] = []

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **named: Any) -> Any:
        out = named.pop("out", ())
        if out:
            named["out"] = tuple(plain(array) for array in out)
        named = {key: plain(value) if key == "where" else value for key, value in named.items()}
        result = getattr(ufunc, method)(*(plain(value) for value in inputs), **named)
        given = inputs if method == "__call__" else inputs[:1]
        if result.dtype.kind != "b" or ufunc is np.greater:
            self.note(ufunc.__name__, method, given, result)
        return out[0] if out else recorded(result)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if func is not np.einsum:
            return super().__array_function__(func, types, args, kwargs)
        out = kwargs.get("out")
        named = {} if out is None else {"out": plain(out)}
        result = np.einsum(args[0], *(plain(value) for value in args[1:]), **named)
        self.note("einsum", args[0], args[1:], result)
        return recorded(result) if out is None else out

    @classmethod
    def note(cls, name: str, how: str, operands: Any, result: Any) -> None:
        cls.log.append(Call(name, how, tuple(np.shape(x) for x in operands), np.shape(result)))


def plain(value: Any) -> Any:
    return value.view(np.ndarray) if isinstance(value, Recorded) else value


def recorded(value: Any) -> Any:
    return value.view(Recorded) if isinstance(value, np.ndarray) else value


def recorded_parameters(parameters: Parameters) -> Parameters:
    """Return the same parameters, recorded."""
    return Parameters.wrap(recorded(parameters.flat), parameters.shapes)


@contextmanager
def recording() -> Iterator[list[Call]]:
    """Give the list of the operations that run inside, on recorded arrays."""

    def contiguous(array: Any) -> Any:
        return np.array(array, order="C", copy=None, subok=True)

    calls: list[Call] = []
    # Of all the functions in use, this one alone drops the type of its argument.
    with (
        mock.patch.object(np, "ascontiguousarray", contiguous),
        mock.patch.object(Recorded, "log", calls),
    ):
        yield calls


def product_flop(calls: list[Call]) -> int:
    """Return the FLOP of the matrix products among the operations."""
    return sum(call.product_flop for call in calls)


def elementwise(calls: list[Call]) -> dict[str, int]:
    """Return the operations by type, without those of matrix products."""
    return dict(sum((call.elementwise for call in calls), Counter()))
