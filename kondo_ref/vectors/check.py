"""Gate vectors, part two: hold a backend to golden cases, field by field.

An implementation is checked without running ours: the expected values come from 50-digit
arithmetic, and the flags of a case name the mistakes that it catches. Numbers are compared by test
ratio, in units of the rounding error of float64; decisions are right or wrong.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np

from kondo_ref.ratio import LIMIT, error_ratio
from kondo_ref.vectors.load import FIELDS, PUBLISHED, Case, load_vectors

__all__ = [
    "LIMIT",
    "PUBLISHED",
    "Case",
    "case_ratios",
    "check_vectors",
    "error_ratio",
    "load_vectors",
]

REPORT_SCHEMA = "kondo-ref/vectors-report/1"


def check_vectors(path: str | Path, backend: Any) -> dict[str, Any]:
    """Hold a backend to a file of gate vectors.

    Parameters
    ----------
    path : str or Path
    backend : object
        With a `policy_gradient` like `kondo_ref.policy_gradient`; the module `kondo_ref` will do.

    Returns
    -------
    dict
        The report, `$defs.report` of schema.json. `failed` has one entry for each field of a case
        whose test ratio exceeds `LIMIT`; the field is "error", with a `message`, where the backend
        raised. A ratio of None (null in JSON) stands for infinity: a wrong decision or shape, a
        value that is not finite, no value at all. `worst_ratio` is over all fields of all cases.

    Raises
    ------
    ValueError, OSError
        As `load_vectors`.
    """
    cases = load_vectors(path)
    name = getattr(backend, "name", getattr(backend, "__name__", type(backend).__name__))
    failed: list[dict[str, Any]] = []
    worst = 0.0
    for case in cases:
        head = {"id": case.id, "flags": list(case.flags)}
        try:
            ratios = case_ratios(case, backend)
        except (Exception, SystemExit) as error:
            message = f"{type(error).__name__}: {error}"
            failed.append({**head, "field": "error", "ratio": None, "message": message})
            worst = math.inf
            continue
        worst = max(worst, *ratios.values())
        failed.extend(
            {**head, "field": field, "ratio": ratio if math.isfinite(ratio) else None}
            for field, ratio in ratios.items()
            if ratio > LIMIT
        )
    return {
        "schema": REPORT_SCHEMA,
        "file": str(path),
        "backend": str(name),
        "cases": len(cases),
        "failed": failed,
        "worst_ratio": worst if math.isfinite(worst) else None,
    }


def case_ratios(case: Case, backend: Any) -> dict[str, float]:
    """Run one case and return the test ratio of every field, infinity where a decision is wrong.

    Decisions are the zeros of the weight and, unless the gate is soft at a temperature above 0,
    the weights themselves: they are right or wrong, not nearly right.
    """
    given = {name: values.copy() for name, values in case.inputs.items()}
    batch = [given.pop(name) for name in ("logits", "actions", "advantages")]
    result = backend.policy_gradient(*batch, case.gate, normalizer=case.normalizer, **given)
    actual = {name: getattr(result.screening, name) for name in FIELDS[:5]}
    actual |= {"loss": result.loss, "grad_logits": result.dlogits}
    ratios = {name: error_ratio(actual[name], case.expected[name]) for name in FIELDS}
    weight, wanted = np.asarray(actual["weight"]), np.asarray(case.expected["weight"])
    if case.gate.draw == "soft" and case.gate.temperature > 0.0:
        weight, wanted = weight == 0, wanted == 0
    if not np.array_equal(weight, wanted):
        ratios["weight"] = math.inf
    return ratios
