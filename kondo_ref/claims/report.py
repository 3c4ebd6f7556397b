"""Claims evaluated: the verdict on each, on its boundaries and on its published numbers.

Stands between the statements and whoever shows them: the records are plain JSON values, schema
kondo-ref/claims/1 (``schema.json`` beside this file), from which the table is printed too.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

import kondo_ref
from kondo_ref.claims.register import Boundary, Claim, Number, Sides, Step, norm

SCHEMA = "kondo-ref/claims/1"
# A counterexample that misses by little might be rounding: it has to miss by far.
WIDE = 1e3

T = TypeVar("T")


def breaks(sides: Sides) -> bool:
    """Tell whether a counterexample is one: finite numbers, and far from the claim.

    Parameters
    ----------
    sides : Sides
        Of the statement, with one hypothesis dropped.

    Returns
    -------
    bool
        Whether the claim is missed by more than `WIDE` times what rounding may reach. A strict
        inequality is broken by equality too, to rounding.
    """
    finite = all(np.isfinite(np.asarray(side)).all() for side in (sides.actual, sides.claimed))
    if not finite or sides.holds:
        return False
    equal = sides.relation in ("below", "above") and abs(sides.error) <= sides.tolerance
    return equal or sides.error > WIDE * sides.tolerance


def evaluate(claim: Claim, *, numbers: bool = False, steps: bool = False) -> dict[str, Any]:
    """Return a claim's record: both sides, the verdict, the boundaries.

    Parameters
    ----------
    claim : Claim
    numbers : bool
        Compute the published numbers too, which may take seconds.
    steps : bool
        With the derivation.

    Returns
    -------
    dict
        A ``claim`` of the schema. ``holds`` is the claim's own verdict, ``ok`` that everything
        said of it is so: it holds, every boundary fails, every number that was computed is met.

    Raises
    ------
    ValueError
        Something of the claim cannot be computed; the message has its id.
    """
    sides = _run(claim, claim.check)
    record = {
        "id": claim.id,
        "group": claim.group,
        "section": claim.section,
        "statement": sentence(claim.statement),
        "hypotheses": list(claim.hypotheses),
        "source": claim.source,
        "function": f"{claim.function.__module__}.{claim.function.__qualname__}",
        "value": claim.value,
        **sides_json(sides),
        "holds": bool(sides.holds),
        "boundaries": [_boundary(claim, boundary) for boundary in claim.boundaries],
        "numbers": [_number(claim, n) for n in claim.numbers] if numbers else None,
        "published": len(claim.numbers),
        "steps": [_step(s) for s in _run(claim, claim.steps)] if steps else None,
        "remark": sentence(claim.remark) if claim.remark else "",
    }
    met = all(number["met"] for number in record["numbers"] or [])
    fail = all(boundary["fails"] for boundary in record["boundaries"])
    record["ok"] = record["holds"] and fail and met
    return record


def report(records: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the whole of ``kondo-ref claims --json``, but for the figures that were written."""
    claims = list(records)
    return {
        "schema": SCHEMA,
        "version": kondo_ref.__version__,
        "holds": all(record["ok"] for record in claims),
        "claims": claims,
        "figures": None,
    }


def chosen(
    claims: Sequence[Claim], ids: Sequence[str] = (), group: str | None = None
) -> list[Claim]:
    """Return the claims that are asked for, in their own order; all of them by default.

    Raises
    ------
    ValueError
        No such claim or group.
    """
    known = {claim.id: claim for claim in claims}
    groups = tuple(dict.fromkeys(claim.group for claim in claims))
    for name in ids:
        if name not in known:
            raise ValueError(f"claim: expected one of {', '.join(known)}; got {name!r}")
    if group is not None and group not in groups:
        raise ValueError(f"group: expected one of {', '.join(groups)}; got {group!r}")
    found = [c for c in claims if (not ids or c.id in ids) and group in (None, c.group)]
    if not found:
        raise ValueError(f"claim: {', '.join(ids)} is not in the group {group!r}")
    return found


def sides_json(sides: Sides) -> dict[str, Any]:
    """Return both sides as JSON values; what is not finite is null."""
    scale = norm(sides.claimed) if sides.scale is None else float(sides.scale)
    return {
        "actual": json_value(sides.actual),
        "claimed": json_value(sides.claimed),
        "relation": sides.relation,
        "error": json_value(sides.error),
        "tolerance": float(sides.tolerance),
        "scale": json_value(scale),
        "details": {name: json_value(number) for name, number in sides.numbers.items()},
    }


def json_value(value: Any) -> Any:
    """Return numbers and arrays as JSON values; what is not finite is null, the rest is text."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, Mapping):
        return {str(name): json_value(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return json_value(value.tolist())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value if isinstance(value, float) else str(value)


def sentence(text: str) -> str:
    """Return a text in one line, with a full stop where it ends without."""
    line = " ".join(text.split())
    return line if line.endswith((".", ":", "?")) else f"{line}."


def pair(sides: Mapping[str, Any]) -> tuple[float | None, float | None, str]:
    """Return two numbers to show for both sides, and what they are of the sides.

    Returns
    -------
    actual, claimed : float or None
        Scalars as they are. Of arrays the norms; where every entry is to be one number, the entry
        farthest from it; of bounds the entry nearest to its own.
    of : str
        ``""``, ``"norm"``, ``"each"`` or ``"tightest"``.
    """
    a, c = (_floats(sides[name]) for name in ("actual", "claimed"))
    if a.ndim == 0:
        return _known(a), _known(c), ""
    if sides["relation"] == "equal" and (a.size == 0 or np.ptp(c) != 0.0):
        return _known(norm(a)), _known(norm(c)), "norm"
    if sides["relation"] == "equal":
        where = int(np.argmax(np.abs(a - c)))
        return _known(a.ravel()[where]), _known(c.ravel()[where]), "each"
    gap = (c - a if sides["relation"] in ("at most", "below") else a - c).ravel()
    where = int(np.argmin(gap))
    return _known(a.ravel()[where]), _known(c.ravel()[where]), "tightest"


def named_pair(record: Mapping[str, Any]) -> tuple[float | None, float | None, str]:
    """Return `pair`, with what the two numbers are in words."""
    actual, claimed, of = pair(record)
    what = record["value"].removeprefix("the ") if of else record["value"]
    words = {"": "", "each": "each "}.get(of, f"{of} of the ")
    return actual, claimed, words + what


def _floats(value: ArrayLike) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.asarray(value, dtype=np.float64)  # null becomes NaN


def _known(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _boundary(claim: Claim, boundary: Boundary) -> dict[str, Any]:
    def run() -> dict[str, Any]:
        sides = claim.function(**boundary.arguments())
        return {
            "hypothesis": boundary.hypothesis,
            "instead": boundary.instead,
            **sides_json(sides),
            "fails": breaks(sides),
            "shows": sentence(boundary.shows(sides)),
        }

    return _run(claim, run)


def _number(claim: Claim, number: Number) -> dict[str, Any]:
    ours = float(_run(claim, number.compute))
    return {
        "label": number.label,
        "published": float(number.published),
        "within": float(number.digits),
        "sampled": number.sampled,
        "ours": json_value(ours),
        "met": bool(abs(ours - number.published) <= number.digits),
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "text": sentence(step.text),
        "numbers": {name: json_value(number) for name, number in step.numbers.items()},
    }


def _run(claim: Claim, compute: Callable[[], T]) -> T:
    try:
        return compute()
    except (ValueError, TypeError, ArithmeticError) as error:
        message = " ".join(str(error).split())
        raise ValueError(f"{claim.id}: {type(error).__name__} ({message})") from error
