"""Batches of sequences for the tests of the Numba backend: small transformers, and one update."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from kondo_ref import SGD, Gate
from kondo_ref.models.transformer import Transformer
from kondo_ref.parameters import Parameters
from kondo_ref.randomness import Purpose, normals
from kondo_ref.ratio import error_ratio
from kondo_ref.step import Learner, StepResult, TrainingState

# Roundings pass through every block and back.
LIMIT = 64.0
EPS = float(np.finfo(np.float64).eps)

PLAIN = Transformer(5, 4, 9, width=12, layers=2, heads=2, feed_forward=16)
FULL = Transformer(5, 4, 9, 12, 3, 3, 16, activation="gelu", biases=True, final_norm=True)
SHALLOW = replace(PLAIN, layers=1, heads=1, biases=True)


@dataclass(frozen=True, eq=False)
class Case:
    """A model, and a batch of sequences with an action and an advantage for every cell."""

    model: Transformer
    seed: int
    tokens: np.ndarray
    mask: np.ndarray

    def draw(self, purpose: int, *shape: int) -> np.ndarray:
        return normals(self.seed, Purpose.ENVIRONMENT, purpose, shape)

    def state(self, optimizer: Any = None, dtype: Any = np.float64) -> TrainingState:
        """Return a state in which nothing is 0 or 1, of numbers that float32 holds."""
        parameters = self.model.initialize(self.seed)
        parameters.flat[:] += 0.2 * self.draw(1, parameters.flat.size)
        # A policy that is almost sure makes differences of almost equal numbers.
        parameters["head"][:] *= 0.25
        exact = parameters.astype(np.float32).astype(dtype)
        return TrainingState(self.model, exact, optimizer or SGD(2.0**-10))

    @property
    def actions(self) -> np.ndarray:
        spread = np.abs(self.draw(2, *self.tokens.shape) * 1000).astype(np.int64)
        return spread % self.model.actions

    @property
    def advantages(self) -> np.ndarray:
        # Small, so that no keep probability is too small a number for float32.
        return self.draw(3, *self.tokens.shape).astype(np.float32).astype(np.float64) / 8

    def update(self, learner: Any, gate: Gate, dtype: Any = np.float64, **options: Any) -> Any:
        """Return the policy and the result of one step of a learner."""
        units = self.tokens.shape[:1] if gate.unit == "sequence" else self.tokens.shape
        uniforms = np.abs(self.draw(4, *units)) % 1.0 if gate.needs_uniforms else None
        policy = learner.forward(self.tokens)
        result = learner.update(
            policy,
            self.actions,
            self.advantages.astype(dtype),
            gate,
            uniforms=uniforms,
            mask=self.mask,
            **options,
        )
        return policy, result


def batch(
    model: Transformer, seed: int, sequences: int, length: int, *, ragged: bool = True
) -> Case:
    """Return a batch of random sequences, some decisions of which are not valid."""
    case = Case(model, seed, np.zeros((sequences, length), np.int64), np.ones((1, 1), np.bool_))
    tokens = np.abs(case.draw(5, sequences, length) * 1000).astype(np.int64) % model.vocabulary
    if ragged:
        lengths = 1 + np.abs(case.draw(6, sequences) * 1000).astype(np.int64) % length
        tokens[np.arange(length) >= lengths[:, None]] = -1
    mask = (tokens >= 0) & (case.draw(7, sequences, length) < 0.7)
    mask[0, 0] = True
    return replace(case, tokens=tokens, mask=mask)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Return any small transformer with a batch for it."""
    heads = draw(st.integers(1, 4))
    model = Transformer(
        vocabulary=draw(st.integers(2, 5)),
        actions=draw(st.integers(2, 5)),
        length=draw(st.integers(7, 9)),
        width=heads * draw(st.sampled_from([4, 5, 8, 17] if heads > 1 else [8, 9, 16, 33])),
        layers=draw(st.integers(1, 3)),
        heads=heads,
        feed_forward=draw(st.integers(6, 40)),
        activation=draw(st.sampled_from(["relu", "gelu"])),
        biases=draw(st.booleans()),
        final_norm=draw(st.booleans()),
    )
    seed, shape = draw(st.integers(0, 1000)), (draw(st.integers(1, 7)), draw(st.integers(1, 7)))
    return batch(model, seed, *shape, ragged=draw(st.booleans()))


def assert_same_step(
    case: Case, gate: Gate, ours: tuple[Any, StepResult], theirs: tuple[Any, StepResult], eps: float
) -> None:
    """Assert that two updates, of learners in which they left their gradients, are the same."""
    (learner, found), (reference, expected) = ours, theirs
    for name in ("executed_rows", "dense_rows", "updated", "executed_rate"):
        assert getattr(found, name) == getattr(expected, name), name
    assert np.array_equal(found.screening.kept, expected.screening.kept)
    s, screening = expected.screening, found.screening
    # Delights are of both signs: sums and means of them may be small.
    assert abs(found.loss - expected.loss) <= LIMIT * eps * np.abs(s.weight * s.delight).sum()
    size = np.linalg.norm(s.delight) + np.linalg.norm(s.signal)
    assert np.linalg.norm(screening.signal - s.signal) <= LIMIT * eps * size
    for name in ("surprisal", "keep_probability", "weight"):
        assert_close(getattr(screening, name), getattr(s, name), eps, name)
    assert_same_gradient(case, gate, learner.gradient, reference.gradient, eps)


def assert_same_gradient(
    case: Case, gate: Gate, found: Parameters, expected: Parameters, eps: float
) -> None:
    """Assert a test ratio within the limit, or within what the rounding of parameters makes it."""
    ratio = gradient_ratio(found, expected, eps)
    if ratio > LIMIT:
        rounded = case.state()
        signs = np.sign(case.draw(8, rounded.parameters.flat.size))
        rounded.parameters.flat[:] *= 1.0 + EPS * signs
        learner = Learner(rounded)
        case.update(learner, gate)
        allowed = 4.0 * gradient_ratio(learner.gradient, expected, EPS)
        assert ratio <= allowed, f"{ratio} > {allowed}"


def gradient_ratio(found: Parameters, expected: Parameters, eps: float) -> float:
    """Return the largest test ratio of a block.

    A block that is small is a difference of larger numbers: its roundings are relative to those,
    for which a part of the whole gradient stands in.
    """
    least = float(np.linalg.norm(expected.flat)) / LIMIT
    ratios = []
    for name, block in expected.views.items():
        size = max(float(np.linalg.norm(block)), least)
        ratios.append(float(np.linalg.norm(found[name] - block)) / (eps * size))
    return max(ratios)


def assert_close(found: Any, expected: Any, eps: float, name: str) -> None:
    ratio = error_ratio(found, np.asarray(expected, np.float64), eps)
    assert ratio <= LIMIT, f"{name}: {ratio}"
