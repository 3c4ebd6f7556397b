"""The minimal input of a finding: as JSON, and run again beside the reference.

``evidence["replay"]`` is ``{"seed": int, "batches": [batch, ...]}``: what the target is handed in
order, its state fresh before the first. A batch has the fields of `kondo_ref.audit.batch.Batch`,
those that are not the default.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kondo_ref.audit.batch import Batch
from kondo_ref.audit.json_schema import json_values
from kondo_ref.audit.observation import Observation, Subject
from kondo_ref.audit.report import REPLAY
from kondo_ref.audit.verdict import Claim, Finding
from kondo_ref.checks import FloatArray
from kondo_ref.gradient import normalizer_count
from kondo_ref.report.words import shown
from kondo_ref.screening import screen

HEAD = ("decision", "U", "surprisal", "delight", "target", "reference")


@dataclass(frozen=True, eq=False)
class Replayed:
    """One batch, what the target did with it, and what the claim's gate does in expectation.

    Parameters
    ----------
    batch : Batch
    observation : Observation
    reference : decisions float64 or None
        Coefficient, or weight where the surface has no coefficient; None without a claim, or where
        the reference refuses the batch.
    quantity : str
        coefficient or weight.
    """

    batch: Batch
    observation: Observation
    reference: FloatArray | None
    quantity: str

    @property
    def measured(self) -> FloatArray | None:
        """Coefficients, or weights, of the target."""
        seen = self.observation
        return seen.coefficients if self.quantity == "coefficient" else seen.weights


def replay_json(batches: Sequence[Batch], seed: int = 0) -> dict[str, Any]:
    """Return batches as the JSON values of ``evidence["replay"]``."""
    return {"seed": seed, "batches": [batch_json(batch) for batch in batches]}


def batch_json(batch: Batch) -> dict[str, Any]:
    """Return a batch as JSON values, the fields that are not the default."""
    told: dict[str, Any] = {
        name: json_values(np.asarray(value))
        for name in ("logits", "actions", "advantages", "mask", "groups")
        if (value := getattr(batch, name)) is not None
    }
    for name, default in (("dtype", "float64"), ("mask_dtype", "bool")):
        if getattr(batch, name) != default:
            told[name] = getattr(batch, name)
    return told


def batch_of(told: Mapping[str, Any]) -> Batch:
    """Return the batch of `batch_json`; numbers that are not finite may be strings."""
    return Batch(
        np.array(told["logits"], dtype=np.float64),
        np.array(told["actions"], dtype=np.int64),
        np.array(told["advantages"], dtype=np.float64),
        None if told.get("mask") is None else np.array(told["mask"], dtype=np.bool_),
        None if told.get("groups") is None else np.array(told["groups"], dtype=np.int64),
        told.get("dtype", "float64"),
        told.get("mask_dtype", "bool"),
    )


def replay(subject: Subject, finding: Finding, claim: Claim | None) -> list[Replayed]:
    """Hand a target the minimal input of a finding again.

    Parameters
    ----------
    subject : Subject
    finding : Finding
    claim : Claim or None

    Raises
    ------
    ValueError
        The finding has no input, or one that is no batch.
    """
    told = finding.evidence.get(REPLAY)
    if not told:
        raise ValueError(f"replay: the finding {finding.id} has no input to run again")
    try:
        batches = [batch_of(batch) for batch in told["batches"]]
        seed = int(told.get("seed", 0))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"replay: the input of {finding.id} is damaged ({error!r})") from None
    seen = subject.observe(batches, seed=seed)
    quantity = "coefficient" if "coefficients" in subject.has else "weight"
    return [
        Replayed(batch, observation, reference(batch, claim, quantity), quantity)
        for batch, observation in zip(batches, seen, strict=True)
    ]


def reference(batch: Batch, claim: Claim | None, quantity: str) -> FloatArray | None:
    """Return what the claim's gate gives each decision, a Bernoulli gate in expectation.

    None without a claim, or where the reference refuses the batch.
    """
    if claim is None:
        return None
    gate = claim.gate
    units = batch.shape[:1] if gate.unit == "sequence" and len(batch.shape) > 1 else batch.shape
    try:
        screening = screen(
            batch.logits,
            batch.actions,
            batch.advantages,
            gate,
            uniforms=np.zeros(units) if gate.needs_uniforms else None,
            mask=batch.mask,
        )
    except (TypeError, ValueError):
        return None
    weight = screening.keep_probability
    if weight.shape != batch.shape:
        weight = np.broadcast_to(weight[:, None], batch.shape)
    weight = np.where(batch.valid, weight, 0.0)
    if quantity == "weight":
        return weight
    if claim.normalizer == "kept" and gate.needs_uniforms:
        # A ratio estimator: its expectation is not w U / E[Z], which is what is shown.
        divisor = max(1.0, float(screening.keep_probability.sum()))
    else:
        divisor = normalizer_count(screening, claim.normalizer)
    result: FloatArray = weight * batch.advantages / divisor
    return result


def replay_text(finding: Finding, replayed: Sequence[Replayed], most: int = 40) -> str:
    """Return what came of a replay as a table for each batch, of at most `most` decisions."""
    lines = [f"{finding.id}: {finding.summary}", f"expected: {finding.expected}"]
    for i, one in enumerate(replayed):
        batch, seen = one.batch, one.observation
        dtype = "" if batch.dtype == "float64" else f", {batch.dtype}"
        lines += ["", f"batch {i + 1} of {len(replayed)}: decisions {batch.shape}{dtype}"]
        if seen.outcome != "returned":
            lines.append(f"the target {seen.outcome}: {seen.message}")
        if seen.executed_rows is not None:
            lines.append(f"rows in the backward: {seen.executed_rows} of {seen.dense_rows}")
        if seen.stepped is not None:
            lines.append(f"parameters moved: {shown(seen.stepped)}")
        if one.measured is not None:
            lines += table_lines(one, most)
    return "\n".join(lines)


def replayed_json(finding: Finding, replayed: Sequence[Replayed]) -> dict[str, Any]:
    """Return what came of a replay as JSON values."""
    batches = [
        {
            "batch": batch_json(one.batch),
            "quantity": one.quantity,
            "target": one.measured,
            "reference": one.reference,
            "outcome": one.observation.outcome,
            "message": one.observation.message,
            "executed_rows": one.observation.executed_rows,
            "dense_rows": one.observation.dense_rows,
            "stepped": one.observation.stepped,
        }
        for one in replayed
    ]
    told: dict[str, Any] = json_values({"id": finding.id, "batches": batches})
    return told


def table_lines(one: Replayed, most: int) -> list[str]:
    """Return a table of the decisions of one batch; those that differ are marked."""
    batch, measured = one.batch, one.measured
    assert measured is not None
    with np.errstate(invalid="ignore", over="ignore"):
        surprisal = -np.take_along_axis(batch.log_probabilities, batch.actions[..., None], axis=-1)[
            ..., 0
        ]
        delight = batch.advantages * surprisal
    rows = [(*HEAD[:4], f"{one.quantity} of the target", "of the reference", "")]
    for index in list(np.ndindex(batch.shape))[:most]:
        ours = None if one.reference is None else one.reference[index]
        marks = [] if batch.valid[index] else ["masked"]
        if ours is not None and not np.isclose(measured[index], ours, rtol=1e-5, atol=1e-9):
            marks.append("differs")
        rows.append(
            (
                ",".join(map(str, index)),
                f"{batch.advantages[index]:.6g}",
                f"{surprisal[index]:.6g}",
                f"{delight[index]:.6g}",
                f"{measured[index] + 0.0:.6g}",  # never -0
                "" if ours is None else f"{ours + 0.0:.6g}",
                ", ".join(marks),
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.rjust(width) if i < len(row) - 1 else cell
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    left = int(np.prod(batch.shape)) - most
    return lines + ([f"and {left} more"] if left > 0 else [])
