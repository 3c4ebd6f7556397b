"""Claims about a decision and the price that judges it: leave-one-out prices, and what adapts.

The batch-quantile price contains the decision's own signal. Every batch is enumerated on one side;
on the other stands the exact law of the price. Ours.
"""

from typing import Any

import numpy as np

from kondo_ref.checks import FloatArray
from kondo_ref.claims.register import Boundary, Claim, Sides, Step, norm
from kondo_ref.delight import log_softmax
from kondo_ref.exact.atoms import Bandit, FiniteRewards, atoms
from kondo_ref.exact.bandit import bandit_update
from kondo_ref.exact.batches import OF_BATCH, Baseline, every_batch
from kondo_ref.exact.leave_one_out import leave_one_out_prices
from kondo_ref.exact.priced_bandit import (
    Outcomes,
    at_fixed_price,
    at_leave_one_out_price,
    at_quantile_price,
    outcomes_of_bandit,
)
from kondo_ref.exact.quantile_law import population_quantile, quantile_price_law
from kondo_ref.gate import Gate, keep_probability
from kondo_ref.price import Quantile

OTHERS = "the price of a decision is the quantile of the other decisions' signals"
INDEPENDENT = "the decisions of a batch are independent"
OWN_ADVANTAGE = "a decision's advantage depends on no other decision"
SAME_PRICE = "the DG update is at the batch's own quantile price"
SAME_TEMPERATURE = "the temperature of the DG update is the gate's"
DECISIONS = "Z is the number of decisions"


def leave_one_out_mixture(
    bandit: Bandit,
    logits: FloatArray,
    n: int,
    rate: float,
    temperature: float,
    *,
    baseline: Baseline | None = None,
    price: str = "leave-one-out",
    identical: bool = False,
) -> Sides:
    """Hold the expected update at leave-one-out prices to a mixture of fixed-price updates.

    Hypotheses: the price of a decision is the quantile of the others' signals; independent
    decisions; an advantage depends on no other decision. Claim: E of the update is sum over prices
    of P(price) E[update at this fixed price], P the law of the quantile of n - 1 signals. Ours.

    Parameters
    ----------
    bandit : Bandit
        One context, finite rewards.
    logits : (1, K) float64
    n, rate, temperature
        The batch has 2 decisions or more, and few enough to enumerate.
    baseline : Baseline, optional
    price : str
        leave-one-out or batch.
    identical : bool
        The n decisions are copies of one.

    Returns
    -------
    Sides
        `actual` over all batches.
    """
    chosen = Baseline("constant", 0.5) if baseline is None else baseline
    actual, outcomes = _enumerated(
        bandit, logits, n, rate, temperature, chosen, price=price, identical=identical
    )
    law = quantile_price_law(outcomes.signal, n if price == "batch" else n - 1, rate)
    fixed = [at_fixed_price(outcomes, float(p), temperature) for p in law.prices]
    claimed = law.expect(np.stack([f.mean for f in fixed]))
    return Sides(
        actual,
        claimed,
        scale=outcomes.size,
        tolerance=32.0 + 8.0 * n * len(law.prices),
        numbers=_apart(actual, claimed),
    )


def _apart(actual: FloatArray, claimed: FloatArray) -> dict[str, float]:
    return {"apart, of the update": norm(actual - claimed) / max(norm(claimed), 1e-300)}


def _enumerated(
    bandit: Bandit,
    logits: FloatArray,
    n: int,
    rate: float,
    temperature: float,
    baseline: Baseline,
    *,
    price: str,
    identical: bool,
) -> tuple[FloatArray, Outcomes]:
    """Return the expected update over all batches, and the law of one decision."""
    gate = Gate(price=Quantile(rate), temperature=temperature)
    b: FloatArray = np.zeros(1)
    if baseline.kind not in OF_BATCH:
        b = baseline.of_policy(np.exp(log_softmax(logits)), bandit.mean)
    law = atoms(bandit, logits, gate, b)
    batches = every_batch(law, logits, gate, baseline, b, 1 if identical else n, "decisions", None)
    total: FloatArray = np.zeros(logits.size)
    signals, vectors, chances = [], [], []
    for chance, batch in batches:
        v = batch.unit_gradients()
        signal = batch.screening().signal
        signals.append(signal)
        vectors.append(v)
        chances.append(np.full(signal.size, chance / signal.size))
        if identical:
            signal, v = np.repeat(signal, n), np.repeat(v, n, axis=0)
        prices = leave_one_out_prices(signal, rate)
        if price == "batch":
            prices = np.full(n, Quantile(rate).solve(signal, temperature))
        total += chance * (keep_probability(signal, prices, temperature) @ v) / n
    return total, Outcomes(
        np.concatenate(signals), np.concatenate(vectors), np.concatenate(chances)
    )


def adaptive_price_over_batches(
    bandit: Bandit,
    logits: FloatArray,
    n: int,
    rate: float,
    temperature: float,
    *,
    dg_price: str = "batch",
    dg_temperature: float | None = None,
    normalizer: str = "decisions",
) -> Sides:
    """Hold the Bernoulli gate at the quantile price to the DG update, over batches.

    Hypotheses: the DG update is at the price of the very batch, which adapts with it, and at the
    gate's temperature; Z = decisions. Claim: the two have one expectation over batches and draws.
    It is not that at a fixed price, not even at the limit of the price. Statement 1, over batches.

    Parameters
    ----------
    bandit, logits, n, rate, temperature
        As in `leave_one_out_mixture`.
    dg_price : str
        batch, or population, the fixed quantile of the signal's law.
    dg_temperature : float, optional
    normalizer : str

    Returns
    -------
    Sides
        `actual` over all batches and gates, `claimed` by the law of the price given a signal.
    """
    baseline = Baseline("constant", 0.5)
    gate = Gate(price=Quantile(rate), temperature=temperature, draw="bernoulli")
    actual = bandit_update(
        bandit, logits, gate, baseline=baseline, batch=n, normalizer=normalizer
    ).moments.mean
    outcomes = outcomes_of_bandit(bandit, logits, baseline=baseline)
    at = temperature if dg_temperature is None else dg_temperature
    if dg_price == "batch":
        claimed = at_quantile_price(outcomes, n, rate, at)
    else:
        quantile = population_quantile(outcomes.signal, rate)
        claimed = at_fixed_price(outcomes, quantile.lower, at)
    return Sides(
        actual,
        claimed.mean,
        scale=outcomes.size,
        tolerance=32.0 + 8.0 * n * outcomes.signal.values.size**2,
        numbers=_apart(actual, claimed.mean),
    )


def small_bandit() -> dict[str, Any]:
    """Return three arms, one of which pays by chance, and batches of four."""
    rewards = FiniteRewards(
        np.array([[0.0, 1.0], [0.0, 1.0], [0.25, 1.0]]),
        np.array([[0.0, 1.0], [0.75, 0.25], [1.0, 0.0]]),
    )
    logits = np.log(np.array([[0.25, 0.625, 0.125]]))
    return {
        "bandit": Bandit.single(rewards), "logits": logits,
        "n": 4, "rate": 0.4, "temperature": 0.25,
    }  # fmt: skip


def _shows(s: Sides) -> str:
    share = 100.0 * s.numbers["apart, of the update"]
    return f"the expected update is {share:.3g} % of its length away from the claimed one"


def _mixture_steps() -> list[Step]:
    setting = small_bandit()
    outcomes = outcomes_of_bandit(
        setting["bandit"], setting["logits"], baseline=Baseline("constant", 0.5)
    )
    law = quantile_price_law(outcomes.signal, 3, 0.4)
    given = (outcomes, 4, 0.4, 0.25)
    loo, whole = at_leave_one_out_price(*given), leave_one_out_mixture(**setting)
    wrong = leave_one_out_mixture(**setting, price="batch")
    mean = float(law.expect(law.prices))
    top = float(outcomes.signal.values[-1])
    own = quantile_price_law(outcomes.signal, 4, 0.4, given=(top,))
    return [
        Step("The price of decision i is a function of the n - 1 other signals, independent of "
             "(s_i, v_i).", {"prices": len(law.prices), "mean price": mean}),
        Step("Given the price p, E[w(s_i - p) v_i] is the update at the fixed price p."),
        Step("Averaged over the law of the price it is the mixture.",
             {"norm, all batches": norm(whole.actual), "norm, mixture": norm(whole.claimed)}),
        Step("The batch's price contains s_i: given the largest signal it is higher on average.",
             {"mean price": float(own.expect(own.prices)), "not given": mean}),
        Step("So the expected update is not the mixture over its law.",
             {"apart, of the update": wrong.numbers["apart, of the update"]}),
        Step("The kept share at both prices:",
             {"leave-one-out": loo.kept_share, "batch": at_quantile_price(*given).kept_share}),
    ]  # fmt: skip


def _adaptive_steps() -> list[Step]:
    setting = small_bandit()
    outcomes = outcomes_of_bandit(
        setting["bandit"], setting["logits"], baseline=Baseline("constant", 0.5)
    )
    quantile = population_quantile(outcomes.signal, 0.4)
    fixed = at_fixed_price(outcomes, quantile.lower, 0.25)
    sizes = (2, 4, 16, 256, 4096, 65536)
    apart = {
        f"n = {n}": norm(at_quantile_price(outcomes, n, 0.4, 0.25).mean - fixed.mean)
        / norm(fixed.mean)
        for n in sizes
    }
    sides = adaptive_price_over_batches(**setting)
    return [
        Step("Given the batch the price is a number, and E over the draws of the Bernoulli update "
             "is the DG update at that number."),
        Step("The expectation over batches of both sides is the same.",
             {"norm, all batches and gates": norm(sides.actual),
              "norm, by the law of the price": norm(sides.claimed)}),
        Step("The fixed price to which the batch's tends is the quantile of the signal's law.",
             {"quantile": quantile.lower, "margin": quantile.margin}),
        Step("At it the expected update is another one, by this share of its length; so small a "
             "margin needs very large batches:", apart),
    ]  # fmt: skip


CLAIMS = (
    Claim(
        id="leave-one-out-price",
        group="price",
        section="ours",
        statement=(
            "At leave-one-out prices the expected update is the mixture of fixed-price updates "
            "over the law of the price, exactly"
        ),
        hypotheses=(OTHERS, INDEPENDENT, OWN_ADVANTAGE),
        source="ours",
        function=leave_one_out_mixture,
        instance=small_bandit,
        value="expected update over all batches of 4",
        boundaries=(
            Boundary(OTHERS, "the quantile of the whole batch",
                     lambda: small_bandit() | {"price": "batch"}, _shows),
            Boundary(INDEPENDENT, "one decision, four times",
                     lambda: small_bandit() | {"identical": True}, _shows),
            Boundary(OWN_ADVANTAGE, "the batch mean as baseline",
                     lambda: small_bandit() | {"baseline": Baseline("batch-mean")}, _shows),
        ),
        steps=_mixture_steps,
    ),
    Claim(
        id="adaptive-price-over-batches",
        group="price",
        section="ours",
        statement=(
            "Over batches the Bernoulli gate at the quantile price has the expectation of the DG "
            "update at the batch's own price, not at a fixed one"
        ),
        hypotheses=(SAME_PRICE, SAME_TEMPERATURE, DECISIONS),
        source="[K], Algorithm 1 beside [DG]; over batches ours",
        function=adaptive_price_over_batches,
        instance=small_bandit,
        value="expected update over all batches of 4 and all gates",
        boundaries=(
            Boundary(SAME_PRICE, "the quantile of the signal's law",
                     lambda: small_bandit() | {"dg_price": "population"}, _shows),
            Boundary(SAME_TEMPERATURE, "twice the temperature",
                     lambda: small_bandit() | {"dg_temperature": 0.5}, _shows),
            Boundary(DECISIONS, "Z = kept",
                     lambda: small_bandit() | {"normalizer": "kept"}, _shows),
        ),
        steps=_adaptive_steps,
    ),
)  # fmt: skip
