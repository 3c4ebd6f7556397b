"""The package kondo-gate of PyPI, whose version is pinned by the extra peers, as it is audited.

Its gates choose as they say; what they choose among is all run backward.
"""

from importlib.metadata import version

import pytest

pytest.importorskip("torch", reason="the extra torch is not installed")
kondo_gate = pytest.importorskip("kondo_gate", reason="the extra peers is not installed")

import torch  # noqa: E402
from foreign_steps import (  # noqa: E402
    ACTIONS,
    ADVANTAGES,
    BACKWARD,
    POLICY,
    RATES,
    N,
    X,
    everything,
    log_probs,
    loss_of,
)

from kondo_ref.flops.foreign import audit_flops  # noqa: E402
from kondo_ref.flops.foreign_report import MASKED, SKIPPED, FlopAudit  # noqa: E402

KEPT = {"top_k": 4, "bernoulli": None, "soft": N}
MODES = {
    "top_k": {},
    "bernoulli": {"hard": True, "deterministic": False},
    "soft": {"hard": False},
}


def gate(rate: float, **mode: bool) -> torch.nn.Module:
    return kondo_gate.KondoGate(kondo_gate.KondoGateConfig(gate_rate=rate, **mode))


def head(found: FlopAudit) -> tuple[int | None, int | None]:
    layer = next(m for m in found.runs[1][0].modules if m.name == "Policy.head")
    return layer.backward_rows, layer.nonzero_rows


def test_the_version_is_the_pinned_one() -> None:
    assert version("kondo-gate") == "0.1.0"


@pytest.mark.parametrize("mode", MODES)
def test_a_mode_runs_every_row(mode: str) -> None:
    def step(rate: float) -> torch.Tensor:
        result = gate(rate, **MODES[mode])(POLICY(X), ACTIONS, ADVANTAGES)
        return result.gated_policy_loss

    found = audit_flops(step, RATES)
    assert found.verdict == MASKED
    assert [runs[0].backward for runs in found.runs] == [BACKWARD, BACKWARD]
    executed, nonzero = head(found)
    assert executed == N
    assert nonzero == KEPT[mode] or KEPT[mode] is None


def test_the_trainer_runs_every_row() -> None:
    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.policy = POLICY

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> object:
            self.logits = self.policy(input_ids[:, None].expand(N, 2, -1))
            assert attention_mask.shape == (N, 2)
            return self

    model = Model()
    actions = ACTIONS[:, None].expand(N, 2)
    advantages = ADVANTAGES[:, None].expand(N, 2)

    def step(rate: float) -> None:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
        trainer = kondo_gate.KondoTrainer(model, gate_rate=rate, optimizer=optimizer)
        trainer.step(X, actions, advantages, attention_mask=torch.ones(N, 2))

    found = audit_flops(step, RATES)
    assert found.verdict == MASKED
    layer = next(m for m in found.runs[1][0].modules if m.name == "Model.policy.head")
    assert (layer.backward_rows, layer.nonzero_rows) == (2 * N, 2 * 4)


def test_its_gate_can_be_used_so_that_rows_are_skipped() -> None:
    def step(rate: float) -> torch.Tensor:
        with torch.no_grad():
            log_p = log_probs(POLICY(X), everything())
            weights = gate(rate).compute_gate(log_p, ADVANTAGES).gate_weights
        return loss_of(weights.nonzero()[:, 0])

    found = audit_flops(step, RATES)
    assert found.verdict == SKIPPED
    assert head(found) == (4, 4)
    whole = gate(0.1)(POLICY(X), ACTIONS, ADVANTAGES).gated_policy_loss
    one, other = (torch.autograd.grad(loss, POLICY.head.weight)[0] for loss in (whole, step(0.1)))
    assert torch.allclose(one, other, rtol=1e-4, atol=1e-7)
