"""How this backend compiles: one decorator, so that no kernel forgets what makes it fast or right.

Division by zero gives inf or NaN as in NumPy (with Python's exceptions a loop does not become SIMD
code: Adam takes 8 times longer), the interpreter's lock is released, and machine code is cached on
disk where there is a folder to write to. Kernels take writable contiguous arrays only, since Numba
compiles a kernel anew for every other kind.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
from numpy.typing import NDArray

Function = TypeVar("Function", bound=Callable[..., Any])

# What reordering a sum needs; infinities and NaN keep their meaning, but for a product with a
# constant 0, which some versions of LLVM take for 0.
REORDER = frozenset({"reassoc", "contract", "arcp", "nsz"})


def kernel(function: Function) -> Function:
    """Compile a function on its first call, each operation rounded as it is written."""
    return _compile(function, fastmath=False)


def reordered(function: Function) -> Function:
    """Compile as `kernel` does, for sums whose order is free and products fused with them."""
    return _compile(function, fastmath=set(REORDER))


def _compile(function: Function, **options: Any) -> Function:
    compiler: dict[str, Any] = {"error_model": "numpy", "nogil": True, **options}
    try:
        compiled = numba.njit(cache=True, **compiler)(function)
    except RuntimeError:  # no folder that can be written to: compile in every process
        compiled = numba.njit(**compiler)(function)
    return cast(Function, compiled)


def for_kernel(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array itself if a kernel takes it, else a copy: of read-only or strided ones."""
    return array if array.flags.carray else array.copy()
