"""Claims about the zero price at temperature 0 on a bandit: what is kept, and where it points.

Statement 3 of rewards 0 and 1: kept are the successes, and the expected update is (1 - b) grad J.
The noise that is left is in `zero_price_noise`, what a cosine costs in `zero_price_batch`, and
statement 4, at a temperature above 0, in `temperature`; the group's claims are collected here.
"""

import math

import numpy as np

from kondo_ref.checks import FloatArray
from kondo_ref.claims import temperature, zero_price_batch, zero_price_noise
from kondo_ref.claims.bandits import (
    BINARY,
    CERTAIN,
    HALF,
    IN_RANGE,
    LIMIT_ZERO,
    ONE_CONTEXT,
    PI,
    PRICE_ZERO,
    ZERO_PRICE,
    at_price,
    at_temperature,
    noisy,
    three_arms,
    three_levels,
    two_contexts,
    with_baseline,
)
from kondo_ref.claims.register import Boundary, Claim, Sides, Step
from kondo_ref.delight import log_softmax
from kondo_ref.exact.atoms import Bandit, atoms
from kondo_ref.exact.bandit import bandit_update, keep_of_atoms
from kondo_ref.exact.batches import Baseline
from kondo_ref.gate import Gate

CAN_MISS = "no action has probability 1"


def zero_price_keeps_successes(
    bandit: Bandit, logits: FloatArray, *, baseline: Baseline = HALF, gate: Gate = ZERO_PRICE
) -> Sides:
    """Hold the keep probability of every action to its reward.

    Hypotheses: deterministic rewards in {0, 1}, a baseline constant in the context and in [0, 1),
    price 0, temperature 0, no action with probability 1. Claim: kept are exactly the successes.
    Source: [K], Prop. 1 (i); statement 3.

    Parameters
    ----------
    bandit : Bandit
    logits : (C, K) float64
    baseline : Baseline
        Of the policy.
    gate : Gate
        With a fixed price.

    Returns
    -------
    Sides
        `actual`: expected keep probability given context and action, (C K,).
    """
    b = baseline.of_policy(np.exp(log_softmax(logits)), bandit.mean)
    law = atoms(bandit, logits, gate, b)
    w = keep_of_atoms(law, logits, gate, b)
    place = law.context * logits.shape[1] + law.action
    whole = np.bincount(place, law.probability, logits.size)
    kept = np.bincount(place, law.probability * w, logits.size)
    seen = whole > 0.0
    actual, claimed = kept[seen] / whole[seen], bandit.mean.ravel()[seen]
    share = float(kept.sum())
    value = float(np.bincount(law.context, law.probability * law.reward).sum())
    scale = math.sqrt(actual.size)
    return Sides(actual, claimed, scale=scale, numbers={"kept_share": share, "value": value})


def zero_price_direction(
    bandit: Bandit, logits: FloatArray, *, baseline: Baseline = HALF, gate: Gate = ZERO_PRICE
) -> Sides:
    """Hold the expected update of the zero-price gate to (1 - b) grad J.

    Hypotheses: deterministic rewards in {0, 1}, a baseline constant in the context and in [0, 1),
    one context (or one b for all), price 0, temperature 0. The wrong arms need not be equally
    likely, and any number of arms may be correct. Source: [K], Prop. 1 (i); statement 3.

    Parameters
    ----------
    bandit, logits, baseline, gate
        As in `zero_price_keeps_successes`.
    """
    found = bandit_update(bandit, logits, gate, baseline=baseline)
    b = baseline.of_policy(np.exp(log_softmax(logits)), bandit.mean)
    assert bandit.weights is not None
    level = float(bandit.weights @ b)
    split = found.moments.split(found.direction)
    value = float(np.einsum("c,ck,ck->", bandit.weights, np.exp(log_softmax(logits)), bandit.mean))
    return Sides(
        found.moments.mean,
        (1.0 - level) * found.direction,
        scale=max(abs(value), float(np.linalg.norm(found.moments.mean))),
        numbers={
            "cosine": split.cosine,
            "length": split.along_mean / float(np.linalg.norm(found.direction)),
            "one_minus_b": 1.0 - level,
        },
    )


def _cosine(sides: Sides) -> str:
    n = sides.numbers
    if not np.any(sides.actual):
        return f"the update is 0, not {n['one_minus_b']:g} of grad J"
    return f"cosine {n['cosine']:.4f}, length {n['length']:.4f} of grad J, not {n['one_minus_b']:g}"


def _kept(sides: Sides) -> str:
    n = sides.numbers
    return f"kept share {n['kept_share']:.4f}, share of successes {n['value']:.4f}"


def _steps_direction() -> list[Step]:
    sides, kept = zero_price_direction(**three_arms()), zero_price_keeps_successes(**three_arms())
    turned = zero_price_direction(**three_levels())
    return [
        Step("Rewards are 0 or 1 and b is in [0, 1): U = 1 - b > 0 on a success, U = -b <= 0 else.",
             {"pi": PI, "U": [0.5, -0.5, -0.5]}),
        Step("Surprisal is positive, so the delight has the sign of U: kept are exactly the "
             "successes.", {"kept share": kept.numbers["kept_share"]}),
        Step("E g = sum over correct y of pi_y (1 - b)(e_y - pi).", {"E g": sides.actual}),
        Step("grad J = sum over a of pi_a r_a (e_a - pi): the same sum without (1 - b).",
             {"(1 - b) grad J": sides.claimed}),
        Step("Nothing was asked of the wrong arms: they never enter."),
        Step("With three reward levels the kept arms weigh r - b and not r: the direction turns.",
             {"cosine": turned.numbers["cosine"]}),
    ]  # fmt: skip


CLAIMS = (
    Claim(
        id="zero-price-keeps-successes",
        group="zero-price",
        section="3",
        statement="At zero price and temperature 0 the kept decisions are exactly the successes: "
        "the expected number of backward passes is p B.",
        hypotheses=(BINARY, CERTAIN, IN_RANGE, PRICE_ZERO, LIMIT_ZERO, CAN_MISS),
        source="[K] Prop. 1 (i), (iii)",
        function=zero_price_keeps_successes,
        instance=three_arms,
        value="keep probability of each action",
        boundaries=(
            Boundary(BINARY, "rewards 1, 3/4, 0", three_levels, _kept),
            Boundary(CERTAIN, "a wrong arm with noise of std 1", noisy, _kept),
            Boundary(IN_RANGE, "b = -1/4", lambda: with_baseline(-0.25), _kept),
            Boundary(IN_RANGE, "b = 5/4", lambda: with_baseline(1.25), _kept),
            Boundary(PRICE_ZERO, "price 1", lambda: at_price(1.0), _kept),
            Boundary(LIMIT_ZERO, "temperature 1", lambda: at_temperature(1.0), _kept),
            Boundary(CAN_MISS, "the correct arm has probability 1",
                     lambda: {**three_arms(), "logits": np.array([[0.0, -1e3, -1e3]])}, _kept),
        ),
        steps=_steps_direction,
        remark="So the zero price keeps as large a share as the accuracy: it saves little once the "
        "task is learned.",
    ),
    Claim(
        id="zero-price-direction",
        group="zero-price",
        section="3",
        statement="At zero price and temperature 0 the expected update is (1 - b) grad J, whether "
        "the wrong arms are equally likely or not.",
        hypotheses=(BINARY, CERTAIN, IN_RANGE, ONE_CONTEXT, PRICE_ZERO, LIMIT_ZERO),
        source="[K] Prop. 1 (i)",
        function=zero_price_direction,
        instance=three_arms,
        value="E of the gated update",
        boundaries=(
            Boundary(BINARY, "rewards 1, 3/4, 0", three_levels, _cosine),
            Boundary(CERTAIN, "a wrong arm with noise of std 1", noisy, _cosine),
            Boundary(IN_RANGE, "b = -1/4", lambda: with_baseline(-0.25), _cosine),
            Boundary(IN_RANGE, "b = 5/4", lambda: with_baseline(1.25), _cosine),
            Boundary(LIMIT_ZERO, "temperature 1, wrong arms of .5 and .3",
                     lambda: at_temperature(1.0), _cosine),
            Boundary(ONE_CONTEXT, "two contexts, b = sum of pi^2", two_contexts, _cosine),
            Boundary(PRICE_ZERO, "price 1/2, two correct arms",
                     lambda: at_price(0.5, [1.0, 1.0, 0.0]), _cosine),
        ),
        steps=_steps_direction,
    ),
    *zero_price_noise.CLAIMS,
    *zero_price_batch.CLAIMS,
    *temperature.CLAIMS,
)  # fmt: skip
