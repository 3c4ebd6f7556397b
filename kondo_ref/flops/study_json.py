"""A cost study as JSON values, schema kondo-ref/flops/1, and a sweep, kondo-ref/flops-sweep/1.

The keys are the same at every rate. An integer stays an integer; a number that is none, as an
expectation over a random gate may be, is a float. ``expectation`` says whether the gate is random.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from fractions import Fraction
from operator import attrgetter
from typing import Any

from kondo_ref.flops.conventions import Convention
from kondo_ref.flops.conventions_reports import Report
from kondo_ref.flops.counts import STAGES, Counts
from kondo_ref.flops.decoder_kept import Number
from kondo_ref.flops.study import Cost, PaperCost, Study, dense_backward, ratio, total
from kondo_ref.flops.study_batches import Stages

SCHEMA = "kondo-ref/flops/1"
SWEEP_SCHEMA = "kondo-ref/flops-sweep/1"
WIDTHS = {"float64": 8, "float32": 4, "float16": 2}


def exact(numbers: Mapping[str, Number]) -> dict[str, int | float]:
    """Return numbers as JSON values: integers where they are, else floats."""
    values = {name: Fraction(number) for name, number in numbers.items()}
    return {
        name: int(value) if value.denominator == 1 else float(value)
        for name, value in values.items()
    }


def stages_json(stages: Stages) -> dict[str, Any]:
    """Return the stages, and the forward, the backward and the step."""
    sums = {
        "forward": stages["forward"],
        "backward": dense_backward(stages),
        "step": total(stages),
    }
    return {"stages": exact(stages), **exact(sums)}


def dense_json(study: Study) -> dict[str, Any]:
    """Return the dense step of PG."""
    cost = study.cost(1)
    return {
        "expectation": False,
        "rate": None,
        "unit": None,
        "screen": None,
        "draft_ratio": None,
        "kept": kept_json(cost),
        **stages_json(cost.dense_pg),
        **exact(cost.backwards),
        "backward_to_forward": ratio(dense_backward(cost.dense_pg), cost.dense_pg["forward"]),
        "activation_bytes": activation_bytes(study.batch.activation_entries()),
        "types": types_json(study),
    }


def types_json(study: Study) -> dict[str, dict[str, int | float]]:
    """Return the dense step's operations by stage and type, whatever the convention."""
    types: dict[str, dict[str, int | float]] = {stage: {} for stage in STAGES}
    for name in (f.name for f in fields(Counts)):
        view = Convention(name, "operations", f"{name} alone", attrgetter(name))
        for stage, number in replace(study, convention=view).dense().items():
            types[stage] |= exact({name: number})
    return types


def kept_json(cost: Cost) -> dict[str, int | float]:
    """Return what is kept; sequences are 0 where the unit is a sample."""
    share = cost.share
    return exact({"decisions": share.decisions, "rows": share.rows, "sequences": share.sequences})


def step_json(study: Study, cost: Cost) -> dict[str, Any]:
    """Return a gated step: the keys that a single rate and a row of a sweep have in common."""
    return {
        "expectation": cost.expectation,
        "rate": float(cost.rate),
        "unit": study.unit,
        "screen": study.screening,
        "draft_ratio": None if study.draft_ratio is None else float(study.draft_ratio),
        "kept": kept_json(cost),
        **stages_json(cost.stages),
        **exact(cost.backwards),
        "backward_shares": cost.backward_shares,
        "saving_over_pg": cost.saving_over_pg,
        "saving_over_dg": cost.saving_over_dg,
        "activation_bytes": activation_bytes(cost.activations),
    }


def gated_json(study: Study, cost: Cost, paper: PaperCost | None) -> dict[str, Any]:
    """Return a gated step beside the dense one."""
    report = {
        **step_json(study, cost),
        "dense": stages_json(cost.dense_pg),
        "backward_to_forward": ratio(dense_backward(cost.dense_pg), cost.dense_pg["forward"]),
        "ceiling": study.ceiling(),
        "break_even_rate": study.break_even(),
    }
    if paper is not None:
        shares = {"logical": float(cost.rate), "executed": cost.backward_shares["executed"]}
        report["backward_cost"] = {
            "ratio": paper.ratio,
            "dense": paper.dense,
            **{name: paper.step(share) for name, share in shares.items()},
            **{f"{name}_saving": paper.saving(share) for name, share in shares.items()},
            "ceiling": paper.saving(0.0),
            "break_even_share": paper.break_even,
        }
    return report


def sweep_json(points: Sequence[tuple[Study, Cost]]) -> dict[str, Any]:
    """Return a sweep: the dense step, and a row a point."""
    return {
        "expectation": any(cost.expectation for _, cost in points),
        "dense": stages_json(points[0][1].dense_pg),
        "rows": [step_json(study, cost) for study, cost in points],
    }


def flat_row(study: Study, cost: Cost) -> dict[str, Any]:
    """Return a point of a sweep as a row without nesting, for CSV, a table or a figure.

    A row has rate, unit, screening, convention; kept_decisions, kept_rows, kept_sequences; the
    stages (``screen`` is one of them), step and dense_step; step_share (of PG's step),
    saving_over_pg, saving_over_dg; logical, structural and executed, and each as a share of what
    it is with everything kept.
    """
    dense = total(cost.dense_pg)
    row: dict[str, Any] = {
        "rate": float(cost.rate),
        "unit": study.unit,
        "screening": study.screening,
        "convention": study.convention.name,
        **{f"kept_{name}": number for name, number in kept_json(cost).items()},
        **exact({**cost.stages, "step": cost.step, "dense_step": dense}),
        "step_share": ratio(cost.step, dense),
        "saving_over_pg": cost.saving_over_pg,
        "saving_over_dg": cost.saving_over_dg,
    }
    backwards = exact(cost.backwards)
    for name, share in cost.backward_shares.items():
        row |= {name: backwards[name], f"{name}_share": share}
    return row


def activation_bytes(entries: Number) -> dict[str, int | float]:
    """Return the bytes of so many numbers, by dtype."""
    return exact({dtype: width * entries for dtype, width in WIDTHS.items()})


def convention_json(report: Report) -> dict[str, Any]:
    """Return what a tool or formula gives for the dense step, and the items of the difference."""
    return {
        "unit": report.source.unit,
        "formula": report.source.formula,
        "source": report.source.source,
        "forward": report.forward,
        "backward": report.backward,
        "step": report.total,
        "ours": {"forward": report.ours_forward, "backward": report.ours_backward},
        "items": [
            {"what": item.what, "forward": item.forward, "backward": item.backward}
            for item in report.items
        ],
    }
