"""The published gate vectors, their second derivation, and a checker that must be seen to fail."""

import copy
import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gate_vectors_mpmath as second
import jsonschema
import numpy as np
import pytest
from gate_vectors_rounding import amplification
from gate_vectors_variant import Variant
from hypothesis import given, settings
from hypothesis import strategies as st

import kondo_ref
from kondo_ref.backend import load_backend
from kondo_ref.vectors.check import LIMIT, case_ratios, check_vectors, error_ratio
from kondo_ref.vectors.load import FIELDS, PUBLISHED, load_vectors

FILE = json.loads(PUBLISHED.read_text(encoding="utf-8"))
CASES = load_vectors(PUBLISHED)
SCHEMA = json.loads(PUBLISHED.with_name("schema.json").read_text(encoding="utf-8"))


def validate(content: Any, part: str = "") -> None:
    schema = {"$ref": f"{SCHEMA['$id']}{part}", "$defs": {"vectors": SCHEMA}}
    jsonschema.Draft202012Validator(schema).validate(content)


def write(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


class Replay:
    """A backend that knows the answers: the published values, changed by `spoil` on the way out."""

    name = "replay"

    def __init__(self, spoil: Callable[[dict[str, Any]], None]) -> None:
        self.cases, self.spoil = iter(CASES), spoil

    def policy_gradient(self, *args: Any, **kwargs: Any) -> SimpleNamespace:
        del args, kwargs
        case = next(self.cases)
        given = copy.deepcopy(case.expected)
        self.spoil(given)
        return SimpleNamespace(
            loss=given["loss"], dlogits=given["grad_logits"], screening=SimpleNamespace(**given)
        )


class OneCaseRaises(Variant):
    def policy_gradient(self, logits, *args, **kwargs):
        if np.abs(logits).max() >= 1000.0:
            raise RuntimeError("too\nlarge")
        return super().policy_gradient(logits, *args, **kwargs)


def test_the_published_file_is_of_the_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    validate(FILE)
    assert len(CASES) == 87
    assert {flag for case in CASES for flag in case.flags} <= set(FILE["notes"])


@pytest.mark.parametrize("index", range(len(CASES)), ids=lambda index: CASES[index].id)
def test_another_route_in_mpmath_gives_the_published_values(index):
    raw = FILE["cases"][index]
    exact = second.evaluate(raw["spec"], raw["inputs"])
    again = second.published(exact)
    for field, expected in CASES[index].expected.items():
        actual = None if again[field] is None else np.array(again[field])
        assert error_ratio(actual, expected) <= 2.0, field
    assert [w == 0 for w in again["weight"]] == [w == 0 for w in raw["expected"]["weight"]]
    assert exact["margin"] >= second.GUARD


@pytest.mark.parametrize("backend", [kondo_ref, load_backend("numpy")])
def test_the_reference_holds(backend):
    report = check_vectors(PUBLISHED, backend)
    validate(report, "#/$defs/report")
    assert report["failed"] == []
    assert report["worst_ratio"] < LIMIT


def test_a_plain_implementation_fails_only_where_rounding_is_amplified():
    for raw, case in zip(FILE["cases"], CASES, strict=True):
        bounds = amplification(raw)
        for field, ratio in case_ratios(case, Variant()).items():
            assert ratio <= bounds[field], (case.id, field)
    # One has surprisals of 1e-7 nat in a loss that cancels, the other a quantile price at
    # temperature .01 that moves by 1000 eps if 1 - rate is rounded.
    failed = {entry["id"] for entry in check_vectors(PUBLISHED, Variant())["failed"]}
    assert failed == {"random-022", "random-035"}


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**64),
    fixed=st.fixed_dictionaries(
        {},
        optional={
            "signal": st.sampled_from(second.SIGNALS),
            "draw": st.sampled_from(second.DRAWS),
            "normalizer": st.sampled_from(second.NORMALIZERS),
            "kind": st.sampled_from(second.PRICES),
            "masked": st.booleans(),
        },
    ),
)
def test_new_cases_hold(tmp_path_factory, seed, fixed):
    case = second.random_case(random.Random(seed), f"seed-{seed}", **fixed)
    content = second.vector_file([case])
    validate(content)
    path = write(tmp_path_factory.getbasetemp() / "new-case.json", content)
    assert check_vectors(path, kondo_ref)["failed"] == [], content
    bounds = amplification(case)
    for field, ratio in case_ratios(load_vectors(path)[0], Variant()).items():
        assert ratio <= bounds[field], (field, content)


def test_the_generator_is_a_program(tmp_path):
    out = tmp_path / "out.json"
    assert second.main([str(out), "--cases", "5", "--seed", "1"]) == 0
    first = out.read_bytes()
    validate(json.loads(first))
    assert len(load_vectors(out)) == 5
    second.main([str(out), "--cases", "5", "--seed", "1"])
    assert out.read_bytes() == first


def test_ill_posed_cases_are_told_apart():
    inputs = {"logits": [[0.0, 0.5]] * 2, "actions": [0, 0], "advantages": [1.0, -1.0 + 1e-12]}
    spec = {"signal": "delight", "temperature": 0.0, "draw": "top_k", "normalizer": "none"}
    case, _ = second.make_case("cancels", "-", spec | {"rate": 1.0, "price": None}, inputs)
    bounds = amplification(case)
    assert bounds["loss"] > 1e10
    assert bounds["surprisal"] < second.WELL_POSED


@pytest.mark.parametrize("field", FIELDS)
def test_a_small_error_in_any_field_is_caught(field):
    def spoil(values):
        if values[field] is not None:
            values[field] *= 1.0 + 1e-13

    report = check_vectors(PUBLISHED, Replay(spoil))
    touched = [c.id for c in CASES if c.expected[field] is not None and c.expected[field].any()]
    assert [entry["id"] for entry in report["failed"]] == touched
    assert {entry["field"] for entry in report["failed"]} == {field}
    assert len(touched) >= 40


@pytest.mark.parametrize("which", [0, -1])
def test_one_flipped_decision_is_caught(which):
    def spoil(values):
        values["weight"][which] = 1.0 if values["weight"][which] == 0.0 else 0.0

    report = check_vectors(PUBLISHED, Replay(spoil))
    assert [(entry["id"], entry["field"]) for entry in report["failed"]] == [
        (case.id, "weight") for case in CASES
    ]
    assert {entry["ratio"] for entry in report["failed"]} == {None}


def test_a_lost_weight_that_no_norm_sees_is_caught():
    def spoil(values):
        values["weight"][values["weight"] < 1e-30] = 0.0

    report = check_vectors(PUBLISHED, Replay(spoil))
    assert {"random-021", "random-035"} <= {entry["id"] for entry in report["failed"]}
    assert report["worst_ratio"] is None


@pytest.mark.parametrize("value", [math.nan, math.inf, None, "0", [[[0.0]]], 1j])
@pytest.mark.parametrize("field", FIELDS)
def test_what_is_not_comparable_is_caught(field, value):
    def spoil(values):
        values[field] = value

    report = check_vectors(PUBLISHED, Replay(spoil))
    validate(report, "#/$defs/report")
    spared = {case.id for case in CASES if value is None and case.expected[field] is None}
    failed = {entry["id"]: entry for entry in report["failed"] if entry["field"] == field}
    assert failed.keys() == {case.id for case in CASES} - spared
    assert all(entry["ratio"] is None for entry in failed.values())


@pytest.mark.parametrize(
    ("mistake", "caught", "spared"),
    [
        ("masked rows in the price", {"mask"}, {"plain_pg", "soft", "hard", "tie", "normalizer"}),
        ("mean over kept", {"bernoulli", "top_k", "normalizer"}, {"plain_pg", "soft", "limit"}),
        ("divided by the sum of weights", {"random"}, {"plain_pg", "soft", "normalizer", "mask"}),
        ("not strict", {"tie", "empty", "single"}, {"plain_pg", "soft", "hard", "mask"}),
        ("ties keep all", {"tie", "signal"}, {"plain_pg", "soft", "top_k", "mask", "empty"}),
        ("ties to the highest index", {"tie", "signal"}, {"plain_pg", "top_k", "mask", "empty"}),
        ("price not divided", {"price", "quantile", "calibrated"}, {"plain_pg", "hard", "top_k"}),
        ("multiplied", {"limit", "price", "calibrated"}, {"plain_pg", "hard", "top_k"}),
    ],
)
def test_a_mistake_fails_the_cases_that_are_about_it(mistake, caught, spared):
    honest = {"random-022", "random-035"}
    failed = check_vectors(PUBLISHED, Variant(mistake))["failed"]
    flags = {flag for entry in failed if entry["id"] not in honest for flag in entry["flags"]}
    assert caught <= flags
    assert not spared & flags


def test_rounding_half_up_fails_a_case_of_five_at_rate_one_half(tmp_path):
    spec = {"signal": "surprisal", "temperature": 1.0, "draw": "top_k", "normalizer": "decisions"}
    inputs = {"logits": [[0.0, 0.1 * i] for i in range(5)], "actions": [0] * 5}
    inputs["advantages"] = [1.0] * 5
    case, margin = second.make_case("half", "-", spec | {"rate": 0.5, "price": None}, inputs)
    assert sum(case["expected"]["weight"]) == 2.0
    assert margin > second.GUARD
    path = write(tmp_path / "half.json", second.vector_file([case]))
    assert check_vectors(path, kondo_ref)["failed"] == []
    fields = {entry["field"] for entry in check_vectors(path, Variant("half rounds up"))["failed"]}
    assert fields == {"keep_probability", "weight", "loss", "grad_logits"}


def test_a_case_that_raises_is_one_failure_and_does_not_end_the_run():
    report = check_vectors(PUBLISHED, OneCaseRaises())
    validate(report, "#/$defs/report")
    errors = [entry for entry in report["failed"] if entry["field"] == "error"]
    assert [entry["id"] for entry in errors] == ["extreme-logits-soft", "extreme-logits-bernoulli"]
    assert errors[0]["message"] == "RuntimeError: too\nlarge"
    assert report["worst_ratio"] is None
    assert report["cases"] == 87


@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e300])
def test_ratios_neither_overflow_nor_underflow(scale):
    expected = np.array([[3.0, 4.0], [0.0, 12.0]]) * scale
    assert error_ratio(expected.copy(), expected) == 0.0
    one_off = expected.copy()
    one_off[0, 0] = np.nextafter(one_off[0, 0], math.inf)
    ulp = one_off[0, 0] - expected[0, 0]
    wanted = ulp / scale / (13.0 * 2.0**-52)
    assert error_ratio(one_off, expected) == pytest.approx(wanted, rel=1e-9)
    assert error_ratio(-expected, expected) == pytest.approx(2.0**53, rel=1e-9)
    assert error_ratio(np.zeros_like(expected), np.zeros_like(expected)) == 0.0
    assert error_ratio(expected, np.zeros_like(expected)) == math.inf
