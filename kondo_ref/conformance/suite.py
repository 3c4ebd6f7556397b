"""All checks over one backend, and the report of them.

A check has an id: ``vectors``; a part of a step and a dtype, as ``gradient.float32``; or a
behaviour and a dtype; those of a transformer begin with ``transformer/``, and are run for backends
that train one. Numbers are compared over every case at a first step and over 200 steps of some
cases (20 of a transformer's), re-synchronised with the reference at each, so that roundings do not
pile up.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from kondo_ref.backend import Backend, load_backend
from kondo_ref.conformance.behaviour import BEHAVIOUR, Behaviour
from kondo_ref.conformance.cases import CASES, Case, cast_state, make_batch, start_state, trace_step
from kondo_ref.conformance.compare import PARTS, Comparison, compare
from kondo_ref.conformance.sequences import (
    DEPTH_LIMIT,
    LONG_SEQUENCE_CASES,
    SEQUENCE_BEHAVIOUR,
    SEQUENCE_CASES,
)
from kondo_ref.ratio import LIMIT
from kondo_ref.vectors.check import PUBLISHED, check_vectors

SCHEMA = "kondo-ref/backend-report/1"
DTYPES = ("float64", "float32")
STEPS = 200
LONG_CASES = ("dg", "kondo-rolling", "top-k", "top-k-masked-kept")

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Group:
    """The checks of one kind of model.

    Parameters
    ----------
    prefix : str
        Of their ids.
    cases : tuple of Case
    long : tuple of str
        Ids of the cases that are run over many steps.
    share : int
        Those are the steps asked for over this number.
    limit : float
        Of the test ratio.
    behaviour : dict
    """

    prefix: str
    cases: tuple[Case, ...]
    long: tuple[str, ...]
    share: int
    limit: float
    behaviour: dict[str, Behaviour]


GROUPS = {
    "mlp": Group("", CASES, LONG_CASES, 1, LIMIT, BEHAVIOUR),
    "transformer": Group(
        "transformer/", SEQUENCE_CASES, LONG_SEQUENCE_CASES, 10, DEPTH_LIMIT, SEQUENCE_BEHAVIOUR
    ),
}


def models_of(backend: Backend) -> tuple[str, ...]:
    """Return the kinds of models that a backend trains: its `models`, an MLP if it has none."""
    return tuple(getattr(backend, "models", ("mlp",)))


def check_backend(
    backend: Backend,
    *,
    seed: int = 0,
    steps: int = STEPS,
    dtypes: tuple[str, ...] = DTYPES,
    progress: Progress = lambda _: None,
) -> dict[str, Any]:
    """Run every check on a backend.

    Parameters
    ----------
    backend : Backend
    seed : int
        Of all batches and parameters; a failure is replayed with the same one.
    steps : int
        Length of the re-synchronised runs.
    dtypes : tuple of str
        Of float64 and float32; another than those the backend has would fail.
    progress : callable
        Called with the id of what is run next.

    Returns
    -------
    dict
        ``schema``, ``backend``, ``versions``, ``models``, ``seed``, ``steps``, ``verdict``
        (conforms or deviates) and ``checks``, each with ``id``, ``verdict`` (holds or fails),
        ``ratio`` (the worst test ratio, None where it is infinite or there is none), ``tensor``,
        ``case``, ``step`` (where the worst was seen), ``inside_guard`` (decisions within the guard
        band), ``flipped`` (of those, how many differ) and ``message``.
    """
    checks, models = [_vectors(backend, progress)], models_of(backend)
    for group in [group for kind, group in GROUPS.items() if kind in models]:
        for dtype in dtypes:
            checks += _numbers(backend, group, dtype, seed, steps, progress)
            for name, behaviour in group.behaviour.items():
                check_id = f"{group.prefix}{name}.{dtype}"
                progress(check_id)
                checks.append(_behaviour(check_id, behaviour, backend, dtype, seed))
    return {
        "schema": SCHEMA,
        "backend": backend.name,
        "versions": backend.versions(),
        "models": list(models),
        "seed": seed,
        "steps": steps,
        "verdict": "conforms" if all(c["verdict"] == "holds" for c in checks) else "deviates",
        "checks": checks,
    }


def _check(check_id: str, *, holds: bool, **found: Any) -> dict[str, Any]:
    empty = dict.fromkeys(("ratio", "tensor", "case", "step", "inside_guard", "flipped", "message"))
    return {"id": check_id, "verdict": "holds" if holds else "fails", **empty, **found}


def _vectors(backend: Backend, progress: Progress) -> dict[str, Any]:
    progress("vectors")
    report = check_vectors(PUBLISHED, backend)
    failed = report["failed"]
    message = None
    if failed:
        first = failed[0]
        message = f"{len(failed)} fields fail, the first is {first['field']} of {first['id']}"
        message += f" ({first['message']})" if "message" in first else ""
    return _check("vectors", holds=not failed, ratio=report["worst_ratio"], message=message)


def _behaviour(
    check_id: str, behaviour: Any, backend: Backend, dtype: str, seed: int
) -> dict[str, Any]:
    try:
        behaviour(backend, dtype, seed)
    except AssertionError as error:
        return _check(check_id, holds=False, message=str(error))
    except Exception as error:
        return _check(check_id, holds=False, message=f"{type(error).__name__}: {error}")
    return _check(check_id, holds=True)


def _numbers(
    backend: Backend, group: Group, dtype: str, seed: int, steps: int, progress: Progress
) -> list[dict[str, Any]]:
    """Return one check a part of a step: the worst ratio over all cases and steps."""
    worst = {
        part: _check(f"{group.prefix}{part}.{dtype}", holds=True, ratio=0.0) for part in _ALL_PARTS
    }
    inside = flipped = 0
    for case in group.cases:
        progress(f"{group.prefix}{case.id}.{dtype}")
        length = -(-steps // group.share) if case.id in group.long else 1
        try:
            for step, found in enumerate(_run(backend, case, dtype, seed, length)):
                inside, flipped = inside + found.inside, flipped + found.flipped
                for difference in found.differences:
                    entry = worst[difference.part]
                    # `not <=` so that an incomparable ratio never passes for a small one.
                    if not difference.ratio <= (entry["ratio"] or 0.0):
                        entry.update(ratio=difference.ratio, tensor=difference.tensor)
                        entry.update(case=case.id, step=step)
        except Exception as error:
            message = f"{type(error).__name__}: {error}"
            for entry in worst.values():
                entry.update(ratio=np.inf, case=case.id, message=message)
            break
    for entry in worst.values():
        if not entry["ratio"] <= group.limit:
            entry["verdict"] = "fails"
        entry["ratio"] = entry["ratio"] if np.isfinite(entry["ratio"]) else None
    for part in ("actions", "gate"):
        worst[part].update(inside_guard=inside, flipped=flipped)
    return list(worst.values())


def _run(backend: Backend, case: Case, dtype: str, seed: int, steps: int) -> "list[Comparison]":
    """Compare a case step by step; each step starts from the reference's state."""
    reference = load_backend("numpy")
    eps = float(np.finfo(dtype).eps)
    state = start_state(case, seed)
    history: Any = None
    result = []
    for step in range(steps):
        batch = make_batch(case, seed, step)
        exact = batch.astype(np.float64)
        past = None if history is None else history.astype(np.float64)
        expected = trace_step(reference, cast_state(state, np.float64), case, exact, history=past)
        past = None if history is None else history.astype(dtype)
        found = trace_step(
            backend,
            cast_state(state, dtype),
            case,
            batch.astype(dtype),
            actions=expected["actions"],
            history=past,
        )
        result.append(compare(case, exact, found, expected, eps))
        # Rounded to float32, so that the next step starts from the same numbers in every dtype.
        state = cast_state(expected["state"], np.float32)
        after = expected["history"]
        history = None if after is None else after.astype(np.float32)
    return result


_ALL_PARTS = ("actions", "gate", *PARTS)
