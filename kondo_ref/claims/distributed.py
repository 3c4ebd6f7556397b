"""Actors that are not the learner ([DD]): what the learner's gate makes of failures they bring.

An actor draws arms with probabilities nu of its own; the learner computes the surprisal from its
own pi, gates, and updates. One arm is correct; failures have the advantage -1/2, successes 1/2.
"""

from typing import Any

import numpy as np
from scipy.special import expit

from kondo_ref.checks import FloatArray
from kondo_ref.claims.register import Boundary, Claim, Number, Sides, Step, norm
from kondo_ref.exact.arms import every_arm, expected_arms
from kondo_ref.gate import Gate
from kondo_ref.price import Fixed

DG = Gate.named("dg")
PG = Gate.named("pg")

HALF = "a failure has U <= -1/2"
ZERO_PRICE = "price 0"
LEARNER = "the surprisal is the learner's"
DELIGHT = "the signal is the delight"
BLIND = "the gate sees the learner's probability alone"
EQUAL = "the learner gives the two arms one probability"
SYMMETRIC = "the learner's wrong arms are equally likely"
EVEN = "the actor adds failures evenly over the wrong arms"


def _array(values: Any) -> FloatArray:
    return np.asarray(values, dtype=np.float64)


def _half(size: int, failure: float = -0.5) -> FloatArray:
    u = np.full(size, failure)
    u[0] = 0.5
    return u


def failure_gate(
    pi: Any, *, failure: float = -0.5, gate: Gate = DG, surprisal_of: Any = None
) -> Sides:
    """Return the gate on every wrong arm ([DD], Lemma 1 of its first version).

    Hypotheses: U <= -1/2, price 0, delight of the learner's surprisal. Claim: w is at most
    pi^(1 / (2 temperature)). Source: [DD] v1, Lemma 1.

    Parameters
    ----------
    pi : (K,) float
        Of the learner; arm 0 is correct.
    failure : float
        Advantage of the wrong arms.
    gate : Gate
        soft, of a temperature > 0.
    surprisal_of : (K,) float, optional
        Probabilities that the surprisal is taken from instead of pi.
    """
    pi = _array(pi)
    seen = pi if surprisal_of is None else _array(surprisal_of)
    w = every_arm(seen, _half(pi.size, failure), gate).weight[1:]
    bound = pi[1:] ** (0.5 / gate.temperature)
    exponent = -0.5 * np.log(pi[1:]) / gate.temperature  # a power rounds by so many eps
    return Sides(w, bound, "at most", scale=norm(bound * (1.0 + exponent)))


def failure_overlap(
    pi: Any, nu: Any, *, failure: float = -0.5, gate: Gate = DG, surprisal_of: Any = None
) -> Sides:
    """Return the second moment of what failures add across grad J ([DD], second version).

    Hypotheses: U = -1/2 for failures, price 0, delight of the learner's surprisal. Claim: it is at
    most 1/2 sum over wrong arms of nu pi^(1/temperature), the overlap of actor and learner, which
    vanishes with the learner's failures, whatever the actor does. Source: [DD] v2; the constant
    is ours.

    Parameters
    ----------
    pi, nu : (K,) float
        Of learner and actor; arm 0 is correct.
    failure, gate, surprisal_of
        As in `failure_gate`.
    """
    pi, nu = _array(pi), _array(nu)
    seen = pi if surprisal_of is None else _array(surprisal_of)
    u = _half(pi.size, failure)
    w = every_arm(seen, u, gate).weight
    rows = every_arm(pi, u, PG).update[1:] * w[1:, None]
    direction = -pi.copy()
    direction[0] = pi[1:].sum()
    direction /= np.linalg.norm(direction)
    across = rows - np.outer(rows @ direction, direction)
    moment = float(nu[1:] @ np.sum(across**2, axis=1))
    terms = 0.5 * nu[1:] * pi[1:] ** (1.0 / gate.temperature)
    # As for `failure_gate`, for twice the exponent.
    size = float(terms @ (1.0 - np.log(pi[1:]) / gate.temperature))
    plain = every_arm(pi, u, PG).update[1:]
    plain = plain - np.outer(plain @ direction, direction)
    of_pg = float(nu[1:] @ np.sum(plain**2, axis=1))  # 0 for two arms: nothing is across
    ratio = moment / of_pg if of_pg > 0.0 else float("nan")
    bound = float(terms.sum())
    return Sides(moment, bound, "at most", scale=size, numbers={"over that of PG": ratio})


def blind_gate(pi: Any, *, gate: Gate | None = None) -> Sides:
    """Return the gate on a success beside that on a failure of one probability ([DD] v2).

    Hypotheses: the gate sees the learner's probability alone (signal surprisal), both arms have
    one probability. Claim: the weights are equal, so who suppresses rare failures suppresses rare
    successes. Source: [DD], second version.

    Parameters
    ----------
    pi : (K,) float
        Arm 0 is correct, arm 1 the failure.
    gate : Gate, optional
        At signal surprisal, price 3 by default.
    """
    gate = Gate(signal="surprisal", price=Fixed(3.0)) if gate is None else gate
    w = every_arm(_array(pi), _half(len(pi)), gate).weight
    return Sides(float(w[0]), float(w[1]))


def contaminated_cosine(pi: Any, nu: Any) -> Sides:
    """Return the cosine of PG with grad J when the actor adds failures ([DD], against version 1).

    Hypotheses: the learner's wrong arms are equally likely, and so are the actor's. Claim: the
    expected direction is exact, cosine 1, however much is added: version 1's bound O(delta/rho),
    delta the learner's failures and rho the actor's, does not hold in the logits. Source: ours.

    Parameters
    ----------
    pi, nu : (K,) float
        Of learner and actor; arm 0 is correct.
    """
    pi, nu = _array(pi), _array(nu)
    direction = -pi.copy()
    direction[0] = pi[1:].sum()
    update = expected_arms(nu, every_arm(pi, _half(pi.size), PG))
    sizes = float(np.linalg.norm(update) * np.linalg.norm(direction))
    return Sides(float(update @ direction) / sizes, 1.0)


def solved(delta: float, arms: int) -> FloatArray:
    """Return a learner with probability delta spread evenly over the wrong arms, (arms,)."""
    pi = np.full(arms, delta / (arms - 1))
    pi[0] = 1.0 - delta
    return pi


PI = (0.9, 0.06, 0.03, 0.01)
NU = (0.4, 0.2, 0.2, 0.2)


def _gate_says(sides: Sides) -> str:
    a, c = _array(sides.actual), _array(sides.claimed)
    i = int(np.argmax(a - c))
    return f"Arm {i + 2} has w = {a[i]:.3g}, above {c[i]:.3g}."


def _overlap_says(sides: Sides) -> str:
    actual, claimed = _array(sides.actual), _array(sides.claimed)
    return f"The second moment is {actual:.3g}, above {claimed:.3g}."


def _blind_says(sides: Sides) -> str:
    success, failure = _array(sides.actual), _array(sides.claimed)
    return f"The success has w = {success:.3g}, the failure {failure:.3g}."


def _cosine_says(sides: Sides) -> str:
    return f"The cosine is {float(_array(sides.actual)):.4f}."


def _gate_steps() -> list[Step]:
    pi = np.array(PI[1:])
    sides = failure_gate(PI)
    return [
        Step("A failure's delight is U l <= -l/2 = log(pi)/2.", {"log(pi)/2": np.log(pi) / 2}),
        Step("At price 0, w = sigmoid(U l / temperature) <= exp(U l / temperature).",
             {"w": sides.actual}),
        Step("Together: w <= pi^(1 / (2 temperature)).", {"bound": sides.claimed}),
    ]  # fmt: skip


def _overlap_steps() -> list[Step]:
    pi, nu = np.array(PI[1:]), np.array(NU[1:])
    sides = failure_overlap(PI, NU)
    return [
        Step("A failure on arm a adds w_a U_a (e_a - pi): across grad J its square is at most "
             "w_a^2 U_a^2 |e_a - pi|^2 <= w_a^2 / 4 * 2.",
             {"w^2": expit(0.5 * np.log(pi)) ** 2}),
        Step("w_a^2 <= pi_a^(1/temperature), by the bound on a failure's gate.", {"pi": pi}),
        Step("The actor draws arm a with nu_a: the sum is at most 1/2 sum nu pi^(1/temperature).",
             {"overlap": float(nu @ pi), "second moment": sides.actual, "bound": sides.claimed}),
        Step("For equally likely wrong arms the ratio to PG is w_-^2, below the overlap.",
             {"ratio at delta = .1, K = 100": _ratio()}),
    ]  # fmt: skip


def _blind_steps() -> list[Step]:
    sides = blind_gate((0.05, 0.05, 0.9))
    return [
        Step("A gate that sees pi alone is a function f of the arm's probability."),
        Step("Success and failure of one probability get one weight, whatever f.",
             {"success": sides.actual, "failure": sides.claimed}),
        Step("Delight has the sign of U: it tells the two apart at one probability.",
             {"delight, success": float(expit(-0.5 * np.log(0.05))),
              "delight, failure": float(expit(0.5 * np.log(0.05)))}),
    ]  # fmt: skip


def _cosine_steps() -> list[Step]:
    pi, nu = solved(0.01, 5), np.array([0.2, 0.2, 0.2, 0.2, 0.2])
    one = np.array([0.2, 0.8, 0.0, 0.0, 0.0])
    return [
        Step("The expected update is sum nu_a U_a (e_a - pi).", {"nu": nu}),
        Step("With equally likely wrong arms, in pi and in nu, all of it lies on e_y - mean of "
             "the wrong e_a, which is grad J's line.",
             {"cosine": contaminated_cosine(pi, nu).actual}),
        Step("Put all of the actor's failures on one arm and the update turns to e_y - e_a: the "
             "cosine tends to sqrt(1/2 + 1/(2 (K - 1))) as delta goes to 0.",
             {"cosine, one arm": contaminated_cosine(pi, one).actual,
              "limit": float(np.sqrt(0.5 + 0.5 / 4))}),
    ]  # fmt: skip


def _ratio() -> float:
    pi = solved(0.1, 100)
    return failure_overlap(pi, solved(0.9, 100)).numbers["over that of PG"]


def _one_arm() -> float:
    nu = np.zeros(100)
    nu[:2] = 0.5
    return float(_array(contaminated_cosine(solved(1e-9, 100), nu).actual))


CLAIMS = (
    Claim(
        id="failure-gate",
        group="distributed",
        section="beyond",
        statement="DG keeps a failure with weight at most pi^(1/(2 temperature)), pi the "
        "learner's probability of it, whoever acted.",
        hypotheses=(HALF, ZERO_PRICE, DELIGHT, LEARNER),
        source="[DD] v1 Lemma 1",
        function=failure_gate,
        instance=lambda: {"pi": PI},
        value="w of every wrong arm",
        boundaries=(
            Boundary(HALF, "U = -1/8", lambda: {"pi": PI, "failure": -0.125}, _gate_says),
            Boundary(ZERO_PRICE, "price -2",
                     lambda: {"pi": PI, "gate": Gate(price=Fixed(-2.0))}, _gate_says),
            Boundary(DELIGHT, "the advantage alone",
                     lambda: {"pi": PI, "gate": Gate(signal="advantage")}, _gate_says),
            Boundary(LEARNER, "the surprisal of the actor",
                     lambda: {"pi": PI, "surprisal_of": NU}, _gate_says),
        ),
        steps=_gate_steps,
    ),
    Claim(
        id="failure-overlap",
        group="distributed",
        section="beyond",
        statement="Across grad J, DG leaves failures of any actor nu a second moment of at most "
        "1/2 sum nu pi^(1/temperature), the policy overlap.",
        hypotheses=("a failure has U = -1/2", ZERO_PRICE, DELIGHT, LEARNER),
        source="[DD] v2",
        function=failure_overlap,
        instance=lambda: {"pi": PI, "nu": NU},
        value="second moment of the failures",
        boundaries=(
            Boundary("a failure has U = -1/2", "U = -1/4",
                     lambda: {"pi": solved(1e-3, 4), "nu": NU, "failure": -0.25},
                     _overlap_says),
            Boundary(ZERO_PRICE, "price -2",
                     lambda: {"pi": PI, "nu": NU, "gate": Gate(price=Fixed(-2.0))},
                     _overlap_says),
            Boundary(DELIGHT, "PG",
                     lambda: {"pi": PI, "nu": NU, "gate": Gate(signal="uniform", temperature=1.0)},
                     _overlap_says),
            Boundary(LEARNER, "the surprisal of the actor",
                     lambda: {"pi": solved(1e-3, 4), "nu": NU, "surprisal_of": NU},
                     _overlap_says),
        ),
        steps=_overlap_steps,
        numbers=(
            Number("second moment of failures over PG's, delta = .1, K = 100", 0.00095, 0.000005,
                   _ratio),
        ),
    ),
    Claim(
        id="sign-blind-gate",
        group="distributed",
        section="beyond",
        statement="A gate that sees the learner's probability alone treats a success and a failure "
        "of one probability alike: it cannot drop rare failures and keep rare successes.",
        hypotheses=(BLIND, EQUAL),
        source="[DD] v2",
        function=blind_gate,
        instance=lambda: {"pi": (0.05, 0.05, 0.9)},
        value="w of the success beside the failure",
        boundaries=(
            Boundary(BLIND, "delight",
                     lambda: {"pi": (0.05, 0.05, 0.9), "gate": DG}, _blind_says),
            Boundary(EQUAL, "probabilities .2 and .05",
                     lambda: {"pi": (0.2, 0.05, 0.75)}, _blind_says),
        ),
        steps=_blind_steps,
    ),
    Claim(
        id="contaminated-direction",
        group="distributed",
        section="beyond",
        statement="Failures that the actor adds evenly leave the expected PG direction exact: its "
        "cosine with grad J stays 1.",
        hypotheses=(SYMMETRIC, EVEN),
        source="ours, against [DD] v1",
        function=contaminated_cosine,
        instance=lambda: {"pi": solved(0.01, 4), "nu": (0.1, 0.3, 0.3, 0.3)},
        value="cosine with grad J",
        boundaries=(
            Boundary(EVEN, "all on one arm",
                     lambda: {"pi": solved(0.01, 4), "nu": (0.1, 0.9, 0.0, 0.0)}, _cosine_says),
            Boundary(SYMMETRIC, "wrong arms .3, .06, .04",
                     lambda: {"pi": (0.6, 0.3, 0.06, 0.04), "nu": (0.1, 0.3, 0.3, 0.3)},
                     _cosine_says),
        ),
        steps=_cosine_steps,
        numbers=(Number("cosine with one contaminating arm, delta -> 0", 0.71, 0.005, _one_arm),),
        remark="[DD] v1 claims a cosine of O(delta/rho) for every sign-blind weight; v2 drops it. "
        "In the logits it does not hold: even with one contaminating arm the cosine tends to "
        ".71, K = 100.",
    ),
)  # fmt: skip
