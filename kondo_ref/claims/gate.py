"""Claims about the gate's draw, given the batch: unbiasedness, covariance, inverse weights, rate 1.

Statements 1, 2 and 9. Each is checked by running the core for all 2^N gates of a batch; nothing is
sampled. The batch, and so the price, is given: what happens over batches is the group price.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from kondo_ref.checks import FloatArray
from kondo_ref.claims.register import EPS, Boundary, Claim, Sides, Step
from kondo_ref.exact.draws import GivenBatch, enumerated, enumerated_weights
from kondo_ref.gate import Gate
from kondo_ref.gradient import normalizer_count
from kondo_ref.price import Calibrated, Fixed, Price, Quantile

CONSTANT_Z = "Z does not depend on the draw (decisions or none)"
SAME_PRICE = "the price of the DG update is the gate's"
SAME_TEMPERATURE = "the temperature of the DG update is the gate's"
WEIGH_U = "survivors weigh U"
INDEPENDENT = "uniforms of different decisions are independent"
POSITIVE = "w > 0 wherever U is not 0"
INVERSE = "the weights are exactly 1/w"
RATE_ONE = "the rate is 1"
KEEPS_ALL = "the gate keeps exactly its rate (top-k or calibrated)"
SURVIVORS = "survivors weigh U, not sigmoid(chi) U"


def _terms(batch: GivenBatch) -> FloatArray:
    """Return the norm of every unit's part of the plain update, (units,)."""
    norms: FloatArray = np.linalg.norm(batch.unit_gradients(), axis=1)
    norms /= normalizer_count(batch.screening(), _constant(batch.normalizer))
    return norms


def _constant(normalizer: str) -> str:
    return "decisions" if normalizer == "kept" else normalizer


def _keep(batch: GivenBatch) -> FloatArray:
    return batch.screening().keep_probability.ravel().astype(np.float64)


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
    claimed = replace(batch, gate=soft, normalizer=_constant(batch.normalizer)).update(None)
    w = _keep(batch)
    actual = enumerated_weights(batch, w).mean if chained else enumerated(batch).mean
    size = float(np.linalg.norm(claimed))
    length = float(np.linalg.norm(actual))
    numbers = {"norm": length, "norm_dg": size, "ratio": length / size if size else float("nan")}
    return Sides(actual, claimed, scale=float(w @ _terms(batch)), numbers=numbers)


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
        actual = enumerated_weights(batch, np.ones(_keep(batch).size), shared_uniform=True)
    else:
        actual = enumerated(batch)
    w = _keep(batch)
    z = normalizer_count(batch.screening(), _constant(batch.normalizer))
    v = batch.unit_gradients() / z
    claimed = np.einsum("u,ui,uj->ij", w * (1.0 - w), v, v)
    numbers = {"variance": actual.total_variance, "variance_claimed": float(np.trace(claimed))}
    return Sides(actual.covariance, claimed, scale=_spread(batch, w * (1 - w)), numbers=numbers)


def _spread(batch: GivenBatch, factors: FloatArray) -> float:
    """Return what a covariance's rounding is measured against.

    Deviations from the mean carry the rounding of the updates, eps M with M the summed norms: so a
    variance V is right to eps (V + M sqrt(V) + eps M^2).
    """
    terms = _terms(batch)
    variance, reach = float(factors @ terms**2), float(terms.sum())
    return variance + reach * float(np.sqrt(variance)) + EPS * reach**2


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
    w = _keep(batch)
    weights = np.minimum(bound, np.divide(1.0, w, out=np.zeros_like(w), where=w > 0.0))
    claimed = replace(batch, gate=Gate.named("pg"), normalizer=_constant(batch.normalizer))
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
        scale=float(_terms(batch).sum()),
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
    w = _keep(batch)
    inverse = np.divide(1.0, w, out=np.zeros_like(w), where=w > 0.0)
    actual = enumerated_weights(batch, np.minimum(bound, inverse), shared_uniform=shared_uniform)
    z = normalizer_count(batch.screening(), batch.normalizer)
    v = batch.unit_gradients() / z
    odds = (1.0 - w) * inverse
    claimed = np.einsum("u,ui,uj->ij", odds, v, v)
    kondo = float((w * (1.0 - w)) @ _terms(batch) ** 2)
    numbers = {"variance": actual.total_variance, "variance_kondo": kondo}
    return Sides(actual.covariance, claimed, scale=_spread(batch, odds), numbers=numbers)


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
    return Sides(actual, claimed, scale=float(_terms(batch).sum()), numbers=numbers)


def small_batch(gate: Gate, normalizer: str = "decisions") -> GivenBatch:
    """Return four decisions of a bandit with three arms: the instance of the table."""
    return GivenBatch(
        np.tile(np.log([0.6, 0.3, 0.1]), (4, 1)),
        np.array([0, 1, 2, 2]),
        np.array([-0.5, 0.5, -0.5, 1.5]),
        gate,
        normalizer,
        contexts=np.zeros(4, np.int64),
    )


KONDO = Gate(price=Quantile(0.25), temperature=0.5, draw="bernoulli")
EVEN = Gate(signal="uniform", price=Fixed(1.0), draw="bernoulli")  # w = 1/2 for every decision


def _given(gate: Gate = KONDO, normalizer: str = "decisions", **rest: Any) -> dict[str, Any]:
    return {"batch": small_batch(gate, normalizer), **rest}


def _norms(sides: Sides) -> str:
    n = sides.numbers
    other = "norm_dg" if "ratio" in n else "norm_pg"
    name = other.removeprefix("norm_").upper()
    return f"the expected update has norm {n['norm']:.4f}, that of {name} is {n[other]:.4f}"


def _variances(sides: Sides) -> str:
    claimed = float(np.trace(np.asarray(sides.claimed)))
    return f"total variance {sides.numbers['variance']:.4f}, the formula gives {claimed:.4f}"


def _steps_unbiased() -> list[Step]:
    batch = small_batch(KONDO)
    w, v = _keep(batch), batch.unit_gradients()
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
    w = _keep(batch)
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


def _steps_inverse() -> list[Step]:
    batch = small_batch(KONDO)
    sides, spread = inverse_probability(batch), inverse_probability_covariance(batch)
    return [
        Step("E (G_i / w_i) = 1 where w_i > 0.", {"1 / w": 1 / _keep(batch)}),
        Step("So every decision counts as if it had always been kept: the mean is PG.",
             {"enumerated": sides.actual, "PG": sides.claimed}),
        Step("DG is another update: an implementation with these weights is no Kondo gate.",
             {"|PG - DG| / |PG|": sides.numbers["distance_to_dg"]}),
        Step("Var(G_i / w_i) = (1 - w_i) / w_i, without bound as w_i falls.",
             {"variance": spread.numbers["variance"],
              "Kondo gate": spread.numbers["variance_kondo"]}),
    ]  # fmt: skip


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
        id="gate-unbiased",
        group="gate",
        section="1",
        statement="Given the batch and the price, the expected update of the Bernoulli gate is the "
        "DG update at the same price and temperature.",
        hypotheses=(CONSTANT_Z, SAME_PRICE, SAME_TEMPERATURE, WEIGH_U),
        source="[K] Algorithm 1, [DG]",
        function=gate_unbiasedness,
        instance=_given,
        value="E of the gated update",
        boundaries=(
            Boundary(CONSTANT_Z, "Z = kept", lambda: _given(normalizer="kept"), _norms),
            Boundary(SAME_PRICE, "DG at price 0", lambda: _given(price=Fixed(0.0)), _norms),
            Boundary(SAME_TEMPERATURE, "DG at temperature 1",
                     lambda: _given(temperature=1.0), _norms),
            Boundary(WEIGH_U, "the DG weight once more", lambda: _given(chained=True), _norms),
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
        instance=_given,
        value="covariance of the gated update",
        boundaries=(
            Boundary(CONSTANT_Z, "Z = kept", lambda: _given(normalizer="kept"), _variances),
            Boundary(INDEPENDENT, "one uniform for the batch",
                     lambda: _given(shared_uniform=True), _variances),
        ),
        steps=_steps_covariance,
    ),
    Claim(
        id="inverse-probability",
        group="gate",
        section="2",
        statement="With weights 1/w the expected update is the plain policy gradient: unbiased for "
        "PG, so not a Kondo gate.",
        hypotheses=(POSITIVE, INVERSE, CONSTANT_Z),
        source="ours (Horvitz and Thompson 1952)",
        function=inverse_probability,
        instance=_given,
        value="E of the weighted update",
        boundaries=(
            Boundary(POSITIVE, "temperature 0",
                     lambda: _given(replace(KONDO, temperature=0.0)), _norms),
            Boundary(INVERSE, "weights cut at 2", lambda: _given(bound=2.0), _norms),
            Boundary(CONSTANT_Z, "Z = kept, w = 1/2", lambda: _given(EVEN, "kept"), _norms),
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
        instance=_given,
        value="covariance of the weighted update",
        boundaries=(
            Boundary(INVERSE, "weights cut at 2", lambda: _given(bound=2.0), _variances),
            Boundary(INDEPENDENT, "one uniform for the batch",
                     lambda: _given(shared_uniform=True), _variances),
        ),
        steps=_steps_inverse,
    ),
    Claim(
        id="rate-one",
        group="gate",
        section="9",
        statement="A gate of rate 1 is PG, not DG: everything survives, and survivors weigh U.",
        hypotheses=(RATE_ONE, KEEPS_ALL, SURVIVORS),
        source="[K] Algorithm 1",
        function=rate_one,
        instance=lambda: _given(Gate.named("kondo-top-k", rate=1.0)),
        value="the update at rate 1",
        boundaries=(
            Boundary(RATE_ONE, "top-k at rate 1/2",
                     lambda: _given(Gate.named("kondo-top-k", rate=0.5)), _norms),
            Boundary(RATE_ONE, "the calibrated price at rate 1/2",
                     lambda: _given(Gate(price=Calibrated(0.5), draw="bernoulli")), _norms),
            Boundary(KEEPS_ALL, "a Bernoulli gate at the quantile price",
                     lambda: _given(Gate.named("kondo", rate=1.0)), _norms),
            Boundary(SURVIVORS, "DG", lambda: _given(Gate.named("dg")), _norms),
        ),
        steps=_steps_rate_one,
        remark="A note elsewhere says that rate 1 recovers DG; it would with survivors that weigh "
        "sigmoid(chi) U, which the released code does not have.",
    ),
)  # fmt: skip
