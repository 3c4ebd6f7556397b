"""A claim about the batch-quantile price of continuous signals: its bias is c/n, with a closed c.

Exact expectations of finite batches by order statistics, extrapolated, beside the closed first
coefficient of the expansion; no sampling. Ours.
"""

from typing import Any

import numpy as np

from kondo_ref.claims.price_bias import INDEPENDENT
from kondo_ref.claims.register import EPS, Boundary, Claim, Sides, Step
from kondo_ref.exact.quantile_density import MarkedSignal, batch_price_mean, leave_one_out_mean
from kondo_ref.exact.quantile_order import first_order
from kondo_ref.exact.realised_rate import NormalMixture

DENSE = "the signal has a smooth law with a density at its quantile"
WARM = "the temperature is above 0"
OWN_BATCH = "the price is the quantile of the decision's own batch"


def quantile_price_first_order(
    law: NormalMixture,
    rate: float,
    temperature: float,
    *,
    smallest: int = 256,
    price: str = "batch",
    identical: bool = False,
) -> Sides:
    """Hold n times the bias of the kept share to its closed limit, for continuous signals.

    Hypotheses: independent decisions; a smooth law with a density f at its p-quantile q, p = 1 -
    rate; temperature above 0. Claim: with G(q) = E[w(s - q)] the expected share kept at the
    batch's price is G(q) + c/n + O(1/n^2), c = (1 - 2p) G'/f + p (1 - p) (G'' - G' f'/f) / (2 f^2)
    + ((1 - p) E[w'; s < q] - p E[w'; s > q]) / f. The last term is what a decision does to its own
    price; at a leave-one-out price it is not there. Source: ours.

    Parameters
    ----------
    law : NormalMixture
        Every std above 0.
    rate : float
        In (0, 1), of which smallest * rate is a whole number.
    temperature : float
        In the signal's unit.
    smallest : int
        n - 1 of the smallest batch; five batches are taken, each twice as large.
    price : str
        batch, or leave-one-out.
    identical : bool
        The decisions of a batch are copies of one.

    Returns
    -------
    Sides
        `actual` extrapolated from the exact expectations of the five batches, with ten times the
        last correction and the cancellation in n (share - G) as tolerance; `claimed` closed.
    """
    marked = MarkedSignal.count(law)
    order = first_order(marked, rate, temperature)
    mean = batch_price_mean if price == "batch" else leave_one_out_mean
    sizes = [smallest * 2**j + 1 for j in range(5)]
    shares = [0.5 if identical else float(mean(marked, n, rate, temperature)[0]) for n in sizes]
    scaled = [n * (share - float(order.limit[0])) for n, share in zip(sizes, shares, strict=True)]
    value, correction = extrapolated([1.0 / n for n in sizes], scaled)
    tolerance = 128.0 * sizes[-1] + 10.0 * abs(correction) / EPS
    if identical or not np.isfinite(tolerance):
        tolerance = 128.0 * sizes[-1]  # what diverges corrects itself without end
    return Sides(
        value,
        float(order.price[0] + order.own[0]),
        scale=1.0,
        tolerance=min(tolerance, 1e-6 / EPS),
        numbers={
            "share at the population quantile": float(order.limit[0]),
            f"share in batches of {sizes[0]}": shares[0],
            "c, price": float(order.price[0]),
            "c, own signal": float(order.own[0]),
        },
    )


def extrapolated(x: list[float], y: list[float]) -> tuple[float, float]:
    """Return the value at x = 0 of the polynomial through the points, and its last correction."""
    column, before = list(y), y[-1]
    for k in range(1, len(x)):
        before = column[-1]
        column = [
            (x[i] * column[i + 1] - x[i + k] * column[i]) / (x[i] - x[i + k])
            for i in range(len(column) - 1)
        ]
    return column[-1], column[-1] - before


def _dense_instance() -> dict[str, Any]:
    return {"law": NormalMixture.normal(1.0), "rate": 1 / 32, "temperature": 1.0}


def _two_bells() -> NormalMixture:
    return NormalMixture(np.array([0.75, 0.25]), np.array([-2.0, 2.0]), np.array([0.5, 0.5]))


def _coefficient(s: Sides) -> str:
    a, c = float(np.max(s.actual)), float(np.max(s.claimed))
    return f"n (share - limit) leads to {a:.4g}, not to {c:.4g}"


def _dense_steps() -> list[Step]:
    marked = MarkedSignal.count(NormalMixture.normal(1.0))
    order = first_order(marked, 1 / 32, 1.0)
    sizes = (33, 129, 513, 2049)
    shares = {n: float(batch_price_mean(marked, n, 1 / 32, 1.0)[0]) for n in sizes}
    limit = float(order.limit[0])
    return [
        Step("At the fixed price q, the quantile of N(0, 1), the gate keeps G(q) = E[w].",
             {"rate": 1 / 32, "G(q)": limit}),
        Step("In probability the price has the bias (1 - 2p)/n and the variance p (1 - p)/n; so "
             "G at the price changes by the first part of c.", {"c, price": float(order.price[0])}),
        Step("A decision moves the price by its influence (p - 1{s < q})/(f n), which changes its "
             "own w by -w' times that: the second part of c.", {"c, own": float(order.own[0])}),
        Step("The exact shares of finite batches, by order statistics:",
             {f"n = {n}": share for n, share in shares.items()}),
        Step("n (share - G) tends to c.",
             {f"n = {n}": n * (share - limit) for n, share in shares.items()}
             | {"c": float(order.price[0] + order.own[0])}),
    ]  # fmt: skip


CLAIMS = (
    Claim(
        id="quantile-price-density",
        group="price",
        section="ours",
        statement=(
            "Where the signal has a density at its quantile, the share kept at the batch-quantile "
            "price exceeds that at the fixed quantile by c/n + O(1/n^2), c closed"
        ),
        hypotheses=(DENSE, WARM, OWN_BATCH, INDEPENDENT),
        source="ours",
        function=quantile_price_first_order,
        instance=_dense_instance,
        value="limit of n (kept share - its value at the fixed quantile)",
        boundaries=(
            Boundary(
                DENSE,
                "a quantile between two narrow bells",
                lambda: _dense_instance() | {"law": _two_bells(), "rate": 0.25},
                _coefficient,
            ),
            Boundary(
                WARM,
                "a hard gate, which keeps exactly (n - 1) rate",
                lambda: _dense_instance() | {"temperature": 0.0},
                _coefficient,
            ),
            Boundary(
                OWN_BATCH,
                "leave-one-out prices",
                lambda: _dense_instance() | {"rate": 0.25, "price": "leave-one-out"},
                _coefficient,
            ),
            Boundary(
                INDEPENDENT,
                "one decision, n times",
                lambda: _dense_instance() | {"identical": True},
                _coefficient,
            ),
        ),
        steps=_dense_steps,
    ),
)
