"""The rate that a gate realises in a large batch: signals of a continuous law, or with ties.

In the limit of a large batch the price is a number, the quantile of the signal's law or the root of
the calibrated price, and the realised rate is E[sigmoid((signal - price) / temperature)]. Laws are
mixtures of normals, where a component without spread is a tie; so heavy tails and the zero delight
of solved decisions have their place beside N(0, s). Ours.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import expit, log_expit, ndtr, ndtri

from kondo_ref import checks
from kondo_ref.checks import FloatArray

FLOAT64 = np.dtype(np.float64)
STEP = 0.125  # of the trapezoidal rule, in units of the noise that is integrated over
REACH = 40.0  # where exp(-REACH) is far below rounding, logistic or normal


@dataclass(frozen=True, eq=False)
class NormalMixture:
    """A mixture of normal laws, the law of a signal.

    Parameters
    ----------
    weights : (C,) float
        > 0, of sum 1.
    means, stds : (C,) float
        In the signal's unit, std >= 0; 0 is an atom.

    Raises
    ------
    ValueError
        Other shapes, weights that are no probabilities, a negative std.
    """

    weights: FloatArray
    means: FloatArray
    stds: FloatArray

    def __post_init__(self) -> None:
        weights = checks.real_array("weights", self.weights, FLOAT64)
        if weights.ndim != 1 or weights.size == 0:
            raise ValueError(f"weights: expected shape (C,), C >= 1, got {weights.shape}")
        means = checks.decision_array("means", self.means, weights.shape, FLOAT64)
        stds = checks.decision_array("stds", self.stds, weights.shape, FLOAT64)
        if (weights <= 0.0).any() or abs(float(weights.sum()) - 1.0) > 1e-14 * weights.size:
            raise ValueError(f"weights: expected numbers above 0 of sum 1, got {weights}")
        if (stds < 0.0).any():
            raise ValueError(f"stds: expected numbers >= 0, got {stds.min()}")
        for name, array in (("weights", weights), ("means", means), ("stds", stds)):
            object.__setattr__(self, name, array)

    @classmethod
    def normal(cls, std: float, mean: float = 0.0) -> "NormalMixture":
        """Return N(mean, std)."""
        return cls(np.ones(1), np.array([mean]), np.array([std]))

    @property
    def std(self) -> float:
        """Standard deviation of the whole law."""
        mean = float(self.weights @ self.means)
        return float(np.sqrt(self.weights @ ((self.means - mean) ** 2 + self.stds**2)))

    def above(self, x: ArrayLike) -> FloatArray:
        """P(signal > x), of the shape of x."""
        distance = self.means - np.asarray(x, dtype=np.float64)[..., None]
        tail: FloatArray = _tails(distance, self.stds) @ self.weights
        return tail

    def upper_quantile(self, rate: float) -> float:
        """Return the (1 - rate)-quantile, the least x with P(signal > x) <= rate.

        To 4 eps times the largest |mean| + 40 std; at a gap the lower end.
        """
        share = checks.rate_number("rate", rate)
        if share == 1.0:
            return -np.inf if self.stds.any() else float(self.means.min())
        if self.weights.size == 1:
            return float(self.means[0] - self.stds[0] * ndtri(share))
        low = float((self.means - REACH * self.stds).min())
        high = float((self.means + REACH * self.stds).max())
        # A bisection, since P(signal > x) jumps at an atom; the end found is the upper one.
        for atom in np.sort(self.means[self.stds == 0.0]):
            before = float(self.above(np.nextafter(atom, -np.inf)))
            if float(self.above(atom)) <= share < before:
                return float(atom)
        for _ in range(200):
            middle = 0.5 * (low + high)
            if not low < middle < high:
                break
            if float(self.above(middle)) <= share:
                high = middle
            else:
                low = middle
        return high


def _tails(distance: FloatArray, stds: FloatArray) -> FloatArray:
    """P(std Z > -distance): 1 or 0 for an atom, where a tie is not above."""
    with np.errstate(divide="ignore", invalid="ignore"):
        tail: FloatArray = ndtr(distance / stds)
    return np.where(stds == 0.0, (distance > 0.0).astype(np.float64), tail)


def logistic_normal(mean: ArrayLike, std: ArrayLike) -> FloatArray:
    """Return E[sigmoid(mean + std Z)], Z standard normal.

    The narrower noise is summed over, by the trapezoidal rule on the whole line, whose error for
    a function that is analytic in a strip of half width d falls like exp(-2 pi d / step): the
    normal one for std <= 1 (d = pi / std), else the logistic one, as P(mean + std Z > logistic).

    Parameters
    ----------
    mean, std : (...) float
        Broadcast; std >= 0.

    Returns
    -------
    float array
        To a few roundings of the larger of it and 1e-16.
    """
    m, s = np.broadcast_arrays(np.asarray(mean, np.float64), np.asarray(std, np.float64))
    grid = np.arange(-REACH, REACH + STEP / 2, STEP)
    narrow = np.minimum(s, 1.0)
    density = np.exp(-0.5 * grid**2) * (STEP / np.sqrt(2.0 * np.pi))
    by_normal = expit(m[..., None] + narrow[..., None] * grid) @ density
    wide = np.maximum(s, 1.0)
    logistic = STEP * np.exp(log_expit(grid) + log_expit(-grid))
    by_logistic = ndtr((m[..., None] - grid) / wide[..., None]) @ logistic
    result: FloatArray = np.where(s <= 1.0, by_normal, by_logistic)
    return result


def rate_at_price(law: NormalMixture, price: float, temperature: float) -> float:
    """Return the large-batch rate E[w] at a price; temperature >= 0 in the signal's unit."""
    if not 0.0 <= checks.number("temperature", temperature) < np.inf:
        raise ValueError(f"temperature: expected a finite number >= 0, got {temperature}")
    price = checks.number("price", price)
    if temperature == 0.0:
        return float(law.above(price))
    if np.isinf(price):
        return float(price < 0.0)
    keep = logistic_normal((law.means - price) / temperature, law.stds / temperature)
    return float(law.weights @ keep)


def rate_at_quantile_price(law: NormalMixture, rate: float, temperature: float) -> float:
    """Return the rate that a Bernoulli gate realises at the quantile price of a large batch."""
    return rate_at_price(law, law.upper_quantile(rate), temperature)


def realised_rate(spread: ArrayLike, rate: ArrayLike) -> FloatArray:
    """Return the realised rate for normal signals at the quantile price, large batch.

    E[sigmoid(spread (Z - z))], z the (1 - rate)-quantile of Z: what the figure of the realised rate
    against std(signal)/temperature draws.

    Parameters
    ----------
    spread : (...) float
        std(signal) / temperature, > 0.
    rate : (...) float
        In (0, 1), broadcast against `spread`.

    Returns
    -------
    float array
    """
    kappa, share = np.asarray(spread, dtype=np.float64), np.asarray(rate, dtype=np.float64)
    if not ((kappa > 0.0) & (kappa < np.inf)).all():
        raise ValueError(f"spread: expected finite numbers > 0, got {checks.shown(spread)}")
    if not ((share > 0.0) & (share < 1.0)).all():
        raise ValueError(f"rate: expected numbers in (0, 1), got {checks.shown(rate)}")
    return logistic_normal(kappa * ndtri(share), kappa)


def calibrated_limit(law: NormalMixture, rate: float, temperature: float) -> float:
    """Return the calibrated price of a large batch: the root of E[w] = rate.

    Raises
    ------
    ValueError
        The temperature is not above 0, or not finite.
    """
    share = checks.rate_number("rate", rate)
    if not 0.0 < temperature < np.inf:
        raise ValueError(
            f"temperature: a calibrated price needs a finite one > 0, got {temperature}"
        )
    if share == 1.0:
        return -np.inf
    shift = temperature * float(np.log(share) - np.log1p(-share))
    low = float((law.means - REACH * law.stds).min()) - shift
    high = float((law.means + REACH * law.stds).max()) - shift
    if low >= high:
        return low
    root: float = brentq(
        lambda price: rate_at_price(law, price, temperature) - share, low, high,
        xtol=1e-300, rtol=8.9e-16, maxiter=2000,
    )  # fmt: skip
    return root


def recall_at_price(law: NormalMixture, price: float, temperature: float, rate: float) -> float:
    """Return the expected recall of the exact top share `rate` in a large batch, at any price.

    E[w 1{signal > q}] / rate, q the (1 - rate)-quantile. With w = P(logistic noise below
    (signal - price) / temperature), it is an integral over that noise of the tail above the larger
    of q and price + temperature * noise: cut where these meet, each part smooth.

    Parameters
    ----------
    law : NormalMixture
        Continuous at the quantile: exactly the share `rate` is above it.
    price, temperature : float
        In the signal's unit, temperature > 0.
    rate : float
        In (0, 1).

    Raises
    ------
    ValueError
        An argument out of range.
    """
    if not np.isfinite(price):
        raise ValueError(f"price: expected a finite number, got {price}")
    if not 0.0 < temperature < np.inf:
        raise ValueError(f"temperature: expected a finite number > 0, got {temperature}")
    if not 0.0 < rate < 1.0:
        raise ValueError(f"rate: expected a number in (0, 1), got {rate}")
    q = law.upper_quantile(rate)
    bend = (q - price) / temperature
    below = float(expit(bend)) * float(law.above(q))
    last = max(bend, 0.0) + REACH
    near = bend + 2.0 ** np.arange(-8.0, 0.0)
    cuts = np.concatenate([[bend], near, np.arange(bend + 1.0, last, 0.5), [last]])
    # The tail bends over the width of the narrowest component, wherever that meets the noise.
    for mean, std in zip(law.means, law.stds, strict=True):
        centre, width = (mean - price) / temperature, std / temperature
        cuts = np.concatenate([cuts, centre + width * np.linspace(-10.0, 10.0, 41)])
    cuts = np.unique(cuts[(cuts >= bend) & (cuts <= last)])
    x, w = np.polynomial.legendre.leggauss(20)
    half = np.diff(cuts)[:, None] / 2.0
    noise = (cuts[:-1, None] + half * (1.0 + x)).ravel()
    chance = np.exp(log_expit(noise) + log_expit(-noise)) * law.above(price + temperature * noise)
    return (below + float((half * w).ravel() @ chance)) / rate
