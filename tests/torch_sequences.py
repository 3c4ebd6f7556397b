"""Batches of tokens, and one step of the PyTorch backend held against the reference.

For the tests of its transformer; needs torch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from torch.utils.flop_counter import FlopCounterMode

from kondo_ref import Adam, Gate
from kondo_ref.backends.torch_backend import TorchBackend
from kondo_ref.conformance.sequences import DEPTH_LIMIT
from kondo_ref.flops.transformer import backward_flop
from kondo_ref.models.packing import Packing
from kondo_ref.models.transformer import Transformer
from kondo_ref.randomness import uniforms
from kondo_ref.ratio import error_ratio
from kondo_ref.step import Learner, StepResult, TrainingState

TORCH = TorchBackend()
VOCABULARY, ACTIONS = 5, 4
GATES = {
    f"{name}-{unit}": Gate.named(name, unit=unit, **how)
    for unit in ("token", "sequence")
    for name, how in (
        ("pg", {}),
        ("dg", {}),
        ("zero-price", {}),
        ("kondo", {"rate": 0.3, "temperature": 0.3}),
        ("kondo-top-k", {"rate": 0.15}),
    )
}


@dataclass(frozen=True)
class Batch:
    """Tokens (B, T) and what is decided on them; the mask is None where all are valid."""

    tokens: Any
    mask: Any
    seed: int

    def draw(self, purpose: int, *shape: int) -> Any:
        return uniforms(self.seed, purpose, 0, shape or self.tokens.shape)

    @property
    def actions(self) -> Any:
        return np.floor(ACTIONS * self.draw(81)).astype(np.int64)

    @property
    def advantages(self) -> Any:
        return 2 * self.draw(82) - 0.7

    def gate_uniforms(self, gate: Gate) -> Any:
        if not gate.needs_uniforms:
            return None
        return self.draw(83, *self.tokens.shape[: 1 if gate.unit == "sequence" else 2])

    def update(self, learner: Any, gate: Gate, dtype: str = "float64") -> StepResult:
        """Make a step; everything is handed over as NumPy arrays."""
        result: StepResult = learner.update(
            learner.forward(self.tokens),
            self.actions,
            self.advantages.astype(dtype),
            gate,
            uniforms=self.gate_uniforms(gate),
            mask=self.mask,
        )
        return result


def batch_of(seed: int, lengths: list[int], bits: list[bool] | None = None) -> Batch:
    """Return a batch of sequences of some lengths, with some of its tokens masked out."""
    shape = (len(lengths), max(lengths))
    tokens = np.floor(VOCABULARY * uniforms(seed, 80, 0, shape)).astype(np.int64)
    there = np.arange(shape[1]) < np.array(lengths)[:, None]
    tokens[~there] = -1
    mask = None if there.all() else there
    if bits is not None:
        mask = there & np.resize(bits, shape)
        mask[0, 0] = True
    return Batch(tokens, mask, seed)


def state_of(seed: int, optimizer: Any = None, dtype: str = "float64", **how: Any) -> TrainingState:
    """Return a state whose gains, offsets and biases are not those of the initialization."""
    model = Transformer(VOCABULARY, ACTIONS, 8, width=16, heads=2, feed_forward=24, **how)
    parameters = model.initialize(seed, "float32")
    flat = parameters.flat
    flat += 0.2 * (uniforms(seed, 84, 0, flat.shape, "float32") - np.float32(0.5))
    return TrainingState(model, parameters.astype(dtype), optimizer or Adam(1e-2, epsilon=1e-2))


@dataclass
class Flop:
    """Operations of products in one update: of the forward that was run again, of the backward."""

    forward: int = 0
    backward: int = 0


def counted(learner: Any, step: Callable[[], StepResult]) -> tuple[StepResult, Flop]:
    """Run a step and count the products of its update."""
    counter, found, rerun = FlopCounterMode(display=False), Flop(), learner._network.rerun

    def spy(*arguments: Any) -> Any:
        before = counter.get_total_flops()
        result = rerun(*arguments)
        found.forward = counter.get_total_flops() - before
        found.backward = -counter.get_total_flops()
        return result

    learner._network.rerun = spy
    with counter:
        result = step()
    del learner._network.rerun
    found.backward += counter.get_total_flops() if result.updated else 0
    return result, found


def check_update(state: TrainingState, batch: Batch, gate: Gate, *, again: bool = False) -> Flop:
    """Hold a step, or the second one, against the reference; return the operations it took."""
    subject = TORCH.learner(state)
    if again:
        batch.update(subject, gate)
    reference = Learner(subject.state())
    expected = batch.update(reference, gate)
    found, flop = counted(subject, lambda: batch.update(subject, gate))

    rows = ("executed_rows", "dense_rows", "updated")
    assert [getattr(found, n) for n in rows] == [getattr(expected, n) for n in rows]
    kept = expected.screening.kept
    assert np.array_equal(found.screening.kept, kept)
    assert found.loss == pytest.approx(expected.loss, rel=1e-12, abs=1e-13)
    if not expected.updated:
        assert flop == Flop()
        return flop
    ratios = {
        name: error_ratio(subject.gradient[name], block)
        for name, block in reference.gradient.views.items()
    }
    assert max(ratios.values()) <= DEPTH_LIMIT, ratios
    after = subject.state().parameters.flat
    assert error_ratio(after, reference.state().parameters.flat) <= DEPTH_LIMIT

    packing = Packing.of(batch.tokens, VOCABULARY)
    assert isinstance(state.model, Transformer)
    assert flop.backward == backward_flop(state.model, packing.prefixes(packing.row_of(kept)))
    return flop
