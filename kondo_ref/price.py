"""Signal -> price: what a decision's signal must exceed to earn a backward pass.

Four kinds. A price is a constant of the update: nothing is differentiated through it. `Fixed`,
`Quantile` and `Calibrated` look at the current batch alone; `Rolling` at the decisions before.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from kondo_ref import checks
from kondo_ref.checks import FloatArray


@dataclass(frozen=True)
class Fixed:
    """The price is `value`, in the signal's unit; -inf keeps everything, inf nothing."""

    value: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", checks.number("value", self.value))

    def solve(self, signal: FloatArray, temperature: float) -> float:
        """Return the value, whatever the `signal` (n,)."""
        del signal, temperature
        return self.value


@dataclass(frozen=True)
class Quantile:
    """The (1 - rate)-quantile of the batch's signal, linear interpolation ([K], Algorithm 1).

    A Bernoulli gate at this price does not keep the fraction `rate` unless the signal's spread is
    large against the temperature: see `Calibrated`.
    """

    rate: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", checks.rate_number("rate", self.rate))

    def solve(self, signal: FloatArray, temperature: float) -> float:
        """Return the quantile of the valid signals, `signal` (n,) with n >= 1."""
        del temperature
        return upper_quantile(signal, self.rate)


@dataclass(frozen=True)
class Calibrated:
    """The price at which the mean keep probability of the batch is the rate (ours).

    Needs a temperature above 0. Rate 1 is reached by no finite price: the price is -inf.
    """

    rate: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", checks.rate_number("rate", self.rate))

    def solve(self, signal: FloatArray, temperature: float) -> float:
        """Return the root of mean(sigmoid((signal - price) / temperature)) - rate.

        Parameters
        ----------
        signal : (n,) float
            Valid signals, n >= 1.
        temperature : float
            In the signal's unit, > 0.

        Raises
        ------
        ValueError
            The temperature is 0.

        Notes
        -----
        The root lies between min(signal) and max(signal), each less temperature * logit(rate).
        The mean is compared with the rate as (number above - n * rate) + sum of the small tails,
        where the first difference is exact: on a plateau, where the mean is the rate to rounding,
        the tails still tell which way the price has to go.
        """
        if temperature == 0.0:
            raise ValueError("temperature: a calibrated price needs a temperature > 0, got 0.0")
        if self.rate == 1.0:
            return -np.inf
        values = np.sort(np.asarray(signal, dtype=np.float64))
        n = values.size
        wanted = n * Fraction(self.rate)

        def surplus(price: float) -> float:
            split = int(np.searchsorted(values, price, side="right"))
            with np.errstate(over="ignore"):
                x = (values - price) / temperature
            tails = expit(x[:split]).sum() - expit(-x[split:]).sum()
            return float(n - split - wanted) + float(tails)

        shift = temperature * float(np.log(self.rate) - np.log1p(-self.rate))
        low, high = float(values[0]) - shift, float(values[-1]) - shift
        if not np.isfinite([low, high]).all():
            raise ValueError(f"temperature: {temperature} is too large to solve for the rate")
        if low >= high or surplus(low) <= 0.0:
            return low
        if surplus(high) >= 0.0:
            return high
        root: float = brentq(surplus, low, high, xtol=1e-300, rtol=8.9e-16, maxiter=2000)
        return root


@dataclass(frozen=True)
class Rolling:
    """The (1 - rate)-quantile of the last `history` signals before the decision at hand.

    Decisions are taken in order (C order of the batch); a decision's own signal joins the history
    after it is decided, so how a stream is cut into batches changes nothing. While fewer than
    `warmup` signals are known the price is -inf: everything is kept.

    The history is explicit: hand `Screening.history` of one call to the next.
    """

    rate: float
    history: int = 1024
    warmup: int = 32

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", checks.rate_number("rate", self.rate))
        checks.count("history", self.history, 1)
        checks.count("warmup", self.warmup, 1)
        if self.warmup > self.history:
            raise ValueError(
                f"warmup: expected at most history = {self.history}, got {self.warmup}"
            )

    def stream(
        self, signal: FloatArray, history: FloatArray | None
    ) -> tuple[FloatArray, FloatArray]:
        """Return the price of every decision and the history after the last one.

        Parameters
        ----------
        signal : (n,) float
            Valid signals in order.
        history : (h,) float or None
            The signals before them; the last `history` of them count.

        Returns
        -------
        prices : (n,) float
        history : (min(h + n, history),) float
        """
        past = np.empty(0, signal.dtype) if history is None else history[-self.history :]
        line = np.concatenate([past, signal])
        prices = np.full(signal.shape, -np.inf, dtype=signal.dtype)
        for i in range(signal.size):
            known = line[max(0, past.size + i - self.history) : past.size + i]
            if known.size >= self.warmup:
                prices[i] = upper_quantile(known, self.rate)
        return prices, line[-self.history :].copy()


Price = Fixed | Quantile | Calibrated | Rolling


def upper_quantile(values: FloatArray, rate: float) -> float:
    """Return the (1 - rate)-quantile by linear interpolation, NumPy's and torch's default.

    The position (n - 1)(1 - rate) and the interpolation are exact, and the price is rounded once.
    Rounded before, as NumPy does, the position can fall on the other side of an order statistic,
    and a small temperature magnifies what the price then lacks: a keep probability was seen 267
    roundings off.

    Parameters
    ----------
    values : (n,) float
        n >= 1, finite.
    rate : float
        In (0, 1].
    """
    position = (values.size - 1) * (1 - Fraction(rate))
    low = int(position)
    high = min(low + 1, values.size - 1)
    ordered = np.partition(values, (low, high))
    (a, a_over), (b, b_over) = (float(ordered[i]).as_integer_ratio() for i in (low, high))
    share, over = position.numerator - low * position.denominator, position.denominator
    # Python rounds the quotient of two integers once, however long they are.
    exact = (a * b_over * (over - share) + b * a_over * share) / (a_over * b_over * over)
    return float(values.dtype.type(exact))
