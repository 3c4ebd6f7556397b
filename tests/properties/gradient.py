"""Laws of the gated policy gradient: the loss, its derivative, the normalizer, unbiasedness."""

import itertools
from dataclasses import replace

import numpy as np
from strategies import LARGEST_UNIFORM, TEMPERATURES, Case, cases, gates

from kondo_ref.gate import Gate
from kondo_ref.gradient import policy_gradient
from kondo_ref.price import Fixed
from kondo_ref.randomness import Purpose, normals
from properties.register import LIMIT, assert_near, assert_same, holds

EVERY_NORMALIZER = ("decisions", "kept", "none")


def divisor(case: Case, weight: np.ndarray) -> int:
    """Z, counted from the weights alone."""
    counts = {
        "decisions": int(np.count_nonzero(case.batch.valid)),
        "kept": max(1, sum(g > 0 for g in weight.flat)),
        "none": 1,
    }
    return counts[case.normalizer]


def terms_of_the_loss(case: Case, weight: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """G_i U_i l_i / Z with l = log sum_j exp(z_j - z_a), for complex logits too; G is frozen."""
    rows = logits.reshape(-1, logits.shape[-1])
    relative = rows - np.take_along_axis(rows, case.batch.actions.reshape(-1, 1), axis=1)
    top = relative.real.max(axis=1, keepdims=True)
    level = top[:, 0] + np.log(np.exp(relative - top).sum(axis=1))
    terms: np.ndarray = (weight * case.batch.advantages).ravel() * level
    return terms / divisor(case, weight)


@holds(case=cases())
def loss_is_the_weighted_surprisal(case: Case) -> None:
    result = case.run()
    assert isinstance(result.loss, float)
    assert result.normalizer == divisor(case, result.screening.weight)
    terms = terms_of_the_loss(case, result.screening.weight, case.batch.logits)
    # this log-sum-exp is right to eps of a nat, not of the surprisal
    weights = result.screening.weight * case.batch.advantages / result.normalizer
    size = float(np.abs(terms).sum() + np.abs(weights).sum())
    assert_near(result.loss, float(terms.sum()), scale=size)


@holds(case=cases(most=6))
def dlogits_is_the_derivative_of_the_loss(case: Case) -> None:
    result, step = case.run(), 2.0**-80
    weight, k = result.screening.weight, case.batch.logits.shape[-1]
    derivative = np.empty_like(result.dlogits)
    for action in range(k):
        # the loss is a sum over rows, so one step moves all rows at once
        moved = case.batch.logits + 1j * step * np.eye(k)[action]
        derivative[..., action] = (
            terms_of_the_loss(case, weight, moved).imag.reshape(weight.shape) / step
        )
    difference = np.linalg.norm((result.dlogits - derivative).ravel())
    # the limit of a complex step, and exp(-700) * step, below which its parts underflow
    assert difference <= 1e-12 * np.linalg.norm(derivative.ravel()) + 1e-280


@holds(case=cases())
def rows_of_dlogits_sum_to_zero(case: Case) -> None:
    dlogits = case.run().dlogits
    size = np.abs(dlogits).sum(axis=-1)
    assert (np.abs(dlogits.sum(axis=-1)) <= LIMIT * np.finfo(np.float64).eps * size).all()


@holds(case=cases())
def dropped_rows_are_exactly_zero(case: Case) -> None:
    result = case.run()
    dropped = result.screening.weight == 0.0
    assert not result.dlogits[dropped].any()
    moving = ~dropped & (case.batch.advantages != 0.0)
    if case.batch.logits.shape[-1] > 1 and float(np.ptp(case.batch.logits)) < 20.0:
        smallest = np.abs(result.dlogits[moving]).max(axis=-1)
        assert (smallest > 0.0).all()


@holds(case=cases(gate=gates(), families=("moderate", "huge")))
def an_empty_gate_moves_nothing(case: Case) -> None:
    nothing = replace(case.gate, draw="soft", price=Fixed(np.inf), rate=None)
    for normalizer in EVERY_NORMALIZER:
        result = case.run(gate=nothing, normalizer=normalizer)
        assert result.loss == 0.0
        assert result.screening.kept.size == 0
        assert result.screening.realised_rate == 0.0
        assert_same(result.dlogits, np.zeros_like(case.batch.logits))


@holds(
    case=cases(
        gate=gates(
            draws=("bernoulli",),
            kinds=("fixed", "quantile", "calibrated"),
            temperatures=TEMPERATURES[2:],
        ),
        most=8,
        sequences=False,
        normalizers=("decisions", "none"),
    )
)
def soft_is_the_mean_of_bernoulli(case: Case) -> None:
    soft = case.run(gate=replace(case.gate, draw="soft"))
    assert_near(mean_over_gates(case), soft.dlogits, scale=float(np.abs(soft.dlogits).sum()))


def mean_over_gates(case: Case) -> np.ndarray:
    """Return the exact mean of dlogits over the 2^n gates, each run with uniforms that draw it."""
    w = case.run().screening.keep_probability
    open_units = np.flatnonzero((w > 0.0) & (w < 1.0))
    mean = np.zeros_like(case.batch.logits)
    for gate in itertools.product((0.0, 1.0), repeat=open_units.size):
        uniforms = np.where(w == 1.0, 0.0, LARGEST_UNIFORM)
        kept = np.array(gate)
        uniforms[open_units] = np.where(kept == 1.0, 0.0, LARGEST_UNIFORM)
        chance = np.where(kept == 1.0, w[open_units], 1.0 - w[open_units]).prod()
        mean += chance * case.run(uniforms=uniforms).dlogits
    return mean


@holds()
def bernoulli_is_biased_when_normalized_by_the_kept() -> None:
    logits, actions, advantages = np.zeros((2, 2)), np.array([0, 0]), np.array([1.0, 1.0])
    gate = Gate.named("kondo", price=Fixed(np.log(2.0)))
    mean = np.zeros((2, 2))
    for uniforms in itertools.product((0.25, 0.75), repeat=2):
        one = policy_gradient(
            logits, actions, advantages, gate, uniforms=np.array(uniforms), normalizer="kept"
        )
        mean += one.dlogits / 4
    soft = replace(gate, draw="soft")
    desired = policy_gradient(logits, actions, advantages, soft, normalizer="kept")
    # w is 1/2: a row is kept alone (1/4, Z = 1) or with the other (1/4, Z = 2), so it counts
    # 1/4 + 1/8 = 3/8; the soft update has w/Z = 1/4
    row = np.array([-0.5, 0.5])
    assert_near(mean, np.array([row, row]) * 3 / 8)
    assert_near(desired.dlogits, np.array([row, row]) / 4)


@holds(case=cases())
def memory_layout_changes_nothing(case: Case) -> None:
    same_in_every_layout(case)
    # Drawn logits are short binary fractions, whose sums do not depend on their order.
    shape = case.batch.shape
    rough = normals(0, Purpose.ENVIRONMENT, 0, (*shape, 9))
    same_in_every_layout(replace(case, batch=replace(case.batch, logits=rough)))


def same_in_every_layout(case: Case) -> None:
    logits = case.batch.logits
    whole = case.run()
    backwards = tuple(slice(None, None, -1) for _ in logits.shape)
    axes = (1, 0, *range(2, logits.ndim))
    layouts = [
        np.asfortranarray(logits),
        np.ascontiguousarray(logits[backwards])[backwards],
        np.ascontiguousarray(logits.transpose(axes)).transpose(axes),
    ]
    for layout in layouts:
        found = replace(case, batch=replace(case.batch, logits=layout)).run()
        assert found.loss == whole.loss
        assert_same(found.dlogits, whole.dlogits)
