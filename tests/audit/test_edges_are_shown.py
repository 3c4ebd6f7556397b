"""The crafted batches that every audit shows, whatever it finds; and how long an audit takes."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import pytest

from kondo_ref.audit import check

LOSSES = Path(__file__).parents[2] / "examples" / "audit" / "losses.py"
SECONDS = 20.0  # the promise for a loss in torch; of the processor, which two cores do not shorten


class Shown(NamedTuple):
    """What one call was handed."""

    logits: np.ndarray
    advantages: np.ndarray
    mask: np.ndarray | None


CALLS: list[Shown] = []


def recorded(logits, actions, advantages, mask=None):  # type: ignore[no-untyped-def]
    """Return a correct DG loss and its gradient, and keep what was handed."""
    CALLS.append(Shown(logits.copy(), advantages.copy(), None if mask is None else mask.copy()))
    if not np.isfinite(advantages).all() or not np.isfinite(logits).all():
        raise ValueError("advantages: not finite")
    valid = np.ones(actions.shape, bool) if mask is None else mask.astype(bool)
    if not valid.any():
        raise ValueError("mask: no valid decision")
    top = logits.max(-1, keepdims=True)
    log_probs = logits - top - np.log(np.exp(logits - top).sum(-1, keepdims=True))
    logp = np.take_along_axis(log_probs, actions[..., None], -1)[..., 0]
    gate = 0.5 * (1.0 + np.tanh(0.5 * advantages * -logp))
    c = np.where(valid, gate * advantages, 0.0) / valid.sum()
    hot = np.arange(logits.shape[-1]) == actions[..., None]
    return -(c * logp).sum(), -c[..., None] * (hot - np.exp(log_probs))


@pytest.fixture(scope="module")
def shown() -> list[Shown]:
    CALLS.clear()
    audit = check(recorded, claim="dg", framework="numpy", unit="token")
    assert audit.verdict == "conforms", [f.id for f in audit.findings]
    return list(CALLS)


def one_delight(s: Shown) -> bool:
    rows, u = s.logits.reshape(-1, s.logits.shape[-1]), s.advantages
    return u.size > 2 and np.ptp(u) == 0 and bool((np.sort(rows, -1) == np.sort(rows[0])).all())


def distinct(array: np.ndarray) -> int:
    return len(np.unique(array))


def finite(array: np.ndarray) -> bool:
    return bool(np.isfinite(array).all())


EDGES: dict[str, Callable[[Shown], bool]] = {
    "all-zero advantages": lambda s: s.advantages.size > 1 and not s.advantages.any(),
    "one delight for all, a mass tie": one_delight,
    "ties among others": lambda s: (
        s.advantages.size > 20 and np.unique(s.advantages).size in {2, 4}
    ),
    "N = 1": lambda s: s.advantages.size == 1,
    "B = T": lambda s: s.advantages.ndim == 2 and len(set(s.advantages.shape)) == 1,
    "one NaN": lambda s: np.isnan(s.advantages).sum() == 1,
    "an infinity": lambda s: bool(np.isinf(s.advantages).any() or np.isinf(s.logits).any()),
    "an empty mask": lambda s: s.mask is not None and not s.mask.any(),
    "an int mask": lambda s: s.mask is not None and s.mask.dtype.kind == "i",
    "a ragged mask": lambda s: s.mask is not None and s.mask.ndim == 2 and 0 < s.mask.mean() < 1,
    "float32": lambda s: s.logits.dtype == np.float32,
    "scaled delights": lambda s: finite(s.advantages) and np.abs(s.advantages).max() > 1e3,
    "huge logits": lambda s: finite(s.logits) and np.abs(s.logits).max() > 1e3,
}


@pytest.mark.parametrize("edge", EDGES)
def test_an_edge_is_always_shown(edge: str, shown: list[Shown]) -> None:
    telling = [bool(EDGES[edge](one)) for one in shown]
    assert any(telling)
    assert not all(telling)


class Batches:
    """A correct loss, an object, whose calls are counted for each life."""

    lives: ClassVar[list[list[int]]] = []

    def __init__(self) -> None:
        self.lives.append([])

    def __call__(self, logits, actions, advantages):  # type: ignore[no-untyped-def]
        self.lives[-1].append(advantages.size)
        return recorded(logits, actions, advantages)


def test_two_micro_batches_are_shown_to_one_object() -> None:
    Batches.lives.clear()
    assert check(Batches, claim="dg", framework="numpy").verdict == "conforms"
    assert any(len(sizes) == 2 for sizes in Batches.lives)


def test_bfloat16_is_shown_where_there_is_one() -> None:
    torch = pytest.importorskip("torch", reason="the extra torch is not installed")
    seen = set()

    def loss(logp, advantages):  # type: ignore[no-untyped-def]
        seen.add(logp.dtype)
        return -(torch.sigmoid(advantages * -logp.detach()) * advantages * logp).mean()

    audit = check(loss, claim="dg", surface="logprobs", framework="torch")
    assert audit.verdict == "conforms", [f.id for f in audit.findings]
    assert {torch.float64, torch.float32, torch.bfloat16} <= seen


def test_an_audit_of_a_torch_loss_is_quick() -> None:
    pytest.importorskip("torch", reason="the extra torch is not installed")
    words = [sys.executable, "-m", "kondo_ref", "audit", f"{LOSSES}:dg_loss", "--claim", "dg"]
    began = os.times()
    subprocess.run(words, capture_output=True, check=True)
    ended = os.times()
    assert sum(ended[2:4]) - sum(began[2:4]) < SECONDS
