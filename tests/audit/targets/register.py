"""The tables of targets: implementations to audit, entered where they stand by a decorator.

A target is written the way a training codebase would write it; what is known of it is kept beside
it: how it is called, what it is said to be, and for a mutant the one mistake in it. `shows` and
`on` name what differs from a correct implementation and the batches where it does (see
`target_batches`); `test_targets.py` proves every such statement without the auditor.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from kondo_ref import Gate
from kondo_ref.audit.verdict import Claim

PG = {"method": "pg"}
DG = {"method": "dg"}
DG_HALF = {"method": "dg", "temperature": 0.5}
ZERO = {"method": "zero-price"}
KONDO = {"method": "kondo", "rate": 0.1}
TOP_K = {"method": "kondo-top-k", "rate": 0.1}

SHOWS = (
    "coefficients",  # c of a decision is none that the claim allows
    "share",  # how often a decision is kept, over repeated calls
    "count",  # how many are kept at once, over repeated calls: the draws are not independent
    "weights",  # G, where it is what is returned
    "residual",  # the gradient in the logits is not that of a function of log pi(a) alone
    "gradients",  # those of the parameters are none that the claim allows
    "rows",  # rows that enter the backward, where dropped ones are said to be skipped
    "moved",  # parameters move although nothing was kept
    "broken",  # it raises, or gives NaN, for a batch that is in order
    "silent",  # it returns finite numbers for a batch that is not
    "metrics",  # it says a rate of itself that was not realised
    "arguments",  # it changes what the caller owns
    "seed",  # it sets the global seed
)


@dataclass(frozen=True)
class Target:
    """An implementation.

    Parameters
    ----------
    name : str
    place : str
        ``module:object``, importable with tests/audit on the path.
    surface, framework : str
    claim : dict
        Arguments of `Gate.named` (method, rate, price, temperature, unit), normalizer, skips. The
        unit sample says that only (N,) batches are claimed.
    options : dict
        Arguments of `kondo_ref.audit.options.Options`.
    baseline : str
        Of the surface rewards, what is said to be subtracted: batch, group, leave-one-out or
        expected.
    """

    name: str
    place: str
    surface: str
    framework: str
    claim: dict[str, Any]
    options: dict[str, Any] = field(default_factory=dict)
    baseline: str = ""

    def claimed(self) -> Claim:
        """Return the claim as the audit takes it."""
        kept = dict(self.claim)
        beside = {name: kept.pop(name) for name in ("normalizer", "skips") if name in kept}
        method = kept.pop("method")
        # Rewards come one for each answer; elsewhere a claim on samples is stated.
        samples = kept.get("unit") == "sample" or self.surface == "rewards"
        if kept.get("unit") == "sample":
            del kept["unit"]
        gate = Gate.named(method, **kept)
        return Claim(method, gate, baseline=self.baseline, samples=samples, **beside)


@dataclass(frozen=True)
class Mutant(Target):
    """An implementation with one mistake (held out: sometimes two).

    Parameters
    ----------
    finding : str
        ``dimension.what``, the finding that the audit has to report.
    tells : str
        What is wrong, and what it does.
    shows : str
        One of `SHOWS`.
    on : str
        The batches of `target_batches` where it shows.
    also : tuple of str
        The findings of further mistakes in it.
    """

    finding: str = ""
    tells: str = ""
    shows: str = "coefficients"
    on: str = "plain"
    also: tuple[str, ...] = ()

    @property
    def dimension(self) -> str:
        """Of the catalogue, as in `kondo_ref.audit.verdict.Finding`."""
        return self.finding.partition(".")[0]


MUTANTS: list[Mutant] = []
CORRECT: list[Target] = []
HELD_OUT: list[Mutant] = []
HELD_OUT_CORRECT: list[Target] = []


def _place(thing: Any) -> str:
    return f"{thing.__module__}:{thing.__qualname__}"


def mutant(
    framework: str,
    surface: str,
    claim: dict[str, Any],
    finding: str,
    tells: str,
    *,
    shows: str = "coefficients",
    on: str = "plain",
    also: tuple[str, ...] = (),
    baseline: str = "",
    **options: Any,
) -> Callable[[Any], Any]:
    """Enter a function or class as a mutant, and leave it as it is."""
    assert shows in SHOWS, shows

    def enter(thing: Any) -> Any:
        table = HELD_OUT if ".heldout_" in thing.__module__ else MUTANTS
        name = thing.__qualname__
        assert all(name != other.name for other in [*MUTANTS, *HELD_OUT]), name
        table.append(
            Mutant(
                name,
                _place(thing),
                surface,
                framework,
                claim,
                options,
                baseline,
                finding,
                tells,
                shows,
                on,
                also,
            )
        )
        return thing

    return enter


def correct(
    framework: str, surface: str, claim: dict[str, Any], *, baseline: str = "", **options: Any
) -> Callable[[Any], Any]:
    """Enter a function or class as a correct implementation, and leave it as it is."""

    def enter(thing: Any) -> Any:
        table = HELD_OUT_CORRECT if ".heldout_" in thing.__module__ else CORRECT
        name = thing.__qualname__
        assert all(name != other.name for other in [*CORRECT, *HELD_OUT_CORRECT]), name
        table.append(Target(name, _place(thing), surface, framework, claim, options, baseline))
        return thing

    return enter
