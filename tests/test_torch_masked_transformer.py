"""The masked step that the transformer benchmark compares with: the same gradient, of every row."""

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from kondo_ref import Adam, Gate  # noqa: E402
from kondo_ref.bench.torch_masked_transformer import (  # noqa: E402
    build,
    masked_step,
    masked_variants,
    reference_name,
)
from kondo_ref.bench.transformer import Rollout  # noqa: E402
from kondo_ref.conformance.sequences import DEPTH_LIMIT, FULL, PLAIN  # noqa: E402
from kondo_ref.models.transformer import Transformer  # noqa: E402
from kondo_ref.randomness import uniforms  # noqa: E402
from kondo_ref.ratio import error_ratio  # noqa: E402
from kondo_ref.step import Learner, TrainingState  # noqa: E402

SHAPE = (6, 7)


def rollout(turn: int) -> Rollout:
    """Return a batch whose decisions are the last four tokens of each sequence."""

    def draw(purpose: int) -> Any:
        return uniforms(9, purpose, turn, SHAPE)

    nothing = np.zeros(0)
    return Rollout(
        nothing,
        nothing,
        np.floor(5 * draw(90)).astype(np.int64),
        np.floor(4 * draw(91)).astype(np.int64),
        2 * draw(92) - 1,
        np.tile(np.arange(SHAPE[1]) >= 3, (SHAPE[0], 1)),
    )


def start(model: Transformer) -> TrainingState:
    return TrainingState(model, model.initialize(1), Adam(1e-2, epsilon=1e-2))


@pytest.mark.parametrize("fused", [None, True])
@pytest.mark.parametrize("unit", ["token", "sequence"])
@pytest.mark.parametrize("model", [PLAIN, FULL], ids=["plain", "full"])
def test_the_masked_step_has_the_gradient_of_the_reference(
    model: Transformer, unit: str, fused: bool | None
) -> None:
    gate, rollouts = Gate.named("kondo-top-k", rate=0.2, unit=unit), [rollout(0), rollout(1)]
    step: Any = masked_step(start(model), rollouts, gate, fused=fused)
    learner = Learner(start(model))
    for sample in [*rollouts, rollouts[0]]:
        policy = learner.forward(sample.tokens)
        result = learner.update(policy, sample.actions, sample.advantages, gate, mask=sample.mask)
        assert 0 < result.executed_rows < sample.tokens.size
        assert step() == sample.tokens.size
        names = set()
        for name, parameter in step.network.named_parameters():
            block = reference_name(name)
            names.add(block)
            transposed = parameter.ndim == 2 and "embedding" not in name
            pairs = (
                (parameter.grad, learner.gradient[block]),
                (parameter.detach(), learner.parameters[block]),
            )
            for theirs, ours in pairs:
                found = (theirs.T if transposed else theirs).numpy()
                assert error_ratio(found, ours) <= DEPTH_LIMIT, block
        assert names == set(model.shapes)


@pytest.mark.parametrize("unit", ["token", "sequence"])
def test_the_variants_are_named_by_unit_and_run_every_row(unit: str) -> None:
    gate = Gate.named("kondo-top-k", rate=0.1, unit=unit)
    variants = masked_variants(start(PLAIN), [rollout(0)], gate)
    names = [f"torch masked {unit}", f"torch masked {unit} fused"]
    assert {name: run() for name, run in variants.items()} == dict.fromkeys(names, 42)


def test_another_mask_would_be_seen() -> None:
    """The comparison above can fail: another rate gives another gradient."""
    learner, sample = Learner(start(PLAIN)), rollout(0)
    gate = Gate.named("kondo-top-k", rate=0.2)
    learner.update(
        learner.forward(sample.tokens), sample.actions, sample.advantages, gate, mask=sample.mask
    )
    other: Any = masked_step(
        start(PLAIN), [sample], Gate.named("kondo-top-k", rate=0.3), fused=None
    )
    other()
    assert error_ratio(other.network.head.weight.grad.T.numpy(), learner.gradient["head"]) > 1e6


def test_the_network_keeps_the_dtype_and_copies() -> None:
    parameters = PLAIN.initialize(0, "float32")
    network, random = build(PLAIN, parameters), torch.get_rng_state()
    build(PLAIN, parameters)
    assert torch.equal(torch.get_rng_state(), random)
    assert {p.dtype for p in network.parameters()} == {torch.float32}
    before = parameters.flat.copy()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1)
    assert np.array_equal(parameters.flat, before)
