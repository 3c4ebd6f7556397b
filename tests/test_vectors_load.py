"""Reading gate vectors: every malformed file is refused in one line that says where and what."""

import copy
import json
import math
from typing import Any

import jsonschema
import numpy as np
import pytest

from kondo_ref.vectors.load import PUBLISHED, load_vectors

GONE = object()
VALIDATOR = jsonschema.Draft202012Validator(
    json.loads(PUBLISHED.with_name("schema.json").read_text(encoding="utf-8"))
)
BY_ID = {case["id"]: case for case in json.loads(PUBLISHED.read_text(encoding="utf-8"))["cases"]}
# A Bernoulli case with a mask, one of top_k with the additive signal, a calibrated one.
NAMES = ["masked-bernoulli-44", "signal-additive", "masked-bernoulli-45"]
SMALL = {"schema": "kondo-ref/gate-vectors/1", "cases": [BY_ID[name] for name in NAMES]}


def test_cases_are_read_as_they_are_written():
    raw = BY_ID["masked-bernoulli-44"]
    case = next(case for case in load_vectors(PUBLISHED) if case.id == raw["id"])
    assert (case.id, case.comment, case.flags) == (raw["id"], raw["comment"], tuple(raw["flags"]))
    assert case.inputs.keys() == raw["inputs"].keys()
    for name, values in case.inputs.items():
        assert values.tolist() == raw["inputs"][name]
    for name, values in case.expected.items():
        assert values.dtype == np.float64
        assert values.tolist() == raw["expected"][name]
    assert (case.gate.signal, case.gate.draw, case.gate.temperature) == (
        "delight",
        "bernoulli",
        0.2,
    )
    assert case.gate.price.rate == 0.5
    assert case.normalizer == "decisions"


def test_what_is_optional_may_be_left_out(tmp_path):
    content = copy.deepcopy(SMALL)
    for case in content["cases"]:
        del case["comment"]
    del content["cases"][1]["inputs"]["uniforms"]
    path = tmp_path / "small.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    assert [case.id for case in load_vectors(path)] == NAMES


# What the JSON Schema refuses too.
BROKEN: list[tuple[str, Any, str]] = [
    ("schema", "kondo-ref/gate-vectors/2", "schema"),
    ("schema", GONE, "'schema'"),
    ("cases", GONE, "'cases'"),
    ("cases", [], "cases"),
    ("cases", {}, "cases"),
    ("cases/0", 3, "cases[0]"),
    ("cases/0/id", GONE, "'id'"),
    ("cases/0/id", 7, "id"),
    ("cases/0/id", "two\nlines", "id"),
    ("cases/0/comment", ["x"], "comment"),
    ("cases/0/flags", "mask", "flags"),
    ("cases/0/flags", [], "flags"),
    ("cases/0/flags/0", 1, "flags[0]"),
    ("cases/0/spec", GONE, "'spec'"),
    ("cases/0/spec", [], "spec"),
    ("cases/0/spec/signal", "delite", "spec.signal"),
    ("cases/0/spec/signal", ["delight"], "spec.signal"),
    ("cases/0/spec/signal", GONE, "'signal'"),
    ("cases/0/spec/draw", "hard", "spec.draw"),
    ("cases/0/spec/normalizer", "mean", "spec.normalizer"),
    ("cases/0/spec/temperature", True, "spec.temperature"),
    ("cases/0/spec/temperature", "1", "spec.temperature"),
    ("cases/0/spec/temperature", -1.0, "spec.temperature"),
    ("cases/2/spec/temperature", 0.0, "spec.temperature"),
    ("cases/0/spec/rate", 0.5, "spec.rate"),
    ("cases/0/spec/alpha", 0.5, "spec.alpha"),
    ("cases/0/spec/tau", 1.0, "'tau'"),
    ("cases/0/spec/price", None, "spec.price"),
    ("cases/0/spec/price", 0.5, "spec.price"),
    ("cases/0/spec/price/kind", "median", "spec.price.kind"),
    ("cases/0/spec/price/kind", GONE, "'kind'"),
    ("cases/0/spec/price/kind", "fixed", "'value'"),
    ("cases/0/spec/price/rate", 0.0, "spec.price.rate"),
    ("cases/0/spec/price/rate", 1.5, "spec.price.rate"),
    ("cases/0/spec/price/value", 0.5, "'value'"),
    ("cases/2/spec/price/rate", 1.0, "spec.price.rate"),
    ("cases/1/spec/price", {"kind": "fixed", "value": 0.0}, "spec.price"),
    ("cases/1/spec/rate", GONE, "spec.rate"),
    ("cases/1/spec/rate", 0, "spec.rate"),
    ("cases/1/spec/alpha", GONE, "spec.alpha"),
    ("cases/1/spec/alpha", None, "spec.alpha"),
    ("cases/1/spec/alpha", 2.0, "spec.alpha"),
    ("cases/0/inputs", None, "inputs"),
    ("cases/0/inputs/logits", GONE, "'logits'"),
    ("cases/0/inputs/logits", [], "inputs.logits"),
    ("cases/0/inputs/logits", [[]], "inputs.logits[0]"),
    ("cases/0/inputs/logits/3/1", False, "inputs.logits[3][1]"),
    ("cases/0/inputs/actions/0", -1, "inputs.actions[0]"),
    ("cases/0/inputs/actions/0", 0.5, "inputs.actions[0]"),
    ("cases/0/inputs/actions/0", True, "inputs.actions[0]"),
    ("cases/0/inputs/advantages/0", None, "inputs.advantages[0]"),
    ("cases/0/inputs/uniforms", GONE, "'uniforms'"),
    ("cases/0/inputs/uniforms/0", 1.0, "inputs.uniforms[0]"),
    ("cases/0/inputs/uniforms/0", -0.1, "inputs.uniforms[0]"),
    ("cases/0/inputs/mask/0", 1, "inputs.mask[0]"),
    ("cases/0/inputs/mask", [False] * 9, "inputs.mask"),
    ("cases/0/inputs/masks", [True] * 9, "'masks'"),
    ("cases/0/expected", [], "expected"),
    ("cases/0/expected/weights", [], "'weights'"),
    ("cases/0/expected/price", None, "expected.price"),
    ("cases/0/expected/price", [0.0], "expected.price"),
    ("cases/1/expected/price", 0.0, "expected.price"),
    ("cases/0/expected/loss", "0", "expected.loss"),
    ("cases/0/expected/weight/0", 1.5, "expected.weight[0]"),
    ("cases/0/expected/keep_probability/0", -0.5, "expected.keep_probability[0]"),
    ("cases/0/expected/surprisal/0", -0.5, "expected.surprisal[0]"),
    ("cases/0/expected/signal", 1.0, "expected.signal"),
    *((f"cases/0/expected/{name}", GONE, f"'{name}'") for name in BY_ID[NAMES[0]]["expected"]),
]

# What it cannot say: lengths that agree, and what JSON itself has no word for.
UNFITTING: list[tuple[str, Any, str]] = [
    ("cases/0/id", "\ud800", "id"),
    ("cases/0/spec/price/rate", math.nan, "spec.price.rate"),
    ("cases/0/inputs/logits/3", [1.0], "inputs.logits[3]"),
    ("cases/0/inputs/logits/3", 1.0, "inputs.logits[3]"),
    ("cases/0/inputs/logits/3/1", math.inf, "inputs.logits[3][1]"),
    ("cases/0/inputs/logits/3/1", 10**400, "inputs.logits[3][1]"),
    ("cases/0/inputs/actions", [0], "inputs.actions"),
    ("cases/0/inputs/actions/0", 4, "inputs.actions[0]"),
    ("cases/0/inputs/mask", [True], "inputs.mask"),
    ("cases/0/expected/loss", -math.inf, "expected.loss"),
    ("cases/0/expected/weight", [1.0] * 8, "expected.weight"),
    ("cases/0/expected/grad_logits/8", [0.0] * 3, "expected.grad_logits[8]"),
]


@pytest.mark.parametrize(("place", "value", "named"), BROKEN + UNFITTING)
def test_a_malformed_file_is_refused_in_one_line(tmp_path, place, value, named):
    content, where = spoiled(place, value)
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    message = refusal(path)
    assert named in message
    if where in NAMES:
        assert f"case {where!r}: " in message


@pytest.mark.parametrize(("place", "value", "named"), BROKEN)
def test_the_schema_refuses_it_too(place, value, named):
    del named
    assert not VALIDATOR.is_valid(spoiled(place, value)[0])


def test_the_schema_accepts_what_is_read():
    VALIDATOR.validate(SMALL)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[1, 2]", "file must be an object"),
        (b"null", "file must be an object"),
        (b"\xff\xfe{}", "not UTF-8"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"schema": "a", "schema": "b"}', "'schema'"),
        (b"1" * 5_000, "not JSON"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path, content, named):
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    assert named in refusal(path)


def test_the_same_id_twice_is_refused(tmp_path):
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(SMALL | {"cases": SMALL["cases"] + SMALL["cases"][:1]}))
    assert "case 'masked-bernoulli-44': id" in refusal(path)


def test_a_directory_and_a_missing_file_are_refused(tmp_path):
    assert "directory" in refusal(tmp_path)
    with pytest.raises(OSError, match="missing"):
        load_vectors(tmp_path / "missing.json")


def spoiled(place: str, value: Any) -> tuple[dict[str, Any], Any]:
    """Return the small file with the member at `place` replaced, and the id of its case."""
    content = copy.deepcopy(SMALL)
    target: Any = content
    *steps, last = [int(step) if step.isdigit() else step for step in place.split("/")]
    for step in steps:
        target = target[step]
    if value is GONE:
        del target[last]
    else:
        target[last] = value
    case = content["cases"][steps[1]] if len(steps) > 1 else {}
    return content, case.get("id")


def refusal(path: Any) -> str:
    with pytest.raises(ValueError, match=r"\A[^\n]*\Z") as caught:
        load_vectors(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert len(message) < len(str(path)) + 250
    return message
