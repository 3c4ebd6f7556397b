"""A training step: the composition of the stations, and nothing where nothing was kept."""

from typing import Any

import numpy as np
import pytest

import kondo_ref.step
from kondo_ref import MLP, SGD, Adam, Fixed, Gate, Parameters, Quantile, policy_gradient
from kondo_ref.delight import log_softmax
from kondo_ref.models.decoding import generate
from kondo_ref.models.transformer import Transformer
from kondo_ref.randomness import Purpose, uniforms
from kondo_ref.ratio import error_ratio
from kondo_ref.step import Learner, StepResult, TrainingState

N, SIZES = 12, (7, 6, 4)
GATES = {
    "pg": Gate.named("pg"),
    "dg": Gate.named("dg"),
    "kondo": Gate.named("kondo", price=Quantile(0.3), temperature=0.2),
    "zero-price": Gate.named("zero-price"),
    "kondo-top-k": Gate.named("kondo-top-k", rate=0.2),
}


def learner(optimizer: Any = None, dtype: Any = np.float64) -> Learner:
    model = MLP(SIZES)
    return Learner(TrainingState(model, model.initialize(0, dtype), optimizer or Adam(1e-2)))


def batch(step: int = 0, dtype: Any = np.float64) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x = (2 * uniforms(5, 0, step, (N, SIZES[0])) - 1).astype(dtype)
    actions = np.floor(4 * uniforms(5, 1, step, (N,))).astype(np.int64)
    advantages = (2 * uniforms(5, 2, step, (N,)) - 1).astype(dtype)
    return x, actions, advantages


def update(subject: Learner, gate: Gate, step: int = 0, **options: Any) -> StepResult:
    x, actions, advantages = batch(step, subject.parameters.dtype)
    draws = uniforms(5, Purpose.GATE, step, (N,))
    return subject.update(subject.forward(x), actions, advantages, gate, uniforms=draws, **options)


@pytest.mark.parametrize("normalizer", ["decisions", "kept", "none"])
@pytest.mark.parametrize("name", GATES)
def test_a_step_is_policy_gradient_and_dense_backward(name: str, normalizer: str) -> None:
    subject = learner(SGD(0.5))
    before = subject.parameters.astype(np.float64)
    result = update(subject, GATES[name], normalizer=normalizer)

    x, actions, advantages = batch()
    logits, cache = subject.model.forward(before, x)
    whole = policy_gradient(
        logits,
        actions,
        advantages,
        GATES[name],
        normalizer=normalizer,
        uniforms=uniforms(5, Purpose.GATE, 0, (N,)),
    )
    dense = subject.model.backward(before, cache, whole.dlogits, np.arange(N))
    expected = before.flat - 0.5 * dense.flat
    assert np.linalg.norm(subject.parameters.flat - expected) <= 32 * np.finfo(
        np.float64
    ).eps * np.linalg.norm(expected)
    assert result.loss == pytest.approx(whole.loss, rel=1e-14)
    assert np.array_equal(result.screening.kept, whole.screening.kept)


@pytest.mark.parametrize("name", GATES)
def test_the_executed_rows_are_the_kept_ones(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    rows: list[int] = []
    real = MLP.backward

    def spy(self: MLP, parameters: Any, cache: Any, dlogits: Any, kept: Any, out: Any) -> Any:
        rows.append(dlogits.shape[0])
        return real(self, parameters, cache, dlogits, kept, out)

    monkeypatch.setattr(MLP, "backward", spy)
    result = update(learner(), GATES[name])
    assert [result.executed_rows] == rows == [result.screening.kept.size]
    assert result.executed_rate == result.executed_rows / N


@pytest.mark.parametrize("optimizer", [SGD(0.1), Adam(0.1)])
def test_an_empty_gate_leaves_everything_alone(optimizer: Any) -> None:
    subject = learner(optimizer)
    update(subject, GATES["pg"])
    before, steps = subject.parameters.flat.copy(), getattr(subject.optimizer, "steps", None)
    result = update(subject, Gate(price=Fixed(np.inf)), step=1)
    assert (result.loss, result.executed_rows, result.updated) == (0.0, 0, False)
    assert np.array_equal(subject.parameters.flat, before)
    assert getattr(subject.optimizer, "steps", None) == steps


def test_stepping_on_an_empty_gate_would_move_the_weights() -> None:
    subject = learner(Adam(0.1))
    update(subject, GATES["pg"])
    before = subject.parameters.flat.copy()
    subject.optimizer.step(subject.parameters, subject.parameters.zeros_like())
    assert not np.array_equal(subject.parameters.flat, before)


def test_masked_rows_are_not_learned_from() -> None:
    mask = np.arange(N) % 3 != 0
    subject = learner(SGD(0.1))
    result = update(subject, GATES["pg"], mask=mask)
    assert np.array_equal(result.screening.kept, np.flatnonzero(mask))


def test_float32_follows_float64() -> None:
    single, double = learner(SGD(0.1), np.float32), learner(SGD(0.1))
    double.parameters = Parameters.wrap(
        single.parameters.flat.astype(np.float64), double.parameters.shapes
    )
    x, actions, advantages = batch(0, np.float32)
    for subject, dtype in ((single, np.float32), (double, np.float64)):
        subject.update(
            subject.forward(x.astype(dtype)), actions, advantages.astype(dtype), GATES["dg"]
        )
    assert single.parameters.dtype == single.gradient.dtype == np.float32
    found, expected = single.gradient.flat, double.gradient.flat
    eps = np.finfo(np.float32).eps
    assert np.linalg.norm(found - expected) <= 32 * eps * np.linalg.norm(expected)


def test_a_diverged_network_is_refused() -> None:
    subject = learner()
    subject.parameters["weight2"][0, 0] = np.nan
    with pytest.raises(ValueError, match=r"logits: not finite at index \(0, 0\) \(nan\)"):
        subject.forward(batch()[0])


@pytest.mark.parametrize("station", ["forward", "logits"])
def test_a_policy_of_an_earlier_forward_is_refused(station: str) -> None:
    subject = learner()
    x, actions, advantages = batch()
    policy = subject.forward(x)
    getattr(subject, station)(x[::-1].copy())
    with pytest.raises(ValueError, match="policy: expected that of this learner"):
        subject.update(policy, actions, advantages, GATES["pg"])


@pytest.mark.parametrize("optimizer", [SGD(0.1), Adam(0.1)])
def test_a_state_goes_on_as_if_nothing_had_been(optimizer: Any) -> None:
    subject = learner(optimizer)
    update(subject, GATES["dg"])
    state = subject.state()
    follower = Learner(state)
    for step in (1, 2):
        update(subject, GATES["dg"], step)
        update(follower, GATES["dg"], step)
    assert np.array_equal(subject.parameters.flat, follower.parameters.flat)
    assert not np.array_equal(subject.parameters.flat, state.parameters.flat)


def test_an_unknown_normalizer_is_refused() -> None:
    with pytest.raises(ValueError, match="normalizer: expected one of decisions, kept, none"):
        update(learner(), GATES["pg"], normalizer="mean")


def mean_over_kept(screening: Any, _normalizer: str) -> int:
    return max(1, screening.kept.size)


def test_a_wrong_normalizer_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kondo_ref.step, "normalizer_count", mean_over_kept)
    with pytest.raises(AssertionError):
        test_a_step_is_policy_gradient_and_dense_backward("kondo-top-k", "decisions")


MODEL = Transformer(6, 5, 8, width=12, layers=2, heads=3, feed_forward=10)
TOKENS = np.array([[1, 2, 3, 4, 5, 0], [3, 3, -1, -1, -1, -1], [5, 4, 3, 2, -1, -1]])
VALID = TOKENS >= 0
SEQUENCE_GATES = {
    "every token": Gate.named("pg"),
    "soft": Gate.named("dg"),
    "top of the tokens": Gate.named("kondo-top-k", rate=0.2),
    "top of the sequences": Gate.named("kondo-top-k", rate=0.4, unit="sequence"),
    "bernoulli sequences": Gate(price=Fixed(0.0), draw="bernoulli", unit="sequence"),
}


def sequence_learner(activations: str = "cache", optimizer: Any = None) -> Learner:
    state = TrainingState(MODEL, MODEL.initialize(0), optimizer or Adam(1e-2))
    return Learner(state, activations=activations)


def sequence_batch(gate: Gate) -> dict[str, Any]:
    units = TOKENS.shape[:1] if gate.unit == "sequence" else TOKENS.shape
    return {
        "actions": np.floor(5 * uniforms(6, 1, 0, TOKENS.shape)).astype(np.int64),
        "advantages": 2 * uniforms(6, 2, 0, TOKENS.shape) - 1,
        "uniforms": uniforms(6, 3, 0, units),
        "mask": VALID,
    }


def sequence_update(subject: Learner, gate: Gate, **change: Any) -> StepResult:
    return subject.update(subject.forward(TOKENS), gate=gate, **(sequence_batch(gate) | change))


@pytest.mark.parametrize("name", SEQUENCE_GATES)
def test_recomputing_is_caching_in_less_memory(name: str) -> None:
    subjects = {word: sequence_learner(word) for word in ("cache", "recompute")}
    held: dict[str, int] = {}
    results = {}
    for word, subject in subjects.items():
        policy = subject.forward(TOKENS)
        held[word] = subject.activation_bytes
        gate = SEQUENCE_GATES[name]
        results[word] = subject.update(policy, gate=gate, **sequence_batch(gate))
    cached, again = results["cache"], results["recompute"]
    assert np.array_equal(again.screening.kept, cached.screening.kept)
    assert (again.loss, again.executed_rows) == (cached.loss, cached.executed_rows)
    for block, expected in subjects["cache"].gradient.views.items():
        assert error_ratio(subjects["recompute"].gradient[block], expected) <= 64, block
    assert held["recompute"] == 0
    everything = cached.screening.kept.size == np.count_nonzero(VALID)
    after = {word: subject.activation_bytes for word, subject in subjects.items()}
    assert after["cache"] == held["cache"]
    assert (
        after["recompute"] == after["cache"]
        if everything
        else (after["recompute"] < after["cache"])
    )


@pytest.mark.parametrize("name", SEQUENCE_GATES)
def test_the_executed_rows_of_sequences_are_those_of_their_prefixes(name: str) -> None:
    result = sequence_update(sequence_learner(), SEQUENCE_GATES[name])
    ends = [0, 0, 0]
    for b, t in (divmod(int(cell), TOKENS.shape[1]) for cell in result.screening.kept):
        ends[b] = max(ends[b], t + 1)
    assert result.executed_rows == sum(ends)
    assert result.dense_rows == np.count_nonzero(VALID)
    assert result.executed_rate == sum(ends) / np.count_nonzero(VALID)


def test_dense_rows_end_where_decisions_do() -> None:
    mask = np.zeros_like(VALID)
    mask[0, 1], mask[2, 3] = True, True
    gate = Gate.named("pg")
    result = sequence_update(sequence_learner(), gate, mask=mask)
    # Kept are both, so what ran is all there is to run: two tokens of one sequence, four of one.
    assert (result.executed_rows, result.dense_rows, result.executed_rate) == (6, 6, 1.0)
    assert result.screening.valid == 2


@pytest.mark.parametrize("activations", ["cache", "recompute"])
@pytest.mark.parametrize("unit", ["token", "sequence"])
def test_sequences_of_which_nothing_is_kept_leave_everything_alone(
    activations: str, unit: str
) -> None:
    subject = sequence_learner(activations)
    sequence_update(subject, Gate.named("pg"))
    before, moment = subject.parameters.flat.copy(), subject.optimizer.first.copy()
    result = sequence_update(subject, Gate(price=Fixed(np.inf), unit=unit))
    assert (result.loss, result.executed_rows, result.updated) == (0.0, 0, False)
    assert (result.dense_rows, result.executed_rate) == (12, 0.0)
    assert np.array_equal(subject.parameters.flat, before)
    assert np.array_equal(subject.optimizer.first, moment)
    assert subject.optimizer.steps == 1


def test_a_learner_samples_as_the_decoder_does() -> None:
    prompts, draws = np.array([[1, 2], [1, 2], [5, 0]]), uniforms(7, 0, 0, (3, 5))
    subject = sequence_learner()
    expected = generate(MODEL, subject.parameters, prompts, draws)
    assert np.array_equal(subject.generate(prompts, draws), expected)


def test_logits_alone_leave_nothing_for_a_backward() -> None:
    subject = sequence_learner()
    logits = subject.logits(TOKENS)
    policy = subject.forward(TOKENS)
    assert logits.shape == (3, 6, 5)
    assert np.array_equal(log_softmax(logits), policy.log_probabilities)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mask": None}, "mask: needed, since not all sequences have the same length"),
        ({"mask": np.ones_like(VALID)}, r"mask: \(1, 2\) is past the end of its sequence"),
        ({"actions": np.full(TOKENS.shape, 5)}, r"actions: 5 at index \(0, 0\) is not in 0..4"),
        ({"actions": np.zeros(3, int)}, r"actions: expected shape \(3, 6\), got \(3,\)"),
        ({"advantages": np.zeros(3)}, r"advantages: expected shape \(3, 6\), got \(3,\)"),
        ({"uniforms": np.zeros(3)}, r"uniforms: expected shape \(3, 6\), got \(3,\)"),
    ],
)
def test_bad_sequences_are_refused(change: dict[str, Any], message: str) -> None:
    gate = Gate(price=Fixed(0.0), draw="bernoulli")
    subject = sequence_learner()
    before = subject.parameters.flat.copy()
    with pytest.raises(ValueError, match=message):
        sequence_update(subject, gate, **change)
    assert np.array_equal(subject.parameters.flat, before)


def test_an_mlp_keeps_its_activations() -> None:
    state = learner().state()
    with pytest.raises(ValueError, match="activations: an MLP keeps its own, expected cache"):
        Learner(state, activations="recompute")
    with pytest.raises(ValueError, match="activations: expected one of cache, recompute"):
        Learner(state, activations="none")
    with pytest.raises(TypeError, match="model: expected a Transformer to sample tokens from"):
        Learner(state).generate(np.zeros((1, 1), int), np.zeros((1, 1)))
