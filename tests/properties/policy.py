"""Laws of the first stations: logits -> log pi -> surprisal -> priority signal."""

import numpy as np
from hypothesis import strategies as st
from mpmath import mp, mpf
from strategies import SIGNALS, Batch, batches, dyadic

from kondo_ref.delight import log_softmax, priority_signal, surprisal
from kondo_ref.gate import Gate
from kondo_ref.gradient import policy_gradient
from properties.register import EPS, LIMIT, assert_near, assert_same, holds

PG = Gate.named("pg")


@holds(batch=batches(), shift=st.integers(-(10**6), 10**6))
def softmax_is_shift_invariant(batch: Batch, shift: int) -> None:
    given = policy_gradient(batch.logits, batch.actions, batch.advantages, PG, mask=batch.mask)
    moved = policy_gradient(
        batch.logits + shift, batch.actions, batch.advantages, PG, mask=batch.mask
    )
    assert_near(moved.screening.surprisal, given.screening.surprisal)
    assert_near(moved.dlogits, given.dlogits)


@holds(batch=batches(sequences=False, most=4))
def surprisal_keeps_its_relative_accuracy(batch: Batch) -> None:
    level = surprisal(log_softmax(batch.logits), batch.actions)
    assert (level >= 0).all()
    # exp(-2000) is added to 1 here: 900 digits hold it without any rearrangement
    with mp.workdps(900):
        for row, action, found in zip(batch.logits, batch.actions, level, strict=True):
            exact = mp.log(sum(mp.exp(mpf(float(z)) - mpf(float(row[action]))) for z in row))
            # below the smallest normal number there is no relative accuracy to keep
            allowed = LIMIT * EPS * exact + np.finfo(np.float64).tiny
            assert abs(mpf(float(found)) - exact) <= allowed, f"{found} is not {float(exact)}"


@holds(batch=batches())
def probabilities_sum_to_one(batch: Batch) -> None:
    log_probabilities = log_softmax(batch.logits)
    assert log_probabilities.shape == batch.logits.shape
    assert (log_probabilities <= 0).all()
    assert_near(np.exp(log_probabilities).sum(axis=-1), np.ones(batch.shape))


@holds(batch=batches(), alpha=st.sampled_from((0.0, 0.25, 0.5, 1.0)))
def signals_follow_their_formulas(batch: Batch, alpha: float) -> None:
    level = surprisal(log_softmax(batch.logits), batch.actions)
    for name in SIGNALS:
        found = priority_signal(name, batch.advantages, level, alpha)
        assert found.shape == batch.shape
        for index in np.ndindex(*batch.shape):
            u, nats = float(batch.advantages[index]), float(level[index])
            desired = {
                "delight": u * nats,
                "advantage": u,
                "abs_advantage": max(u, -u),
                "surprisal": nats,
                "uniform": 1.0,
                "additive": nats + alpha * (u - nats),
            }[name]
            size = abs(u) + nats if name == "additive" else abs(desired)
            assert_near(found[index], desired, scale=size)


@holds(
    row=st.integers(1, 33).flatmap(lambda k: dyadic((k,), 4)),
    n=st.integers(1, 9),
    dtype=st.sampled_from((np.float32, np.float64)),
)
def equal_rows_are_equal_decisions(row: np.ndarray, n: int, dtype: type) -> None:
    # Bit for bit: a tie that rounding breaks is not kept by the lowest index, and a decision that
    # depends on its place changes with the way in which a stream is cut into batches.
    rows = np.tile(row.astype(dtype), (n, 1))
    alone = surprisal(log_softmax(rows[:1]), np.zeros(1, dtype=int))
    together = surprisal(log_softmax(rows), np.zeros(n, dtype=int))
    assert_same(together, np.repeat(alone, n))
