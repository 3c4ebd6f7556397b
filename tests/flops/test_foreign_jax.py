"""What the audit sees of JAX code: a mask, a static top-k, loops and branches, broken builders."""

from collections.abc import Callable
from typing import Any

import pytest

jax = pytest.importorskip("jax", reason="the extra jax is not installed")

import jax.numpy as jnp  # noqa: E402

from kondo_ref.flops import foreign_jax  # noqa: E402
from kondo_ref.flops.foreign import audit_flops  # noqa: E402
from kondo_ref.flops.foreign_report import MASKED, SKIPPED  # noqa: E402

N, D, H, K = 40, 60, 50, 3
PARAMETERS = {"hidden": jnp.ones((D, H)), "output": jnp.ones((H, K))}
BATCH = (jnp.ones((N, D)), jnp.zeros(N, int), jnp.ones(N))
RATES = (1.0, 0.1)
PRODUCTS = 2 * N * (D * H + H * K)


def log_probs(p: Any, x: Any, a: Any) -> Any:
    logits = jnp.tanh(x @ p["hidden"]) @ p["output"]
    return jnp.take_along_axis(jax.nn.log_softmax(logits), a[:, None], axis=1)[:, 0]


def masked(rate: float) -> Any:
    def loss(p: Any, x: Any, a: Any, u: Any) -> Any:
        log_p = log_probs(p, x, a)
        delight = u * -jax.lax.stop_gradient(log_p)
        gate = delight >= jax.lax.top_k(delight, round(rate * N))[0][-1]
        return -(gate * u * log_p).mean()

    return loss, (PARAMETERS, *BATCH)


def gathered(rate: float) -> Any:
    def loss(p: Any, x: Any, a: Any, u: Any) -> Any:
        delight = u * -jax.lax.stop_gradient(log_probs(p, x, a))
        kept = jax.lax.top_k(delight, round(rate * N))[1]
        return -(u[kept] * log_probs(p, x[kept], a[kept])).sum() / N

    return loss, (PARAMETERS, *BATCH)


def sliced(rate: float) -> Any:
    k = round(rate * N)
    return lambda w, x: (x[:k] @ w).sum(), (jnp.ones((D, H)), BATCH[0])


def scanned(rate: float) -> Any:
    """Rows one by one: a saving that the cost analysis does not see."""
    k = round(rate * N)

    def loss(w: Any, x: Any) -> Any:
        return jax.lax.scan(lambda total, row: (total + (row @ w).sum(), None), 0.0, x[:k])[0]

    return loss, sliced(rate)[1]


def branched(rate: float) -> Any:
    """A branch that does not run, unless everything is kept."""

    def loss(w: Any, x: Any, everything: Any) -> Any:
        return jax.lax.cond(everything, lambda: jnp.sum(x @ w), lambda: 0.0)

    return loss, (*sliced(rate)[1], jnp.asarray(rate == 1.0))


def test_a_mask_saves_nothing() -> None:
    found = audit_flops(masked, RATES, framework="jax")
    assert found.verdict == MASKED
    assert found.executed_saving == pytest.approx(0.0, abs=1e-4)
    assert found.deterministic
    assert found.versions["jax"] == jax.__version__
    dense = found.runs[0][0]
    assert PRODUCTS < dense.forward < 1.1 * PRODUCTS
    # No gradient of the first layer's input.
    backward = 2 * PRODUCTS - 2 * N * D * H
    assert backward < dense.backward < 1.1 * backward


def test_a_static_top_k_saves() -> None:
    found = audit_flops(gathered, RATES, framework="jax")
    assert found.verdict == SKIPPED
    forward = found.ratio("forward")
    assert forward == pytest.approx(1.1 / 2, abs=0.01)
    assert any("TopK" in note for note in found.notes)


@pytest.mark.parametrize(("build", "note"), [(scanned, "loop"), (branched, "branch")])
def test_what_the_analysis_does_not_see_is_noted(build: Callable[[float], Any], note: str) -> None:
    found = audit_flops(build, RATES, framework="jax", repeats=1)
    assert found.verdict == MASKED
    assert any(note in text for text in found.notes)


def test_the_same_program_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = []
    honest = foreign_jax._compiled_cost
    monkeypatch.setattr(foreign_jax, "_compiled_cost", lambda c: compiled.append(1) or honest(c))
    audit_flops(sliced, RATES, framework="jax", repeats=3)
    assert len(compiled) == 4  # two rates, with and without a gradient


def test_a_builder_that_changes_is_not_deterministic() -> None:
    calls = iter(range(4))
    found = audit_flops(lambda _: sliced((40, 40, 4, 8)[next(calls)] / N), framework="jax")
    assert not found.deterministic
    assert any("not deterministic" in note for note in found.notes)


@pytest.mark.parametrize(
    "build", [lambda _: None, lambda _: (1, ()), lambda _: (abs,), lambda _: 1 / 0]
)
def test_what_cannot_be_built_is_one_line(build: Callable[[float], Any]) -> None:
    with pytest.raises(ValueError, match=r"step: raised .* at rate 1") as caught:
        audit_flops(build, RATES, framework="jax")
    assert "\n" not in str(caught.value)


def test_a_loss_of_rows_is_refused() -> None:
    with pytest.raises(ValueError, match=r"step: raised TypeError .* scalar-output"):
        audit_flops(lambda _: (jnp.sin, (jnp.ones(3),)), RATES, framework="jax")


class Compiled:
    """Stands for a compiled program with a given cost analysis."""

    def __init__(self, analysis: object) -> None:
        self.analysis = analysis

    def cost_analysis(self) -> object:
        return self.analysis

    def as_text(self) -> str:
        return "ENTRY"


def test_cost_analyses_of_other_versions() -> None:
    assert foreign_jax._compiled_cost(Compiled([{"flops": 7.0}])) == (7, ())
    assert foreign_jax._compiled_cost(Compiled({"flops": 7.0})) == (7, ())
    assert foreign_jax._compiled_cost(Compiled({"bytes accessed": 7.0})) == (0, ())
    for nothing in (None, {}, [{}]):
        with pytest.raises(ValueError, match="no cost analysis"):
            foreign_jax._compiled_cost(Compiled(nothing))
