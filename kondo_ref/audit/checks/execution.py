"""Dimensions 14, 15 and 17: what is executed, what an empty gate does, what is said of the rate.

Rows are those that entered a backward, counted where they ran. What a target says of itself is
held to what it did.
"""

import re
from dataclasses import replace
from typing import Any

import numpy as np

from kondo_ref.audit.batch import Batch
from kondo_ref.audit.checks.estimator import finding
from kondo_ref.audit.checks.shown import Shown
from kondo_ref.audit.observation import Observation
from kondo_ref.audit.replay import replay_json
from kondo_ref.audit.verdict import Claim, Finding
from kondo_ref.checks import FloatArray

SIZES = (16, 24, 40)
MORE = (72, 136)
# What a metric is called that tells the share of kept decisions; a bare "rate" may be the target.
KEPT = re.compile(r"(keep|kept|gate|pass|real[iy]s?z?e?d?|actual|effective|executed)\w*", re.I)
SHARE = re.compile(r"(rate|frac|fraction|share|ratio|prob)", re.I)
ASKED = re.compile(r"(target|wanted|config|desired|lr|learning)", re.I)


def execution_findings(shown: Shown, claim: Claim) -> list[Finding]:
    """Return the findings about executed rows, the empty gate and reported rates.

    Parameters
    ----------
    shown : Shown
    claim : Claim
    """
    has = shown.evidence.subject.has
    found = [empty(shown), reported(shown)]
    if {"coefficients", "weights"} <= has:
        found.append(lost(shown))
    if claim.skips and "rows" in has:
        found.append(skipped(shown))
    return [one for one in found if one is not None]


def skipped(shown: Shown) -> Finding | None:
    """Return what is run of what is dropped: masked, or partial; or run forward once more."""
    table, flop, forward = [], [], []
    for n in SIZES:
        batch = shown.batch(n, 41)
        seen = shown.observe([batch], 3)[0]
        response = shown.response(seen)
        if response is None or seen.executed_rows is None or not seen.dense_rows:
            continue
        kept = kept_of(batch, seen, response)
        if kept < seen.dense_rows:
            table.append((batch, kept, seen.executed_rows, seen.dense_rows))
            flop.append(seen.backward_flop)
            forward.append(seen.forward_rows or 0)
    if not table:
        return None
    batch, kept, executed, dense = table[0]
    evidence: dict[str, Any] = {
        "kept rows": [row[1] for row in table],
        "executed rows": [row[2] for row in table],
        "dense rows": [row[3] for row in table],
        "executed rate": executed / dense,
        "realised rate": kept / dense,
        "replay": replay_json([batch], 0),
    }
    if None not in flop:
        evidence["backward FLOP"] = flop
    if all(executed <= kept for _, kept, executed, _ in table):
        again = [run - row[3] for run, row in zip(forward, table, strict=True)]
        if min(again) <= 0:
            return None
        evidence["forward rows"] = forward
        told = f"{forward[0]} rows were run forward for a batch of {dense}, {kept} were kept"
        return finding("execution.forward-again", told, evidence)
    which = "masked" if all(row[2] >= row[3] for row in table) else "partial"
    told = f"{executed} of {dense} rows entered the backward, {kept} were kept"
    if which == "partial" and (multiple := padded(shown, table)):
        which, told = "padded", f"{told}: the next multiple of {multiple}"
    return finding(f"execution.{which}", told, evidence)


def padded(shown: Shown, table: list[tuple[Batch, int, int, int]]) -> int:
    """Return the multiple to which kept rows are padded, or 0; told by two more sizes."""
    rows = [row[1:] for row in table]
    for n in MORE:
        batch = shown.batch(n, 41)
        seen = shown.observe([batch], 3)[0]
        response = shown.response(seen)
        if response is None or seen.executed_rows is None or not seen.dense_rows:
            return 0
        rows.append((kept_of(batch, seen, response), seen.executed_rows, seen.dense_rows))
    for multiple in range(2, max(executed for _, executed, _ in rows) + 1):
        if all(min(d, -(-k // multiple) * multiple) == executed for k, executed, d in rows):
            return multiple
    return 0


def lost(shown: Shown) -> Finding | None:
    """Return kept decisions that have no coefficient, where gate and coefficient are both seen."""
    for n in SIZES:
        batch = shown.batch(n, 41)
        seen = shown.observe([batch], 3)[0]
        if seen.coefficients is None or seen.weights is None:
            continue
        kept = (seen.weights != 0) & (batch.advantages != 0) & batch.valid
        without = int(np.count_nonzero(kept & (seen.coefficients == 0)))
        if without:
            told = f"{without} of {np.count_nonzero(kept)} kept decisions have no coefficient"
            return finding("execution.lost", told, {"replay": replay_json([batch], 0)})
    return None


def kept_of(batch: Batch, seen: Observation, response: FloatArray) -> int:
    """Return how many decisions were kept: by the gate where it is seen, else by what came."""
    gate = response if seen.weights is None else seen.weights
    return int(np.count_nonzero(gate[batch.valid]))


def dropping(shown: Shown, n: int) -> Batch | None:
    """Return a batch of which the member keeps nothing; None where it always keeps something.

    Advantages are negative, and delights far below any fixed price, so that a gate that draws
    drops them too.
    """
    if shown.member is None or shown.member.draw in ("soft", "all", "top-k", "random-k"):
        return None
    if shown.member.price[0] != "fixed":
        return None
    ordinary = shown.batch(n, 43)
    for depth in (1.0, 400.0):
        batch = replace(ordinary, advantages=-depth * (np.abs(ordinary.advantages) + 0.1))
        expected = shown.expected(batch, np.zeros(batch.shape))
        if expected is not None and not np.any(expected):
            return batch
    return None


def empty(shown: Shown) -> Finding | None:
    """Return what happens when nothing is kept, if something does."""
    batch = dropping(shown, 20)
    if batch is None:
        return None
    for before in ([], [shown.batch(20, 45)]):
        seen = shown.observe([*before, batch], 5)[-1]
        evidence: dict[str, Any] = {
            "loss": seen.loss,
            "replay": replay_json([*before, batch], 0),
        }
        which, told = _of_nothing(seen, shown.response(seen))
        if which:
            after = "after an ordinary batch, " if before else ""
            return finding(f"empty.{which}", f"{after}{told}", evidence)
    return None


def _of_nothing(seen: Observation, response: FloatArray | None) -> tuple[str, str]:
    """Return what is wrong with an observation of an empty gate, and its words; empty for nothing.

    Parameters
    ----------
    seen : Observation
    response : (...) float or None
    """
    if seen.outcome != "returned":
        return "raises", f"it {seen.outcome}: {seen.message}"
    values = np.zeros(1) if response is None else response
    lost = seen.loss is not None and not np.isfinite(seen.loss)
    many = int(np.count_nonzero(values))
    if lost or not np.isfinite(values).all():
        return "nan", f"the loss is {seen.loss}, the coefficients are {values.min()}"
    if many and seen.stepped and seen.executed_rows == 0:
        return "steps", "no row entered the backward, and parameters moved by an earlier gradient"
    if many == 1:
        return "forced-one", "one decision has a coefficient"
    if many:
        return "dense-fallback", f"{many} of {values.size} decisions are used"
    return ("steps", "parameters moved, without a gradient") if seen.stepped else ("", "")


def reported(shown: Shown) -> Finding | None:
    """Return whether a rate that the target reports is none that it realised."""
    wrong: dict[str, list[tuple[float, float, Batch]]] = {}
    masks = "mask" in shown.evidence.subject.has
    for n in SIZES:
        for masked in (False, True) if masks else (False,):
            batch = shown.batch(n, 47)
            if masked:
                mask = (np.arange(n) % 3 != 2).reshape(batch.shape)
                batch = replace(batch, mask=mask)
            seen = shown.observe([batch], 7)[0]
            response = shown.response(seen)
            if response is None or not np.isfinite(response).all():
                continue
            shares = realised_shares(shown, batch, seen, response)
            for name, value in seen.metrics.items():
                if not told_share(name):
                    continue
                gaps = [abs(value - share) for share in shares]
                if min(gaps) > max(1e-5, 0.01 / n):
                    wrong.setdefault(name, []).append((value, shares[0], batch))
    for name, told in wrong.items():
        value, share, batch = told[0]
        evidence = {
            "metric": name,
            "reported": [v for v, _, _ in told],
            "realised": [s for _, s, _ in told],
            "replay": replay_json([batch], 0),
        }
        return finding("rate.reported", f"{name} is {value:.4g}, realised {share:.4g}", evidence)
    return None


def told_share(name: str) -> bool:
    """Whether a metric of this name tells the share of kept decisions."""
    return bool(KEPT.search(name) and SHARE.search(name) and not ASKED.search(name))


def realised_shares(
    shown: Shown, batch: Batch, seen: Observation, response: FloatArray
) -> list[float]:
    """Return the shares that a rate may mean: kept, or mean weight, of the valid decisions.

    A sequence that is kept has all its tokens kept, so the share of sequences counts too.
    """
    valid = batch.valid
    gate = response if seen.weights is None else seen.weights
    kept = (gate != 0) & valid
    shares = [float(kept[valid].mean())]
    if seen.weights is not None:
        shares.append(float(seen.weights[valid].mean()))
    if len(batch.shape) > 1:
        shares.append(float(kept.any(axis=1)[valid.any(axis=1)].mean()))
    if (expected := mean_probability(shown, batch)) is not None:
        shares.append(expected)  # of a soft gate, and of a drawn one that is told by it
    return [*shares, *(1.0 - share for share in shares)]


def mean_probability(shown: Shown, batch: Batch) -> float | None:
    """Return the mean keep probability of the member."""
    from kondo_ref.audit.known_family import prepare

    if shown.member is None:
        return None
    with np.errstate(all="ignore"):
        probability = prepare(shown.member, batch).probability
    return float(probability[batch.valid].mean()) if probability.shape == batch.shape else None
