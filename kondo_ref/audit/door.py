"""The Python door: audit a target, or assert that it conforms."""

import warnings
from collections.abc import Mapping
from typing import Any

from kondo_ref.audit.claims import CLAIM_PARTS, claim_of
from kondo_ref.audit.options import Options
from kondo_ref.audit.request import Progress, Request
from kondo_ref.audit.verdict import Audit
from kondo_ref.price import Price


def check(
    target: Any,
    *,
    claim: str | None = "dg",
    surface: str = "logits",
    framework: str | None = None,
    rate: float | None = None,
    price: str | float | Price | None = None,
    temperature: float | None = None,
    unit: str = "sample",
    normalizer: str = "decisions",
    skips: bool = False,
    baseline: str = "",
    accept: Mapping[str, str] | None = None,
    seed: int = 0,
    quick: bool = False,
    progress: Progress | None = None,
    options: Options | None = None,
    **calling: Any,
) -> Audit:
    """Audit a target: identify what it computes and hold it to a claim.

    Parameters
    ----------
    target : object or str
        A function, class, object, ``module:object``, ``path.py:object``, or for the framework
        subprocess a command.
    claim : str or None
        dg, kondo, kondo-top-k, zero-price or pg; None to identify only.
    surface : str
        One of `kondo_ref.audit.observation.SURFACES`.
    framework : str, optional
        torch, jax, numpy, python or subprocess; guessed without.
    rate : float, optional
        For kondo-top-k, and for kondo unless its price is a number.
    price : str, float or Price, optional
        For dg and kondo: a number, quantile, calibrated, rolling:HISTORY:WARMUP, or a price.
    temperature : float, optional
        For dg and kondo.
    unit : str
        sample, token or sequence.
    normalizer : str
        decisions, kept or none.
    skips : bool
        Whether dropped decisions are claimed to cost no backward.
    baseline : str
        Of the surface rewards: zero, batch, leave-one-out, group, group-std, expected; empty for
        any of them.
    accept : mapping of str to str, optional
        Finding id -> reason, of deviations that are known.
    seed : int
    quick : bool
        Fewer repeats of random gates.
    progress : callable, optional
        Called with (stage, done, total).
    options : Options, optional
        How the target is called.
    **calling
        Fields of `kondo_ref.audit.options.Options`, in place of `options`.

    Returns
    -------
    Audit

    Raises
    ------
    ImportError
        The framework is not installed.
    TypeError, ValueError
        An argument is not as expected, or the target cannot be loaded.
    """
    return request(
        target,
        claim=claim,
        surface=surface,
        framework=framework,
        rate=rate,
        price=price,
        temperature=temperature,
        unit=unit,
        normalizer=normalizer,
        skips=skips,
        baseline=baseline,
        accept=accept,
        seed=seed,
        quick=quick,
        options=options,
        **calling,
    ).audit(progress=progress)


def request(
    target: Any,
    *,
    claim: str | None = "dg",
    surface: str = "logits",
    framework: str | None = None,
    accept: Mapping[str, str] | None = None,
    seed: int = 0,
    quick: bool = False,
    options: Options | None = None,
    **others: Any,
) -> Request:
    """Return the request that the arguments of `check` stand for: of the claim, or of the call."""
    parts = {name: others[name] for name in others if name in CLAIM_PARTS}
    calling = {name: others[name] for name in others if name not in CLAIM_PARTS}
    if options is not None and calling:
        raise TypeError(f"options: given, so {', '.join(calling)} must be among them")
    return Request(
        target,
        surface,
        framework,
        claim_of(claim, **parts),
        Options(**calling) if options is None else options,
        {} if accept is None else dict(accept),
        seed,
        quick,
    )


def assert_conforms(target: Any, **arguments: Any) -> Audit:
    """Assert that a target conforms to its claim.

    Parameters
    ----------
    target : object or str
    **arguments
        As of `check`; the claim is dg without one.

    Returns
    -------
    Audit

    Raises
    ------
    AssertionError
        It deviates or is unusable; the message has every finding that is not accepted.
    TypeError, ValueError
        As `check`; also without a claim, which nothing could fail.

    Warns
    -----
    UserWarning
        An accepted finding no longer shows.
    """
    __tracebackhide__ = True
    from kondo_ref.audit.report_text import failure, stale_sentence

    asked = request(target, **arguments)
    if asked.claim is None:
        raise ValueError("claim: expected a method to be held to, got None")
    audit = asked.audit()
    message = failure(audit)
    if message:
        raise AssertionError(message)
    if audit.stale:
        warnings.warn(stale_sentence(audit), stacklevel=2)
    return audit
