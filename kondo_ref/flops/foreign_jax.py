"""Counting what a JAX function executes: the cost analysis of its compiled forms.

A compiled program has static shapes, so a gate skips only if the number of rows that it keeps is
static too, as with a top-k; a mask, or a rate that is traced, runs every row. The forward is the
compiled loss, the backward what compiling it with its gradient adds.
"""

import re
from collections.abc import Callable
from importlib import import_module
from typing import Any

from kondo_ref.flops.foreign_report import FlopReport

CONVENTION = "as XLA's cost analysis counts: products and elementwise, without exp, log and such"
# As they stand in the text of a compiled program.
NOTES = {
    " while(": "the program has a loop, whose body XLA counts once, however often it runs",
    " conditional(": "the program has a branch; XLA counts the costlier side, whichever runs",
}
Cost = tuple[int, tuple[str, ...]]
CALL = re.compile(r'custom_call_target="([^"]+)"')


def require() -> Any:
    """Return the module jax.

    Raises
    ------
    ImportError
        It is not installed.
    """
    try:
        return import_module("jax")
    except ModuleNotFoundError as error:
        raise ImportError(
            'jax is not installed; install it: python -m pip install "kondo-ref[jax]"'
        ) from error


def versions() -> dict[str, str]:
    """Return the versions of jax and of its compiler."""
    return {"jax": str(require().__version__), "jaxlib": str(import_module("jaxlib").__version__)}


def measure(
    build: Callable[[float], Any], rate: float, known: dict[str, Cost] | None = None
) -> FlopReport:
    """Compile the loss of a rate, alone and with its gradient, and return what each costs.

    Parameters
    ----------
    build : callable
        Of the rate; returns ``(loss, arguments)``. Arrays belong into the arguments: what the loss
        closes over is a constant, and may be computed by the compiler.
    rate : float
    known : dict, optional
        The costs of programs by their text; what is in it is not compiled again.

    Raises
    ------
    ImportError
        jax is not installed.
    ValueError
        `build` raises or returns something else, or what it returns cannot be compiled.
    """
    jax = require()
    try:
        built = build(rate)
        if not isinstance(built, tuple) or len(built) != 2 or not callable(built[0]):
            raise TypeError("expected a pair (loss, arguments)")
        loss, arguments = built
        programs = jax.jit(loss), jax.jit(jax.value_and_grad(loss))
        known = {} if known is None else known
        (forward, _), (both, notes) = (_cost(p.lower(*arguments), known) for p in programs)
    except Exception as error:  # whatever foreign code raises
        reason = " ".join(str(error).split())
        raise ValueError(
            f"step: raised {type(error).__name__} at rate {rate:g} ({reason})"
        ) from error
    return FlopReport(forward=forward, backward=both - forward, notes=notes)


def _cost(program: Any, known: dict[str, Cost]) -> Cost:
    """Return the FLOP of a lowered program, and what to know about them."""
    source = program.as_text()
    if source not in known:
        known[source] = _compiled_cost(program.compile())
    return known[source]


def _compiled_cost(compiled: Any) -> Cost:
    analysis = compiled.cost_analysis()
    if isinstance(analysis, list):  # one a device, in earlier versions of jax
        analysis = analysis[0]
    if not analysis:
        raise ValueError("the compiler gives no cost analysis")
    text = compiled.as_text()
    notes = [note for mark, note in NOTES.items() if mark in text]
    calls = ", ".join(sorted(set(CALL.findall(text))))
    if calls:
        notes.append(f"the program calls {calls}, whose FLOP XLA does not count")
    # A program that neither adds nor multiplies has no entry.
    return int(analysis.get("flops", 0)), tuple(notes)
