"""The transformer of the PyTorch backend: the reference's numbers, on the rows of the prefixes."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from torch_sequences import (  # noqa: E402
    GATES,
    TORCH,
    Batch,
    batch_of,
    check_update,
    state_of,
)

from kondo_ref import SGD, Adam  # noqa: E402
from kondo_ref.backends import torch_attention, torch_transformer  # noqa: E402
from kondo_ref.bench.torch_masked_transformer import build, reference_name  # noqa: E402
from kondo_ref.conformance.sequences import DEPTH_LIMIT  # noqa: E402
from kondo_ref.models.transformer import Transformer  # noqa: E402
from kondo_ref.ratio import error_ratio  # noqa: E402
from kondo_ref.step import Learner, TrainingState  # noqa: E402


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    lengths = draw(st.lists(st.integers(1, 7), min_size=1, max_size=5))
    bits = draw(st.none() | st.lists(st.booleans(), min_size=1, max_size=35))
    return batch_of(draw(st.integers(0, 10**6)), lengths, bits)


@st.composite
def states(draw: st.DrawFn) -> TrainingState:
    return state_of(
        draw(st.integers(0, 10**6)),
        draw(st.sampled_from((SGD(0.1), Adam(1e-2, epsilon=1e-2)))),
        layers=draw(st.integers(1, 2)),
        activation=draw(st.sampled_from(("relu", "gelu"))),
        biases=draw(st.booleans()),
        final_norm=draw(st.booleans()),
    )


@given(states(), batches(), st.sampled_from(sorted(GATES)))
def test_an_update_is_the_reference_on_structural_rows(
    state: TrainingState, batch: Batch, name: str
) -> None:
    flop = check_update(state, batch, GATES[name])
    assert 2 * flop.forward == flop.backward
    flop = check_update(state, batch, GATES[name], again=True)
    assert 2 * flop.forward <= flop.backward


def masked_gradient(state: TrainingState, batch: Batch, weight: Any) -> dict[str, Any]:
    """Return the gradient of a masked loss over the padded batch, on a plain dense network."""
    assert isinstance(state.model, Transformer)
    network = build(state.model, state.parameters)
    logits = network(torch.tensor(np.maximum(batch.tokens, 0)))
    log_probs = torch.log_softmax(logits, -1).gather(-1, torch.tensor(batch.actions)[..., None])
    valid = batch.tokens.size if batch.mask is None else np.count_nonzero(batch.mask)
    given = torch.tensor(np.asarray(weight) * batch.advantages)
    (-(given * log_probs[..., 0]).sum() / valid).backward()
    return {
        reference_name(name): p.grad.T if p.ndim == 2 and "embedding" not in name else p.grad
        for name, p in network.named_parameters()
    }


@given(states(), batches(), st.sampled_from(sorted(GATES)))
def test_the_compacted_gradient_is_that_of_the_masked_loss(
    state: TrainingState, batch: Batch, name: str
) -> None:
    subject = TORCH.learner(state)
    result = batch.update(subject, GATES[name])
    expected = masked_gradient(state, batch, result.screening.weight)
    for block, value in expected.items():
        assert error_ratio(subject.gradient[block], value.numpy()) <= DEPTH_LIMIT


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("name", GATES)
def test_float32_is_the_float64_reference(name: str, full: bool) -> None:
    how = {"activation": "gelu", "biases": True, "final_norm": True} if full else {}
    state = state_of(3, dtype="float32", layers=2, **how)
    batch = batch_of(3, [7, 4, 7, 2, 5], [True, True, False])
    subject = TORCH.learner(state)
    found = batch.update(subject, GATES[name], "float32")
    exact = TrainingState(state.model, state.parameters.astype("float64"), Adam(1e-2, epsilon=1e-2))
    reference = Learner(exact)
    rounded = Batch(batch.tokens, batch.mask, batch.seed)
    expected = rounded.update(reference, GATES[name])
    assert np.array_equal(found.screening.kept, expected.screening.kept)
    assert found.executed_rows == expected.executed_rows
    eps = float(np.finfo(np.float32).eps)
    for block, value in reference.gradient.views.items():
        assert error_ratio(subject.gradient[block], value, eps) <= DEPTH_LIMIT


def hooked(learner: Any, part: str) -> tuple[list[Any], list[int]]:
    """Return lists to which every forward and backward of a part of the blocks adds its rows."""
    forward: list[Any] = []
    backward: list[int] = []

    def spy(_module: Any, _arguments: Any, out: Any) -> None:
        forward.append((len(out), out.requires_grad))
        if out.requires_grad:
            out.register_hook(lambda dout: backward.append(len(dout)))

    for block in learner._network.blocks:
        getattr(block, part).register_forward_hook(spy)
    return forward, backward


def test_below_the_last_block_run_prefixes_and_in_it_the_kept_rows() -> None:
    batch, subject = batch_of(1, [7, 7, 4, 6]), TORCH.learner(state_of(1, layers=3))
    forward, backward = hooked(subject, "expand")
    result = batch.update(subject, GATES["kondo-top-k-token"])
    kept, rows = len(result.screening.kept), result.executed_rows
    assert (kept, kept < rows < 24) == (4, True)
    assert forward == [(24, False)] * 3 + [(rows, True)] * 2 + [(kept, True)]
    assert backward == [kept, rows, rows]


@pytest.mark.parametrize("bits", [None, [False, True]])
def test_everything_kept_again_is_one_forward_of_what_lies_below(bits: Any) -> None:
    """With every token kept the logits have the graph; with a mask, the last block runs again."""
    batch, subject = batch_of(2, [6, 6], bits), TORCH.learner(state_of(2, layers=2))
    valid = 12 if bits is None else 7
    forward, backward = hooked(subject, "expand")
    batch.update(subject, GATES["pg-token"])
    assert forward == [(12, False)] * 2 + [(12, True), (valid, True)]
    forward.clear()
    batch.update(subject, GATES["pg-token"])
    assert forward == [(12, True)] * 2 + [(valid, True)] * (bits is not None)
    assert backward == [valid, 12] * 2
    flop = check_update(state_of(2, layers=2), batch, GATES["pg-token"], again=True)
    assert (flop.forward == 0) == (bits is None)


def no_causality(query: Any, key: Any, value: Any, _later: Any) -> Any:
    scores = query @ key.transpose(2, 3) * query.shape[3] ** -0.5
    return scores.softmax(-1) @ value


def another_order(rows: Any, order: Any, sizes: list[int]) -> Any:
    return real_split(rows if order is None else rows[order.flip(0)], order, sizes)


def every_row_again(self: Any, run: Any, kept: Any) -> Any:
    """Mask in place of skipping: the right gradient, of everything."""
    with torch.enable_grad():
        logits = self.above(self.below(run.batch), run.batch.layout)
    rows = run.batch.packing.row_of(kept.numpy())
    prefixes = run.batch.packing.prefixes(rows)
    return logits[torch.tensor(rows)], prefixes.rows.size


def last_block_whole(self: Any, run: Any, kept: Any) -> Any:
    """Compact the sequences, but not the last block."""
    packing = run.batch.packing
    prefixes = packing.prefixes(packing.row_of(kept.numpy()))
    rows = torch_transformer.Rows.of(packing.take(prefixes), self.device)
    with torch.enable_grad():
        logits = self.above(self.below(rows), rows.layout)
    return logits[torch.tensor(prefixes.queries)], prefixes.rows.size


def unmasked_dense_rows(self: Any, run: Any, _mask: Any) -> int:
    rows: int = self.rows(run)
    return rows


real_split = torch_attention._split
NETWORK = torch_transformer.TransformerNetwork
MUTANTS: dict[str, tuple[Any, str, Any]] = {
    "later keys seen": (torch_attention, "attend", no_causality),
    "groups in another order": (torch_attention, "_split", another_order),
    "masked, not skipped": (NETWORK, "rerun", every_row_again),
    "last block not compacted": (NETWORK, "rerun", last_block_whole),
    "dense rows without the mask": (NETWORK, "dense_rows", unmasked_dense_rows),
    "torch's own epsilon": (torch_transformer, "NORM_EPSILON", 1e-5),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_are_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    state, batch = state_of(2, layers=2), batch_of(2, [5, 3, 6, 3], [True, True, False])
    check_update(state, batch, GATES["kondo-top-k-token"])
    monkeypatch.setattr(*MUTANTS[name])
    with pytest.raises(AssertionError):
        check_update(state, batch, GATES["kondo-top-k-token"])
