"""Claims about the zero price at a temperature above 0: direction, noise, and DG's cosine gap.

Statement 4, with [DG] Prop. 1 as its case of advantages +-1/2. One context, one correct arm, the
wrong arms equally likely: without that a temperature above 0 turns the direction.
"""

from typing import Any

import numpy as np

from kondo_ref.checks import FloatArray
from kondo_ref.claims.register import Boundary, Claim, Number, Sides, Step
from kondo_ref.delight import log_softmax
from kondo_ref.exact.atoms import Bandit, FiniteRewards
from kondo_ref.exact.bandit import BanditUpdate, bandit_update
from kondo_ref.exact.batches import Baseline
from kondo_ref.gate import Gate, keep_probability
from kondo_ref.price import Fixed

EVEN = "the wrong arms are equally likely"
ONE_CORRECT = "one correct arm"
TWO_LEVELS = "all wrong arms have one reward"
PRICE_ZERO = "price 0"
WEIGH_U = "survivors weigh U"
HALVES = "the advantages are +1/2 and -1/2"

DG = Gate.named("dg")


def even_bandit(
    p: float, arms: int, *, success: float = 1.0, failure: float = 0.0
) -> tuple[Bandit, FloatArray]:
    """Return the bandit whose first arm is correct, and the logits under which it has p."""
    rewards = np.full(arms, failure)
    rewards[0] = success
    pi = np.full((1, arms), (1.0 - p) / (arms - 1))
    pi[0, 0] = p
    return Bandit.single(FiniteRewards.certain(rewards)), np.log(pi)


def _weights(logits: FloatArray, rewards: FloatArray, b: float, gate: Gate) -> tuple[float, float]:
    """Return the keep probability of the first arm and of the least likely of the others."""
    surprisals = -log_softmax(logits)[0]
    signal = (rewards - b) * surprisals
    assert isinstance(gate.price, Fixed)
    w = keep_probability(signal, gate.price.value, gate.temperature)
    return float(w[0]), float(w[1:].min())


def soft_direction(
    bandit: Bandit, logits: FloatArray, *, baseline: Baseline, gate: Gate = DG
) -> Sides:
    """Hold the part of the expected update perpendicular to grad J to 0.

    Hypotheses: one context, one correct arm, all wrong arms with one reward and equally likely.
    Then at any temperature, and at any fixed price, the expected update is along grad J. Source:
    [DG], Prop. 1; statement 4.

    Parameters
    ----------
    bandit : Bandit
    logits : (1, K) float64
    baseline : Baseline
        Of the policy.
    gate : Gate
        Soft or Bernoulli, with a fixed price.
    """
    found = bandit_update(bandit, logits, gate, baseline=baseline)
    split = found.moments.split(found.direction)
    return Sides(
        split.perpendicular_mean,
        0.0,
        scale=_terms(bandit, logits, baseline),
        numbers={"cosine": split.cosine},
    )


def _terms(bandit: Bandit, logits: FloatArray, baseline: Baseline) -> float:
    """Return sum pi |U| |e_a - pi| of all arms, which the expected update is a signed part of."""
    pi = np.exp(log_softmax(logits))
    u = bandit.mean - baseline.of_policy(pi, bandit.mean)[:, None]
    scores = np.linalg.norm(np.eye(pi.shape[1]) - pi[0], axis=1)
    return float((pi[0] * np.abs(u[0])) @ scores)


def soft_noise(
    bandit: Bandit,
    logits: FloatArray,
    *,
    baseline: Baseline,
    gate: Gate = DG,
    chained: bool = False,
) -> Sides:
    """Hold the perpendicular variance, over PG's, to w_-^2 (soft) or w_- (Bernoulli).

    Hypotheses: as `soft_direction`, rewards 1 and 0, a baseline constant in the context, price 0,
    survivors weigh U. Here w_- = sigmoid(-b l_- / temperature), l_- the surprisal of a wrong arm.
    Source: [DG], Prop. 1 for the soft gate; ours for the Bernoulli one; statement 4.

    Parameters
    ----------
    bandit, logits, baseline, gate
        As in `soft_direction`.
    chained : bool
        A Bernoulli gate whose survivors weigh w U.
    """
    found = bandit_update(bandit, logits, gate, baseline=baseline)
    plain = bandit_update(bandit, logits, Gate.named("pg"), baseline=baseline)
    pi = np.exp(log_softmax(logits))
    b = float(baseline.of_policy(pi, bandit.mean)[0])
    at_zero = Gate(temperature=gate.temperature)
    least = _weights(logits, bandit.mean[0], b, at_zero)[1]
    ours = found.moments.split(found.direction).perpendicular_variance
    if chained:
        ours *= _weights(logits, bandit.mean[0], b, gate)[1] ** 2
    pg = plain.moments.split(plain.direction).perpendicular_variance
    factor = least**2 if gate.draw == "soft" else least
    numbers = {"ratio": ours / pg if pg > 0.0 else float("nan"), "w_minus": least, "of_pg": pg}
    size = _second_moment(found) + factor * _second_moment(plain)
    return Sides(ours, factor * pg, scale=size, numbers=numbers)


def _second_moment(update: BanditUpdate) -> float:
    return update.moments.total_variance + float(update.moments.mean @ update.moments.mean)


def cosine_gap(bandit: Bandit, logits: FloatArray, *, baseline: Baseline, gate: Gate = DG) -> Sides:
    """Hold DG's perpendicular variance over its squared mean, relative to PG's, to its formula.

    Hypotheses: as `soft_direction`, advantages +1/2 and -1/2, price 0. Claim: it is
    (2 w_- / (w_+ + w_-))^2. For a large batch 1 - cosine is half the perpendicular variance over
    the squared mean, so this is the ratio of the cosine gaps. Source: [DG], Prop. 1; statement 4.

    Parameters
    ----------
    bandit, logits, baseline, gate
        As in `soft_direction`; the gate is soft.
    """
    b = float(baseline.of_policy(np.exp(log_softmax(logits)), bandit.mean)[0])
    more, less = _weights(logits, bandit.mean[0], b, Gate(temperature=gate.temperature))
    plain = bandit_update(bandit, logits, Gate.named("pg"), baseline=baseline)
    noise = plain.moments.split(plain.direction).perpendicular_variance
    gaps, parts = [], 0.0
    for found, weight in (
        (bandit_update(bandit, logits, gate, baseline=baseline), less),
        (plain, 1),
    ):
        split = found.moments.split(found.direction)
        gaps.append(split.perpendicular_variance / split.along_mean**2)
        # A variance is right to the rounding of the whole second moment, whatever its own part, and
        # a mean to that of its terms.
        parts += _second_moment(found) / (weight**2 * noise)
        parts += 2.0 * _terms(bandit, logits, baseline) / abs(split.along_mean)
    ratio = gaps[0] / gaps[1]
    claimed = (2.0 * less / (more + less)) ** 2
    numbers = {"ratio": ratio, "claimed": claimed, "w_plus": more, "w_minus": less}
    return Sides(ratio, claimed, scale=claimed * parts, numbers=numbers)


HALF = Baseline("constant", 0.5)


def _even(p: float = 0.2, arms: int = 4, **rest: Any) -> dict[str, Any]:
    bandit, logits = even_bandit(p, arms)
    return {"bandit": bandit, "logits": logits, "baseline": HALF, **rest}


def _uneven(rewards: list[float] | None = None) -> dict[str, Any]:
    chosen = [1.0, 0.0, 0.0, 0.0] if rewards is None else rewards
    bandit = Bandit.single(FiniteRewards.certain(np.array(chosen)))
    logits = np.log(np.array([[0.2, 0.6, 0.15, 0.05]]))
    return {"bandit": bandit, "logits": logits, "baseline": HALF}


def _rewards(rewards: list[float], p: float = 0.2) -> dict[str, Any]:
    given = _even(p, len(rewards))
    return {**given, "bandit": Bandit.single(FiniteRewards.certain(np.array(rewards)))}


BERNOULLI = Gate(draw="bernoulli")
PRICED = Gate(price=Fixed(0.5))


def _cosine(sides: Sides) -> str:
    return f"cosine of the expected update to grad J {sides.numbers['cosine']:.4f}"


def _ratio(sides: Sides) -> str:
    claimed = sides.numbers.get("claimed", float(sides.claimed) / sides.numbers.get("of_pg", 1.0))  # type: ignore[arg-type]
    return f"ratio to PG {sides.numbers['ratio']:.4f}, the formula gives {claimed:.4f}"


def _steps() -> list[Step]:
    given = _even(0.5, 100)
    direction, noise, gap = soft_direction(**given), soft_noise(**given), cosine_gap(**given)
    turned = soft_direction(**_uneven())
    return [
        Step("K = 100, p = 1/2, U = +-1/2, temperature 1. Equally likely wrong arms have one "
             "surprisal and one weight w_-; the correct arm has w_+.",
             {"w_+": gap.numbers["w_plus"], "w_-": gap.numbers["w_minus"]}),
        Step("sum over wrong j of pi_j (e_j - pi) = -p (e_y - pi): along grad J, so one weight for "
             "all of them keeps the direction.", {"cosine": direction.numbers["cosine"]}),
        Step("E g = (w_+ (1 - b) + w_- b) grad J, here (w_+ + w_-)/2 times grad J."),
        Step("The perpendicular part of a sample is -w_- b P (e_j - pi): its variance falls by "
             "w_-^2. A Bernoulli gate keeps it with probability w_- and in full: by w_-.",
             {"ratio": noise.numbers["ratio"]}),
        Step("1 - cosine goes as variance over squared mean: its ratio to PG's is "
             "(2 w_- / (w_+ + w_-))^2.", {"ratio": gap.numbers["ratio"]}),
        Step("Wrong arms of different probability have different weights, and the direction turns.",
             {"cosine": turned.numbers["cosine"]}),
    ]  # fmt: skip


def _gap_of(p: float, **changes: Any) -> float:
    return float(cosine_gap(**{**_even(p, 100), **changes}).numbers["ratio"])


def _signs(p: float) -> dict[str, Any]:
    bandit, logits = even_bandit(p, 100, failure=-1.0)
    return {"bandit": bandit, "logits": logits, "baseline": Baseline("zero")}


NUMBERS = (
    Number("cosine gap of DG over PG, K = 100, p = .5", 0.0414, 5e-5, lambda: _gap_of(0.5)),
    Number("cosine gap of DG over PG, K = 100, p = .9", 0.0128, 5e-5, lambda: _gap_of(0.9)),
    Number("the same at p = .9 with the exact baseline b = p", 0.0015, 5e-5,
           lambda: _gap_of(0.9, baseline=Baseline("oracle"))),
    Number("the same at p = .5 with U = +-1", 0.0002, 5e-5, lambda: _gap_of(0.5, **_signs(0.5))),
    Number("the same at p = .9 with U = +-1", 1.5e-5, 5e-7, lambda: _gap_of(0.9, **_signs(0.9))),
)  # fmt: skip

CLAIMS = (
    Claim(
        id="soft-direction",
        group="zero-price",
        section="4",
        statement="At a temperature above 0 the expected update keeps the direction of grad J, "
        "soft or Bernoulli.",
        hypotheses=(EVEN, ONE_CORRECT, TWO_LEVELS),
        source="[DG] Prop. 1",
        function=soft_direction,
        instance=_even,
        value="part of E g perpendicular to grad J",
        boundaries=(
            Boundary(EVEN, "wrong arms of .6, .15 and .05", _uneven, _cosine),
            Boundary(ONE_CORRECT, "a second correct arm of another probability",
                     lambda: _rewards([1.0, 1.0, 0.0, 0.0]), _cosine),
            Boundary(TWO_LEVELS, "one wrong arm with reward 1/4",
                     lambda: _rewards([1.0, 0.25, 0.0, 0.0]), _cosine),
        ),
        steps=_steps,
    ),
    Claim(
        id="soft-noise",
        group="zero-price",
        section="4",
        statement="The perpendicular variance is w_-^2 (soft) or w_- (Bernoulli) times PG's, with "
        "w_- = sigmoid(-b l_- / temperature).",
        hypotheses=(EVEN, TWO_LEVELS, PRICE_ZERO, WEIGH_U),
        source="[DG] Prop. 1; ours for Bernoulli",
        function=soft_noise,
        instance=_even,
        value="perpendicular variance",
        boundaries=(
            Boundary(EVEN, "wrong arms of .6, .15 and .05", _uneven, _ratio),
            Boundary(TWO_LEVELS, "one wrong arm with reward 1/4",
                     lambda: _rewards([1.0, 0.25, 0.0, 0.0]), _ratio),
            Boundary(PRICE_ZERO, "price 1/2", lambda: _even(gate=PRICED), _ratio),
            Boundary(WEIGH_U, "a Bernoulli gate and then the DG weight",
                     lambda: _even(gate=BERNOULLI, chained=True), _ratio),
        ),
        steps=_steps,
    ),
    Claim(
        id="dg-cosine-gap",
        group="zero-price",
        section="4",
        statement="DG's cosine gap is (2 w_- / (w_+ + w_-))^2 of PG's.",
        hypotheses=(EVEN, HALVES, PRICE_ZERO),
        source="[DG] Prop. 1",
        function=cosine_gap,
        instance=lambda: _even(0.5, 100),
        value="ratio of the cosine gaps, DG over PG",
        boundaries=(
            Boundary(EVEN, "wrong arms of .6, .15 and .05", _uneven, _ratio),
            Boundary(HALVES, "b = .9 at p = .9",
                     lambda: _even(0.9, 100, baseline=Baseline("constant", 0.9)), _ratio),
            Boundary(PRICE_ZERO, "price 1/2", lambda: _even(gate=PRICED), _ratio),
        ),
        steps=_steps,
        numbers=NUMBERS,
    ),
)  # fmt: skip
