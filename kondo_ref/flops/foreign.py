"""FLOP audit of code that is not ours: the saving that is claimed against what was executed.

A gate of rate r is said to save 1 - r of the backward: that count is logical. Code that multiplies
dropped decisions by zero executes all of it, and no metric of its own shows that. So a step is run
at two rates and what it executes is counted where it runs: by torch's FLOP counter and by hooks on
the rows that enter each module's backward (`foreign_torch`), or by the cost analysis of the
compiled functions (`foreign_jax`).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kondo_ref import checks
from kondo_ref.flops.foreign_report import FlopAudit, FlopReport

if TYPE_CHECKING:
    from kondo_ref.flops.foreign_tally import Tally

FRAMEWORKS = ("torch", "jax")
# Half a row of 50: no gate meets its rate more closely than its batch allows.
TOLERANCE = 0.01


@contextmanager
def counted(*, row_dimensions: int | None = None) -> Iterator["Tally"]:
    """Count the FLOP and the rows of the torch code inside.

    Parameters
    ----------
    row_dimensions : int, optional
        How many leading dimensions of a module's output index its rows. By default all but the
        last of an output of two or three dimensions, as (N, K) and (B, T, K), else the first.

    Yields
    ------
    Tally
        Its `report()` is a `FlopReport`.

    Raises
    ------
    ImportError
        torch is not installed.
    """
    from kondo_ref.flops import foreign_torch

    with foreign_torch.counted(row_dimensions) as tally:
        yield tally


def audit_flops(
    step: Callable[[float], Any],
    rates: tuple[float, float] = (1.0, 0.03),
    *,
    framework: str = "torch",
    repeats: int = 2,
    warmup: int = 1,
    tolerance: float = TOLERANCE,
    row_dimensions: int | None = None,
) -> FlopAudit:
    """Run a step at two rates and hold the saving that it claims to what it executes.

    Parameters
    ----------
    step : callable
        Of one argument, the rate. For torch, one training step at that rate: it runs its backward
        itself, or returns the loss, whose backward is then run here. For JAX, it returns a pair
        ``(loss, arguments)``: the loss function of that rate, which is differentiated in its first
        argument, and the arguments to compile it for.
    rates : tuple of float
        The dense rate and a lower one, in (0, 1].
    framework : str
        torch or jax.
    repeats : int
        Runs of each rate that are counted. Where they differ, the audit says so, and ratios are of
        the means.
    warmup : int
        Runs of each rate before those; of torch only.
    tolerance : float
        How far the executed saving may be from the claimed one, as a share of the dense backward.
    row_dimensions : int, optional
        As of `counted`; of torch only.

    Returns
    -------
    FlopAudit

    Raises
    ------
    ImportError
        The framework is not installed.
    TypeError, ValueError
        An argument is not as expected, the step raises, an operation has no rule for its FLOP, or
        there is no backward at the dense rate.
    """
    checks.one_of("framework", framework, FRAMEWORKS)
    checks.count("repeats", repeats, 1)
    checks.count("warmup", warmup, 0)
    if not callable(step):
        raise TypeError(f"step: expected a callable of the rate, got {checks.shown(step)}")
    if row_dimensions is not None:
        checks.count("row_dimensions", row_dimensions, 1)
    dense, gated = _rates(rates)
    if not 0.0 < checks.number("tolerance", tolerance) < (1.0 - gated / dense) / 2:
        raise ValueError(
            f"tolerance: expected more than 0 and less than half of the claimed saving, "
            f"{(1.0 - gated / dense) / 2:g}, got {tolerance!r}"
        )
    if framework == "torch":
        from kondo_ref.flops import foreign_torch

        versions, convention = foreign_torch.versions(), foreign_torch.CONVENTION

        def measure(rate: float) -> FlopReport:
            return foreign_torch.measure(step, rate, row_dimensions)
    else:
        from kondo_ref.flops import foreign_jax

        versions, convention = foreign_jax.versions(), foreign_jax.CONVENTION
        warmup = 0
        known: dict[str, foreign_jax.Cost] = {}

        def measure(rate: float) -> FlopReport:
            return foreign_jax.measure(step, rate, known)

    runs = []
    for rate in (dense, gated):
        for _ in range(warmup):
            measure(rate)
        runs.append(tuple(measure(rate) for _ in range(repeats)))
        if not any(run.backward for run in runs[0]):
            raise ValueError(
                f"step: no FLOP in a backward at rate {rate:g}; expected a step that runs its "
                "backward, or returns a loss to differentiate"
            )
    return FlopAudit(framework, versions, convention, (dense, gated), (runs[0], runs[1]), tolerance)


def require(framework: str) -> None:
    """Refuse a framework that is not installed, or that is none of `FRAMEWORKS`."""
    checks.one_of("framework", framework, FRAMEWORKS)
    if framework == "torch":
        from kondo_ref.flops import foreign_torch

        foreign_torch.require()
    else:
        from kondo_ref.flops import foreign_jax

        foreign_jax.require()


def _rates(rates: tuple[float, float]) -> tuple[float, float]:
    pair = tuple(checks.rate_number("rates", rate) for rate in rates)
    if len(pair) != 2 or pair[1] >= pair[0]:
        raise ValueError(f"rates: expected the dense one and then a lower one, got {pair}")
    return pair[0], pair[1]
