"""A cost study as JSON values, schema kondo-ref/flops/1.

An integer stays an integer. A number that is none is an expectation over a random gate, or follows
from a draft's ratio: it is a float, and its key begins with ``expected_``.
"""

from collections.abc import Mapping
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
WIDTHS = {"float64": 8, "float32": 4, "float16": 2}


def exact(numbers: Mapping[str, Number]) -> dict[str, int | float]:
    """Return numbers as JSON values, those that are no integers as ``expected_`` floats."""
    result: dict[str, int | float] = {}
    for name, number in numbers.items():
        value = Fraction(number)
        if value.denominator == 1:
            result[name] = int(value)
        else:
            result[f"expected_{name}"] = float(value)
    return result


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
        "rate": None,
        "unit": None,
        "screen": None,
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


def gated_json(study: Study, cost: Cost, paper: PaperCost | None) -> dict[str, Any]:
    """Return a gated step beside the dense one."""
    report = {
        "rate": float(cost.rate),
        "unit": study.unit,
        "screen": study.screening,
        "draft_ratio": None if study.draft_ratio is None else float(study.draft_ratio),
        "kept": exact(
            {
                "decisions": cost.share.decisions,
                "rows": cost.share.rows,
                "sequences": cost.share.sequences,
            }
        ),
        **stages_json(cost.stages),
        **exact(cost.backwards),
        "backward_shares": cost.backward_shares,
        "dense": stages_json(cost.dense_pg),
        "backward_to_forward": ratio(dense_backward(cost.dense_pg), cost.dense_pg["forward"]),
        "saving_over_pg": cost.saving_over_pg,
        "saving_over_dg": cost.saving_over_dg,
        "ceiling": study.ceiling(),
        "break_even_rate": study.break_even(),
        "activation_bytes": activation_bytes(cost.activations),
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
