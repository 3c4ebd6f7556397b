"""Claims about the rate that a Bernoulli gate realises at the quantile price. Ours.

The statements are in `kondo_ref.claims.price_rate_laws`; here are their instances, derivations,
counterexamples, and the printed numbers.
"""

from typing import Any

import numpy as np
from scipy.special import ndtri

from kondo_ref.claims.price_rate_laws import (
    BATCH,
    BELOW_HALF,
    NO_ATOM,
    NORMAL,
    ONE_TEMPERATURE,
    QUANTILE,
    UNIMODAL,
    WARM,
    heavy_tails,
    lopsided,
    mnist_like,
    realised_rate_between,
    realised_rate_limits,
    realised_rate_of_a_normal_signal,
    realised_rate_rises,
)
from kondo_ref.claims.register import Boundary, Claim, Number, Sides, Step
from kondo_ref.exact.quantile_density import MarkedSignal, batch_price_mean
from kondo_ref.exact.realised_rate import NormalMixture, rate_at_quantile_price, realised_rate

SIMULATED = 256  # decisions, of the batches that the derivation shows


def _curve_instance() -> dict[str, Any]:
    return {"law": NormalMixture.normal(1.0), "rate": 0.03, "temperature": 1.0}


def _between_instance() -> dict[str, Any]:
    return {"law": NormalMixture.normal(1.0), "rate": 0.03, "temperature": 0.2, "hotter": 1.0}


def _limits_instance() -> dict[str, Any]:
    return {"law": NormalMixture.normal(1.0), "rate": 0.03, "temperature": 0.1}


def _rises_instance() -> dict[str, Any]:
    return {"law": NormalMixture.normal(1.0), "rate": 0.03, "larger": 0.1, "temperature": 1.0}


def _keeps(s: Sides) -> str:
    k, a, c = s.numbers["std/temperature"], float(np.max(s.actual)), float(np.max(s.claimed))
    return f"std/temperature = {k:.3g}: the gate keeps {a:.4f}, the formula says {c:.4f}"


def _places(s: Sides) -> str:
    return (
        f"rate {s.numbers['rate']:g}: {s.numbers['realised']:.4f} kept, and "
        f"{s.numbers['realised, hotter']:.4f} at the higher temperature"
    )


def _far(s: Sides) -> str:
    k, share = s.numbers["std/temperature"], s.numbers["realised"]
    bounds = np.ravel(s.claimed)
    return (
        f"std/temperature = {k:.3g}: {share:.4f} kept, {np.ravel(s.actual)[0]:.3g} and "
        f"{np.ravel(s.actual)[1]:.3g} from the limits, the bounds being {bounds[0]:.3g} and "
        f"{bounds[1]:.3g}"
    )


def _compares(s: Sides) -> str:
    return (
        f"rate {s.numbers['rate']:g} keeps {s.numbers['realised']:.4f}, rate "
        f"{s.numbers['larger']:g} keeps {s.numbers['realised, larger']:.4f}"
    )


def _in_batches(std: float) -> float:
    marked = MarkedSignal.count(NormalMixture.normal(std))
    return float(batch_price_mean(marked, SIMULATED, 0.03, 1.0)[0])


def _curve_steps() -> list[Step]:
    spreads = (0.05, 1.0, 5.0, 20.0)
    limits = {f"k = {k:g}": float(realised_rate(k, 0.03)) for k in spreads}
    small = {f"k = {k:g}": 0.5 + k * float(ndtri(0.03)) / 4.0 for k in spreads[:2]}
    tails = heavy_tails()
    return [
        Step("The quantile price of a large batch of N(0, s) is s z.",
             {"rate": 0.03, "z": -float(ndtri(0.03))}),
        Step("So w = sigmoid(k (Z - z)), k = s/temperature, and the realised rate is its mean.",
             limits),
        Step("For small k it is 1/2 - k z/4: the signal hardly matters, half of all is kept.",
             small),
        Step("In batches of 256 the price is the batch's own:",
             {f"k = {k:g}": _in_batches(k) for k in spreads[:3]}),
        Step("With a tie of 97 % at 0 and the quantile in it half of the tie is kept, whatever the "
             "temperature:", {f"temperature {t:g}": rate_at_quantile_price(mnist_like(), 0.03, t)
                              for t in (1.0, 0.1, 0.01)}),
        Step("With heavy tails std/temperature is not what decides:",
             {"std": tails.std, "realised at temperature 1":
              rate_at_quantile_price(tails, 0.03, 1.0),
              "normal of this std": float(realised_rate(tails.std, 0.03))}),
    ]  # fmt: skip


def _between_steps() -> list[Step]:
    temperatures = (0.01, 0.1, 1.0, 10.0, 100.0)
    law = NormalMixture.normal(1.0)
    return [
        Step("Let q > 0 be the distance of the price from the centre: rate below 1/2.",
             {"q": law.upper_quantile(0.03)}),
        Step("R(k) is the integral over t of sigmoid(k t) f(q + t), k = 1/temperature."),
        Step("R'(k) is that of t sigmoid'(k t) f(q + t); t and -t together give t sigmoid'(k t) "
             "(f(q + t) - f(q - t)) < 0."),
        Step("R falls from 1/2 at k = 0 to the rate at k = infinity.",
             {f"temperature {t:g}": rate_at_quantile_price(law, 0.03, t) for t in temperatures}),
    ]  # fmt: skip


def _limits_steps() -> list[Step]:
    sides = [
        realised_rate_limits(NormalMixture.normal(1.0), 0.03, 1.0 / k) for k in (0.05, 0.5, 5.0, 50)
    ]
    names = [f"k = {s.numbers['std/temperature']:.3g}" for s in sides]
    pick = {"distance": 0, "bound": 1}
    small, large = (
        {f"{n}, {what}": float(np.ravel((s.actual, s.claimed)[side])[i])
         for n, s in zip(names, sides, strict=True) for what, side in pick.items()}
        for i in (0, 1)
    )  # fmt: skip
    return [
        Step("sigmoid(x) is 1/2 + x/4 to within abs(x)^3/48; with x = k (Z - z) its mean is 1/2 - "
             "k z/4.", small),
        Step("R - rate is the integral over t > 0 of sigmoid(-k t) (f(z - t) - f(z + t))."),
        Step("The bracket is at most 2 t max abs(f'), max abs(f') = 1/sqrt(2 pi e)."),
        Step("And the integral of t sigmoid(-k t) is pi^2 / (12 k^2).", large),
    ]  # fmt: skip


def _rises_steps() -> list[Step]:
    rates = (0.01, 0.03, 0.1, 0.3)
    return [
        Step("The quantile price falls as the rate rises.",
             {f"rate {r:g}": NormalMixture.normal(1.0).upper_quantile(r) for r in rates}),
        Step("Every keep probability falls as the price rises, strictly at a temperature > 0."),
        Step("So the realised rate rises.",
             {f"rate {r:g}": float(realised_rate(1.0, r)) for r in rates}),
        Step("In a tie the price stands still, and so does the realised rate.",
             {f"rate {r:g}": rate_at_quantile_price(mnist_like(), r, 1.0) for r in (0.03, 0.1)}),
    ]  # fmt: skip


CLAIMS = (
    Claim(
        id="realised-rate-normal",
        group="price",
        section="ours",
        statement=(
            "For a normal signal the Bernoulli gate at the quantile price keeps E[sigmoid(k (Z - "
            "z))], a function of k = std(signal)/temperature and the rate alone"
        ),
        hypotheses=(NORMAL, QUANTILE, BATCH),
        source="ours",
        function=realised_rate_of_a_normal_signal,
        instance=_curve_instance,
        value="realised rate at rate .03, std/temperature 1",
        boundaries=(
            Boundary(NORMAL, "heavy tails", lambda: _curve_instance() | {"law": heavy_tails()},
                     _keeps),
            Boundary(NORMAL, "a tie of 97 % at 0",
                     lambda: _curve_instance() | {"law": mnist_like(), "temperature": 0.01},
                     _keeps),
            Boundary(QUANTILE, "the calibrated price",
                     lambda: _curve_instance() | {"price": "calibrated"}, _keeps),
            Boundary(BATCH, "batches of 10", lambda: _curve_instance() | {"batch": 10}, _keeps),
        ),
        steps=_curve_steps,
        numbers=(
            Number("std .05, rate .03, large batch", 0.484, 0.05 * 0.484,
                   lambda: float(realised_rate(0.05, 0.03)), sampled=True),
            Number("std 1, rate .03, large batch", 0.173, 0.05 * 0.173,
                   lambda: float(realised_rate(1.0, 0.03)), sampled=True),
        ),
        remark=(
            "In the limit of a large batch the rates are .4765, .1697 and .0385. Printed are .484, "
            ".173 and .043; the last is 10 % off and not counted as met. No one batch size gives "
            "all three (256 decisions: .4769, .1740 and .0413). The printed .484 is the limit at "
            "rate .1, not .03"
        ),
    ),
    Claim(
        id="realised-rate-between",
        group="price",
        section="ours",
        statement=(
            "At the quantile price the realised rate lies strictly between the rate and 1/2, and "
            "rises with the temperature"
        ),
        hypotheses=(UNIMODAL, BELOW_HALF, QUANTILE, WARM),
        source="ours",
        function=realised_rate_between,
        instance=_between_instance,
        value="realised rates at temperatures .2 and 1, and 1/2",
        boundaries=(
            Boundary(UNIMODAL, "2 % of the decisions far above the others",
                     lambda: _between_instance()
                     | {"law": lopsided(), "temperature": 20.0, "hotter": 80.0}, _places),
            Boundary(BELOW_HALF, "rate .7", lambda: _between_instance() | {"rate": 0.7}, _places),
            Boundary(QUANTILE, "the calibrated price",
                     lambda: _between_instance() | {"price": "calibrated"}, _places),
            Boundary(WARM, "temperature 0",
                     lambda: _between_instance() | {"temperature": 0.0}, _places),
        ),
        steps=_between_steps,
    ),
    Claim(
        id="realised-rate-limits",
        group="price",
        section="ours",
        statement=(
            "With k = std/temperature the realised rate is 1/2 - k z/4 to within k^3 E abs(Z - "
            "z)^3/48, and the rate to within .398/k^2"
        ),
        hypotheses=(NORMAL, QUANTILE),
        source="ours",
        function=realised_rate_limits,
        instance=_limits_instance,
        value="distance from 1/2 - k z/4 and from the rate, k = 10",
        boundaries=(
            Boundary(NORMAL, "a tie of 97 % at 0",
                     lambda: _limits_instance() | {"law": mnist_like(), "temperature": 0.01},
                     _far),
            Boundary(QUANTILE, "the calibrated price",
                     lambda: _limits_instance() | {"price": "calibrated", "temperature": 100.0},
                     _far),
        ),
        steps=_limits_steps,
    ),
    Claim(
        id="realised-rate-rises",
        group="price",
        section="ours",
        statement="At the quantile price a larger rate realises a larger rate",
        hypotheses=(NO_ATOM, ONE_TEMPERATURE),
        source="ours",
        function=realised_rate_rises,
        instance=_rises_instance,
        value="realised rate at rate .1, above that at .03",
        boundaries=(
            Boundary(NO_ATOM, "a tie of 97 % at 0",
                     lambda: _rises_instance() | {"law": mnist_like()}, _compares),
            Boundary(ONE_TEMPERATURE, "the larger rate at a temperature of .01",
                     lambda: _rises_instance() | {"its_temperature": 0.01}, _compares),
        ),
        steps=_rises_steps,
    ),
)  # fmt: skip
