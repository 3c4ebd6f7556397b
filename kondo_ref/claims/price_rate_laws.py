"""The rate that a Bernoulli gate realises at the quantile price: statements. Ours.

In a large batch it is a function of std(signal)/temperature and of the rate: half of everything
where the spread is small, the rate only where it is large. Two quadratures, over the signal and
over the gate's logistic noise, are each other's witness. `kondo_ref.claims.price_rate` binds the
statements to their boundaries.
"""

import numpy as np
from scipy.special import ndtri
from scipy.stats import norm as normal

from kondo_ref.claims.register import Sides
from kondo_ref.exact.quantile_density import MarkedSignal, batch_price_mean, fixed_price_mean
from kondo_ref.exact.realised_rate import (
    NormalMixture,
    calibrated_limit,
    rate_at_price,
    rate_at_quantile_price,
)

NORMAL = "the signal is normal"
QUANTILE = "the price is the quantile"
BATCH = "the batch is large"
UNIMODAL = "the signal's density is symmetric and falls from its centre on"
BELOW_HALF = "the rate is below 1/2"
WARM = "the temperature is above 0"
NO_ATOM = "the price of the larger rate is lower (no atom holds both)"
ONE_TEMPERATURE = "both rates are taken at one temperature"


def _rate(law: NormalMixture, rate: float, temperature: float, price: str) -> float:
    if price == "quantile":
        return rate_at_quantile_price(law, rate, temperature)
    return rate_at_price(law, calibrated_limit(law, rate, temperature), temperature)


def realised_rate_of_a_normal_signal(
    law: NormalMixture,
    rate: float,
    temperature: float,
    *,
    price: str = "quantile",
    batch: int | None = None,
) -> Sides:
    """Hold the realised rate to its formula in std(signal)/temperature.

    Hypotheses: a normal signal; the quantile price; a large batch. Claim: a Bernoulli gate keeps
    E[sigmoid(k (Z - z))], k = std/temperature, z the (1 - rate)-quantile of Z. Source: ours.

    Parameters
    ----------
    law : NormalMixture
        Of the signal.
    rate : float
        In (0, 1).
    temperature : float
        > 0, in the signal's unit.
    price : str
        quantile or calibrated.
    batch : int, optional
        A finite batch, at whose own quantile the expectation is exact.

    Returns
    -------
    Sides
        `actual` summed over the narrower of signal and logistic noise, or by order statistics;
        `claimed` by panels over the signal.
    """
    if batch is None:
        actual = _rate(law, rate, temperature, price)
    else:
        actual = float(batch_price_mean(MarkedSignal.count(law), batch, rate, temperature)[0])
    standard = NormalMixture.normal(1.0)
    spread = law.std / temperature
    claimed = fixed_price_mean(MarkedSignal.count(standard), -float(ndtri(rate)), 1.0 / spread)
    return Sides(
        actual,
        float(claimed[0]),
        scale=1.0,
        numbers={"std/temperature": spread, "target rate": rate},
    )


def realised_rate_between(
    law: NormalMixture, rate: float, temperature: float, hotter: float, *, price: str = "quantile"
) -> Sides:
    """Place the realised rate between the rate and 1/2, nearer to 1/2 at a higher temperature.

    Hypotheses: the signal's density is symmetric and falls from its centre on; rate below 1/2;
    quantile price; temperature above 0. Claim: rate < realised(T) < realised(T') < 1/2 for T < T'.
    With q the distance of the price from the centre, the derivative in k = 1/T is the integral over
    t > 0 of t sigmoid'(k t) (f(q + t) - f(q - t)), below 0 as q + t is farther out than q - t.
    Source: ours.

    Parameters
    ----------
    law, rate, temperature, price
        As in `realised_rate_of_a_normal_signal`.
    hotter : float
        Another temperature, above it.

    Returns
    -------
    Sides
        Three strict inequalities: realised(T), realised(T') and 1/2 above their left neighbours.
    """
    one, other = (_rate(law, rate, t, price) for t in (temperature, hotter))
    return Sides(
        [one, other, 0.5],
        [rate, one, other],
        "above",
        scale=1.0,
        numbers={"rate": rate, "realised": one, "realised, hotter": other},
    )


def realised_rate_limits(
    law: NormalMixture, rate: float, temperature: float, *, price: str = "quantile"
) -> Sides:
    """Bound how far the realised rate is from its two limits.

    Hypotheses: a normal signal; the quantile price. Claim: with k = std/temperature and z the
    (1 - rate)-quantile of Z, abs(realised - 1/2 + k z/4) <= k^3 E abs(Z - z)^3 / 48, and
    abs(realised - rate) <= pi^2 / (6 sqrt(2 pi e) k^2). So it is 1/2 for k -> 0, whatever the rate,
    and the rate for k -> infinity. Source: ours; the cubic remainder of the sigmoid, and the
    largest slope of the normal density.

    Parameters
    ----------
    law, rate, temperature, price
        As in `realised_rate_of_a_normal_signal`.
    """
    realised = _rate(law, rate, temperature, price)
    k, z = law.std / temperature, -float(ndtri(rate))
    third = (z**3 + 3.0 * z) * (1.0 - 2.0 * rate) + 2.0 * (z**2 + 2.0) * float(normal.pdf(z))
    slope = 1.0 / np.sqrt(2.0 * np.pi * np.e)
    return Sides(
        [abs(realised - 0.5 + k * z / 4.0), abs(realised - rate)],
        [k**3 * third / 48.0, np.pi**2 * slope / (6.0 * k**2)],
        "at most",
        scale=1.0,
        tolerance=32.0 * max(1.0, k),
        numbers={"std/temperature": k, "rate": rate, "realised": realised},
    )


def realised_rate_rises(
    law: NormalMixture,
    rate: float,
    larger: float,
    temperature: float,
    *,
    its_temperature: float | None = None,
) -> Sides:
    """Say that a larger rate realises a larger rate, at the quantile price.

    Hypotheses: no atom holds both quantiles; one temperature. Claim: realised(rate) <
    realised(larger), since the price is lower and every keep probability higher. Source: ours.

    Parameters
    ----------
    law, rate, temperature
        As in `realised_rate_of_a_normal_signal`.
    larger : float
        A larger rate.
    its_temperature : float, optional
        At which the larger rate is taken, if another.
    """
    one = rate_at_quantile_price(law, rate, temperature)
    t = temperature if its_temperature is None else its_temperature
    other = rate_at_quantile_price(law, larger, t)
    return Sides(
        other, one, "above", scale=1.0,
        numbers={"rate": rate, "larger": larger, "realised": one, "realised, larger": other},
    )  # fmt: skip


def mnist_like() -> NormalMixture:
    """Return a signal like the delight of a learned classifier: most of it a tie at 0."""
    return NormalMixture(np.array([0.97, 0.03]), np.array([0.0, -0.5]), np.array([0.0, 0.5]))


def heavy_tails() -> NormalMixture:
    """Return a centred signal whose spread comes from one decision in a hundred."""
    return NormalMixture(np.array([0.99, 0.01]), np.zeros(2), np.array([0.1, 10.0]))


def lopsided() -> NormalMixture:
    """Return a signal with a few decisions far above the others, fewer than the rate."""
    return NormalMixture(np.array([0.98, 0.02]), np.array([0.0, 100.0]), np.array([0.1, 1.0]))
