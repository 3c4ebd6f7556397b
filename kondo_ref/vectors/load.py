"""Gate vectors, part one: read a file of golden cases, trusting nothing in it.

A vector file (schema kondo-ref/gate-vectors/1, documented in schema.json beside this file) carries
inputs and expected results of the whole way logits -> surprisal -> price -> gate -> gradient. The
validation is plain Python, since jsonschema is no dependency of the core; it asks for what the JSON
Schema asks for and, beyond that, that the parts of a case fit together. `kondo_ref.vectors.check`
does the comparing.
"""

import json
import math
import reprlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kondo_ref.delight import SIGNALS
from kondo_ref.gate import DRAWS, Gate
from kondo_ref.gradient import NORMALIZERS
from kondo_ref.price import Calibrated, Fixed, Quantile

SCHEMA = "kondo-ref/gate-vectors/1"
PUBLISHED = Path(__file__).with_name("gate.json")
FIELDS = ("surprisal", "signal", "price", "keep_probability", "weight", "loss", "grad_logits")
PRICES: dict[str, type[Fixed | Quantile | Calibrated]] = {
    "fixed": Fixed,
    "quantile": Quantile,
    "calibrated": Calibrated,
}


@dataclass(frozen=True)
class Case:
    """One golden case.

    Parameters
    ----------
    id : str
        Unique within the file.
    comment : str
    flags : tuple of str
        What the case is about, so what is wrong with an implementation that fails it.
    gate : Gate
    normalizer : str
    inputs : dict
        Arguments of `policy_gradient`: logits (N, K) float, actions (N,) int, advantages (N,)
        float, and where the case has them uniforms (N,) float and mask (N,) bool.
    expected : dict
        One float64 array for each of `FIELDS`; None for the price of top_k.
    """

    id: str
    comment: str
    flags: tuple[str, ...]
    gate: Gate
    normalizer: str
    inputs: dict[str, NDArray[Any]]
    expected: dict[str, NDArray[np.float64] | None]


def load_vectors(path: str | Path) -> list[Case]:
    """Read and validate a file of gate vectors.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    list of Case
        At least one.

    Raises
    ------
    ValueError
        Not a file of this schema; one line that names the file, the case and the field.
    OSError
        The file cannot be read.
    """
    if Path(path).is_dir():
        raise ValueError(f"{path}: is a directory, not a vector file")
    try:
        text = Path(path).read_bytes().decode("utf-8")
        data = json.loads(text, object_pairs_hook=_unique)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8, see byte {error.start}") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not JSON: {error}") from None
    cases: dict[str, Case] = {}
    where = f"{path}"
    try:
        top = _members(data, "file", ("schema", "cases"), None)
        _choice(top["schema"], "schema", (SCHEMA,))
        for index, item in enumerate(_array(top["cases"], "cases", (None,), lambda case, _: case)):
            where = f"{path}: cases[{index}]"
            name = _text(_members(item, "case", ("id",), None)["id"], "id")
            where = f"{path}: case {_show(name)}"
            if name in cases:
                raise ValueError("id: an earlier case has the same")
            cases[name] = _case(name, item)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    return list(cases.values())


def _case(name: str, item: dict[str, Any]) -> Case:
    _members(item, "case", ("flags", "spec", "inputs", "expected"), None)
    flags = _array(item["flags"], "flags", (None,), _text)
    gate, normalizer = _gate(item["spec"])

    needed = ("logits", "actions", "advantages", *(["uniforms"] if gate.needs_uniforms else []))
    inputs = _members(item["inputs"], "inputs", needed, ("uniforms", "mask"))
    logits = _array(inputs["logits"], "inputs.logits", (None, None), _number)
    n, k = len(logits), len(logits[0])
    elements: dict[str, Callable[[Any, str], Any]] = {
        "actions": lambda value, field: _integer(value, field, k),
        "advantages": _number,
        "uniforms": _uniform,
        "mask": _boolean,
    }
    arrays = {"logits": np.array(_array(logits, "inputs.logits", (n, k), _number))}
    for field in inputs.keys() - {"logits"}:
        values = _array(inputs[field], f"inputs.{field}", (n,), elements[field])
        arrays[field] = np.array(values)
    if "mask" in arrays and not arrays["mask"].any():
        raise ValueError("inputs.mask has no valid decision")

    outputs = _members(item["expected"], "expected", FIELDS, ())
    share = partial(_number, low=0.0, high=1.0)
    within = {"keep_probability": share, "weight": share, "surprisal": partial(_number, low=0.0)}
    shapes = dict.fromkeys(FIELDS, (n,)) | {"price": (), "loss": (), "grad_logits": (n, k)}
    expected: dict[str, NDArray[np.float64] | None] = {}
    for field, shape in shapes.items():
        if field == "price" and gate.price is None:
            if outputs["price"] is not None:
                raise ValueError("expected.price must be null: the draw top_k has no price")
            expected[field] = None
            continue
        element = within.get(field, _number)
        expected[field] = np.array(_array(outputs[field], f"expected.{field}", shape, element))
    comment = _text(item["comment"], "comment") if "comment" in item else ""
    return Case(name, comment, tuple(flags), gate, normalizer, arrays, expected)


def _gate(value: Any) -> tuple[Gate, str]:
    needed = ("signal", "temperature", "draw", "normalizer", "price")
    spec = _members(value, "spec", needed, ("rate", "alpha"))
    signal = _choice(spec["signal"], "spec.signal", SIGNALS)
    draw = _choice(spec["draw"], "spec.draw", DRAWS)
    normalizer = _choice(spec["normalizer"], "spec.normalizer", NORMALIZERS)
    numbers = {
        field: _number(spec[field], f"spec.{field}")
        for field in ("temperature", "rate", "alpha")
        if field in spec
    }
    if (spec["price"] is None) != (draw == "top_k"):
        raise ValueError("spec.price must be null for the draw top_k, and only for it")
    price = None if spec["price"] is None else _price(spec["price"])
    try:
        gate = Gate(
            signal=signal,
            price=price,
            temperature=numbers["temperature"],
            draw=draw,
            rate=numbers.get("rate"),
            alpha=numbers.get("alpha"),
        )
    except ValueError as error:
        raise ValueError(f"spec.{error}") from None
    return gate, normalizer


def _price(value: Any) -> Fixed | Quantile | Calibrated:
    kind = _members(value, "spec.price", ("kind",), None)["kind"]
    argument = "value" if _choice(kind, "spec.price.kind", tuple(PRICES)) == "fixed" else "rate"
    members = _members(value, "spec.price", ("kind", argument), ())
    number = _number(members[argument], f"spec.price.{argument}")
    if kind == "calibrated" and number == 1.0:
        raise ValueError("spec.price.rate must be below 1: at 1 the price is minus infinity")
    try:
        return PRICES[kind](number)
    except ValueError as error:
        raise ValueError(f"spec.price.{error}") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError(f"an object has a field twice: {_show([name for name, _ in pairs])}")
    return members


def _members(
    value: Any, name: str, needed: tuple[str, ...], optional: tuple[str, ...] | None
) -> dict[str, Any]:
    """Return `value` as an object with the needed members; `optional` None allows any others."""
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be an object, not {_show(value)}")
    for field in needed:
        if field not in value:
            raise ValueError(f"{name} has no field {field!r}")
    if optional is not None:
        for field in value.keys() - {*needed, *optional}:
            raise ValueError(f"{name} has the unknown field {_show(field)}")
    return value


def _array(
    value: Any, name: str, shape: tuple[int | None, ...], element: Callable[[Any, str], Any]
) -> Any:
    """Validate nested lists of this shape, where None is any length from 1 on."""
    if not shape:
        return element(value, name)
    if not isinstance(value, list):
        raise ValueError(f"{name} must be a list, not {_show(value)}")
    if len(value) != (shape[0] or len(value) or 1):
        raise ValueError(f"{name} must have {shape[0] or 'some'} entries, not {len(value)}")
    return [_array(item, f"{name}[{i}]", shape[1:], element) for i, item in enumerate(value)]


def _number(value: Any, name: str, low: float = -math.inf, high: float = math.inf) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} must be a number, not {_show(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite, not {_show(value)}")
    if not low <= number <= high:
        raise ValueError(f"{name} must be in [{low}, {high}], not {number}")
    return number


def _uniform(value: Any, name: str) -> float:
    if _number(value, name, 0.0, 1.0) == 1.0:
        raise ValueError(f"{name} must be below 1")
    return float(value)


def _integer(value: Any, name: str, k: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < k:
        raise ValueError(f"{name} must be an integer in 0..{k - 1}, not {_show(value)}")
    return value


def _boolean(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false, not {_show(value)}")
    return value


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ValueError(f"{name} must be a line of text, not {_show(value)}")
    return value


def _choice(value: Any, name: str, words: tuple[str, ...]) -> str:
    if value not in words:
        raise ValueError(f"{name} must be one of {', '.join(words)}, not {_show(value)}")
    return str(value)


def _show(value: Any) -> str:
    """Return a short repr: what a file holds may be huge or nested deeply."""
    shortener = reprlib.Repr()
    shortener.maxstring = shortener.maxother = 80
    return shortener.repr(value)
