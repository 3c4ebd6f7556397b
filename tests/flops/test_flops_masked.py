"""A masked loss saves nothing: what it executes is the dense backward, whatever the rate.

The form in which the method was released: loss = sum of stop(gate * -U) log pi / N over all rows,
differentiated as a whole. The zeros of the gate are multiplied through the network.
"""

from typing import Any

import numpy as np
import pytest

from kondo_ref import MLP, Gate
from kondo_ref.flops.mlp import mlp_step, structural_backward
from kondo_ref.flops.transformer import Rows, executed_backward
from kondo_ref.models.transformer import Transformer

MODEL, ROWS = MLP((20, 16, 8)), 64
DECODER, LENGTHS = Transformer(5, 4, 6, width=8, layers=2, heads=2, feed_forward=12), (6, 4, 6, 5)
RATES = (0.02, 0.25, 1.0)


def dense(model: MLP, rows: int) -> tuple[int, int]:
    """Return the products of a forward, and of a backward with everything kept."""
    step = mlp_step(model, rows, rows, Gate.named("pg"))
    return step["forward"].matmul, step.backward.matmul


def inputs(shape: tuple[int, ...], actions: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, actions, shape), rng.normal(size=shape).astype(np.float32)


def counted_in_torch(logits: Any, rate: float) -> tuple[int, int, int]:
    """Return the kept rows, and the products of the forward and of the backward."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as forward:
        z = logits()
        actions, gains = map(torch.tensor, inputs(z.shape[:1], z.shape[1]))
        chosen = torch.log_softmax(z, 1).gather(1, actions[:, None])[:, 0]
        with torch.no_grad():
            delight = gains * -chosen
            k = max(1, round(rate * len(delight)))
            gate = (delight >= delight.topk(k).values[-1]).to(z.dtype)
        loss = -(gate * gains * chosen).sum() / len(gains)
    with FlopCounterMode(display=False) as backward:
        loss.backward()
    return int(gate.sum()), forward.get_total_flops(), backward.get_total_flops()


@pytest.mark.parametrize("rate", RATES)
def test_torch_runs_the_dense_backward_of_an_mlp(rate: float) -> None:
    torch = pytest.importorskip("torch")
    import plain_torch

    p = plain_torch.tensors(MODEL.initialize(0, np.float32))
    x = torch.tensor(np.random.default_rng(1).normal(size=(ROWS, 20)).astype(np.float32))
    kept, *found = counted_in_torch(lambda: plain_torch.mlp(MODEL, p, x), rate)
    assert kept == max(1, round(rate * ROWS))
    assert tuple(found) == dense(MODEL, ROWS)
    least = structural_backward(MODEL, kept).matmul
    assert least * ROWS == found[1] * kept


@pytest.mark.parametrize("rate", RATES)
def test_torch_runs_the_dense_backward_of_a_transformer(rate: float) -> None:
    pytest.importorskip("torch")
    import plain_torch

    p = plain_torch.tensors(DECODER.initialize(0, np.float32))
    tokens = [[i % 5 for i in range(n)] for n in LENGTHS]
    whole = Rows.whole(LENGTHS)
    _, _, backward = counted_in_torch(
        lambda: plain_torch.transformer(DECODER, p, tokens, whole), rate
    )
    assert backward == executed_backward(DECODER, LENGTHS, whole.places).matmul


def compiled_flops(rate: float) -> float:
    """Return what the compiler counts of the gradient of the masked loss."""
    import jax
    from jax import numpy as jnp

    k = max(1, round(rate * ROWS))

    def loss(p: Any, x: Any, actions: Any, gains: Any) -> Any:
        z = x
        for layer in (1, 2):
            z = z @ p[f"weight{layer}"] + p[f"bias{layer}"]
            z = jax.nn.relu(z) if layer == 1 else z
        chosen = jnp.take_along_axis(jax.nn.log_softmax(z), actions[:, None], 1)[:, 0]
        delight = jax.lax.stop_gradient(gains * -chosen)
        gate = (delight >= jnp.sort(delight)[ROWS - k]).astype(z.dtype)
        return (jax.lax.stop_gradient(gate * -gains) * chosen).sum() / ROWS

    p = dict(MODEL.initialize(0, np.float32).views)
    x = np.zeros((ROWS, 20), np.float32)
    lowered = jax.jit(jax.value_and_grad(loss)).lower(p, x, *inputs((ROWS,), 8))
    analysis = lowered.compile().cost_analysis()
    analysis = analysis[0] if isinstance(analysis, list) else analysis
    return float(analysis["flops"])


def test_what_jax_compiles_does_not_know_the_rate() -> None:
    pytest.importorskip("jax")
    found = {compiled_flops(rate) for rate in RATES}
    assert len(found) == 1
    assert sum(dense(MODEL, ROWS)) <= found.pop() < 1.2 * sum(dense(MODEL, ROWS))
