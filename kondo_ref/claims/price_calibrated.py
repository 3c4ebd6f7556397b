"""Claims about the calibrated price: the rate exactly, and what that says of the choice. Ours.

The mean keep probability is the rate on every batch. What is kept is another matter: the recall of
the exact top share is bounded by std(signal)/temperature, and near the rate itself, which is
chance, where that is small.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from kondo_ref.claims.price_rate_laws import NORMAL, heavy_tails
from kondo_ref.claims.register import EPS, Boundary, Claim, Sides, Step
from kondo_ref.exact.realised_rate import (
    NormalMixture,
    calibrated_limit,
    rate_at_price,
    recall_at_price,
)
from kondo_ref.gate import Gate, keep_probability
from kondo_ref.price import Calibrated, Quantile
from kondo_ref.screening import screen_surprisal

CALIBRATED = "the price is calibrated"
THIS_BATCH = "it is solved on this batch"
ITS_SHARE = "the recall is of the top share that the gate is asked to keep"


def calibrated_price_keeps_the_rate(
    signal: ArrayLike,
    rate: float,
    temperature: float,
    *,
    price: str = "calibrated",
    of: ArrayLike | None = None,
) -> Sides:
    """Hold the mean keep probability at the calibrated price to the rate, on any batch.

    Hypotheses: the calibrated price, solved on this batch. Claim: the expected rate is the rate,
    exactly, for any signal, spread and temperature above 0. Source: ours.

    Parameters
    ----------
    signal : (n,) float
    rate : float
        In (0, 1].
    temperature : float
        > 0, in the signal's unit.
    price : str
        calibrated or quantile.
    of : (m,) float, optional
        Another batch, on which the price is solved.

    Returns
    -------
    Sides
        `actual` by the core; the tolerance is what rounding of the price does to the sigmoids.
    """
    values = np.asarray(signal, dtype=np.float64)
    kind = Calibrated(rate) if price == "calibrated" else Quantile(rate)
    gate = Gate(signal="advantage", price=kind, temperature=temperature)
    ones = np.ones(values.size)
    if of is None:
        screening = screen_surprisal(ones, values, gate)
        solved, share = float(np.max(screening.price or 0.0)), screening.expected_rate
    else:
        solved = kind.solve(np.asarray(of, dtype=np.float64), temperature)
        share = float(keep_probability(values, solved, temperature).mean())
    size = float(np.abs(values).max()) + (abs(solved) if np.isfinite(solved) else 0.0)
    return Sides(
        share,
        rate,
        scale=1.0,
        tolerance=8.0 + values.size + 2.0 * size / temperature,
        numbers={"rate": rate, "expected rate": share, "std/temperature":
                 float(values.std()) / temperature},
    )  # fmt: skip


def calibrated_recall(
    law: NormalMixture,
    rate: float,
    temperature: float,
    *,
    price: str = "calibrated",
    share: float | None = None,
) -> Sides:
    """Bound the recall of the exact top share at the calibrated price, in a large batch.

    Hypotheses: a normal signal; the calibrated price; the recall is of the top share `rate`.
    Claim: rate <= recall <= Phi(k - z), k = std/temperature and z the (1 - rate)-quantile of Z.
    The first since w rises with the signal. The second since w = exp(k Z) D(Z) with D falling:
    under the law tilted by exp(k Z), which is N(k, 1), D and the top are negatively associated.
    So for small k the choice is little better than chance, rate exact or not. Source: ours.

    Parameters
    ----------
    law : NormalMixture
        Of the signal.
    rate, temperature : float
    price : str
        calibrated, or quantile, which keeps more.
    share : float, optional
        Recall of another top share.

    Returns
    -------
    Sides
        `actual` is (rate, recall), `claimed` (recall, bound).
    """
    solved = (
        calibrated_limit(law, rate, temperature)
        if price == "calibrated"
        else law.upper_quantile(rate)
    )
    top = rate if share is None else share
    recall = recall_at_price(law, solved, temperature, top)
    k = law.std / temperature
    bound = float(ndtr(k + ndtri(rate)))
    kept = rate_at_price(law, solved, temperature)
    # The price is a root: its rounding moves w by that over the temperature, recall by 1/rate more.
    size = abs(solved) + float(np.abs(law.means).max() + 40.0 * law.stds.max())
    return Sides(
        [rate, recall],
        [recall, bound],
        "at most",
        scale=1.0,
        tolerance=32.0 * (1.0 + (1.0 + size * EPS / temperature) / rate),
        numbers={"std/temperature": k, "kept": kept, "recall": recall, "bound": bound},
    )


def _signals(std: float, n: int = 64) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return n quantiles of N(0, std), in the middle of equal shares."""
    return std * np.asarray(ndtri((np.arange(n) + 0.5) / n), dtype=np.float64)


def _rate_instance() -> dict[str, Any]:
    return {"signal": _signals(0.01), "rate": 0.03, "temperature": 1.0}


def _recall_instance() -> dict[str, Any]:
    return {"law": NormalMixture.normal(0.01), "rate": 0.03, "temperature": 1.0}


def _kept(s: Sides) -> str:
    return f"rate {s.numbers['rate']:g}: {s.numbers['expected rate']:.4f} are kept"


def _recalled(s: Sides) -> str:
    return (
        f"std/temperature = {s.numbers['std/temperature']:.3g}: recall {s.numbers['recall']:.4f}, "
        f"above {s.numbers['bound']:.4f}, of {s.numbers['kept']:.4f} kept"
    )


def _rate_steps() -> list[Step]:
    values = _signals(0.01)
    price = Calibrated(0.03).solve(values, 1.0)
    return [
        Step("The mean of sigmoid((s_i - price)/T) falls from 1 to 0 as the price rises, so the "
             "rate has one root.", {"rate": 0.03, "price": price}),
        Step("It lies within the signals, each less T logit(rate).",
             {"least": float(values[0]) - float(np.log(0.03 / 0.97)),
              "largest": float(values[-1]) - float(np.log(0.03 / 0.97))}),
        Step("There the mean is the rate.",
             {"mean w": float(keep_probability(values, price, 1.0).mean())}),
        Step("At the quantile price it is not.",
             {"mean w": calibrated_price_keeps_the_rate(values, 0.03, 1.0, price="quantile")
              .numbers["expected rate"]}),
    ]  # fmt: skip


def _recall_steps() -> list[Step]:
    spreads = (0.01, 0.1, 1.0, 5.0, 50.0)
    sides = [calibrated_recall(NormalMixture.normal(k), 0.03, 1.0) for k in spreads]
    names = [f"k = {k:g}" for k in spreads]
    prices = {n: calibrated_limit(NormalMixture.normal(k), 0.03, 1.0)
              for n, k in zip(names, spreads, strict=True)}  # fmt: skip
    return [
        Step("The calibrated price of a large batch is the root of E[w] = rate.", prices),
        Step("w rises with the signal, as does being in the top: recall = E[w; top]/rate >= rate."),
        Step("w = exp(k Z) D(Z), D falling; under the law tilted by exp(k Z), N(k, 1), E[D; top] "
             "<= E[D] P(top), so recall <= P(k + Z > z) = Phi(k - z).",
             {n: s.numbers["bound"] for n, s in zip(names, sides, strict=True)}),
        Step("The recall itself, by quadrature: at k = .01 it is that of chance, .03.",
             {n: s.numbers["recall"] for n, s in zip(names, sides, strict=True)}),
    ]  # fmt: skip


CLAIMS = (
    Claim(
        id="calibrated-rate",
        group="price",
        section="ours",
        statement="At the calibrated price the mean keep probability of a batch is the rate",
        hypotheses=(CALIBRATED, THIS_BATCH),
        source="ours",
        function=calibrated_price_keeps_the_rate,
        instance=_rate_instance,
        value="expected rate of 64 signals, std/temperature .01",
        boundaries=(
            Boundary(CALIBRATED, "the quantile price",
                     lambda: _rate_instance() | {"price": "quantile"}, _kept),
            Boundary(THIS_BATCH, "solved on a batch ten times as wide",
                     lambda: {"signal": _signals(1.0), "rate": 0.03, "temperature": 1.0,
                              "of": _signals(10.0)}, _kept),
        ),
        steps=_rate_steps,
    ),
    Claim(
        id="calibrated-recall",
        group="price",
        section="ours",
        statement=(
            "At the calibrated price the recall of the exact top share lies between the rate, "
            "which is chance, and Phi(k - z), k = std(signal)/temperature"
        ),
        hypotheses=(NORMAL, CALIBRATED, ITS_SHARE),
        source="ours",
        function=calibrated_recall,
        instance=_recall_instance,
        value="rate and recall at std/temperature .01",
        boundaries=(
            Boundary(NORMAL, "heavy tails",
                     lambda: _recall_instance()
                     | {"law": heavy_tails(), "rate": 0.005, "temperature": 1.0}, _recalled),
            Boundary(CALIBRATED, "the quantile price",
                     lambda: _recall_instance() | {"price": "quantile"}, _recalled),
            Boundary(ITS_SHARE, "recall of the top .1 %",
                     lambda: _recall_instance() | {"share": 0.001}, _recalled),
        ),
        steps=_recall_steps,
    ),
)  # fmt: skip
