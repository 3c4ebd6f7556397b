"""Quantile prices of finite batches of continuous signals: expectations, and their order in 1/n.

Given the two order statistics that the price interpolates, the other signals are independent, those
below and those above. So the expectation of (1/n) sum w(s_i - price) m(s_i) is an integral over two
neighbouring order statistics (beta laws) of truncated means; no sampling. Ours.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, log_expit, ndtr, ndtri

from kondo_ref import checks
from kondo_ref.checks import FloatArray
from kondo_ref.exact.quantile_law import quantile_place
from kondo_ref.exact.realised_rate import NormalMixture
from kondo_ref.gate import keep_probability

NODES = 16
TAIL = 40.0  # exp(-TAIL) is what a rule leaves out
SPREADS = 12.0  # of a component, beyond which its mass of 4e-33 is left out


@dataclass(frozen=True, eq=False)
class MarkedSignal:
    """A continuous signal, and what a decision of that signal adds to the update.

    Parameters
    ----------
    law : NormalMixture
        Every std > 0: a component is an arm, its weight the arm's probability.
    constant, linear : (C, D) float
        m(s) = constant + linear * s for the decisions of each component. For delight U = s / l, so
        v = U grad log pi(a) is linear; constant 1 counts what is kept.
    """

    law: NormalMixture
    constant: FloatArray
    linear: FloatArray

    def __post_init__(self) -> None:
        if not (self.law.stds > 0.0).all():
            raise ValueError(f"law: expected stds above 0, got {self.law.stds.min()}")
        for name, array in (("constant", self.constant), ("linear", self.linear)):
            if array.ndim != 2 or array.shape[0] != self.law.weights.size:
                raise ValueError(
                    f"{name}: expected shape ({self.law.weights.size}, D), got {array.shape}"
                )

    @classmethod
    def count(cls, law: NormalMixture) -> "MarkedSignal":
        """Return the mark 1, whose expectation is the kept share."""
        ones = np.ones((law.weights.size, 1))
        return cls(law, ones, np.zeros_like(ones))

    def density(self, s: FloatArray) -> FloatArray:
        """Density of every component at s, times its weight, (..., C)."""
        z = (s[..., None] - self.law.means) / self.law.stds
        scale = self.law.weights / (self.law.stds * np.sqrt(2.0 * np.pi))
        result: FloatArray = np.exp(-0.5 * z * z) * scale
        return result

    def marked(self, s: FloatArray) -> FloatArray:
        """E[m; s]: the mark times the density, summed over components, (..., D)."""
        density = self.density(s)
        result: FloatArray = density @ self.constant + (density * s[..., None]) @ self.linear
        return result


def panel_rule(edges: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return Gauss-Legendre nodes and weights (n,) on the panels between `edges` (m,)."""
    x, w = np.polynomial.legendre.leggauss(NODES)
    half = np.diff(edges)[:, None] / 2.0
    return (edges[:-1, None] + half * (1.0 + x)).ravel(), (half * w).ravel()


def beta_rule(a: float, b: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return nodes u, 1 - u and weights that integrate against the law Beta(a, b).

    The trapezoidal rule in logit u, where the density is analytic within pi of the real line: its
    error falls like exp(-2 pi^2 / step), or exp(-2 (pi spread / step)^2) where the law is nearly
    normal there.

    Parameters
    ----------
    a, b : float
        > 0.

    Returns
    -------
    u, rest, weights : (Q,) float
        `rest` is 1 - u without rounding.
    """

    def log_density(g: FloatArray) -> FloatArray:
        value: FloatArray = a * log_expit(g) + b * log_expit(-g)
        return value

    mode = float(np.log(a) - np.log(b))
    step = min(0.4, 0.5 * float(np.sqrt(1.0 / a + 1.0 / b)))
    reach = int(np.ceil((TAIL / min(a, b, 1.0) + TAIL * np.sqrt(1.0 / a + 1.0 / b)) / step))
    g = mode + step * np.arange(-reach, reach + 1)
    logs = log_density(g)
    inside = logs > -TAIL + float(log_density(np.array([mode]))[0])
    g, logs = g[inside], logs[inside]
    weights = np.exp(logs - logs.max())
    return expit(g), expit(-g), weights / weights.sum()


def batch_price_mean(marked: MarkedSignal, n: int, rate: float, temperature: float) -> FloatArray:
    """Return E[(1/n) sum w(s_i - price) m(s_i)] at the quantile price of the batch itself.

    Parameters
    ----------
    marked : MarkedSignal
    n : int
        Batch size, >= 2.
    rate : float
        In (0, 1).
    temperature : float
        >= 0, in the signal's unit.

    Returns
    -------
    (D,) float
        To about 1e-13 of the largest mark. One integral where (n - 1)(1 - rate) is a whole number,
        two where the price interpolates.

    Raises
    ------
    TypeError, ValueError
        n or rate out of range.
    """
    checks.count("n", n, 2)
    place = quantile_place(n, rate)
    low, share = place.low, float(place.share)
    u, rest, chance = beta_rule(low + 1.0, n - low)
    x = quantile_at(marked.law, u, rest)
    if share == 0.0:
        u_rest, y, price, above = rest, x, x, n - 1 - low
    else:
        step, left, weight = beta_rule(1.0, n - low - 1.0)
        u = np.repeat(u, step.size)
        u_rest = np.outer(rest, left).ravel()
        x = np.repeat(x, step.size)
        y = quantile_at(marked.law, u + np.outer(rest, step).ravel(), u_rest)
        price, above = x + share * (y - x), n - 2 - low
        chance = np.outer(chance, weight).ravel()
    total = keep_probability(x, price, temperature)[:, None] * _mean_mark(marked, x)
    if share > 0.0:
        total = total + keep_probability(y, price, temperature)[:, None] * _mean_mark(marked, y)
    if low > 0:
        total = total + low * _side(marked, x, price, temperature, -1.0) / u[:, None]
    if above > 0:
        total = total + above * _side(marked, y, price, temperature, 1.0) / u_rest[:, None]
    result: FloatArray = chance @ total / n
    return result


def leave_one_out_mean(marked: MarkedSignal, n: int, rate: float, temperature: float) -> FloatArray:
    """Return the same at leave-one-out prices, (D,): the mixture of fixed-price means, n >= 3."""
    checks.count("n", n, 3)
    place = quantile_place(n - 1, rate)
    low, share = place.low, float(place.share)
    u, rest, chance = beta_rule(low + 1.0, n - 1.0 - low)
    price = quantile_at(marked.law, u, rest)
    if share > 0.0:
        step, left, weight = beta_rule(1.0, n - low - 2.0)
        x = np.repeat(price, step.size)
        upper = np.repeat(u, step.size) + np.outer(rest, step).ravel()
        y = quantile_at(marked.law, upper, np.outer(rest, left).ravel())
        price, chance = x + share * (y - x), np.outer(chance, weight).ravel()
    both = _side(marked, price, price, temperature, -1.0)
    result: FloatArray = chance @ (both + _side(marked, price, price, temperature, 1.0))
    return result


def fixed_price_mean(marked: MarkedSignal, price: float, temperature: float) -> FloatArray:
    """Return the same at a fixed price, (D,)."""
    at = np.array([price])
    sides = [_side(marked, at, at, temperature, sign)[0] for sign in (-1.0, 1.0)]
    total: FloatArray = sides[0] + sides[1]
    return total


def quantile_at(law: NormalMixture, u: FloatArray, rest: FloatArray) -> FloatArray:
    """Return the u-quantile of the law, u and rest = 1 - u both without rounding, (...)."""
    if law.weights.size == 1:
        z = np.where(u < rest, ndtri(np.minimum(u, 0.5)), -ndtri(np.minimum(rest, 0.5)))
        result: FloatArray = law.means[0] + law.stds[0] * z
        return result
    low = np.full(u.shape, float((law.means - 40.0 * law.stds).min()))
    high = np.full(u.shape, float((law.means + 40.0 * law.stds).max()))
    for _ in range(80):
        middle = 0.5 * (low + high)
        z = (middle[..., None] - law.means) / law.stds
        past = np.where(u < rest, ndtr(z) @ law.weights > u, ndtr(-z) @ law.weights < rest)
        low, high = np.where(past, low, middle), np.where(past, middle, high)
    found: FloatArray = 0.5 * (low + high)
    return found


def _mean_mark(marked: MarkedSignal, s: FloatArray) -> FloatArray:
    """E[m given s], (P, D)."""
    value: FloatArray = marked.marked(s) / marked.density(s).sum(axis=-1)[:, None]
    return value


def _side(
    marked: MarkedSignal, end: FloatArray, price: FloatArray, temperature: float, sign: float
) -> FloatArray:
    """Return E[w m; s beyond `end`], (P, D): above it for sign 1, below for sign -1."""
    offsets, weights = panel_rule(panel_edges(marked.law, temperature))
    parts = []
    size = max(1, 2_000_000 // offsets.size)  # pairs at once, so that the memory stays small
    for first in range(0, end.size, size):
        s = end[first : first + size, None] + sign * offsets
        keep = keep_probability(s, price[first : first + size, None], temperature)
        parts.append(np.einsum("pq,pqd->pd", keep * weights, marked.marked(s)))
    return np.concatenate(parts)


def panel_edges(law: NormalMixture, temperature: float) -> FloatArray:
    """Return panel edges from 0 on, narrow beside 0, where the sigmoid bends."""
    width = float((law.means + SPREADS * law.stds).max() - (law.means - SPREADS * law.stds).min())
    panel = float(law.stds.min())
    edges = [0.0]
    step = min(panel, temperature if temperature > 0.0 else panel)
    while edges[-1] < width:
        edges.append(edges[-1] + step)
        step = min(panel, 2.0 * step)
    return np.array(edges)
