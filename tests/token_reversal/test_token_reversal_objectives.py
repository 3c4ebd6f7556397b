"""PPO's and PMPO's coefficients against torch autograd of the losses as the papers print them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from dying import dies

from kondo_ref.delight import log_softmax
from kondo_ref.gate import Gate
from kondo_ref.gradient import policy_gradient
from kondo_ref.tasks.token_reversal import objectives

N, K = 60, 4
CLIP, ALPHA, BETA = 0.1, 0.6, 0.1
PG = Gate.named("pg")
EVERY = np.arange(N)


def batch(seed: int, spread: float) -> dict[str, Any]:
    """Return logits, older logits `spread` away, actions and advantages."""
    random = np.random.Generator(np.random.Philox(seed))
    logits = random.normal(size=(N, K))
    return {
        "logits": logits,
        "old": log_softmax(logits + spread * random.normal(size=(N, K))),
        "actions": random.integers(0, K, N),
        "advantages": random.normal(size=N) * (random.random(N) < 0.9),
    }


def autograd(logits: Any, loss: Callable[[torch.Tensor], torch.Tensor]) -> tuple[float, Any]:
    """Return the loss of log-probabilities, and its gradient in the logits."""
    z = torch.tensor(logits, requires_grad=True)
    value = loss(torch.log_softmax(z, dim=-1))
    value.backward()
    assert z.grad is not None
    return value.item(), z.grad.numpy()


def close(found: Any, expected: Any) -> None:
    """Compare normwise: sums of K terms of both sides' own rounding."""
    limit = 64 * np.finfo(float).eps * np.linalg.norm(expected)
    assert np.linalg.norm(found - expected) <= limit


def check_ppo(seed: int = 0, spread: float = 0.2) -> None:
    b = batch(seed, spread)
    actions, u = torch.tensor(b["actions"]), torch.tensor(b["advantages"])
    before = torch.tensor(b["old"])[EVERY, actions]

    def loss(log_pi: torch.Tensor) -> torch.Tensor:
        ratio = torch.exp(log_pi[EVERY, actions] - before)
        return -torch.minimum(ratio * u, torch.clamp(ratio, 1 - CLIP, 1 + CLIP) * u).mean()

    _, expected = autograd(b["logits"], loss)
    now = log_softmax(b["logits"])[EVERY, b["actions"]]
    numbers = objectives.ppo(now, b["old"][EVERY, b["actions"]], b["advantages"], CLIP)
    close(policy_gradient(b["logits"], b["actions"], numbers, PG).dlogits, expected)
    clipped = np.mean((numbers == 0) & (b["advantages"] != 0))
    assert 0.1 < clipped < 0.6 or spread == 0


def check_pmpo(seed: int = 0, sign: float | None = None) -> None:
    b = batch(seed, 0.0)
    u = b["advantages"] if sign is None else sign * np.abs(b["advantages"] + 1)
    actions, accepted = torch.tensor(b["actions"]), torch.tensor(u > 0)
    before = torch.tensor(b["old"])

    def loss(log_pi: torch.Tensor) -> torch.Tensor:
        chosen = log_pi[EVERY, actions]
        divergence = (before.exp() * (before - log_pi)).sum(dim=1).mean()
        terms = [BETA * divergence]
        if accepted.any():
            terms.append(-ALPHA * chosen[accepted].mean())
        if not accepted.all():
            terms.append((1 - ALPHA) * chosen[~accepted].mean())
        return torch.stack(terms).sum()

    value, expected = autograd(b["logits"], loss)
    found = policy_gradient(b["logits"], b["actions"], objectives.pmpo(u, ALPHA), PG)
    close(found.dlogits, expected)
    assert found.loss == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_ppo_is_the_clipped_surrogate(seed: int) -> None:
    check_ppo(seed)


def test_ppo_is_the_policy_gradient_where_old_is_current() -> None:
    check_ppo(spread=0.0)
    b = batch(1, 0.0)
    numbers = objectives.ppo(b["old"][:, 0], b["old"][:, 0], b["advantages"], CLIP)
    assert (numbers == b["advantages"]).all()


@pytest.mark.parametrize(("seed", "sign"), [(0, None), (1, None), (2, 1.0), (3, -1.0)])
def test_pmpo_is_its_preference_objective(seed: int, sign: float | None) -> None:
    check_pmpo(seed, sign)


def test_the_divergence_takes_the_whole_distribution() -> None:
    """Away from old = new its gradient is no number times (onehot(a) - pi): hence one epoch."""
    b = batch(0, 0.2)
    before = torch.tensor(b["old"])
    _, gradient = autograd(
        b["logits"], lambda log_pi: (before.exp() * (before - log_pi)).sum(dim=1).mean()
    )
    pi = np.exp(log_softmax(b["logits"]))
    close(gradient, (pi - np.exp(b["old"])) / N)
    score = np.eye(K)[b["actions"]] - pi
    share = np.einsum("nk,nk->n", gradient, score) / np.einsum("nk,nk->n", score, score)
    left = np.linalg.norm(gradient - share[:, None] * score, axis=1)
    assert np.median(left / np.linalg.norm(gradient, axis=1)) > 0.1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_is_that_of_the_advantages(dtype: Any) -> None:
    b = batch(0, 0.2)
    old, u = b["old"][:, 0].astype(dtype), b["advantages"].astype(dtype)
    assert objectives.ppo(old, old, u, CLIP).dtype == objectives.pmpo(u, ALPHA).dtype == dtype


@pytest.mark.parametrize(
    ("function", "old", "new", "check"),
    [
        ("ppo", "np.where(clipped, 0.0, ratio * advantages)", "ratio * advantages", check_ppo),
        ("ppo", "np.where(clipped, 0.0, ratio * advantages)",
         "np.where(clipped, 0.0, advantages)", check_ppo),
        ("ppo", "(advantages < 0) & (ratio < 1.0 - clip)", "ratio > 1.0 + clip", check_ppo),
        ("ppo", "np.where(advantages > 0, ratio > 1.0 + clip, ", "np.abs(ratio - 1) > clip + (0 * ",
         check_ppo),
        ("pmpo", "alpha * n / max(good, 1)", "alpha", check_pmpo),
        ("pmpo", "np.where(accepted, up, -down)", "np.where(accepted, up, down)", check_pmpo),
        ("pmpo", "advantages > 0", "advantages >= 0", check_pmpo),
        ("pmpo", "max(n - good, 1)", "n", check_pmpo),
    ],
)  # fmt: skip
def test_wrong_objectives_are_seen(
    function: str, old: str, new: str, check: Callable[[], None]
) -> None:
    dies(f"tasks.token_reversal.objectives.{function}", old, new, check)


def test_shapes_that_do_not_belong_together() -> None:
    with pytest.raises(ValueError, match=r"^old: expected shape \(3,\), got \(2,\)"):
        objectives.ppo(np.zeros(3), np.zeros(2), np.zeros(3), 0.1)
    with pytest.raises(ValueError, match=r"^advantages: expected shape \(3,\), got \(1,\)"):
        objectives.ppo(np.zeros(3), np.zeros(3), np.zeros(1), 0.1)
