"""The claim about rate 1: everything survives, and survivors weigh U. It is PG, not DG.

Statement 9.
"""

from dataclasses import replace

import numpy as np

from kondo_ref.claims.gate_batches import (
    given,
    norms,
    small_batch,
    unit_norms,
)
from kondo_ref.claims.register import Boundary, Claim, Sides, Step
from kondo_ref.exact.draws import GivenBatch, enumerated
from kondo_ref.gate import Gate
from kondo_ref.price import Calibrated

RATE_ONE = "the rate is 1"
KEEPS_ALL = "the gate keeps exactly its rate (top-k or calibrated)"
SURVIVORS = "survivors weigh U, not sigmoid(chi) U"


def rate_one(batch: GivenBatch) -> Sides:
    """Hold the update at rate 1 to the plain policy gradient.

    Hypotheses: the rate is 1, the gate keeps exactly its rate (top-k, or the calibrated price), and
    survivors weigh U. Claim: it is PG, and not DG. Source: [K], Algorithm 1 with its weight read
    literally; statement 9.

    Parameters
    ----------
    batch : GivenBatch
        With the gate to look at; a random one in expectation.
    """
    actual = enumerated(batch).mean
    claimed = replace(batch, gate=Gate.named("pg")).update(None)
    dg = replace(batch, gate=Gate.named("dg")).update(None)
    length = float(np.linalg.norm(claimed))
    numbers = {
        "norm": float(np.linalg.norm(actual)),
        "norm_pg": length,
        "norm_dg": float(np.linalg.norm(dg)),
        "share": batch.screening().expected_rate,
    }
    return Sides(actual, claimed, scale=float(unit_norms(batch).sum()), numbers=numbers)


def _steps_rate_one() -> list[Step]:
    sides = rate_one(small_batch(Gate.named("kondo-top-k", rate=1.0)))
    quantile = rate_one(small_batch(Gate.named("kondo", rate=1.0)))
    return [
        Step("At rate 1 top-k keeps all, and the calibrated price is -inf: G = 1 everywhere.",
             {"share": sides.numbers["share"]}),
        Step("Survivors weigh U: the update is (1/Z) sum U_i grad log pi(a_i), which is PG.",
             {"norm": sides.numbers["norm"], "PG": sides.numbers["norm_pg"]}),
        Step("DG weighs every decision by sigmoid(chi) < 1, so it is another update.",
             {"DG": sides.numbers["norm_dg"]}),
        Step("The quantile price at rate 1 is the least signal of the batch, and a Bernoulli gate "
             "keeps even the best only with probability below 1: rate 1 is missed.",
             {"share": quantile.numbers["share"]}),
    ]  # fmt: skip


CLAIMS = (
    Claim(
        id="rate-one",
        group="gate",
        section="9",
        statement="A gate of rate 1 is PG, not DG: everything survives, and survivors weigh U.",
        hypotheses=(RATE_ONE, KEEPS_ALL, SURVIVORS),
        source="[K] Algorithm 1",
        function=rate_one,
        instance=lambda: given(Gate.named("kondo-top-k", rate=1.0)),
        value="the update at rate 1",
        boundaries=(
            Boundary(RATE_ONE, "top-k at rate 1/2",
                     lambda: given(Gate.named("kondo-top-k", rate=0.5)), norms),
            Boundary(RATE_ONE, "the calibrated price at rate 1/2",
                     lambda: given(Gate(price=Calibrated(0.5), draw="bernoulli")), norms),
            Boundary(KEEPS_ALL, "a Bernoulli gate at the quantile price",
                     lambda: given(Gate.named("kondo", rate=1.0)), norms),
            Boundary(SURVIVORS, "DG", lambda: given(Gate.named("dg")), norms),
        ),
        steps=_steps_rate_one,
        remark="A note elsewhere says that rate 1 recovers DG; it would with survivors that weigh "
        "sigmoid(chi) U, which the released code does not have.",
    ),
)  # fmt: skip
