"""The transformer of the Numba backend against the reference, whatever the batch and the gate."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba")

from hypothesis import given
from hypothesis import strategies as st
from numba_sequences import (
    EPS,
    FULL,
    PLAIN,
    SHALLOW,
    Case,
    assert_close,
    assert_same_gradient,
    assert_same_step,
    batch,
    cases,
)
from numba_steps import GATES

from kondo_ref import MLP, SGD, Adam, Fixed, Gate
from kondo_ref.backends.numba_backend import NumbaBackend
from kondo_ref.backends.numba_learner import NumbaLearner
from kondo_ref.gradient import policy_gradient
from kondo_ref.step import Learner, TrainingState

UNITS = st.sampled_from(["token", "sequence"])
MODES = st.sampled_from(["cache", "recompute"])


def top_k(rate: float, unit: str = "token") -> Gate:
    return Gate.named("kondo-top-k", rate=rate, unit=unit)


@given(case=cases(), name=st.sampled_from(sorted(GATES)), unit=UNITS, activations=MODES)
def test_an_update_is_that_of_the_reference(
    case: Case, name: str, unit: str, activations: str
) -> None:
    gate = replace(GATES[name], unit=unit)
    reference = Learner(case.state(), activations=activations)
    learner = NumbaLearner(case.state(), activations=activations)
    assert_close(learner.logits(case.tokens), reference.logits(case.tokens), EPS, "z")
    theirs, expected = case.update(reference, gate)
    ours, found = case.update(learner, gate)
    rows = ours.log_probabilities[case.tokens >= 0]
    assert_close(rows, theirs.log_probabilities[case.tokens >= 0], EPS, "log pi")
    if expected.updated:
        assert_same_step(case, gate, (learner, found), (reference, expected), EPS)
    after, state = learner.state().parameters.flat, reference.state().parameters.flat
    assert_close(after, state, EPS, "parameters")


@pytest.mark.parametrize("unit", ["token", "sequence"])
@pytest.mark.parametrize("model", [PLAIN, FULL, SHALLOW])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_every_gate_in_both_dtypes(dtype: Any, model: Any, unit: str) -> None:
    case = batch(model, 3, 8, 9)
    learner, reference = NumbaLearner(case.state(dtype=dtype)), Learner(case.state())
    for name in sorted(GATES):
        gate = replace(GATES[name], unit=unit)
        learner, reference = NumbaLearner(case.state(dtype=dtype)), Learner(case.state())
        expected = case.update(reference, gate)[1]
        found = case.update(learner, gate, dtype)[1]
        assert found.screening.surprisal.dtype == learner.gradient.dtype == dtype
        if expected.updated:
            eps = float(np.finfo(dtype).eps)
            assert_same_step(case, gate, (learner, found), (reference, expected), eps)


@given(case=cases(), rate=st.sampled_from([0.05, 0.3, 1.0]), unit=UNITS, activations=MODES)
def test_compacted_is_masked(case: Case, rate: float, unit: str, activations: str) -> None:
    """The gradient is that of a backward from all tokens, with zeros where one was dropped."""
    state, gate = case.state(), top_k(rate, unit)
    logits, cache = state.model.forward(state.parameters, case.tokens)
    grid, valid = cache.packing.grid(logits), case.tokens >= 0
    masked = policy_gradient(grid, case.actions, case.advantages, gate, mask=case.mask)
    assert not masked.dlogits[masked.screening.weight == 0].any()
    dense = state.model.backward(
        state.parameters, cache, masked.dlogits[valid], cache.packing.cells
    )
    learner = NumbaLearner(state, activations=activations)
    case.update(learner, gate)
    assert_same_gradient(case, gate, learner.gradient, dense, EPS)


@given(case=cases(), rate=st.sampled_from([0.05, 0.3, 0.8]), unit=UNITS)
def test_what_was_dropped_is_not_read(case: Case, rate: float, unit: str) -> None:
    gate, learner = top_k(rate, unit), NumbaLearner(case.state())
    kept = case.update(learner, gate)[1].screening.kept
    expected = learner.gradient.flat.copy()
    learner = NumbaLearner(case.state())
    policy = learner.forward(case.tokens)
    rows = policy.memory.row_of(kept)
    poison(learner, np.setdiff1d(np.arange(policy.memory.rows), rows), policy.memory, rows)
    result = learner.update(policy, case.actions, case.advantages, gate, mask=case.mask)
    assert result.executed_rows == policy.memory.prefixes(rows).rows.size
    assert np.array_equal(learner.gradient.flat, expected)


def poison(learner: NumbaLearner, dropped: np.ndarray, packing: Any, kept: np.ndarray) -> None:
    """Make NaN of every activation that no kept token depends on."""
    network: Any = learner._network
    width, heads = network.model.width, network.model.heads
    beyond = np.setdiff1d(np.arange(packing.rows), packing.prefixes(kept).rows)
    blocks = network._left
    network._stream.x[dropped] = np.nan
    if network.model.final_norm:
        for array in network._top.of(packing.rows):
            array[dropped] = np.nan
    for block, left in enumerate(blocks, start=1):
        idle = dropped if block == len(blocks) else beyond
        for array in (left.normed1, left.inverse1, left.rows):
            array[beyond] = np.nan
        left.rows[idle, :width] = np.nan
        for array in (left.scale, left.context, left.normed2, left.inverse2, *left.hidden):
            array[idle] = np.nan
        flat, first = left.powers.reshape(-1), left.asking.first * heads
        for row in idle:
            flat[first[row] : first[row + 1]] = np.nan


def test_one_learner_serves_batches_of_all_sizes() -> None:
    """Buffers grow, shrink and are used again: each step is as in a new learner."""
    learner = NumbaLearner(batch(FULL, 0, 1, 1).state(Adam(1e-2)))
    shapes = [(3, 5), (8, 9), (1, 1), (8, 9), (2, 9), (5, 2)]
    for turn, shape in enumerate(shapes * 2):
        case, gate = batch(FULL, turn, *shape), top_k(0.4, ("token", "sequence")[turn % 2])
        new = NumbaLearner(learner.state())
        for each in (learner, new):
            case.update(each, gate)
        assert np.array_equal(learner.gradient.flat, new.gradient.flat)
        assert np.array_equal(learner.state().parameters.flat, new.state().parameters.flat)


@pytest.mark.parametrize("activations", ["cache", "recompute"])
def test_60_steps_from_the_state_of_the_reference(activations: str) -> None:
    state = batch(PLAIN, 0, 1, 1).state(Adam(1e-2, epsilon=1.0))
    for step in range(60):
        case, gate = batch(PLAIN, step, 6, 9), top_k(0.2, ("token", "sequence")[step % 2])
        reference = Learner(state, activations=activations)
        learner = NumbaLearner(state, activations=activations)
        expected, found = case.update(reference, gate)[1], case.update(learner, gate)[1]
        assert_same_step(case, gate, (learner, found), (reference, expected), EPS)
        state, ours = reference.state(), learner.state()
        assert isinstance(ours.optimizer, Adam)
        assert isinstance(state.optimizer, Adam)
        for name in ("first", "second"):
            expected_moment = getattr(state.optimizer, name)
            assert_close(getattr(ours.optimizer, name), expected_moment, EPS, name)


def test_sampling_and_confidence_of_every_token() -> None:
    case = batch(PLAIN, 5, 4, 6)
    uniforms = np.abs(case.draw(9, 4, 6)) % 1.0
    reference, learner = Learner(case.state()), NumbaLearner(case.state())
    theirs, ours = reference.forward(case.tokens), learner.forward(case.tokens)
    assert ours.log_probabilities.shape == (4, 6, PLAIN.actions)
    assert np.array_equal(learner.sample(ours, uniforms), reference.sample(theirs, uniforms))
    expected = reference.confidence(theirs)
    assert_close(learner.confidence(ours), expected, EPS, "confidence")


@pytest.mark.parametrize("activations", ["cache", "recompute"])
def test_an_empty_gate_leaves_everything_alone(activations: str) -> None:
    case = batch(FULL, 1, 4, 5)
    learner = NumbaLearner(case.state(Adam(1e-2)), activations=activations)
    case.update(learner, top_k(0.5))
    before = learner.state()
    result = case.update(learner, Gate(price=Fixed(np.inf)))[1]
    expected = case.update(Learner(before), Gate(price=Fixed(np.inf)))[1]
    assert (result.loss, result.executed_rows, result.updated) == (0.0, 0, False)
    assert result.dense_rows == expected.dense_rows
    assert np.array_equal(learner.state().parameters.flat, before.parameters.flat)
    assert isinstance(before.optimizer, Adam)
    assert learner.state().optimizer.steps == before.optimizer.steps


def test_rollouts_leave_a_policy_alone_and_logits_do_not() -> None:
    case = batch(PLAIN, 2, 3, 6, ragged=False)
    learner = NumbaLearner(case.state())
    case.update(learner, top_k(0.3))
    expected = learner.gradient.flat.copy()
    learner = NumbaLearner(case.state())
    policy = learner.forward(case.tokens)
    learner.generate(case.tokens[:, :4], np.full((3, 2), 0.5))
    learner.update(policy, case.actions, case.advantages, top_k(0.3), mask=case.mask)
    assert np.array_equal(learner.gradient.flat, expected)
    policy = learner.forward(case.tokens)
    learner.logits(case.tokens)
    with pytest.raises(ValueError, match=r"^policy: expected that of this learner's last forward"):
        learner.update(policy, case.actions, case.advantages, top_k(0.3), mask=case.mask)


def test_a_forward_to_recompute_leaves_nothing() -> None:
    case = batch(replace(FULL, final_norm=False), 4, 8, 9, ragged=False)
    learners = {name: NumbaBackend(name).learner(case.state()) for name in ("cache", "recompute")}
    for name, learner in learners.items():
        learner.forward(case.tokens)
        assert (learner.activation_bytes == 0) == (name == "recompute")
        first, second, _ = learner._network._left
        assert np.shares_memory(first.rows, second.rows) == (name == "recompute")
        case.update(learner, top_k(0.1, "sequence"))
    whole, part = (learner.activation_bytes for learner in learners.values())
    assert 0 < 4 * part < whole
    # 8 bytes of: x, normed1 and inverse1, query, key and value, powers, scale, context, normed2 and
    # inverse2, the hidden layer three times.
    d, f, h, rows, t = FULL.width, FULL.feed_forward, FULL.heads, 72, 9
    block = rows * (6 * d + 2 + h + 3 * f) + 8 * h * t * (t + 1) // 2
    assert whole == 8 * (rows * d + FULL.layers * block)


def test_recomputation_of_an_mlp_is_refused() -> None:
    model = MLP((3, 2))
    state = TrainingState(model, model.initialize(0), SGD(0.1))
    with pytest.raises(ValueError, match=r"^activations: an MLP keeps its own"):
        NumbaBackend("recompute").learner(state)
    with pytest.raises(ValueError, match=r"^activations: "):
        NumbaBackend("forget")
    with pytest.raises(TypeError, match=r"^model: expected a Transformer to sample tokens from"):
        NumbaLearner(state).generate(np.zeros((1, 1), np.int64), np.zeros((1, 1)))


def changed(row: int, column: int, token: int) -> np.ndarray:
    tokens = np.zeros((3, 4), np.int64)
    tokens[row, column] = token
    return tokens


BAD: dict[str, Any] = {
    "beyond the vocabulary": changed(1, 2, 5),
    "-2": changed(0, 0, -2),
    "a gap": changed(2, 1, -1),
    "only empty sequences": np.full((2, 2), -1),
    "an empty sequence": np.array([[0, 1], [-1, -1]]),
    "no batch": np.zeros(4, np.int64),
    "empty": np.zeros((0, 4), np.int64),
    "too long": np.zeros((2, 10), np.int64),
    "floats": np.zeros((2, 2)),
    "bools": np.zeros((2, 2), np.bool_),
    "a list": [[0, 1], [1, 9]],
    "of another width": changed(1, 2, 5).astype(np.int16),
}


@pytest.mark.parametrize("name", BAD)
def test_tokens_are_refused_in_the_words_of_the_reference(name: str) -> None:
    case = batch(PLAIN, 0, 1, 1)
    for call in ("logits", "forward"):
        with pytest.raises((TypeError, ValueError)) as theirs:
            getattr(Learner(case.state()), call)(BAD[name])
        with pytest.raises(type(theirs.value)) as ours:
            getattr(NumbaLearner(case.state()), call)(BAD[name])
        assert str(ours.value) == str(theirs.value)


def test_masks_are_refused_in_the_words_of_the_reference() -> None:
    case = batch(PLAIN, 0, 4, 5)
    whole = np.ones_like(case.mask)
    for mask in (None, whole, whole[:, 0], whole.astype(int), np.zeros_like(whole)):
        refused = []
        for learner in (Learner(case.state()), NumbaLearner(case.state())):
            with pytest.raises((TypeError, ValueError)) as error:
                replace(case, mask=mask).update(learner, top_k(0.3))
            refused.append((error.type, str(error.value)))
        assert refused[0] == refused[1]


@pytest.mark.parametrize("name", ["token_embedding", "block1_expand", "block2_contract", "head"])
def test_a_diverged_network_is_refused(name: str) -> None:
    case = batch(PLAIN, 0, 2, 3, ragged=False)
    for kind in (Learner, NumbaLearner):
        state = case.state()
        state.parameters[name][...] = np.nan
        learner = kind(state)
        with pytest.raises(ValueError, match=r"logits: not finite at index \(0, 0, 0\) \(nan\)"):
            learner.forward(case.tokens)
        with pytest.raises(ValueError, match=r"logits: not finite at index \(0, 0\) \(nan\)"):
            learner.generate(case.tokens, np.zeros((2, 1)))


def test_inputs_may_be_read_only_and_of_any_integers() -> None:
    case = batch(PLAIN, 6, 5, 6)
    learner = NumbaLearner(case.state())
    case.update(learner, top_k(0.3))
    expected = learner.gradient.flat.copy()
    for dtype in (np.int64, np.int32, np.int8):
        tokens = np.repeat(case.tokens, 2, axis=1)[:, ::2].astype(dtype)
        mask = np.asfortranarray(case.mask)
        for array in (tokens, mask):
            array.flags.writeable = False
        learner = NumbaLearner(case.state())
        replace(case, tokens=tokens, mask=mask).update(learner, top_k(0.3))
        assert np.array_equal(learner.gradient.flat, expected)
