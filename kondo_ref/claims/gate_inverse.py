"""Claims about a gate whose survivors weigh 1/w: PG in expectation, at a price in variance.

Statement 2: Horvitz and Thompson's estimator, which goes about under the name of the Kondo gate.
"""

from dataclasses import replace

import numpy as np

from kondo_ref.checks import FloatArray
from kondo_ref.claims.gate_batches import (
    CONSTANT_Z,
    EVEN,
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
from kondo_ref.gate import Gate
from kondo_ref.gradient import normalizer_count
from kondo_ref.price import Fixed

POSITIVE = "w > 0 wherever U is not 0"
INVERSE = "the weights are exactly 1/w"


def inverse_probability(batch: GivenBatch, *, bound: float = np.inf) -> Sides:
    """Hold the expected update with weights 1/w to the plain policy gradient.

    Hypotheses: w > 0 wherever U is not 0, weights exactly 1/w, Z does not depend on the draw.
    Claim: E (1/Z) sum (G_i / w_i) g_i = (1/Z) sum g_i, Horvitz and Thompson's estimator of PG,
    which is therefore no Kondo gate. Source: ours; statement 2.

    Parameters
    ----------
    batch : GivenBatch
        With a Bernoulli gate.
    bound : float
        The largest weight.
    """
    w = keep_probabilities(batch)
    weights = np.minimum(bound, np.divide(1.0, w, out=np.zeros_like(w), where=w > 0.0))
    claimed = replace(
        batch, gate=Gate.named("pg"), normalizer=constant_normalizer(batch.normalizer)
    )
    if batch.normalizer == "kept":
        actual = enumerated(replace(batch, advantages=batch.advantages * weights, gate=_frozen(w)))
    else:
        actual = enumerated_weights(batch, weights)
    dg = replace(claimed, gate=replace(batch.gate, draw="soft")).update(None)
    plain = claimed.update(None)
    gap = float(np.linalg.norm(plain - dg) / np.linalg.norm(plain)) if plain.any() else 0.0
    return Sides(
        actual.mean,
        plain,
        scale=float(unit_norms(batch).sum()),
        numbers={
            "norm": float(np.linalg.norm(actual.mean)),
            "norm_pg": float(np.linalg.norm(plain)),
            "distance_to_dg": gap,
        },
    )


def _frozen(w: FloatArray) -> Gate:
    """Return a Bernoulli gate with one keep probability for all, where the w are all equal."""
    if not np.all(w == w[0]) or not 0.0 < w[0] < 1.0:
        raise ValueError("batch: weights 1/w per kept decision need one keep probability for all")
    price = -float(np.log(w[0]) - np.log1p(-w[0]))
    return Gate(signal="uniform", price=Fixed(1.0 + price), draw="bernoulli")


def inverse_probability_covariance(
    batch: GivenBatch, *, bound: float = np.inf, shared_uniform: bool = False
) -> Sides:
    """Hold the covariance of the weights 1/w to sum (1 - w)/w g g^T / Z^2.

    Hypotheses: as `inverse_probability`, and independent uniforms. It is 1/w^2 times the Kondo
    gate's, term by term: what unbiasedness for PG costs. Source: ours.

    Parameters
    ----------
    batch : GivenBatch
        With a Bernoulli gate.
    bound : float
        The largest weight.
    shared_uniform : bool
        One uniform for all decisions.
    """
    w = keep_probabilities(batch)
    inverse = np.divide(1.0, w, out=np.zeros_like(w), where=w > 0.0)
    actual = enumerated_weights(batch, np.minimum(bound, inverse), shared_uniform=shared_uniform)
    z = normalizer_count(batch.screening(), batch.normalizer)
    v = batch.unit_gradients() / z
    odds = (1.0 - w) * inverse
    claimed = np.einsum("u,ui,uj->ij", odds, v, v)
    kondo = float((w * (1.0 - w)) @ unit_norms(batch) ** 2)
    numbers = {"variance": actual.total_variance, "variance_kondo": kondo}
    return Sides(actual.covariance, claimed, scale=covariance_scale(batch, odds), numbers=numbers)


def _steps_inverse() -> list[Step]:
    batch = small_batch(KONDO)
    sides, spread = inverse_probability(batch), inverse_probability_covariance(batch)
    return [
        Step("E (G_i / w_i) = 1 where w_i > 0.", {"1 / w": 1 / keep_probabilities(batch)}),
        Step("So every decision counts as if it had always been kept: the mean is PG.",
             {"enumerated": sides.actual, "PG": sides.claimed}),
        Step("DG is another update: an implementation with these weights is no Kondo gate.",
             {"|PG - DG| / |PG|": sides.numbers["distance_to_dg"]}),
        Step("Var(G_i / w_i) = (1 - w_i) / w_i, without bound as w_i falls.",
             {"variance": spread.numbers["variance"],
              "Kondo gate": spread.numbers["variance_kondo"]}),
    ]  # fmt: skip


CLAIMS = (
    Claim(
        id="inverse-probability",
        group="gate",
        section="2",
        statement="With weights 1/w the expected update is the plain policy gradient: unbiased for "
        "PG, so not a Kondo gate.",
        hypotheses=(POSITIVE, INVERSE, CONSTANT_Z),
        source="ours (Horvitz and Thompson 1952)",
        function=inverse_probability,
        instance=given,
        value="E of the weighted update",
        boundaries=(
            Boundary(POSITIVE, "temperature 0",
                     lambda: given(replace(KONDO, temperature=0.0)), norms),
            Boundary(INVERSE, "weights cut at 2", lambda: given(bound=2.0), norms),
            Boundary(CONSTANT_Z, "Z = kept, w = 1/2", lambda: given(EVEN, "kept"), norms),
        ),
        steps=_steps_inverse,
    ),
    Claim(
        id="inverse-probability-covariance",
        group="gate",
        section="ours",
        statement="Its covariance is sum (1 - w)/w g g^T / Z^2, term by term 1/w^2 times the Kondo "
        "gate's.",
        hypotheses=(INVERSE, INDEPENDENT),
        source="ours (Horvitz and Thompson 1952)",
        function=inverse_probability_covariance,
        instance=given,
        value="covariance of the weighted update",
        boundaries=(
            Boundary(INVERSE, "weights cut at 2", lambda: given(bound=2.0), variances),
            Boundary(INDEPENDENT, "one uniform for the batch",
                     lambda: given(shared_uniform=True), variances),
        ),
        steps=_steps_inverse,
    ),
)  # fmt: skip
