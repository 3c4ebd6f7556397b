"""Laws of a whole batch: order, invalid rows, cutting, dtype, and the rates that are reported."""

import math
from dataclasses import replace

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from strategies import Case, cases, gates

from kondo_ref.gradient import PolicyGradient
from kondo_ref.price import Rolling
from kondo_ref.screening import Screening
from properties.gate import largest_first, rounded_count
from properties.register import assert_near, assert_same, holds

IN_ORDER = ("fixed", "quantile", "calibrated")
GUARD = 1e-6


def loss_size(result: PolicyGradient) -> float:
    """Sum of the absolute terms of the loss: what its rounding errors are relative to."""
    screening = result.screening
    terms = screening.weight * screening.advantages * screening.surprisal / result.normalizer
    return float(np.abs(terms).sum())


@holds(case=cases(gate=gates(kinds=IN_ORDER)), data=st.data())
def order_of_decisions_does_not_matter(case: Case, data: st.DataObject) -> None:
    given = case.run()
    if case.gate.draw == "top_k":  # equal signals are told apart by their index
        known = given.screening.signal[
            ... if given.screening.unit_mask is None else given.screening.unit_mask
        ]
        assume(np.unique(known).size == known.size)
    order = data.draw(st.permutations(range(case.batch.shape[0])), label="order")
    moved = replace(case, batch=case.batch.take(order), uniforms=case.uniforms[order]).run()
    for field in ("surprisal", "advantages", "signal", "keep_probability", "weight", "mask"):
        there, here = getattr(moved.screening, field), getattr(given.screening, field)
        assert_same(there, None if here is None else here[order])
    assert_same(moved.screening.price, given.screening.price)
    assert_same(moved.dlogits, given.dlogits[order])
    assert moved.normalizer == given.normalizer
    assert_near(moved.loss, given.loss, scale=loss_size(given))


@holds(case=cases(masked=True))
def masked_equals_removed(case: Case) -> None:
    given, batch = case.run(), case.batch
    rows = batch.valid.any(axis=1) if case.gate.unit == "sequence" else batch.valid
    smaller = batch.take(rows, mask=case.gate.unit == "sequence")
    alone = replace(case, batch=smaller, uniforms=case.uniforms[rows]).run()
    there, here = given.screening, alone.screening
    assert_same(there.weight[rows], here.weight)
    assert_same(there.keep_probability[rows], here.keep_probability)
    per_unit = isinstance(case.gate.price, Rolling)
    assert_same(there.price[rows] if per_unit else there.price, here.price)
    assert_same(there.history, here.history)
    for name in ("valid", "valid_units", "target_rate", "selectivity"):
        assert getattr(there, name) == getattr(here, name), name
    assert_near(there.expected_rate, here.expected_rate)
    assert_near(there.realised_rate, here.realised_rate)
    assert given.normalizer == alone.normalizer
    assert_near(given.dlogits[rows], alone.dlogits)
    assert not given.dlogits[~batch.valid].any()
    assert not there.weight[~batch.valid].any()
    assert_near(given.loss, alone.loss, scale=loss_size(given))


@holds(
    case=cases(
        gate=gates(draws=("soft", "bernoulli"), kinds=("fixed",)),
        normalizers=("none", "decisions"),
    ),
    data=st.data(),
)
def parts_of_a_batch_sum_to_the_whole(case: Case, data: st.DataObject) -> None:
    whole, n = case.run(), case.batch.shape[0]
    assume(n > 1)
    cut = data.draw(st.integers(1, n - 1), label="cut")
    parts = []
    for rows in (slice(0, cut), slice(cut, n)):
        assume(case.batch.valid[rows].any())
        part = replace(case, batch=case.batch.take(rows), uniforms=case.uniforms[rows]).run()
        by_valid = part.screening.valid / whole.screening.valid
        parts.append((part, by_valid if case.normalizer == "decisions" else 1.0))
    assert_near(np.concatenate([part.dlogits * share for part, share in parts]), whole.dlogits)
    total = sum(part.loss * share for part, share in parts)
    assert_near(total, whole.loss, scale=loss_size(whole))


@holds(case=cases())
def inputs_are_left_alone(case: Case) -> None:
    batch = case.batch
    own = {
        "logits": batch.logits.copy(),
        "advantages": batch.advantages.copy(),
        "mask": None if batch.mask is None else batch.mask.copy(),
        "uniforms": case.uniforms.copy(),
        "history": np.array([0.5, -0.25]) if isinstance(case.gate.price, Rolling) else None,
    }
    before = {name: None if array is None else array.copy() for name, array in own.items()}
    first = case.run(**own)
    for name, array in own.items():
        assert_same(array, before[name])
    second = case.run(**own)
    assert_same(second.dlogits, first.dlogits)
    assert_same(second.screening.weight, first.screening.weight)


@holds(case=cases(gate=gates(kinds=IN_ORDER), normalizers=("decisions", "none")))
def float32_agrees_with_float64(case: Case) -> None:
    single = case.run(logits=case.batch.logits.astype(np.float32))
    double = case.run()
    assert single.dlogits.dtype == np.float32
    for field in ("surprisal", "signal", "weight", "keep_probability"):
        assert getattr(single.screening, field).dtype == np.float32, field
    assert_near(single.screening.surprisal, double.screening.surprisal.astype(np.float32))
    screening = double.screening
    size = 1.0 + float(np.abs(screening.signal).max())
    if screening.price is not None and np.isfinite(screening.price):
        size += abs(screening.price)
    sharp = case.gate.draw == "top_k" or case.gate.temperature == 0.0
    # w is sigmoid((signal - price) / temperature): the rounding of both grows with 1 / temperature
    growth = size if sharp else max(1.0, size / case.gate.temperature)
    clear = clear_of_a_boundary(case, screening, GUARD * growth)
    units = case.gate.unit == "sequence"
    rows = np.repeat(clear[:, None], case.batch.shape[1], axis=1) if units else clear
    limit = 32.0 if sharp else 32.0 * growth
    for there, here in (
        (single.screening.weight, screening.weight),
        (single.dlogits, double.dlogits),
    ):
        assert_near(there[rows], here[rows].astype(np.float32), limit=limit)


def clear_of_a_boundary(case: Case, screening: Screening, guard: float) -> np.ndarray:
    """Mark the units whose decision does not hang on a rounding."""
    signal, gate = screening.signal, case.gate
    if gate.draw == "top_k":
        valid = np.ones(signal.shape, bool) if screening.unit_mask is None else screening.unit_mask
        k = rounded_count(gate.rate, screening.valid_units)
        order = largest_first(signal, valid)
        edge = [signal.flat[i] for i in order[max(k - 1, 0) : k + 1]]
        if len(edge) < 2 or edge[0] - edge[1] > guard:
            return np.ones(signal.shape, dtype=bool)
        return np.abs(signal - edge[0]) > guard
    if gate.temperature == 0.0:
        return np.abs(signal - screening.price) > guard
    if gate.draw == "bernoulli":
        clear: np.ndarray = np.abs(screening.keep_probability - case.uniforms) > guard
        return clear
    return np.ones(signal.shape, dtype=bool)


@holds(case=cases())
def rates_and_selectivity_are_counted_right(case: Case) -> None:
    screening, batch, gate = case.run().screening, case.batch, case.gate
    sequences = gate.unit == "sequence"
    unit_valid = batch.valid.any(axis=1) if sequences else batch.valid
    weight = screening.weight.max(axis=1) if sequences else screening.weight
    units = np.flatnonzero(unit_valid).tolist()
    assert screening.valid == np.count_nonzero(batch.valid)
    assert screening.valid_units == len(units)
    expected = math.fsum(screening.keep_probability.flat[i] for i in units) / len(units)
    realised = math.fsum(weight.flat[i] for i in units) / len(units)
    assert_near(screening.expected_rate, expected)
    assert_near(screening.realised_rate, realised)

    kept = [i for i in units if weight.flat[i] > 0]
    target = screening.target_rate
    k = len(kept) if target is None else rounded_count(target, len(units))
    best = largest_first(screening.signal, unit_valid)[:k]
    found = screening.selectivity
    assert found.recall == (len(set(best) & set(kept)) / k if k else 1.0)
    assert 0.0 <= found.recall <= 1.0
    if gate.draw == "top_k":
        assert found.recall == 1.0
        assert screening.realised_rate == k / len(units)
    decisions = [i for i in np.ndindex(*batch.shape) if screening.weight[i] > 0]
    assert screening.kept.tolist() == [int(np.ravel_multi_index(i, batch.shape)) for i in decisions]
    if not kept:
        assert found.negative_share is None
        assert found.zero_advantage_share is None
        return
    negative = sum(screening.signal.flat[i] < 0 for i in kept)
    zero = sum(batch.advantages[i] == 0 for i in decisions)
    assert found.negative_share == negative / len(kept)
    assert found.zero_advantage_share == zero / len(decisions)
