"""Claims about what a cosine costs: batches of the zero-price gate and of PG.

Statement 3: the gate needs one success, PG needs of the order of 1/p^2 decisions under a constant
baseline. Both expectations are exact.
"""

import math

import numpy as np

from kondo_ref.checks import FloatArray
from kondo_ref.claims.bandits import (
    BINARY,
    CERTAIN,
    HALF,
    IN_RANGE,
    LIMIT_ZERO,
    ONE_CORRECT,
    PI,
    PRICE_ZERO,
    ZERO_PRICE,
    at_price,
    at_temperature,
    flipped,
    one_correct,
    three_arms,
    three_levels,
    with_baseline,
)
from kondo_ref.claims.register import Boundary, Claim, Number, Sides, Step
from kondo_ref.delight import log_softmax
from kondo_ref.exact.atoms import Bandit
from kondo_ref.exact.bandit import bandit_cosine
from kondo_ref.exact.batches import Baseline
from kondo_ref.exact.cosine import batch_for_cosine, limiting_batch, success_batch
from kondo_ref.gate import Gate

FIXED_B = "the baseline stays away from 0 as p falls (here 1/2)"
EVEN_ARMS = "the wrong arms are equally likely"
ENOUGH = "a cosine of .9 or more, and five arms or more"


def zero_price_batch(
    bandit: Bandit,
    logits: FloatArray,
    *,
    batch: int,
    baseline: Baseline = HALF,
    gate: Gate = ZERO_PRICE,
) -> Sides:
    """Hold the expected cosine of a zero-price batch to 1 - (1 - p)^B.

    Hypotheses: those of `zero_price_noise`. Claim: the cosine is 1 from the first success on (and
    counts as 0 before it), so B >= log(1/delta) / p forward and log(1/delta) backward passes give
    an expected cosine of 1 - delta. Source: [K], Prop. 1 (iv); statement 3.

    Parameters
    ----------
    bandit, logits, baseline, gate
        As in `zero_price_keeps_successes`.
    batch : int
        B; all batches are enumerated.
    """
    p = float(np.exp(log_softmax(logits))[0] @ bandit.mean[0])
    actual = bandit_cosine(bandit, logits, gate, baseline=baseline, batch=batch)
    claimed = -math.expm1(batch * math.log1p(-min(p, 1.0 - 1e-16)))
    return Sides(actual, claimed, scale=float(batch), numbers={"p": p})


def policy_gradient_batch(
    p: float, arms: int, b: float, cosine: float = 0.9, *, wrong: tuple[float, ...] | None = None
) -> Sides:
    """Hold p^2 times PG's batch for an expected cosine to at least its limit as p falls.

    Hypotheses: one correct arm, the wrong ones equally likely, a baseline that stays away from 0
    as p falls (here 1/2), a cosine of .9 or more and five arms or more. Claim: PG needs
    Omega(1/p^2) backward passes for a fixed cosine; p^2 B is above
    `kondo_ref.exact.cosine.limiting_batch`, and falls to it with p. With b = p it is Theta(1/p).
    Source: [K], Prop. 1 (iv); the constant is ours; statement 3.

    Parameters
    ----------
    p : float
    arms : int
        K.
    b : float
    cosine : float
        c in (0, 1).
    wrong : tuple of float, optional
        Shares of the wrong arms, of sum 1, where they are not equally likely; by enumeration, so
        for what small batches reach.
    """
    if wrong is None:
        batch = batch_for_cosine(p, arms, b, cosine)
    else:
        given = one_correct([p, *((1.0 - p) * share for share in wrong)])
        batch, plain, baseline = 1, Gate.named("pg"), Baseline("constant", b)
        while bandit_cosine(**given, gate=plain, baseline=baseline, batch=batch) < cosine:
            batch += 1
    bound = limiting_batch(arms, 0.5, cosine)
    numbers = {
        "batch": float(batch),
        "batch_p": batch * p,
        "passes_of_gate": success_batch(p, cosine) * p,
    }
    return Sides(batch * p * p, bound, "at least", numbers=numbers)


def _expected(sides: Sides) -> str:
    return f"expected cosine {float(sides.actual):.4f}, not {float(sides.claimed):.4f}"  # type: ignore[arg-type]


def _batch(sides: Sides) -> str:
    n = sides.numbers
    return f"B = {n['batch']:.0f}, p^2 B = {float(sides.actual):.3f}, p B = {n['batch_p']:.2f}"  # type: ignore[arg-type]


def _steps_batch() -> list[Step]:
    half, own = policy_gradient_batch(0.03, 1000, 0.5), policy_gradient_batch(0.03, 1000, 0.03)
    return [
        Step("In a batch of B with n successes and m failures the part along grad J is "
             "n (1 - b) + b m p / (1 - p), in units of |e_y - pi|: on average B p."),
        Step("The perpendicular part is b times what the counts of the wrong arms are off even: "
             "squared, b^2 m (K - 2) / (K - 1) on average."),
        Step("As p falls with x = B p^2 fixed, the first is certain and the second normal in K - 2 "
             "dimensions: E 1 / sqrt(1 + b^2 chi^2 / (x K)) is the cosine.",
             {"limit of p^2 B for .9": half.claimed}),
        Step("For a batch of any size the expectation is an integral of a coefficient of a power "
             "series: no sampling.", {"B": half.numbers["batch"], "p^2 B": half.actual}),
        Step("With b = p the perpendicular part shrinks with p and the first success decides.",
             {"B": own.numbers["batch"], "p B": own.numbers["batch_p"]}),
        Step("The gate needs one success: log(1/delta) backward passes.",
             {"passes": half.numbers["passes_of_gate"]}),
    ]  # fmt: skip


def _published_batches() -> tuple[Number, ...]:
    def on_grid(p: float, b: float) -> int:
        return batch_for_cosine(p, 1000, b, 0.9, grid=1.25)

    rows = [(0.3, 18), (0.1, 135), (0.03, 1262), (0.01, 11754)]
    numbers = [
        Number(f"PG batch for cosine .9, K = 1000, b = 1/2, p = {p:g}", printed, 0.05 * printed,
               lambda p=p: on_grid(p, 0.5), sampled=True)  # type: ignore[misc]
        for p, printed in rows
    ]  # fmt: skip
    for label, p, printed in (("least", 0.1, 2.2), ("most", 0.3, 2.7)):
        numbers.append(
            Number(f"PG p B for cosine .9, K = 1000, b = p, {label}", printed, 0.05 * printed,
                   lambda p=p: on_grid(p, p) * p, sampled=True)  # type: ignore[misc]
        )  # fmt: skip
    numbers += [
        Number(f"backward passes of the gate for cosine .9, p = {p:g}", printed, 0.05 * printed,
               lambda p=p: success_batch(p, 0.9) * p, sampled=True)  # type: ignore[misc]
        for p, printed in ((0.1, 2.2), (0.03, 2.3), (0.01, 2.3))
    ]  # fmt: skip
    return tuple(numbers)


CLAIMS = (
    Claim(
        id="zero-price-batch",
        group="zero-price",
        section="3",
        statement="The expected cosine of a zero-price batch is 1 - (1 - p)^B: one success is "
        "enough.",
        hypotheses=(ONE_CORRECT, BINARY, CERTAIN, IN_RANGE, PRICE_ZERO, LIMIT_ZERO),
        source="[K] Prop. 1 (iv)",
        function=zero_price_batch,
        instance=lambda: three_arms(batch=5),
        value="expected cosine",
        boundaries=(
            Boundary(ONE_CORRECT, "two correct arms",
                     lambda: {**one_correct(PI, [1.0, 1.0, 0.0]), "batch": 5}, _expected),
            Boundary(CERTAIN, "a wrong arm that succeeds in a quarter of its draws",
                     lambda: {**flipped(), "batch": 5}, _expected),
            Boundary(IN_RANGE, "b = -1/4", lambda: {**with_baseline(-0.25), "batch": 5}, _expected),
            Boundary(BINARY, "rewards 1, 3/4, 0",
                     lambda: {**three_levels(), "batch": 5}, _expected),
            Boundary(PRICE_ZERO, "price -1: likely wrong arms are kept too",
                     lambda: {**at_price(-1.0), "batch": 5}, _expected),
            Boundary(LIMIT_ZERO, "temperature 1",
                     lambda: {**at_temperature(1.0), "batch": 5}, _expected),
        ),
        steps=_steps_batch,
    ),
    Claim(
        id="policy-gradient-batch",
        group="zero-price",
        section="3",
        statement="With a constant baseline PG needs a batch of at least x / p^2 for an expected "
        "cosine c, x the limit; for many arms and b = 1/2, x = (c^2/4) / (1 - c^2).",
        hypotheses=(FIXED_B, EVEN_ARMS, ENOUGH),
        source="[K] Prop. 1 (iv); the constant is ours",
        function=policy_gradient_batch,
        instance=lambda: {"p": 0.03, "arms": 1000, "b": 0.5},
        value="p^2 B for a cosine of .9",
        boundaries=(
            Boundary(FIXED_B, "b = p: the batch grows as 1/p",
                     lambda: {"p": 0.03, "arms": 1000, "b": 0.03}, _batch),
            Boundary(FIXED_B, "b = 0", lambda: {"p": 0.03, "arms": 1000, "b": 0.0}, _batch),
            Boundary(EVEN_ARMS, "one wrong arm has 97 % of what the correct one leaves",
                     lambda: {"p": 0.3, "arms": 5, "b": 0.5,
                              "wrong": (0.97, 0.01, 0.01, 0.01)}, _batch),
            Boundary(ENOUGH, "a cosine of .5 and three arms: both wrong ones once are even",
                     lambda: {"p": 0.03, "arms": 3, "b": 0.5, "cosine": 0.5}, _batch),
        ),
        steps=_steps_batch,
        numbers=_published_batches(),
        remark="The printed batches are the first members of the grid int(1.25^k) whose expected "
        "cosine is .9; the least batches, exactly, are 18, 123, 1238 and 10801.",
    ),
)  # fmt: skip
