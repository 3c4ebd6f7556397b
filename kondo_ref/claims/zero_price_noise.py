"""Claims about the noise perpendicular to grad J: none behind the zero price, some in PG.

Statement 3: with one correct arm whatever is kept is collinear with grad J. What PG has there
instead, and when it has none either.
"""

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
    noisy,
    one_correct,
    three_arms,
    three_levels,
    two_contexts,
    with_baseline,
)
from kondo_ref.claims.register import Boundary, Claim, Sides, Step
from kondo_ref.delight import log_softmax
from kondo_ref.exact.atoms import Bandit
from kondo_ref.exact.bandit import bandit_update
from kondo_ref.exact.batches import Baseline
from kondo_ref.gate import Gate

SINGLE = "one context"
THREE_ARMS = "two wrong arms or more can be drawn"
ABOVE_ZERO = "the baseline is not 0"


def zero_price_noise(
    bandit: Bandit, logits: FloatArray, *, baseline: Baseline = HALF, gate: Gate = ZERO_PRICE
) -> Sides:
    """Hold the variance of the zero-price gate's update perpendicular to grad J to 0.

    Hypotheses: those of `zero_price_direction`, and one correct arm: every kept sample is then
    collinear with grad J. Source: [K], Prop. 1 (ii); statement 3.

    Parameters
    ----------
    bandit, logits, baseline, gate
        As in `zero_price_keeps_successes`.
    """
    found = bandit_update(bandit, logits, gate, baseline=baseline)
    plain = bandit_update(bandit, logits, Gate.named("pg"), baseline=baseline)
    variance = found.moments.split(found.direction).perpendicular_variance
    size = found.moments.total_variance + float(found.moments.mean @ found.moments.mean)
    pg = plain.moments.split(found.direction).perpendicular_variance
    numbers = {"perpendicular_variance": variance, "of_pg": pg}
    return Sides(variance, 0.0, scale=size, numbers=numbers)


def policy_gradient_noise(
    bandit: Bandit, logits: FloatArray, *, baseline: Baseline = HALF
) -> Sides:
    """Hold PG's variance perpendicular to grad J to b^2 sum over wrong j of pi_j |P (e_j - pi)|^2.

    Hypotheses: one correct arm, deterministic rewards in {0, 1}, a baseline constant in the
    context. P projects onto the complement of grad J. Source: [K], Prop. 1 (proof); statement 3.

    Parameters
    ----------
    bandit : Bandit
        Of one context.
    logits : (1, K) float64
    baseline : Baseline
    """
    plain = bandit_update(bandit, logits, Gate.named("pg"), baseline=baseline)
    pi = np.exp(log_softmax(logits))
    b = float(baseline.of_policy(pi, bandit.mean)[0])
    wrong = bandit.mean[0] < 0.5
    unit = plain.direction / np.linalg.norm(plain.direction)
    scores = np.eye(pi.size) - pi[0]
    across = scores - np.outer(scores @ unit, unit)
    claimed = b * b * float(pi[0][wrong] @ (across[wrong] ** 2).sum(axis=1))
    variance = plain.moments.split(plain.direction).perpendicular_variance
    size = plain.moments.total_variance + float(plain.moments.mean @ plain.moments.mean)
    numbers = {"perpendicular_variance": variance}
    return Sides(variance, claimed, scale=size, numbers=numbers)


def policy_gradient_is_noisy(
    bandit: Bandit, logits: FloatArray, *, baseline: Baseline = HALF
) -> Sides:
    """Hold PG's variance perpendicular to grad J to be above 0.

    Hypotheses: two wrong arms or more can be drawn, the baseline is not 0 (with one correct arm,
    rewards in {0, 1}).
    Without them there is nothing for a gate to remove. Source: [K], Prop. 1; statement 3.

    Parameters
    ----------
    bandit, logits, baseline
        As in `policy_gradient_noise`.
    """
    plain = bandit_update(bandit, logits, Gate.named("pg"), baseline=baseline)
    variance = plain.moments.split(plain.direction).perpendicular_variance
    size = plain.moments.total_variance + float(plain.moments.mean @ plain.moments.mean)
    return Sides(variance, 0.0, "above", scale=size, numbers={"perpendicular_variance": variance})


def _noise(sides: Sides) -> str:
    n = sides.numbers
    of_pg = f", of PG {n['of_pg']:.4f}" if "of_pg" in n else ""
    return f"perpendicular variance {n['perpendicular_variance']:.4f}{of_pg}"


def _noise_pg(sides: Sides) -> str:
    found = sides.numbers["perpendicular_variance"]
    return f"perpendicular variance {found:.4f}, the formula gives {float(sides.claimed):.4f}"  # type: ignore[arg-type]


def _steps_noise() -> list[Step]:
    sides, two = (
        zero_price_noise(**three_arms()),
        zero_price_noise(**one_correct(PI, [1.0, 1.0, 0.0])),
    )
    return [
        Step("With one correct arm y a kept sample is (1 - b)(e_y - pi), and grad J is "
             "p (e_y - pi): collinear.", {"pi": PI}),
        Step("So nothing that is kept has a part perpendicular to grad J.",
             {"perpendicular variance": sides.numbers["perpendicular_variance"]}),
        Step("PG also adds -b (e_j - pi) for wrong j, whose perpendicular parts have mean 0 and "
             "variance b^2 sum pi_j |P (e_j - pi)|^2.", {"of PG": sides.numbers["of_pg"]}),
        Step("That is 0 for two arms (e_j - pi is collinear too) and for b = 0."),
        Step("With two correct arms the kept samples have two directions.",
             {"perpendicular variance": two.numbers["perpendicular_variance"]}),
    ]  # fmt: skip


CLAIMS = (
    Claim(
        id="zero-price-noise",
        group="zero-price",
        section="3",
        statement="With one correct arm every kept sample is collinear with grad J: the variance "
        "perpendicular to it is exactly 0.",
        hypotheses=(ONE_CORRECT, BINARY, CERTAIN, IN_RANGE, SINGLE, PRICE_ZERO, LIMIT_ZERO),
        source="[K] Prop. 1 (ii)",
        function=zero_price_noise,
        instance=three_arms,
        value="perpendicular variance",
        boundaries=(
            Boundary(ONE_CORRECT, "two correct arms: the direction is kept, the variance is not 0",
                     lambda: one_correct(PI, [1.0, 1.0, 0.0]), _noise),
            Boundary(BINARY, "rewards 1, 3/4, 0", three_levels, _noise),
            Boundary(CERTAIN, "a wrong arm with noise of std 1", noisy, _noise),
            Boundary(CERTAIN, "a wrong arm that succeeds in a quarter of its draws",
                     flipped, _noise),
            Boundary(IN_RANGE, "b = -1/4", lambda: with_baseline(-0.25), _noise),
            Boundary(SINGLE, "two contexts: each sample is along its own part of grad J",
                     lambda: {**two_contexts(), "baseline": HALF}, _noise),
            Boundary(PRICE_ZERO, "price -1: likely wrong arms are kept too",
                     lambda: at_price(-1.0), _noise),
            Boundary(LIMIT_ZERO, "temperature 1", lambda: at_temperature(1.0), _noise),
        ),
        steps=_steps_noise,
    ),
    Claim(
        id="policy-gradient-noise",
        group="zero-price",
        section="3",
        statement="PG's variance perpendicular to grad J is b^2 sum pi_j |P (e_j - pi)|^2 over the "
        "wrong arms.",
        hypotheses=(ONE_CORRECT, BINARY, CERTAIN),
        source="[K] Prop. 1 (proof)",
        function=policy_gradient_noise,
        instance=three_arms,
        value="perpendicular variance of PG",
        boundaries=(
            Boundary(ONE_CORRECT, "two correct arms",
                     lambda: one_correct(PI, [1.0, 1.0, 0.0]), _noise_pg),
            Boundary(BINARY, "rewards 1, 3/4, 0", three_levels, _noise_pg),
            Boundary(CERTAIN, "a wrong arm with noise of std 1", noisy, _noise_pg),
        ),
        steps=_steps_noise,
    ),
    Claim(
        id="policy-gradient-noise-positive",
        group="zero-price",
        section="3",
        statement="That variance is above 0: there is noise for the gate to remove.",
        hypotheses=(THREE_ARMS, ABOVE_ZERO),
        source="[K] Prop. 1",
        function=policy_gradient_is_noisy,
        instance=three_arms,
        value="perpendicular variance of PG",
        boundaries=(
            Boundary(THREE_ARMS, "two arms", lambda: one_correct([0.2, 0.8]), _noise),
            Boundary(ABOVE_ZERO, "b = 0", lambda: with_baseline(0.0), _noise),
        ),
        steps=_steps_noise,
    ),
)  # fmt: skip
