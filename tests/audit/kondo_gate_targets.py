"""The package kondo-gate as it is audited: its losses, its gate in three modes, its trainer.

What is claimed is what its README says. Each target is used as the README uses it.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from kondo_gate import KondoGate, KondoGateConfig

from kondo_ref.audit import Audit, check

RATE = 0.25


def gate(**mode: bool) -> KondoGate:
    return KondoGate(KondoGateConfig(gate_rate=RATE, **mode))


def top_k(logits: torch.Tensor, actions: torch.Tensor, advantages: torch.Tensor) -> Any:
    return gate()(logits, actions, advantages)


def bernoulli(logits: torch.Tensor, actions: torch.Tensor, advantages: torch.Tensor) -> Any:
    return gate(deterministic=False)(logits, actions, advantages)


def soft(logits: torch.Tensor, actions: torch.Tensor, advantages: torch.Tensor) -> Any:
    return gate(hard=False)(logits, actions, advantages)


def compute_gate(log_probs: torch.Tensor, advantages: torch.Tensor) -> Any:
    return gate().compute_gate(log_probs, advantages)


def sequences(
    logits: torch.Tensor, actions: torch.Tensor, advantages: torch.Tensor, mask: torch.Tensor
) -> Any:
    if logits.dim() != 3:
        raise ValueError("logits: expected (B, T, K), for which the README has a mask")
    return gate()(logits, actions, advantages, mask)


@dataclass(frozen=True)
class Audited:
    """A target of the package, what is claimed of it in words, and what was found."""

    name: str
    told: str
    target: Any
    claim: dict[str, Any]
    calling: dict[str, Any] = field(default_factory=dict)
    findings: tuple[str, ...] = ()


TOP_K = {"claim": "kondo-top-k", "rate": RATE, "skips": True}
AT_TENTH = {"rate": RATE, "price": "quantile", "temperature": 0.1}
TRAINER = {"surface": "step", "model_output": "logits"}
TARGETS = (
    Audited("dg_loss", "DG", "kondo_gate:dg_loss", {"claim": "dg"}),
    Audited("pg_loss", "PG", "kondo_gate:pg_loss", {"claim": "pg"}),
    Audited(
        "top_k",
        "the default mode: top-k, skips",
        top_k,
        TOP_K,
        findings=("count.quantile", "execution.masked"),
    ),
    Audited(
        "top_k in float64",
        "the same, handed float64",
        top_k,
        TOP_K,
        {"dtype": "float64"},
        (
            "count.quantile",
            "execution.masked",
            "robustness.constant-signal",
            "robustness.single",
        ),
    ),
    Audited(
        "bernoulli",
        "the stochastic mode: Algorithm 1 at temperature .1, skips",
        bernoulli,
        {"claim": "kondo", **AT_TENTH, "skips": True},
        findings=("execution.masked",),
    ),
    Audited(
        "soft", "the soft mode: a sigmoid at the quantile price", soft, {"claim": "dg", **AT_TENTH}
    ),
    Audited(
        "compute_gate",
        "the gate alone",
        compute_gate,
        {"claim": "kondo-top-k", "rate": RATE},
        {"surface": "gate", "returns": ("weights=gate_weights",)},
        ("count.quantile", "robustness.nan-silent"),
    ),
    Audited(
        "sequences",
        "(B, T) with a mask: top-k of sequences, skips",
        sequences,
        {**TOP_K, "unit": "sequence"},
        findings=(
            "aggregation.product-of-means",
            "count.quantile",
            "execution.masked",
            "rate.reported",
        ),
    ),
    Audited(
        "KondoTrainer",
        "top-k of tokens, skips",
        "kondo_gate:KondoTrainer",
        {**TOP_K, "unit": "token"},
        {**TRAINER, "init": {"gate_rate": RATE}},
        (
            "count.quantile",
            "execution.masked",
            "rate.reported",
            "robustness.empty-mask",
            "robustness.mask-ignored",
            "units.mask-changes-unit",
        ),
    ),
    Audited(
        "KondoTrainer, price 0",
        "the zero price, skips",
        "kondo_gate:KondoTrainer",
        {"claim": "zero-price", "skips": True},
        {**TRAINER, "init": {"price": 0.0}},
        (
            "empty.steps",
            "execution.masked",
            "rate.reported",
            "robustness.empty-mask",
            "robustness.mask-ignored",
            "robustness.mask-matters",
        ),
    ),
)


def audited(target: Audited) -> Audit:
    """Audit a target in float32, in which the package is used, if nothing else is said."""
    calling = {"dtype": "float32", **target.calling}
    return check(target.target, framework="torch", quick=True, **target.claim, **calling)


def rows() -> str:
    """Return the table of the page: target, claim, verdict, findings."""
    lines = ["| target | its README says | verdict | findings |", "|---|---|---|---|"]
    for target in TARGETS:
        verdict = "deviates" if target.findings else "conforms"
        listed = ", ".join(f"`{finding}`" for finding in target.findings)
        lines.append(f"| `{target.name}` | {target.told} | {verdict} | {listed} |")
    return "\n".join(lines)
