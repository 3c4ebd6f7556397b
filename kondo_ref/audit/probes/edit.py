"""Batches from other batches: a choice of the decisions, several joined, other advantages."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from kondo_ref.audit.batch import Batch
from kondo_ref.audit.probes.make import exact
from kondo_ref.checks import FloatArray, IntArray


def take(batch: Batch, index: IntArray | Sequence[int] | FloatArray) -> Batch:
    """Return the decisions (or rows) at `index`."""
    i = np.asarray(index)
    return replace(
        batch,
        logits=batch.logits[i],
        actions=batch.actions[i],
        advantages=batch.advantages[i],
        mask=None if batch.mask is None else batch.mask[i],
        groups=None if batch.groups is None else batch.groups[i],
    )


def join(*batches: Batch) -> Batch:
    """Return one batch of all decisions (or rows), masks and groups as they are."""
    masked = any(b.mask is not None for b in batches)
    grouped = all(b.groups is not None for b in batches)
    return replace(
        batches[0],
        logits=np.concatenate([b.logits for b in batches]),
        actions=np.concatenate([b.actions for b in batches]),
        advantages=np.concatenate([b.advantages for b in batches]),
        mask=np.concatenate([b.valid for b in batches]) if masked else None,
        groups=np.concatenate([np.asarray(b.groups) for b in batches]) if grouped else None,
    )


def with_advantages(batch: Batch, advantages: FloatArray) -> Batch:
    """Return the batch with other advantages, exact in float32."""
    return replace(batch, advantages=exact(np.asarray(advantages)))


def rows(batch: Batch, shape: tuple[int, int]) -> Batch:
    """Return an (N,) batch as (B, T)."""
    return replace(
        batch,
        logits=batch.logits.reshape(*shape, -1),
        actions=batch.actions.reshape(shape),
        advantages=batch.advantages.reshape(shape),
        mask=None if batch.mask is None else batch.mask.reshape(shape),
        groups=None,
    )
