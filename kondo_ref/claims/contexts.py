"""Many contexts: how DG weighs them, against the plain gradient and cross-entropy ([DG], Prop. 2).

Exact gradients, one right arm a context, baseline 0. Updates are enumerated through the core's
`policy_gradient`; the claims are closed forms in the probabilities of the right arms. The angle to
cross-entropy is in `kondo_ref.claims.contexts_cosine`, states that share a parameter in
`kondo_ref.claims.shared_states`.
"""

import numpy as np
from scipy.optimize import brentq

from kondo_ref.checks import FloatArray, IntArray
from kondo_ref.claims import contexts_cosine, shared_states
from kondo_ref.claims.contexts_cosine import ZERO, three_contexts
from kondo_ref.claims.register import Boundary, Claim, Number, Sides, Step
from kondo_ref.claims.sentences import says
from kondo_ref.delight import log_softmax
from kondo_ref.exact.contexts import (
    baselines_of,
    block_update,
    context_weight,
    cross_entropy_update,
    right_rewards,
    symmetric_logits,
    weight_slope,
)
from kondo_ref.gate import Gate
from kondo_ref.price import Fixed

BINARY = "the reward is 1 for the right arm and 0 else"
FREE = "the price is 0"
ONE = "a context has one right arm"
HALF = "the temperature is at least 1/2"


def weights_of_contexts(
    logits: FloatArray,
    targets: IntArray,
    temperature: float,
    *,
    price: float = 0.0,
    reward: float = 1.0,
    baseline: str = "zero",
    second: IntArray | None = None,
) -> Sides:
    """State the expected DG update: p / (1 + p^(1/temperature)) times e_y - pi, in every context.

    Hypotheses: baseline 0, rewards 1 and 0, price 0, one right arm. Source: [DG], Prop. 2.
    `second` names further right arms.
    """
    rewards = right_rewards(logits, targets) * reward
    if second is not None:
        rewards[np.arange(second.size), second] = reward
    gate = Gate.named("dg", price=Fixed(price), temperature=temperature)
    actual = block_update(logits, rewards, baselines_of(logits, targets, baseline), gate)
    log_p = log_softmax(logits)[np.arange(targets.size), targets]
    score = cross_entropy_update(logits, targets)
    claimed = context_weight(np.exp(log_p), temperature)[:, None] * score
    # the weight rounds with the sigmoid's argument: by abs(log p)/temperature eps
    terms = np.abs(claimed) * (1.0 + np.abs(log_p) / temperature)[:, None]
    return Sides(actual, claimed, scale=float(np.linalg.norm(terms)))


def weight_increases(
    p: float, q: float, temperature: float, arms: int = 3, baseline: str = "zero"
) -> Sides:
    """State that the likelier of two right arms, p < q, has the larger DG weight.

    The weights are those of the enumerated update, wrong arms equally likely.

    Hypotheses: temperature at least 1/2 ([DG] has above), baseline 0. Source: [DG], Prop. 2. Below
    1/2 it fails near q = 1, so the condition is also necessary for this; not for the cosine.
    """
    logits = symmetric_logits([p, q], arms)
    targets = np.zeros(2, dtype=np.int64)
    gate = Gate.named("dg", temperature=temperature)
    update = block_update(
        logits, right_rewards(logits, targets), baselines_of(logits, targets, baseline), gate
    )
    low, high = update[:, 0] / cross_entropy_update(logits, targets)[:, 0]
    return Sides(float(low), float(high), "below")


def _weight_steps() -> list[Step]:
    case = three_contexts()
    log_p = log_softmax(case["logits"])[np.arange(3), case["targets"]]
    p = np.exp(log_p)
    return [
        Step("b = 0: only the right arm has U != 0, with probability p in its context.", {"p": p}),
        Step(
            "Its delight is -log p: w = sigmoid(-log p / temperature) = 1/(1 + p^(1/temperature))."
        ),
        Step(
            "PG: p (e_y - pi). Cross-entropy: e_y - pi. Every context is its own block.", {"PG": p}
        ),
        Step("DG: p/(1 + p^(1/temperature)) (e_y - pi).", {"DG": context_weight(p, 1.0)}),
        Step(
            "d log weight/d log p = 1 - (1/temperature) s/(1 + s), s = p^(1/temperature): it falls "
            "from 1 at p = 0 to 1 - 1/(2 temperature) at p = 1.",
            {"at p = 1, temperature 1/2": weight_slope(1.0, 0.5), "1/4": weight_slope(1.0, 0.25)},
        ),
        Step("At temperature >= 1/2 it is nowhere below 0: the weight increases with p."),
    ]


CLAIMS = (
    Claim(
        id="context-weights",
        group="contexts",
        section="7",
        statement="DG weighs a context's e_y - pi by p/(1 + p^(1/temperature)), PG by p.",
        hypotheses=(ZERO, BINARY, FREE, ONE),
        source="[DG], Prop. 2",
        function=weights_of_contexts,
        instance=three_contexts,
        value="expected update of three contexts",
        boundaries=(
            Boundary(
                ZERO,
                "b = 1/2",
                lambda: {**three_contexts(), "baseline": "half"},
                says("With b = 1/2 wrong arms push too, and the last entry is"),
            ),
            Boundary(
                BINARY,
                "the right arm pays 2",
                lambda: {**three_contexts(), "reward": 2.0},
                says("With reward 2 the weight is 2 p/(1 + p^2) and the last entry"),
            ),
            Boundary(
                FREE,
                "price .5",
                lambda: {**three_contexts(), "price": 0.5},
                says("At a price the solved contexts lose most; the last entry is"),
            ),
            Boundary(
                ONE,
                "two right arms",
                lambda: {**three_contexts(), "second": np.array([1, 1, 0])},
                says("With two right arms the last entry is"),
            ),
        ),
        steps=_weight_steps,
    ),
    Claim(
        id="weight-increases",
        group="contexts",
        section="7",
        statement="At temperature >= 1/2 the DG weight of a context increases with p.",
        hypotheses=(HALF, ZERO),
        source="[DG], Prop. 2",
        function=weight_increases,
        instance=lambda: {"p": 0.9, "q": 0.99, "temperature": 0.5},
        value="weight at p = .9, below that at .99",
        boundaries=(
            Boundary(
                HALF,
                "temperature .4",
                lambda: {"p": 0.9, "q": 0.99, "temperature": 0.4},
                says("At temperature .4 the less likely arm has the larger weight"),
            ),
            Boundary(
                ZERO,
                "b = 1/2",
                lambda: {"p": 0.99, "q": 0.999, "temperature": 1.0, "baseline": "half"},
                says("With b = 1/2 the weight at p = .99 is above that at .999"),
            ),
            Boundary(
                ZERO,
                "the exact baseline p",
                lambda: {"p": 0.9, "q": 0.99, "temperature": 1.0, "baseline": "exact"},
                says("Under the exact baseline the weight at p = .9 is above that at .99"),
            ),
        ),
        steps=_weight_steps,
        numbers=(
            Number(
                "temperature from which the weight increases up to p = 1",
                0.5,
                0.005,
                lambda: float(brentq(lambda t: weight_slope(1.0, t), 0.1, 2.0)),
            ),
        ),
    ),
    *contexts_cosine.CLAIMS,
    *shared_states.CLAIMS,
)
