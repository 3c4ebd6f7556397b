"""Batches and observations as JSON: what crosses to a process of the target's and back.

Arrays go as base64 of their bytes, exactly. Nothing is unpickled: what comes back from a target's
process is data.
"""

import base64
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kondo_ref.audit.batch import Batch
from kondo_ref.audit.observation import OUTCOMES, Observation

KINDS = ("float64", "int64", "bool")


def pack(array: NDArray[Any] | None) -> dict[str, Any] | None:
    """Return an array as a JSON value."""
    if array is None:
        return None
    kind = {"b": "bool", "i": "int64", "u": "int64"}.get(array.dtype.kind, "float64")
    plain = np.ascontiguousarray(array.astype(kind))
    data = base64.b64encode(plain.tobytes()).decode()
    return {"dtype": kind, "shape": list(array.shape), "data": data}


def unpack(value: Any) -> NDArray[Any] | None:
    """Return an array from its JSON value.

    Raises
    ------
    ValueError
        It is none.
    """
    if value is None:
        return None
    if not isinstance(value, dict) or value.get("dtype") not in KINDS:
        raise ValueError("array: expected dtype, shape and data")
    data = np.frombuffer(base64.b64decode(value["data"], validate=True), dtype=value["dtype"])
    return data.reshape(value["shape"]).copy()


def pack_batches(batches: Sequence[Batch]) -> dict[str, Any]:
    """Return batches as JSON values; one that comes again is sent once."""
    places: dict[int, int] = {}
    packed: list[dict[str, Any]] = []
    order: list[int] = []
    for batch in batches:
        if id(batch) not in places:
            places[id(batch)] = len(packed)
            packed.append(
                {
                    known.name: value
                    if isinstance(value := getattr(batch, known.name), str)
                    else pack(value)
                    for known in fields(Batch)
                }
            )
        order.append(places[id(batch)])
    return {"batches": packed, "order": order}


def unpack_batches(value: dict[str, Any]) -> list[Batch]:
    """Return batches from their JSON values."""
    made = []
    for packed in value["batches"]:
        parts: dict[str, Any] = {
            k: v if isinstance(v, str) else unpack(v) for k, v in packed.items()
        }
        made.append(Batch(**parts))
    return [made[place] for place in value["order"]]


def pack_observation(observation: Observation) -> dict[str, Any]:
    """Return an observation as a JSON value, what is not the default."""
    packed: dict[str, Any] = {}
    default = Observation()
    for known in fields(Observation):
        value = getattr(observation, known.name)
        if isinstance(value, np.ndarray):
            packed[known.name] = pack(value)
        elif value != getattr(default, known.name):
            packed[known.name] = list(value) if isinstance(value, tuple) else value
    return packed


def unpack_observation(value: Any) -> Observation:
    """Return an observation from its JSON value.

    Raises
    ------
    ValueError
        It is none.
    """
    if not isinstance(value, dict) or value.get("outcome", "returned") not in OUTCOMES:
        raise ValueError("observation: expected an object with an outcome")
    names = {known.name for known in fields(Observation)}
    read: dict[str, Any] = {k: v for k, v in value.items() if k in names}
    for name in ("coefficients", "weights"):
        read[name] = unpack(read.get(name))
    for name in ("mutated", "warned"):
        read[name] = tuple(str(text) for text in read.get(name, ()))
    return Observation(**read)
