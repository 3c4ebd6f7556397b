"""Dimension 16: edge batches, always run, and what a target does beside what it computes.

A refusal is never a finding here but on an ordinary batch: an edge may be computed or refused
loudly.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from kondo_ref.audit.batch import Batch
from kondo_ref.audit.checks.estimator import finding
from kondo_ref.audit.checks.not_numbers import masks, memory, not_numbers
from kondo_ref.audit.checks.raised import raised
from kondo_ref.audit.checks.shown import N, Shown, gap, half, numbers
from kondo_ref.audit.identify_trial import left_out
from kondo_ref.audit.known_parts import without_others
from kondo_ref.audit.probes import generic, spaced, take
from kondo_ref.audit.replay import replay_json
from kondo_ref.audit.verdict import Finding
from kondo_ref.checks import FloatArray

# Of logits of thousands: what is lost there beyond a hundredth is no rounding of a log-softmax.
LOOSE = 0.01
CERTAIN = 1e-3
# What frameworks say of arrays that do not fit each other.
UNLIKE = re.compile(r"broadcast|must match|incompatible|not compatible", re.I)


def edge_findings(shown: Shown) -> list[Finding]:
    """Return the findings on edge batches, and about how the target behaves.

    Parameters
    ----------
    shown : Shown
    """
    found: dict[str, Finding] = {}
    for check in (behaviour, raised, computed_edges, broadcast, masks, not_numbers, memory):
        for one in check(shown):
            found.setdefault(one.id, one)
    return list(found.values())


def behaviour(shown: Shown) -> Iterator[Finding]:
    """Yield what it does to others: arguments, seeds, answers to the same seed, no answer."""
    batch = shown.batch(N, 51)
    seen = [shown.observe([batch], 0)[0] for _ in range(2)]
    replay = {"replay": replay_json([batch], 0)}
    changed = sorted({name for one in seen for name in one.mutated})
    masked = "mask" in shown.evidence.subject.has
    if masked and not changed:
        ragged = replace(batch, mask=half(batch))
        changed = sorted(shown.observe([ragged], 0)[0].mutated)
        replay = {"replay": replay_json([ragged], 0)} if changed else replay
    if changed:
        yield finding("robustness.mutates", f"changed: {', '.join(changed)}", replay)
    if any(one.seeded for one in seen):
        yield finding("robustness.seeds", "a global generator has a new seed", replay)
    if shown.evidence.precision != shown.evidence.dtype:
        told = f"{shown.evidence.dtype} is computed in {shown.evidence.precision}"
        yield finding("robustness.precision", told, replay)
    a, b = (shown.response(one) for one in seen)
    if a is not None and b is not None and not np.array_equal(a, b, equal_nan=True):
        told = f"{np.count_nonzero(a != b)} of {a.size} differ at the same seed"
        yield finding("robustness.nondeterministic", told, replay)
    for probe in shown.identity.trial.probes:
        last = shown.evidence.last(probe)
        if last.outcome in ("timed out", "crashed"):
            told = f"{last.outcome} on the batch {probe.name}: {last.message}"
            yield finding("robustness.hangs", told, {"replay": replay_json(probe.batches, 0)})
            break


def computed_edges(shown: Shown) -> Iterator[Finding]:
    """Yield the edges on which the target is not what it is elsewhere."""
    ordinary = shown.batch(N, 55)
    one = generic(1, np.random.default_rng(53))
    constant = shown.fitted(take(one, np.zeros(N, dtype=np.int64)))
    low = negative(constant)
    edges: list[tuple[str, str, Batch]] = [
        ("zero-advantage", "all advantages 0", scaled(ordinary, 0.0)),
        ("single", "one decision", shown.batch(1, 57)),
        ("single", "one bad decision", negative(shown.batch(1, 59))),
        ("constant-signal", "one delight for all", constant),
        ("constant-signal", "one negative delight for all", low),
        ("extreme", "logits of some thousands", huge(ordinary)),
        ("extreme", "advantages of some thousands", scaled(ordinary, 4096.0)),
        ("dtype", "float32", replace(ordinary, dtype="float32")),
    ]
    if shown.evidence.subject.framework in ("torch", "jax"):
        # Few, and far from each other: where numbers have eight bits, others would be ties.
        apart = shown.fitted(spaced(12, np.random.default_rng(61)))
        edges.append(("dtype", "bfloat16", replace(apart, dtype="bfloat16")))
    for what, told, batch in edges:
        found = held(shown, f"robustness.{what}", told, batch)
        if found is not None:
            yield found


def broadcast(shown: Shown) -> Iterator[Finding]:
    """Yield arrays that are broadcast against each other: (B, 1) with (B,), and where B = T."""
    batch = shown.batch(N, 67)
    seen = shown.observe([batch], 17)[0]
    response = shown.response(seen)
    if shown.member is None and response is not None and np.isfinite(response).all():
        mean = batch.advantages.mean() / batch.advantages.size
        if np.allclose(response, mean, rtol=1e-5, atol=0.0) and shown.evidence.gradient:
            told = "every decision has the coefficient mean(U) / N: (N, 1) times (N,) is (N, N)"
            yield finding("robustness.broadcast", told, numbers(seen, batch))
    if "sequences" not in shown.evidence.subject.has or shown.row_only:
        return
    rows = shown.batch(36, 69)
    answers = {}
    for shape in ((6, 6), (4, 9)):
        other = replace(
            rows,
            logits=rows.logits.reshape(*shape, -1),
            actions=rows.actions.reshape(shape),
            advantages=rows.advantages.reshape(shape),
        )
        one = shown.observe([other], 17)[0]
        answers[shape] = (other, one, shown.response(one))
    (square, seen, response), (_, oblong, nothing) = answers[6, 6], answers[4, 9]
    expected = None if response is None else shown.expected(square, response)
    if nothing is not None or not UNLIKE.search(oblong.message):
        return
    if response is None or expected is None:
        return
    if off_by(square, response, expected) > shown.limit(square):
        told = f"(6, 6) is computed wrongly, where (4, 9) is refused: {oblong.message}"
        yield finding("robustness.broadcast", told, numbers(seen, square))


def negative(batch: Batch) -> Batch:
    """Return a batch whose advantages are below 0."""
    return replace(batch, advantages=-np.abs(batch.advantages))


def scaled(batch: Batch, factor: float) -> Batch:
    """Return a batch with larger advantages."""
    return replace(batch, advantages=factor * batch.advantages)


def huge(batch: Batch) -> Batch:
    """Return a batch whose surprisals are some thousands of nat, or nearly 0."""
    return replace(batch, logits=1024.0 * batch.logits)


def held(shown: Shown, which: str, told: str, batch: Batch) -> Finding | None:
    """Return the finding that an edge batch is not computed as the member computes it."""
    seen = shown.observe([batch], 11)[0]
    evidence: dict[str, Any] = numbers(seen, batch)
    response = shown.response(seen)
    if seen.outcome in ("timed out", "crashed"):
        return finding("robustness.hangs", f"{seen.outcome} on {told}", evidence)
    if response is None:
        # Other edges may be refused; a batch of one decision is a batch, if one can be rewarded.
        alone = shown.member is not None and without_others(shown.member.baseline, batch).all()
        refused = seen.outcome == "raised" and which.endswith("single") and not alone
        return finding(which, f"{told}: {seen.message}", evidence) if refused else None
    expected = shown.expected(batch, np.where(np.isfinite(response), response, 0.0))
    if expected is None:
        lost = not np.isfinite(response).all()
        return finding(which, f"{told}: not finite", evidence) if lost else None
    if shown.member is not None:
        expected = left_out(shown.member, batch, response, expected)
    off = off_by(batch, response, expected)
    limit = LOOSE if which.endswith("extreme") else shown.limit(batch)
    if off <= limit or (np.isfinite(off) and at_a_boundary(shown, response, expected)):
        return None
    how = "not finite" if not np.isfinite(off) else f"off by {off:.2g} of its norm"
    evidence |= {"seen": response[:8], "expected": expected[:8], "relative distance": off}
    return finding(which, f"{told}: {how}", evidence)


def off_by(batch: Batch, response: FloatArray, expected: FloatArray) -> float:
    """Return the relative distance; 0 where the member itself has no finite answer.

    A coefficient is recovered from a gradient of the size 1 - pi, so what is near certain says
    nothing of it.
    """
    if not np.isfinite(expected).all():
        return 0.0
    if not np.isfinite(response).all():
        return np.inf
    telling = batch.surprisal > CERTAIN
    return gap(response[telling], expected[telling]) if telling.any() else 0.0


def at_a_boundary(shown: Shown, response: Any, expected: Any) -> bool:
    """Whether a hard gate decided one decision otherwise, as rounding at its price explains."""
    if shown.member is None or shown.member.draw in ("soft", "all"):
        return False
    return int(np.count_nonzero((response != 0) != (expected != 0))) == 1 and response.size > 2
