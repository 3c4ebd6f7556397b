"""torch's own counter agrees on every product; and what that counter does not see."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from counted_steps import Setting, batch, closed_form, run, settings, state
from hypothesis import given

torch = pytest.importorskip("torch")

import plain_torch  # noqa: E402
from torch.nn import functional  # noqa: E402
from torch.nn.attention import SDPBackend, sdpa_kernel  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from kondo_ref.backend import load_backend  # noqa: E402
from kondo_ref.flops import layers  # noqa: E402
from kondo_ref.flops.mlp import network as mlp_network  # noqa: E402
from kondo_ref.flops.transformer import Rows  # noqa: E402
from kondo_ref.flops.transformer import network as transformer_network  # noqa: E402


def counted(function: Callable[[], Any]) -> tuple[Any, int]:
    """Return what a function returns, and what torch counts of it."""
    with FlopCounterMode(display=False) as counter:
        result = function()
    return result, counter.get_total_flops()


def forward_and_backward(logits: Callable[[], Any]) -> tuple[int, int]:
    out, forward = counted(logits)
    return forward, counted(lambda: out.sum().backward())[1]


@given(settings("mlp"))
def test_the_products_of_an_mlp(setting: Setting) -> None:
    done = run(setting)
    observations = torch.tensor(batch(setting)[0])
    p = plain_torch.tensors(state(setting).parameters)
    kept = [i for i, places in enumerate(done.kept) if places]
    logits, forward = counted(lambda: plain_torch.mlp(setting.model, p, observations))
    assert forward == done.counts["forward"].matmul
    assert_reference(setting, logits)
    if kept:
        again, backward = forward_and_backward(
            lambda: plain_torch.mlp(setting.model, p, observations[kept])
        )
        assert backward == done.counts.backward.matmul
        assert again == mlp_network(setting.model, len(kept)).forward.matmul


@given(settings("transformer"))
def test_the_products_of_a_transformer(setting: Setting) -> None:
    done = run(setting)
    tokens = batch(setting)[0].tolist()
    p = plain_torch.tensors(state(setting).parameters)
    whole = Rows.whole(setting.lengths)
    logits, forward = counted(lambda: plain_torch.transformer(setting.model, p, tokens, whole))
    assert forward == done.counts["forward"].matmul
    assert_reference(setting, logits)
    if any(done.kept):
        part = Rows.prefixes(done.kept)
        touched = [row for row, places in zip(tokens, done.kept, strict=True) if places]
        again, backward = forward_and_backward(
            lambda: plain_torch.transformer(setting.model, p, touched, part)
        )
        assert backward == done.counts.backward.matmul
        assert again == transformer_network(setting.model, part).forward.matmul


def assert_reference(setting: Setting, logits: Any) -> None:
    """Assert that what torch counts is the reference's model."""
    expected, _ = setting.model.forward(state(setting).parameters, batch(setting)[0])
    error = np.linalg.norm(logits.detach().numpy() - expected)
    assert error <= 64 * np.finfo(setting.dtype).eps * np.linalg.norm(expected)


@pytest.mark.parametrize("kind", ["mlp", "transformer"])
def test_the_products_of_a_step_of_the_torch_backend(kind: str) -> None:
    """It runs the kept rows forward once more, with a graph, where the reference has a cache."""
    backend = load_backend("torch")

    @given(settings(kind))
    def check(setting: Setting) -> None:
        done = run(setting)
        learner = backend.learner(state(setting))
        observations, actions, advantages, options = batch(setting)
        of = {n: backend.array(v) if isinstance(v, np.ndarray) else v for n, v in options.items()}

        def step() -> Any:
            policy = learner.forward(backend.array(observations))
            gains = backend.array(advantages)
            return learner.update(policy, backend.array(actions), gains, setting.gate, **of)

        result, products = counted(step)
        weight = backend.to_numpy(result.screening.weight)
        if not np.array_equal(weight > 0, np.asarray(done.result.screening.weight) > 0):
            return  # a decision within rounding of the gate's boundary
        again = 0
        if kind == "mlp":
            again = mlp_network(setting.model, result.executed_rows).forward.matmul
        elif any(done.kept):
            part = Rows.prefixes(done.kept)
            again = transformer_network(setting.model, part).forward.matmul
        expected = done.counts["forward"].matmul + again + done.counts.backward.matmul
        assert products == expected

    check()


SHAPE = {"B": 2, "H": 3, "T": 5, "W": 4}
SCORES = SHAPE["B"] * SHAPE["T"] ** 2
ATTENTION = layers.attention(SCORES, SHAPE["H"], SHAPE["W"])


def written(q: Any, k: Any, v: Any) -> Any:
    return (q @ k.transpose(2, 3)).softmax(-1) @ v


def as_einsum(q: Any, k: Any, v: Any) -> Any:
    p = torch.einsum("bhqw,bhkw->bhqk", q, k).softmax(-1)
    return torch.einsum("bhqk,bhkw->bhqw", p, v)


def by_products(q: Any, k: Any, v: Any) -> Any:
    with sdpa_kernel(SDPBackend.MATH):
        return functional.scaled_dot_product_attention(q, k, v, is_causal=True)


def by_default(q: Any, k: Any, v: Any) -> Any:
    return functional.scaled_dot_product_attention(q, k, v)


def causal(q: Any, k: Any, v: Any) -> Any:
    return functional.scaled_dot_product_attention(q, k, v, is_causal=True)


def masked(q: Any, k: Any, v: Any) -> Any:
    mask = torch.ones(SHAPE["T"], SHAPE["T"], dtype=torch.bool).tril()
    return functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)


@pytest.mark.parametrize(
    ("attention", "seen"),
    [(written, 1), (as_einsum, 1), (by_products, 1), (by_default, 0), (causal, 0), (masked, 0)],
)
def test_the_fused_attention_of_the_cpu_is_not_seen(attention: Any, seen: int) -> None:
    """Seen only in separate products, and then with all scores, those of later keys too."""
    shape = tuple(SHAPE.values())
    q, k, v = (torch.ones(shape, requires_grad=True) for _ in range(3))
    forward, backward = forward_and_backward(lambda: attention(q, k, v))
    assert forward == seen * ATTENTION.forward.matmul
    assert backward == seen * ATTENTION.backward.matmul


def test_nor_is_the_fast_path_of_an_encoder_nor_a_product_with_a_vector() -> None:
    with torch.no_grad():
        encoder = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
        assert counted(lambda: encoder(torch.ones(2, 5, 8)))[1] == 0
        assert counted(lambda: encoder.train()(torch.ones(2, 5, 8)))[1] > 0
        assert counted(lambda: torch.ones(4, 5) @ torch.ones(5))[1] == 0
        assert counted(lambda: torch.ones(4, 5) @ torch.ones(5, 1))[1] == 2 * 20


def test_a_rule_of_ones_own_makes_it_seen() -> None:
    op = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu

    def rule(query: Any, key: Any, *_: Any, **__: Any) -> int:
        b, h, q, w = query
        return layers.attention(b * q * key[2], h, w).forward.matmul

    counter = FlopCounterMode(display=False, custom_mapping={op: rule})
    with counter, torch.no_grad():
        by_default(*(torch.ones(tuple(SHAPE.values())) for _ in range(3)))
    assert counter.get_total_flops() == ATTENTION.forward.matmul


def test_a_backward_of_two_forwards_would_be_seen() -> None:
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(784, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10))
    forward, backward = forward_and_backward(lambda: net(torch.ones(3, 784)))
    assert round(backward / forward, 3) == 1.013


def test_closed_forms_of_the_wrong_prefix_would_be_seen() -> None:
    """That torch agrees says something: with one key less in each prefix it does not."""
    from counted_steps import EXAMPLES

    done = run(EXAMPLES[2])
    shorter = [tuple(j - 1 for j in places if j) for places in done.kept]
    part, wrong = Rows.prefixes(done.kept), Rows.prefixes(shorter)
    model = done.setting.model
    assert transformer_network(model, part).backward.matmul == done.counts.backward.matmul
    assert transformer_network(model, wrong).backward.matmul != done.counts.backward.matmul
    assert closed_form(done).backward.matmul == done.counts.backward.matmul
