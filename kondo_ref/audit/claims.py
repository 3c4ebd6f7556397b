"""Options of a door -> claim: the reference's gate that a target is said to be.

What the command line, `kondo_ref.audit.check` and the pytest plugin have in common.
"""

from typing import Any

from kondo_ref import checks
from kondo_ref.audit.verdict import CLAIMS, Claim
from kondo_ref.gate import UNITS, Gate
from kondo_ref.gradient import NORMALIZERS
from kondo_ref.price import Calibrated, Fixed, Price, Quantile, Rolling

PRICES = ("quantile", "calibrated", "rolling")
# What a gate can be claimed to decide on; a sample is the decision of an (N,) batch.
CLAIMED_UNITS = ("sample", *UNITS)
# What is claimed beside the method: the arguments of `claim_of`.
CLAIM_PARTS = ("rate", "price", "temperature", "unit", "normalizer", "skips", "baseline")
BASELINES = ("zero", "batch", "leave-one-out", "group", "group-std", "expected")


def price_of(word: str | float | Price | None, rate: float | None) -> Price | None:
    """Return the price that is meant by a number, a kind, or the price itself.

    Parameters
    ----------
    word : str, float or Price
        A number or its digits: fixed. quantile, calibrated, rolling: of the rate; rolling takes
        its history and warm-up after colons, as in ``rolling:256:16``.
    rate : float, optional

    Raises
    ------
    ValueError
        No such price, or one that needs a rate without a rate.
    """
    if word is None or isinstance(word, Price):
        return word
    if not isinstance(word, str):
        return Fixed(word)
    kind, *numbers = word.split(":")
    if kind not in PRICES or (numbers and kind != "rolling") or len(numbers) > 2:
        try:
            return Fixed(float(word))
        except ValueError:
            raise ValueError(
                f"price: expected a number, {', '.join(PRICES)} or rolling:HISTORY:WARMUP; "
                f"got {word!r}"
            ) from None
    if rate is None:
        raise ValueError(f"rate: the price {kind} needs a rate in (0, 1], got None")
    if kind == "rolling":
        try:
            return Rolling(rate, *map(int, numbers))
        except ValueError as error:
            raise ValueError(f"price: {error}, got {word!r}") from None
    return Quantile(rate) if kind == "quantile" else Calibrated(rate)


def claim_of(
    method: str | None,
    *,
    rate: float | None = None,
    price: str | float | Price | None = None,
    temperature: float | None = None,
    unit: str = "sample",
    normalizer: str = "decisions",
    skips: bool = False,
    baseline: str = "",
) -> Claim | None:
    """Return the claim that a target is held to, None for none.

    Parameters
    ----------
    method : str or None
        dg, kondo, kondo-top-k, zero-price or pg; None to identify only.
    rate : float, optional
        For kondo-top-k, and for kondo unless its price is a number.
    price : str, float or Price, optional
        For dg and kondo; see `price_of`.
    temperature : float, optional
        For dg and kondo.
    unit : str
        sample, token or sequence.
    normalizer : str
        decisions, kept or none.
    skips : bool
        Whether dropped decisions are claimed to cost no backward.
    baseline : str
        Of the surface rewards: one of `BASELINES`, empty for any of them.

    Raises
    ------
    TypeError, ValueError
        A name that is not known, an argument that the method does not have, or one without a
        claim that it could belong to.
    """
    checks.one_of("unit", unit, CLAIMED_UNITS)
    checks.one_of("normalizer", normalizer, NORMALIZERS)
    if baseline:
        checks.one_of("baseline", baseline, BASELINES)
    if method is None:
        given: dict[str, Any] = {"rate": rate, "price": price, "temperature": temperature}
        for name, value in given.items():
            if value is not None:
                raise ValueError(f"{name}: a part of a claim, and there is none; got {value!r}")
        for name, value in (("skips", skips), ("baseline", baseline)):
            if value:
                raise ValueError(f"{name}: a part of a claim, and there is none")
        return None
    checks.one_of("claim", method, CLAIMS)
    chosen = price_of(price, rate)
    # The rate of a kondo price is in the price; one beside a fixed price is refused below.
    spent = chosen is not None and not isinstance(chosen, Fixed)
    gate = Gate.named(
        method,
        rate=None if spent and method != "kondo-top-k" else rate,
        price=chosen,
        temperature=temperature,
        unit="token" if unit == "sample" else unit,
    )
    return Claim(method, gate, normalizer, skips, baseline, unit == "sample")
