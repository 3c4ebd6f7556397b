"""The package kondo-gate as it is audited: its losses, its gate in three modes, its trainer.

What is claimed is what its README says. Each target is used as the README uses it.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from kondo_gate import KondoGate, KondoGateConfig

RATE = 0.25


def gate(**mode: bool) -> KondoGate:
    return KondoGate(KondoGateConfig(gate_rate=RATE, **mode))


def top_k(logits: torch.Tensor, actions: torch.Tensor, advantages: torch.Tensor) -> Any:
    return gate()(logits, actions, advantages)


def bernoulli(logits: torch.Tensor, actions: torch.Tensor, advantages: torch.Tensor) -> Any:
    return gate(deterministic=False)(logits, actions, advantages)


def soft(logits: torch.Tensor, actions: torch.Tensor, advantages: torch.Tensor) -> Any:
    return gate(hard=False)(logits, actions, advantages)


def sequences(
    logits: torch.Tensor, actions: torch.Tensor, advantages: torch.Tensor, mask: torch.Tensor
) -> Any:
    if logits.dim() != 3:
        raise ValueError("logits: expected (B, T, K), for which the README has a mask")
    return gate()(logits, actions, advantages, mask)


@dataclass(frozen=True)
class Audited:
    """A target of the package, what is claimed of it, and what was found."""

    name: str
    target: Any
    claim: dict[str, Any]
    calling: dict[str, Any] = field(default_factory=dict)
    findings: tuple[str, ...] = ()


TOP_K = {"claim": "kondo-top-k", "rate": RATE, "skips": True}
AT_TENTH = {"rate": RATE, "price": "quantile", "temperature": 0.1}
TARGETS = (
    Audited("dg_loss", "kondo_gate:dg_loss", {"claim": "dg"}),
    Audited("pg_loss", "kondo_gate:pg_loss", {"claim": "pg"}),
    Audited("top_k", top_k, TOP_K),
    Audited("bernoulli", bernoulli, {"claim": "kondo", **AT_TENTH, "skips": True}),
    Audited("soft", soft, {"claim": "dg", **AT_TENTH}),
    Audited("sequences", sequences, {**TOP_K, "unit": "sequence"}),
    Audited(
        "trainer",
        "kondo_gate:KondoTrainer",
        TOP_K,
        {"surface": "step", "init": {"gate_rate": RATE}, "model_output": "logits"},
    ),
)
