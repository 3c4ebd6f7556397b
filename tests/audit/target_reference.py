"""What a claim allows, from the specification's formulas alone: keep probability, c, rows.

Independent of `kondo_ref`: NumPy's quantile, a bisection, argsort.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kondo_ref import Calibrated, Fixed, Rolling
from kondo_ref.audit.batch import Batch


@dataclass(frozen=True)
class Allowed:
    """Of every decision of one batch.

    `keep`: the probability to be kept (the weight itself for a soft gate). `full`: c of a decision
    whose weight is 1, U / Z. `drawn`: kept with that probability, with weight 1, else dropped.
    """

    keep: np.ndarray
    full: np.ndarray
    drawn: bool


def allowed(claim: dict[str, Any], batches: Sequence[Batch]) -> list[Allowed]:
    """Return what the claim allows for a sequence of batches."""
    history: list[float] = []
    return [_allowed(claim, batch, history) for batch in batches]


def _allowed(claim: dict[str, Any], batch: Batch, history: list[float]) -> Allowed:
    valid = batch.valid
    delight = batch.advantages * batch.surprisal
    if claim.get("unit") == "sequence":
        tokens = valid.sum(1)
        signal = np.where(valid, delight, 0.0).sum(1) / np.maximum(tokens, 1)
        present = tokens > 0
    else:
        signal, present = delight, valid
    weight = np.zeros(signal.shape)
    known = signal[present]
    drawn = claim["method"] == "kondo" and claim.get("temperature", 1.0) > 0
    if known.size:
        weight[present] = _weights(claim, known, history)
    if signal.shape != batch.shape:
        weight = np.repeat(weight[:, None], batch.shape[1], axis=1)
    weight = np.where(valid, weight, 0.0)
    divisor = {
        "decisions": max(int(valid.sum()), 1),
        "kept": max(int((weight > 0).sum()), 1),
        "none": 1,
    }[claim.get("normalizer", "decisions")]
    return Allowed(weight, batch.advantages / divisor, drawn)


def _weights(claim: dict[str, Any], signal: np.ndarray, history: list[float]) -> np.ndarray:
    method, rate = claim["method"], claim.get("rate")
    if method == "pg":
        return np.ones(signal.shape)
    if method == "kondo-top-k":
        k = max(1, round(rate * signal.size))
        weight = np.zeros(signal.size)
        weight[np.argsort(-signal, kind="stable")[:k]] = 1.0
        return weight
    temperature = 0.0 if method == "zero-price" else claim.get("temperature", 1.0)
    price = claim.get("price") or (Fixed(0.0) if rate is None else rate)
    if isinstance(price, Fixed):
        level: Any = price.value
    elif isinstance(price, Rolling):
        level = _rolling(price, signal, history)
    elif isinstance(price, Calibrated):
        level = _bisected(signal, price.rate, temperature)
    else:
        level = np.quantile(signal, 1 - price)
    return sigmoid(signal - level, temperature)


def sigmoid(x: np.ndarray, temperature: float) -> np.ndarray:
    if temperature == 0.0:
        return (x > 0).astype(float)
    half = x / temperature / 2
    return 0.5 * (1.0 + np.tanh(half))


def _rolling(price: Rolling, signal: np.ndarray, history: list[float]) -> np.ndarray:
    levels = []
    for chi in signal:
        window = history[-price.history :]
        full = len(window) >= price.warmup
        levels.append(np.quantile(window, 1 - price.rate) if full else -np.inf)
        history.append(float(chi))
    return np.array(levels)


def _bisected(signal: np.ndarray, rate: float, temperature: float) -> float:
    low, high = signal.min() - 100 * temperature, signal.max() + 100 * temperature
    for _ in range(200):
        mid = (low + high) / 2
        over = sigmoid(signal - mid, temperature).mean() > rate
        low, high = (mid, high) if over else (low, mid)
    return float((low + high) / 2)


def with_baseline(baseline: str, batch: Batch) -> Batch:
    """Return the batch with its rewards less the documented baseline as advantages."""
    rewards = batch.advantages
    if baseline == "batch":
        level = np.full(rewards.shape, rewards.mean())
    elif baseline == "group":
        assert batch.groups is not None
        level = np.array([rewards[batch.groups == g].mean() for g in batch.groups])
    elif baseline == "leave-one-out":
        groups = np.zeros(rewards.shape) if batch.groups is None else batch.groups
        level = np.array(
            [
                (rewards[groups == g].sum() - r) / max((groups == g).sum() - 1, 1)
                for g, r in zip(groups, rewards, strict=True)
            ]
        )
    else:
        assert baseline == "expected", baseline
        level = np.exp(2 * batch.log_probabilities).sum(-1)
    return replace(batch, advantages=rewards - level)
