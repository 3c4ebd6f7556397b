"""The order in 1/n of what a quantile price does to an expectation, for continuous signals.

The expectation of (1/n) sum w(s_i - price) m(s_i) at the price of a batch of n has an expansion
whose first coefficient is closed: what the price's own bias and spread do, and what a decision does
to its own price. `kondo_ref.exact.quantile_density` has the expectation itself. Ours.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from kondo_ref import checks
from kondo_ref.checks import FloatArray
from kondo_ref.exact.quantile_density import (
    MarkedSignal,
    fixed_price_mean,
    panel_edges,
    panel_rule,
    quantile_at,
)


@dataclass(frozen=True, eq=False)
class FirstOrder:
    """The expansion limit + (price + own) / n + O(1/n^2) of an expectation at the quantile price.

    Parameters
    ----------
    limit : (D,) float
        At the population quantile.
    price : (D,) float
        What the price's bias (1 - 2 p) / n and variance p (1 - p) / n, both in probability with
        p = 1 - rate, do. It is all there is for a leave-one-out price.
    own : (D,) float
        What a decision's effect on its own price adds at the batch price.
    """

    limit: FloatArray
    price: FloatArray
    own: FloatArray


def first_order(marked: MarkedSignal, rate: float, temperature: float) -> FirstOrder:
    """Return the coefficients of 1/n, with p = 1 - rate, q the p-quantile and f its density.

    G(q) = E[w(s - q) m]. price = (1 - 2 p) G'/f + p (1 - p) (G'' - G' f'/f) / (2 f^2), and own =
    ((1 - p) E[w' m; s < q] - p E[w' m; s > q]) / f: minus the mean of w' m times the influence
    function of the quantile. Interpolation changes only the order 1/n^2.

    Parameters
    ----------
    marked : MarkedSignal
    rate : float
        In (0, 1).
    temperature : float
        >= 0, in the signal's unit. At 0 it is the limit of the coefficients, about which the
        expectation then swings with n: the hard gate keeps a whole number.
    """
    p = 1.0 - checks.rate_number("rate", rate)
    q = float(quantile_at(marked.law, np.array(p), np.array(rate)))
    at = np.array([q])
    density = marked.density(at)[0]
    f = float(density.sum())
    slope = float((density * (marked.law.means - q) / marked.law.stds**2).sum())
    w1, w2 = _slopes(marked, q, temperature)
    g1, g2 = -(w1[0] + w1[1]), w2[0] + w2[1]
    spread = 0.5 * p * (1.0 - p) * (g2 / f**2 - g1 * slope / f**3)
    return FirstOrder(
        fixed_price_mean(marked, q, temperature),
        (1.0 - 2.0 * p) * g1 / f + spread,
        ((1.0 - p) * w1[0] - p * w1[1]) / f,
    )


def _slopes(
    marked: MarkedSignal, q: float, temperature: float
) -> tuple[list[FloatArray], list[FloatArray]]:
    """Return E[w' m] and E[w'' m] below and above q, (D,) each."""
    w1, w2 = [], []
    if temperature == 0.0:  # w' is a unit mass at q, half of it on either side
        at = np.array([q])
        density = marked.density(at)[0]
        rising = density * (marked.law.means - q) / marked.law.stds**2
        change = rising @ marked.constant + (rising * q + density) @ marked.linear
        half = 0.5 * marked.marked(at)[0]
        return [half, half], [-0.5 * change, -0.5 * change]
    offsets, weights = panel_rule(panel_edges(marked.law, temperature))
    for sign in (-1.0, 1.0):
        x = sign * offsets / temperature
        first = expit(x) * expit(-x) / temperature
        second = first * (expit(-x) - expit(x)) / temperature
        m = marked.marked(q + sign * offsets)
        w1.append((weights * first) @ m)
        w2.append((weights * second) @ m)
    return w1, w2
