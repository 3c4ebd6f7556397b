"""Dimension 16, masks and numbers that are none: integers, nothing valid, NaN, what comes after.

A loss that is NaN is loud; finite numbers for a batch that has a NaN are not.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from kondo_ref.audit.batch import Batch
from kondo_ref.audit.checks.estimator import finding
from kondo_ref.audit.checks.shown import GATES, N, Shown, gap, half, numbers
from kondo_ref.audit.replay import replay_json
from kondo_ref.audit.verdict import Finding


def masks(shown: Shown) -> Iterator[Finding]:
    """Yield what is wrong with masks: integers, none valid, what is written under them."""
    if "mask" not in shown.evidence.subject.has:
        return
    batch = replace(shown.batch(N, 63))
    ragged = replace(batch, mask=half(batch))
    plain = shown.response(shown.observe([ragged], 13)[0])
    for dtype in ("int64", "float32"):
        other = replace(ragged, mask_dtype=dtype)
        seen = shown.observe([other], 13)[0]
        response = shown.response(seen)
        if plain is None or response is None or not np.isfinite(plain).all():
            continue
        if gap(response, plain) > shown.limit(ragged):
            told = f"a mask of {dtype} gives another result than one of booleans"
            evidence = numbers(seen, other) | {"bool": plain[:8], dtype: response[:8]}
            yield finding("robustness.int-mask", told, evidence)
            break
    none = replace(batch, mask=np.zeros(batch.shape, dtype=np.bool_))
    seen = shown.observe([none], 13)[0]
    response = shown.response(seen)
    if seen.outcome == "returned" and response is not None:
        values = np.append(response.ravel(), 0.0 if seen.loss is None else seen.loss)
        if not np.isfinite(values).all() or np.count_nonzero(response):
            told = f"no valid decision: loss {seen.loss}, coefficients up to {np.abs(values).max()}"
            yield finding("robustness.empty-mask", told, numbers(seen, none))
    dirty = replace(ragged, advantages=np.where(ragged.valid, ragged.advantages, 1e9))
    seen = shown.observe([dirty], 13)[0]
    response = shown.response(seen)
    ignored = shown.member is not None and shown.member.mask_ignored
    if plain is not None and response is not None and not ignored:
        a, b = plain[ragged.valid], response[ragged.valid]
        if np.isfinite(a).all() and gap(b, a) > shown.limit(ragged) and _clean(shown):
            told = "an advantage of 1e9 in invalid decisions changes the valid ones"
            yield finding("robustness.mask-matters", told, numbers(seen, dirty))
        if np.count_nonzero(plain[~ragged.valid]):
            told = f"{np.count_nonzero(plain[~ragged.valid])} invalid decisions have a coefficient"
            yield finding("robustness.mask-ignored", told, numbers(seen, ragged))


def _clean(shown: Shown) -> bool:
    """Whether padding that enters the price or the count has no finding of its own already."""
    member = shown.member
    return member is not None and not (member.price_masked or member.count_masked)


def not_numbers(shown: Shown) -> Iterator[Finding]:
    """Yield what a NaN or an infinity among the advantages becomes."""
    batch = shown.batch(N, 65)
    gates = shown.evidence.subject.surface in GATES
    bad: list[tuple[str, Callable[[], float]]] = [("nan", lambda: np.nan), ("inf", lambda: np.inf)]
    for name, value in bad:
        if name == "inf" and gates:
            continue  # a weight of 1 for an infinite delight is what the definition's limit is
        advantages = batch.advantages.copy()
        advantages.flat[3] = value()
        other = replace(batch, advantages=advantages)
        seen = shown.observe([other], 15)[0]
        response = shown.response(seen)
        if seen.outcome != "returned" or response is None:
            continue
        finite = np.isfinite(response).all()
        loud = seen.loss is not None and not np.isfinite(seen.loss)
        if finite and not loud:
            which = "nan-silent" if name == "nan" else "infinite"
            told = f"one advantage is {name}, and all that came back is finite"
            yield finding(f"robustness.{which}", told, numbers(seen, other))
        elif name == "nan" and not loud:
            others = np.delete(response.ravel(), 3)
            if not np.isfinite(others).all():
                told = f"{np.count_nonzero(~np.isfinite(others))} other decisions are NaN"
                yield finding("robustness.nan-spreads", told, numbers(seen, other))


def memory(shown: Shown) -> Iterator[Finding]:
    """Yield whether a NaN, or a batch without a valid decision, poisons what comes after it."""
    after = [shown.batch(N, 71), shown.batch(N, 73)]
    masked = "mask" in shown.evidence.subject.has
    if masked:
        after = [replace(batch, mask=np.ones(batch.shape, dtype=np.bool_)) for batch in after]
    advantages = after[0].advantages.copy()
    advantages.flat[3] = np.nan
    bad = {}
    if shown.evidence.subject.surface != "step":  # where the parameters themselves are poisoned
        bad["a NaN"] = replace(after[0], advantages=advantages)
    if masked:
        none = np.zeros(after[0].shape, dtype=np.bool_)
        bad["a batch without a valid decision"] = replace(after[0], mask=none)
    clean = shown.response(shown.observe([after[0], *after], 19)[-1])
    if clean is None or not np.isfinite(clean).all() or not np.any(clean):
        return
    for what, batch in bad.items():
        sequence = [batch, *after]
        # A gate that draws may keep nothing by chance, not ten times.
        repeats = range(10) if shown.random else range(1)
        if all(poisoned(shown, sequence, repeat) for repeat in repeats):
            told = f"after {what} an ordinary batch has no finite coefficient that is not 0"
            yield finding("robustness.history-poisoned", told, {"replay": replay_json(sequence, 0)})


def poisoned(shown: Shown, sequence: list[Batch], repeat: int) -> bool:
    """Whether the last batch of a sequence has no finite response that is not 0."""
    response = shown.response(shown.observe(sequence, 19 + repeat)[-1])
    return response is None or not np.isfinite(response).all() or not np.any(response)
