"""How torch code is counted: stages, modules, rows, rules, and nothing left behind."""

import pytest

torch = pytest.importorskip("torch", reason="the extra torch is not installed")

import foreign_steps as steps  # noqa: E402
from foreign_steps import (  # noqa: E402
    BACKWARD,
    FORWARD,
    POLICY,
    PRODUCTS,
    N,
    X,
    modules,
    run_counted,
)
from torch import nn  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from kondo_ref.flops.foreign import counted  # noqa: E402
from kondo_ref.flops.foreign_report import FlopReport  # noqa: E402


def test_flop_are_those_of_torch() -> None:
    network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(48, 5))

    def step() -> None:
        network(torch.ones(4, 2, 6, 6)).square().sum().backward()

    with FlopCounterMode(display=False) as torchs:
        step()
    report = run_counted(step)
    assert report.forward + report.backward == torchs.get_total_flops()
    assert report.forward == 2 * 4 * (48 * 5 + 3 * 16 * 2 * 9)
    assert dict(report.operations) == {
        "aten.mm": 2 * 2 * 4 * 48 * 5,
        "aten.convolution_backward": 2 * 4 * 3 * 16 * 2 * 9,
    }
    conv = modules(report)["Sequential.0"]
    assert (conv.forward_rows, conv.backward_rows) == (4, 4)


@pytest.mark.parametrize("reentrant", [False, True])
def test_recomputation_is_a_stage(reentrant: bool) -> None:
    report = run_counted(lambda: steps.recomputed(1.0, reentrant=reentrant).backward())
    assert report.forward == FORWARD
    assert report.backward == 2 * FORWARD  # the input needs a gradient too
    # Without reentrance, torch stops once it has what it needs; the last product is not needed.
    assert report.recompute == FORWARD - (0 if reentrant else 2 * N * PRODUCTS[-1])
    assert modules(report)["Policy.body.0"].recompute == 2 * N * PRODUCTS[0]
    assert modules(report)["Policy.head"].forward_rows == N


def test_what_an_optimizer_multiplies_is_its_update() -> None:
    class Product(torch.optim.SGD):
        @torch.no_grad()
        def step(self, _: None = None) -> None:
            weight = self.param_groups[0]["params"][0]
            weight @ weight

    layer = nn.Linear(4, 4)
    layer(torch.ones(3, 4)).sum().backward()
    report = run_counted(Product(layer.parameters(), lr=0.1).step)
    assert report.update == report.total == 2 * 4**3


def test_attention_and_vectors_have_rules() -> None:
    query = torch.ones(2, 3, 5, 4, requires_grad=True)
    report = run_counted(
        lambda: nn.functional.scaled_dot_product_attention(query, query, query).sum().backward()
    )
    product = 2 * 2 * 3 * 5 * 5 * 4
    assert report.forward == 2 * product
    assert report.backward == 5 * product
    a, v = torch.ones(3, 4), torch.ones(4)
    assert run_counted(lambda: a @ v).forward == 24
    assert run_counted(lambda: torch.addmv(torch.ones(3), a, v)).forward == 24
    assert run_counted(lambda: torch.dot(v, v)).forward == 8
    assert run_counted(lambda: torch.zeros(3, 3).addmm_(a, a.T)).forward == 72


def test_elementwise_operations_need_no_rule() -> None:
    def step() -> None:
        y = nn.functional.interpolate(torch.ones(1, 1, 4, requires_grad=True), 8, mode="linear")
        torch.linalg.vector_norm(nn.functional.layer_norm(y, (8,)).cumsum(-1)).backward()

    assert run_counted(step).total == 0


@pytest.mark.parametrize(
    ("shape", "row_dimensions", "count"),
    [
        ((7, 4), None, 7),
        ((7, 3, 4), None, 21),
        ((7, 3, 4), 1, 7),
        ((7, 2, 3, 4), None, 7),
        ((7, 2, 3, 4), 3, 42),
        ((4,), None, 4),
    ],
)
def test_rows(shape: tuple[int, ...], row_dimensions: int | None, count: int) -> None:
    with counted(row_dimensions=row_dimensions) as counts:
        nn.Linear(4, 4)(torch.ones(shape)).sum().backward()
    layer = counts.report().modules[0]
    assert (layer.forward_rows, layer.backward_rows, layer.nonzero_rows) == (count,) * 3


def test_rows_are_unknown_under_vmap() -> None:
    def loss(x: torch.Tensor) -> torch.Tensor:
        return POLICY(x).sum()

    report = run_counted(lambda: torch.func.vmap(torch.func.grad(loss))(X))
    layer = modules(report)["Policy.head"]
    assert (layer.forward_rows, layer.backward_rows, layer.nonzero_rows) == (None, None, None)
    assert report.backward > 0


def test_what_comes_by_keyword_belongs_to_who_made_it() -> None:
    class Scores(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.inner(input=x @ x.T @ x)

    x = torch.ones(4, 4, requires_grad=True)
    counts = modules(run_counted(lambda: Scores()(x).sum().backward()))
    product = 2 * 4**3
    assert counts["Scores"].backward == 4 * product
    assert counts["Scores.inner"].backward == 2 * product


def test_networks_of_one_class_have_different_names() -> None:
    layers = nn.Linear(2, 2), nn.Linear(2, 2)
    report = run_counted(lambda: layers[1](layers[0](torch.ones(1, 2))).sum().backward())
    assert [m.name for m in report.modules] == ["Linear", "Linear 2"]
    assert [m.backward for m in report.modules] == [8, 16]


def test_a_failed_call_is_closed() -> None:
    def step() -> None:
        with pytest.raises(RuntimeError):
            POLICY(torch.ones(2, 5))
        steps.masked(1.0).backward()
        X @ X.T

    report = run_counted(step)
    assert report.forward == FORWARD + 2 * N * 6 * N
    assert report.modules[-1].name == "(outside modules)"
    assert report.modules[-1].forward == 2 * N * 6 * N
    assert modules(report)["Policy.head"].backward == 4 * N * PRODUCTS[-1]


def test_counting_may_begin_inside_a_module() -> None:
    class Outer(nn.Module):
        def forward(self, x: torch.Tensor) -> FlopReport:
            return run_counted(lambda: POLICY(x).sum().backward())

    with counted():
        report = Outer()(X)
    assert (report.forward, report.backward) == (FORWARD, BACKWARD)


def test_compiled_code_is_counted() -> None:
    compiled = torch.compile(POLICY, backend="eager")
    report = run_counted(lambda: compiled(X).sum().backward())
    assert (report.forward, report.backward) == (FORWARD, BACKWARD)


def test_hooks_are_taken_away() -> None:
    with counted() as count:
        loss = steps.masked(1.0)
    before = count.report()
    loss.backward()
    POLICY(X)
    assert count.report() == before
    assert before.backward == 0
    module = torch.nn.modules.module
    assert not module._global_forward_hooks
    assert not module._global_forward_pre_hooks
