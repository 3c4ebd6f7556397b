"""Price -> keep probability -> gate: which decisions earn a backward pass, and with what weight.

Signal, price, G and everything inside them are constants of the update: the gate multiplies the
policy gradient and is never differentiated.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.special import expit

from kondo_ref import checks
from kondo_ref.checks import BoolArray, FloatArray
from kondo_ref.delight import SIGNALS
from kondo_ref.price import Calibrated, Fixed, Price, Quantile, Rolling

DRAWS = ("soft", "bernoulli", "top_k")
UNITS = ("token", "sequence")
METHODS = ("pg", "dg", "kondo", "zero-price", "kondo-top-k")


@dataclass(frozen=True)
class Gate:
    """A gate: signal, price, temperature, draw.

    Parameters
    ----------
    signal : str
        delight, advantage, abs_advantage, surprisal, uniform or additive.
    price : Fixed, Quantile, Calibrated, Rolling or None
        None for the draw top_k, which has no price.
    temperature : float
        >= 0, in the signal's unit. 0 is the limit: keep probability 1 where signal > price
        (strictly), else 0. The draw top_k does not use it.
    draw : str
        soft: G is the keep probability w. bernoulli: G is 1 where u < w, else 0. top_k: G is 1
        for the k = max(1, round(rate * valid)) largest signals, ties to the lowest index.
    rate : float, optional
        In (0, 1]; for top_k only, where it is needed. Elsewhere the rate belongs to the price.
    alpha : float, optional
        In [0, 1]; for the additive signal only, where it is needed.
    unit : str
        token: every decision is gated by itself (a sample, where the batch is (N,)).
        sequence: a (B, T) batch is gated row by row, by the mean signal over its valid tokens.

    Raises
    ------
    TypeError, ValueError
        An argument out of range, missing, or given where it has no meaning.
    """

    signal: str = "delight"
    price: Price | None = Fixed(0.0)
    temperature: float = 1.0
    draw: str = "soft"
    rate: float | None = None
    alpha: float | None = None
    unit: str = "token"

    def __post_init__(self) -> None:
        checks.one_of("signal", self.signal, SIGNALS)
        checks.one_of("draw", self.draw, DRAWS)
        checks.one_of("unit", self.unit, UNITS)
        temperature = checks.number("temperature", self.temperature)
        if not 0.0 <= temperature < np.inf:
            raise ValueError(f"temperature: expected a finite number >= 0, got {temperature}")
        object.__setattr__(self, "temperature", temperature)
        self._check_price_and_rate()
        if (self.signal == "additive") != (self.alpha is not None):
            raise ValueError(
                f"alpha: needed for the signal additive and only there, "
                f"got {self.alpha!r} with {self.signal}"
            )
        if self.alpha is not None:
            alpha = checks.number("alpha", self.alpha)
            if not 0.0 <= alpha <= 1.0:
                raise ValueError(f"alpha: expected a number in [0, 1], got {alpha}")
            object.__setattr__(self, "alpha", alpha)

    def _check_price_and_rate(self) -> None:
        if self.draw == "top_k":
            if self.rate is None:
                raise ValueError("rate: the draw top_k needs a rate in (0, 1], got None")
            object.__setattr__(self, "rate", checks.rate_number("rate", self.rate))
            if self.price is not None and not (
                isinstance(self.price, Fixed) and self.price.value == 0
            ):
                raise ValueError(f"price: the draw top_k has none, got {self.price}")
            object.__setattr__(self, "price", None)
            return
        if not isinstance(self.price, Fixed | Quantile | Calibrated | Rolling):
            raise TypeError(
                f"price: the draw {self.draw} needs Fixed, Quantile, Calibrated or Rolling, "
                f"got {self.price!r}"
            )
        if self.rate is not None:
            raise ValueError(
                f"rate: only the draw top_k takes it here, got {self.rate!r} with {self.draw}; "
                f"give it to the price, as in Quantile({self.rate!r})"
            )
        if isinstance(self.price, Calibrated) and self.temperature == 0.0:
            raise ValueError("temperature: a calibrated price needs a temperature > 0, got 0.0")

    @property
    def target_rate(self) -> float | None:
        """The share of decisions that the gate is asked to keep, None for a fixed price."""
        if self.draw == "top_k":
            return self.rate
        return None if isinstance(self.price, Fixed) else self.price.rate  # type: ignore[union-attr]

    @property
    def needs_uniforms(self) -> bool:
        """Whether the draw is random: Bernoulli at a temperature above 0."""
        return self.draw == "bernoulli" and self.temperature > 0.0

    @classmethod
    def named(
        cls,
        name: str,
        *,
        rate: float | None = None,
        price: Price | None = None,
        temperature: float | None = None,
        unit: str = "token",
    ) -> Self:
        """Return the gate of a named method.

        Parameters
        ----------
        name : str
            pg: everything kept, G = 1. dg: soft, price 0, temperature 1 ([DG]). kondo: Bernoulli
            at the quantile price, or at `price`, temperature 1 ([K], Algorithm 1; the papers print
            no temperature for it). zero-price: 1 where delight > 0 ([K], "adaptive gate").
            kondo-top-k: exactly k largest delights, the form behind all published curves of [K].
        rate : float, optional
            For kondo-top-k, and for kondo without a price.
        price : Price, optional
            For dg and kondo.
        temperature : float, optional
            For dg and kondo.
        unit : str
            token or sequence.

        Raises
        ------
        ValueError
            An unknown name, a missing rate, or an argument that the method does not have.
        """
        checks.one_of("name", name, METHODS)
        takes = {"dg": {"price", "temperature"}, "kondo": {"rate", "price", "temperature"}}.get(
            name, {"rate"} if name == "kondo-top-k" else set()
        )
        given = {"rate": rate, "price": price, "temperature": temperature}
        for argument, value in given.items():
            if value is not None and argument not in takes:
                raise ValueError(f"{argument}: the method {name} has none, got {value!r}")
        at = 1.0 if temperature is None else temperature
        if name == "pg":
            return cls(signal="uniform", price=Fixed(0.0), temperature=0.0, unit=unit)
        if name == "dg":
            return cls(price=Fixed(0.0) if price is None else price, temperature=at, unit=unit)
        if name == "zero-price":
            return cls(price=Fixed(0.0), temperature=0.0, unit=unit)
        if name == "kondo-top-k":
            return cls(price=None, draw="top_k", rate=rate, unit=unit)
        if (rate is None) == (price is None):
            raise ValueError(f"rate: kondo needs either a rate or a price, got {rate!r}, {price!r}")
        chosen = Quantile(rate) if rate is not None else price
        return cls(price=chosen, temperature=at, draw="bernoulli", unit=unit)


def keep_probability(
    signal: FloatArray, price: float | FloatArray, temperature: float
) -> FloatArray:
    """Return w = sigmoid((signal - price) / temperature), or 1{signal > price} at temperature 0.

    Parameters
    ----------
    signal : (...) float
    price : float or (...) float
        One for all, or one for each decision.
    temperature : float
        >= 0.

    Returns
    -------
    (...) float
        In [0, 1].

    Raises
    ------
    ValueError
        A negative temperature.
    """
    if not temperature >= 0.0:
        raise ValueError(f"temperature: expected a number >= 0, got {temperature}")
    with np.errstate(over="ignore"):
        if temperature == 0.0:
            return (signal > price).astype(signal.dtype)
        # A temperature that is 0 or inf in the signal's dtype still divides in float64.
        fits = 0.0 < signal.dtype.type(temperature) < np.inf
        wide = signal if fits else signal.astype(np.float64)
        w: FloatArray = expit((wide - price) / temperature)
    return w.astype(signal.dtype, copy=False)


def top_k_count(rate: float, valid: int) -> int:
    """Return k = max(1, round-half-even(rate * valid)), the product rounded to float64 first.

    So 0.3 of 5 is 1.5 and rounds to 2, as in the released code, although the float64 number next to
    0.3 is below it.
    """
    return max(1, round(rate * valid))


def top_k(signal: FloatArray, k: int) -> BoolArray:
    """Mark the k largest of `signal` (n,), exactly k of them, ties to the lowest index."""
    kth = np.partition(signal, signal.size - k)[signal.size - k]
    chosen: BoolArray = signal > kth
    ties = np.flatnonzero(signal == kth)
    chosen[ties[: k - int(np.count_nonzero(chosen))]] = True
    return chosen
