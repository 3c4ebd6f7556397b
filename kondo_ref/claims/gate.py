"""Claims about the gate's draw, given the batch: unbiasedness and covariance.

Statement 1, checked by running the core for all 2^N gates of a batch; nothing is sampled. The
batch, and so the price, is given: what happens over batches is the group price. Inverse weights
are in `gate_inverse`, rate 1 in `gate_rate`; the group's claims are collected here.
"""

from dataclasses import replace

import numpy as np

from kondo_ref.claims import gate_inverse, gate_rate
from kondo_ref.claims.gate_batches import (
    CONSTANT_Z,
    INDEPENDENT,
    KONDO,
    constant_normalizer,
    covariance_scale,
    given,
    keep_probabilities,
    norms,
    small_batch,
    unit_norms,
    variances,
)
from kondo_ref.claims.register import Boundary, Claim, Sides, Step
from kondo_ref.exact.draws import GivenBatch, enumerated, enumerated_weights
from kondo_ref.gradient import normalizer_count
from kondo_ref.price import Fixed, Price

SAME_PRICE = "the price of the DG update is the gate's"
SAME_TEMPERATURE = "the temperature of the DG update is the gate's"
WEIGH_U = "survivors weigh U"


def gate_unbiasedness(
    batch: GivenBatch,
    *,
    price: Price | None = None,
    temperature: float | None = None,
    chained: bool = False,
) -> Sides:
    """Hold the expected update of a Bernoulli gate to the DG update.

    Hypotheses: given the batch, at the same price and temperature, survivors weigh U, and Z does
    not depend on the draw. Claim: E over the uniforms of (1/Z) sum G_i g_i is (1/Z) sum w_i g_i,
    exactly, with g_i = U_i grad log pi(a_i). Source: [K], Algorithm 1 beside [DG]; statement 1.

    Parameters
    ----------
    batch : GivenBatch
        With a Bernoulli gate.
    price : Price, optional
        Of the DG update, where it is not the gate's.
    temperature : float, optional
        Likewise.
    chained : bool
        Survivors weigh w U, as where a DG weight follows the gate.

    Returns
    -------
    Sides
        `actual` by running the core for every gate, `claimed` by running it once with a soft gate.
    """
    gate = batch.gate
    soft = replace(
        gate,
        draw="soft",
        price=gate.price if price is None else price,
        temperature=gate.temperature if temperature is None else temperature,
    )
    claimed = replace(batch, gate=soft, normalizer=constant_normalizer(batch.normalizer)).update(
        None
    )
    w = keep_probabilities(batch)
    actual = enumerated_weights(batch, w).mean if chained else enumerated(batch).mean
    size = float(np.linalg.norm(claimed))
    length = float(np.linalg.norm(actual))
    numbers = {"norm": length, "norm_dg": size, "ratio": length / size if size else float("nan")}
    return Sides(actual, claimed, scale=float(w @ unit_norms(batch)), numbers=numbers)


def gate_covariance(batch: GivenBatch, *, shared_uniform: bool = False) -> Sides:
    """Hold the covariance of a Bernoulli gate's update to sum w (1 - w) g g^T / Z^2.

    Hypotheses: given the batch, independent uniforms, Z does not depend on the draw. Source:
    statement 1.

    Parameters
    ----------
    batch : GivenBatch
        With a Bernoulli gate.
    shared_uniform : bool
        One uniform for all decisions.
    """
    if shared_uniform:
        actual = enumerated_weights(
            batch, np.ones(keep_probabilities(batch).size), shared_uniform=True
        )
    else:
        actual = enumerated(batch)
    w = keep_probabilities(batch)
    z = normalizer_count(batch.screening(), constant_normalizer(batch.normalizer))
    v = batch.unit_gradients() / z
    claimed = np.einsum("u,ui,uj->ij", w * (1.0 - w), v, v)
    numbers = {"variance": actual.total_variance, "variance_claimed": float(np.trace(claimed))}
    return Sides(
        actual.covariance, claimed, scale=covariance_scale(batch, w * (1 - w)), numbers=numbers
    )


def _steps_unbiased() -> list[Step]:
    batch = small_batch(KONDO)
    w, v = keep_probabilities(batch), batch.unit_gradients()
    sides = gate_unbiasedness(batch)
    return [
        Step("The batch and so its signals and its price are given; only the uniforms are random.",
             {"delight": batch.screening().delight, "price": batch.screening().price}),
        Step("A decision is kept where u < w, w = sigmoid((chi - price) / temperature).", {"w": w}),
        Step("So E G_i = w_i, each by itself: independence is not needed for the mean."),
        Step("Z is a constant, and expectation is linear: E (1/Z) sum G_i g_i = (1/Z) sum w_i g_i.",
             {"sum w g / Z": w @ v / 4}),
        Step("All 2^4 gates, each run by the core and weighed by prod w or 1 - w, add up to this.",
             {"enumerated": sides.actual, "DG": sides.claimed, "error / eps": sides.error}),
        Step("With Z = kept the divisor depends on the draw and the ratio of means is not the mean "
             "of ratios.", {"E with Z = kept": enumerated(small_batch(KONDO, "kept")).mean}),
    ]  # fmt: skip


def _steps_covariance() -> list[Step]:
    batch = small_batch(KONDO)
    w = keep_probabilities(batch)
    sides = gate_covariance(batch)
    return [
        Step("Independent uniforms make the gates independent: Var G_i = w_i (1 - w_i), no "
             "covariances.", {"w (1 - w)": w * (1 - w)}),
        Step("The update is a sum of independent vectors G_i g_i / Z: their covariances add up.",
             {"trace": float(np.trace(np.asarray(sides.claimed)))}),
        Step("All 2^4 gates give the same matrix.",
             {"enumerated trace": sides.numbers["variance"], "error / eps": sides.error}),
        Step("One uniform for all decisions keeps the mean and changes the covariance.",
             {"trace": gate_covariance(batch, shared_uniform=True).numbers["variance"]}),
    ]  # fmt: skip


CLAIMS = (
    Claim(
        id="gate-unbiased",
        group="gate",
        section="1",
        statement="Given the batch and the price, the expected update of the Bernoulli gate is the "
        "DG update at the same price and temperature.",
        hypotheses=(CONSTANT_Z, SAME_PRICE, SAME_TEMPERATURE, WEIGH_U),
        source="[K] Algorithm 1, [DG]",
        function=gate_unbiasedness,
        instance=given,
        value="E of the gated update",
        boundaries=(
            Boundary(CONSTANT_Z, "Z = kept", lambda: given(normalizer="kept"), norms),
            Boundary(SAME_PRICE, "DG at price 0", lambda: given(price=Fixed(0.0)), norms),
            Boundary(SAME_TEMPERATURE, "DG at temperature 1",
                     lambda: given(temperature=1.0), norms),
            Boundary(WEIGH_U, "the DG weight once more", lambda: given(chained=True), norms),
        ),
        steps=_steps_unbiased,
    ),
    Claim(
        id="gate-covariance",
        group="gate",
        section="1",
        statement="Its covariance over the draws is sum w (1 - w) g g^T / Z^2.",
        hypotheses=(CONSTANT_Z, INDEPENDENT),
        source="ours",
        function=gate_covariance,
        instance=given,
        value="covariance of the gated update",
        boundaries=(
            Boundary(CONSTANT_Z, "Z = kept", lambda: given(normalizer="kept"), variances),
            Boundary(INDEPENDENT, "one uniform for the batch",
                     lambda: given(shared_uniform=True), variances),
        ),
        steps=_steps_covariance,
    ),
    *gate_inverse.CLAIMS,
    *gate_rate.CLAIMS,
)  # fmt: skip
