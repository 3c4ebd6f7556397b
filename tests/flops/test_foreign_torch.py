"""What the audit sees of torch code: masked, skipping, in part, drawn, recomputed, broken."""

from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch", reason="the extra torch is not installed")

import foreign_steps as steps  # noqa: E402
from foreign_steps import (  # noqa: E402
    BACKWARD,
    FORWARD,
    POLICY,
    PRODUCTS,
    RATES,
    N,
    X,
    modules,
)
from torch import nn  # noqa: E402

from kondo_ref.flops.foreign import audit_flops  # noqa: E402
from kondo_ref.flops.foreign_report import (  # noqa: E402
    MASKED,
    MORE,
    PARTLY,
    SKIPPED,
    FlopAudit,
)

LAYERS = ("Policy.body.0", "Policy.body.2", "Policy.head")


def audit(step: Callable[[float], object], **options: object) -> FlopAudit:
    return audit_flops(step, RATES, **options)


def rows(found: FlopAudit, rate: int) -> list[tuple[int | None, ...]]:
    """Return forward, backward and non-zero rows of each layer, at the dense or gated rate."""
    layers = modules(found.runs[rate][0])
    counts = [layers[name] for name in LAYERS]
    return [(m.forward_rows, m.backward_rows, m.nonzero_rows) for m in counts]


@pytest.mark.parametrize("step", [steps.masked, steps.indexed_late, steps.optimized])
def test_a_masked_step_saves_nothing(step: Callable[[float], object]) -> None:
    found = audit(step)
    assert found.verdict == MASKED
    assert found.executed_saving == 0.0
    assert found.deterministic
    for report in (*found.runs[0], *found.runs[1]):
        assert (report.forward, report.backward) == (FORWARD, BACKWARD)
        assert (report.recompute, report.update) == (0, 0)
    assert rows(found, 0) == [(N, N, N)] * 3
    assert rows(found, 1) == [(N, N, 4)] * 3


def test_an_indexed_step_saves_both() -> None:
    found = audit(steps.indexed)
    assert found.verdict == SKIPPED
    assert (found.ratio("forward"), found.ratio("backward")) == (0.1, 0.1)
    assert rows(found, 1) == [(4, 4, 4)] * 3
    assert found.notes == ()


def test_a_second_forward_is_told() -> None:
    found = audit(steps.forward_again)
    assert found.verdict == SKIPPED
    assert [runs[0].forward for runs in found.runs] == [2 * FORWARD, FORWARD * 11 // 10]
    assert [runs[0].backward for runs in found.runs] == [BACKWARD, BACKWARD // 10]
    assert rows(found, 1) == [(N + 4, 4, 4)] * 3
    assert found.runs[0][0].unfollowed == FORWARD
    plain = (1.1 * FORWARD + 0.1 * BACKWARD) / (FORWARD + BACKWARD)
    assert found.plain_ratio == pytest.approx(plain)


def test_a_second_forward_of_the_gated_rate_alone_is_told() -> None:
    found = audit(lambda rate: (steps.indexed if rate == 1.0 else steps.forward_again)(rate))
    assert found.ratio("forward") == pytest.approx(1.1)
    assert found.notes == ("the forward costs 1.100 times the dense one",)


def test_a_step_that_skips_a_part() -> None:
    found = audit(steps.head_only)
    assert found.verdict == PARTLY
    head = 2 * 2 * N * PRODUCTS[-1]
    assert found.executed_saving == pytest.approx(0.9 * head / BACKWARD)
    assert [layer[1] for layer in rows(found, 1)] == [N, N, 4]
    by_module = modules(found.runs[1][0])
    assert [by_module[name].backward for name in LAYERS] == [
        2 * N * PRODUCTS[0],
        4 * N * PRODUCTS[1],
        4 * 4 * PRODUCTS[2],
    ]


def test_a_drawn_gate_is_not_deterministic() -> None:
    steps.drawn.calls = 0
    found = audit(steps.drawn)
    assert not found.deterministic
    # Calls 1 to 3 are dense, 4 is the warm-up, 5 and 6 are counted.
    assert found.ratio("backward") == pytest.approx((5 + 6) / (2 * N))
    assert any("not deterministic" in note for note in found.notes)
    assert not audit(steps.drawn, repeats=3).deterministic
    assert audit(steps.drawn, repeats=1).deterministic


def test_nothing_kept() -> None:
    found = audit(steps.nothing_kept)
    assert found.verdict == MORE
    assert any("was anything kept?" in note for note in found.notes)


def test_an_empty_selection_runs() -> None:
    found = audit(lambda rate: steps.loss_of(torch.arange(N if rate == 1.0 else 0)))
    assert found.verdict == MORE
    assert rows(found, 1) == [(0, 0, 0)] * 3


def test_what_is_raised_is_one_line() -> None:
    with pytest.raises(ValueError, match="step: raised RuntimeError at rate 1") as caught:
        audit(steps.raises)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_a_step_without_a_backward_is_refused() -> None:
    with pytest.raises(ValueError, match="no FLOP in a backward at rate 1"):
        audit(steps.no_backward)


def test_a_loss_of_rows_is_refused() -> None:
    with pytest.raises(ValueError, match=r"step: raised RuntimeError .* scalar outputs"):
        audit(lambda _: POLICY(X))


def test_a_backward_of_the_step_is_not_run_again() -> None:
    found = audit(lambda rate: [loss := steps.masked(rate), loss.backward(retain_graph=True)][0])
    assert found.runs[0][0].backward == BACKWARD


def test_a_gradient_of_the_input_is_counted() -> None:
    found = audit(steps.gradient_of_input)
    assert found.verdict == SKIPPED
    assert found.runs[0][0].backward == FORWARD  # of the inputs alone, not of the weights


def test_code_without_modules_is_counted() -> None:
    found = audit(steps.functional)
    assert found.verdict == SKIPPED
    assert [m.name for m in found.runs[0][0].modules] == ["(outside modules)"]


def test_an_operation_without_a_rule_is_named() -> None:
    layer = nn.Bilinear(3, 3, 2)
    with pytest.raises(ValueError, match=r"no rule for the FLOP of aten\._trilinear;"):
        audit(lambda _: layer(torch.ones(2, 3), torch.ones(2, 3)).sum())


def test_our_torch_backend_skips() -> None:
    import numpy as np

    from kondo_ref import MLP, SGD, Gate
    from kondo_ref.backend import load_backend
    from kondo_ref.step import TrainingState

    model, backend = MLP(steps.SIZES), load_backend("torch")
    learner = backend.learner(TrainingState(model, model.initialize(0, np.float32), SGD(0.1)))
    uniforms = np.linspace(0.0, 0.99, N)

    def step(rate: float) -> None:
        policy = learner.forward(backend.array(X.numpy()))
        actions = learner.sample(policy, uniforms)
        gate = Gate.named("kondo-top-k", rate=rate)
        learner.update(policy, actions, steps.ADVANTAGES.numpy(), gate)

    found = audit(step)
    assert found.verdict == SKIPPED
    assert [runs[0].backward for runs in found.runs] == [BACKWARD, BACKWARD // 10]
    # One forward of all rows where all are kept, one of the kept rows more where not; and a dot.
    assert [runs[0].forward for runs in found.runs] == [FORWARD + 2 * N, FORWARD * 11 // 10 + 8]
