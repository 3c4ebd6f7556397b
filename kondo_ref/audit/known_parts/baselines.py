"""Baselines of a target that takes rewards, and the spreads that divide what they leave."""

from collections.abc import Callable

import numpy as np

from kondo_ref.audit.batch import Batch
from kondo_ref.audit.known_parts.part import Part, number
from kondo_ref.checks import BoolArray, FloatArray

# Of the valid rewards of the batch: (rewards, valid ones) -> for every reward.
_OF_BATCH: dict[str, Callable[[FloatArray, FloatArray], float | FloatArray]] = {
    "batch": lambda _, known: float(known.mean()),
    "batch-std": lambda _, known: float(known.mean()),
    "leave-one-out": lambda rewards, known: (known.sum() - rewards) / max(1, known.size - 1),
    "median": lambda _, known: float(np.median(known)),
    "max": lambda _, known: float(known.max()),
    "min": lambda _, known: float(known.min()),
}

# Of the rewards of a prompt: its rewards -> for every one of them.
_OF_GROUP: dict[str, Callable[[FloatArray], float | FloatArray]] = {
    "group": lambda r: float(r.mean()),
    "group-std": lambda r: float(r.mean()),
    "group-batch-std": lambda r: float(r.mean()),
    "group-leave-one-out": lambda r: (r.sum() - r) / max(1, r.size - 1),
    "group-median": lambda r: float(np.median(r)),
    "group-max": lambda r: float(r.max()),
}

PAIR = 2  # of which each has the other


def baseline_of(part: Part, batch: Batch) -> FloatArray:
    """Return what is taken from the rewards of a batch, as the rewards.

    Parameters
    ----------
    part : tuple
        zero, batch, leave-one-out, group, group-leave-one-out, expected, or ones of no paper;
        with a spread that divides the rest: batch-std, group-std.
    batch : Batch
        Its advantages are rewards.
    """
    name, rewards = str(part[0]), batch.advantages
    result = np.zeros(rewards.shape)
    if name == "constant":
        result[...] = number(part, 1, 0.5)
    elif name == "expected":
        result[...] = np.exp(2.0 * batch.log_probabilities).sum(axis=-1)
    elif name == "probability":
        result[...] = np.exp(-batch.surprisal)
    elif name in _OF_BATCH and batch.valid.any():  # without a valid reward there is no baseline
        result[...] = _OF_BATCH[name](rewards, rewards[batch.valid])
    elif name in _OF_GROUP:
        groups = np.zeros(batch.shape) if batch.groups is None else batch.groups
        for label in np.unique(groups):
            inside = groups == label
            result[inside] = _OF_GROUP[name](rewards[inside])
    return result


def without_others(part: Part, batch: Batch) -> BoolArray:
    """Return which decisions have no others for a leave-one-out mean: it is not defined there.

    As `kondo_ref.baselines.leave_one_out_mean` does, a target may refuse them, or leave them out.
    """
    result = np.zeros(batch.shape, dtype=np.bool_)
    if part[0] == "leave-one-out":
        result[...] = np.count_nonzero(batch.valid) < PAIR
    elif part[0] == "group-leave-one-out":
        groups = np.zeros(batch.shape) if batch.groups is None else batch.groups
        labels, counts = np.unique(groups, return_counts=True)
        result[...] = np.isin(groups, labels[counts < PAIR])
    return result


def scaled_by(part: Part, gain: FloatArray, batch: Batch) -> FloatArray:
    """Return advantages over the spread that belongs to a baseline with one."""
    name = str(part[0])
    if not name.endswith("-std"):
        return gain
    ddof, eps = int(number(part, 1, 0.0)), number(part, 2, 0.0)
    groups = np.zeros(batch.shape) if batch.groups is None else batch.groups
    if not name.startswith("group") or name == "group-batch-std":
        groups = np.zeros(batch.shape)
    result = gain.copy()
    for label in np.unique(groups):
        inside = groups == label
        r = batch.advantages[inside] if name != "group-batch-std" else batch.advantages
        if r.size > ddof:
            result[inside] = gain[inside] / (r.std(ddof=ddof) + eps)
    return result
