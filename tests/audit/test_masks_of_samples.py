"""A target of samples that takes a mask is held to its claim on ragged (B, T) batches too."""

import numpy as np
import pytest
from numpy.typing import NDArray

from kondo_ref.audit.door import check

Floats = NDArray[np.float64]
Result = tuple[float, Floats]


def mean_of(weight: Floats, logits: Floats, actions: NDArray[np.int64], u: Floats) -> Result:
    """Return loss and gradient of a DG of these weights, whose sum is 1."""
    shifted = logits - logits.max(-1, keepdims=True)
    logp = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    onehot = np.eye(logits.shape[-1])[actions]
    own = (logp * onehot).sum(-1)
    c = weight * u / (1.0 + np.exp(np.clip(u * own, -700.0, 700.0)))
    return float(-(c * own).sum()), c[..., None] * (np.exp(logp) - onehot)


def mean_of_sequence_means(logits, actions, advantages, mask=None):  # type: ignore[no-untyped-def]
    m = np.ones(actions.shape) if mask is None else mask.astype(float)
    if m.ndim == 1:
        return mean_of(m / max(m.sum(), 1.0), logits, actions, np.where(m > 0, advantages, 0.0))
    weight = m / np.maximum(m.sum(-1, keepdims=True), 1.0) / len(m)
    return mean_of(weight, logits, actions, np.where(m > 0, advantages, 0.0))


def mean_of_tokens(logits, actions, advantages, mask=None):  # type: ignore[no-untyped-def]
    m = np.ones(actions.shape) if mask is None else mask.astype(float)
    weight = m / max(m.sum(), 1.0)
    return mean_of(weight, logits, actions, np.where(m > 0, advantages, 0.0))


def of_samples_alone(logits, actions, advantages, mask=None):  # type: ignore[no-untyped-def]
    if actions.ndim > 1:
        raise ValueError("actions: expected (N,)")
    return mean_of_tokens(logits, actions, advantages, mask)


def without_a_mask(logits, actions, advantages):  # type: ignore[no-untyped-def]
    return mean_of_sequence_means(logits, actions, advantages, np.ones(actions.shape, dtype=bool))


def rows_alone(logits, actions, advantages):  # type: ignore[no-untyped-def]
    # Rows of a (B, T) batch, which no claim of samples is about, are divided by B alone.
    return mean_of(np.full(actions.shape, 1.0 / len(actions)), logits, actions, advantages)


def test_means_of_sequences_are_seen_without_a_claim_of_tokens() -> None:
    audit = check(mean_of_sequence_means, framework="numpy")
    assert audit.verdict == "deviates"
    assert [f.id for f in audit.findings] == ["normalizer.sequence-mean"]
    assert "mask" in audit.findings[0].evidence["replay"]["batches"][0]


@pytest.mark.parametrize("target", [mean_of_tokens, of_samples_alone, without_a_mask, rows_alone])
def test_others_are_not_accused(target: object) -> None:
    audit = check(target, framework="numpy")
    assert audit.verdict == "conforms", audit.findings
