"""`kondo-ref claims`: what it prints, its JSON against the schema, its exit codes."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import fake_claims as fake
import jsonschema
import numpy as np
import pytest

import kondo_ref.claims
from kondo_ref.claims import register, report
from kondo_ref.cli import main

SCHEMA = json.loads(Path(kondo_ref.claims.__file__).with_name("schema.json").read_text("utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    """Put claims in place of the registered ones."""

    def put(*claims):
        monkeypatch.setattr(register, "all_claims", lambda: claims)

    put(fake.HOLDS)
    return put


def strict(text):
    """Read JSON, refusing NaN and infinity."""

    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_what_holds_is_printed_and_the_code_is_0(capsys):
    assert main(["claims"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert max(map(len, lines)) <= 100
    row = next(line for line in lines if line.startswith("means"))
    assert row.split() == ["means", "2.5", ">=", "2", "0", "of", "32", "holds"]
    assert "  The mean of two positive numbers is at least the root of their product." in lines
    assert f"    needs: {fake.NUMBERS}; {fake.TWO}" in lines
    assert f"{'    - three of them':81} fails as it should" in lines
    assert f'      instead of "{fake.TWO}": The mean is 2.66667, below 4.' in lines
    assert "1 of 1 claims hold; 2 of 2 fail, as they should, with a hypothesis dropped." in lines
    assert "1 published numbers were not computed; --numbers does." in lines


@pytest.mark.parametrize(
    ("claim", "words"),
    [
        (fake.WRONG, "FAILS"),
        (fake.NAN, "infinite of 32  FAILS"),
        (fake.HOLDING_BOUNDARY, f"{'- three of them':73} HOLDS, BUT SHOULD FAIL"),
        (fake.NAN_BOUNDARY, f"{'- three of them':73} HOLDS, BUT SHOULD FAIL"),
        (fake.NARROW_BOUNDARY, f"{'- both negative':73} HOLDS, BUT SHOULD FAIL"),
        (fake.MISSED_NUMBER, "sampled, NOT MET"),
    ],
    ids=lambda value: getattr(value, "id", None),
)
def test_what_is_not_as_claimed_is_seen(claim, words, registered, capsys):
    registered(fake.HOLDS, claim)
    assert main(["claims", "--numbers"]) == 1
    out = capsys.readouterr().out
    assert words in out
    assert f"NOT AS CLAIMED: {claim.id}\n" in out
    assert main(["claims", "--numbers", "--json"]) == 1
    result = strict(capsys.readouterr().out)
    VALIDATOR.validate(result)
    assert [record["ok"] for record in result["claims"]] == [True, False]
    assert result["holds"] is False
    # The one that is right stays right.
    assert main(["claims", "--numbers", "--claim", fake.HOLDS.id]) == 0


def test_a_brief_table_has_a_line_a_claim_and_what_is_wrong(registered, capsys):
    assert main(["claims", "--brief"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line.endswith("  holds")] == ["means"]
    assert len(lines) == 7
    registered(fake.HOLDS, fake.HOLDING_BOUNDARY)
    assert main(["claims", "--brief"]) == 1
    assert "three of them" in capsys.readouterr().out


def test_a_number_is_compared_only_when_asked(registered, capsys):
    registered(fake.MISSED_NUMBER)
    assert main(["claims"]) == 0
    assert "2 published numbers were not computed" in capsys.readouterr().out
    assert main(["claims", "--numbers"]) == 1
    out = capsys.readouterr().out
    assert "1 of 2 published numbers are met." in out
    assert max(map(len, out.splitlines())) <= 100


def test_the_json_of_everything_is_as_the_schema_says(capsys):
    assert main(["claims", "--json"]) == 0
    result = strict(capsys.readouterr().out)
    VALIDATOR.validate(result)
    (record,) = result["claims"]
    assert (record["actual"], record["claimed"], record["relation"]) == (2.5, 2.0, "at least")
    assert record["numbers"] is record["steps"] is result["figures"] is None
    assert record["function"] == "fake_claims.mean_of_two"
    arguments = ["--claim", "means", "--show", "--numbers"]
    assert main(["claims", "--json", *arguments]) == 0
    record = strict(capsys.readouterr().out)["claims"][0]
    VALIDATOR.validate({**result, "claims": [record]})
    assert record["steps"][1]["numbers"] == {"vector": [1.0, None], "count": 2}
    assert record["numbers"][0]["ours"] == 2.5


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "kondo-ref/claims/2"},
        {"holds": "yes"},
        {"more": 1},
        {"claims": [{}]},
    ],
)
def test_the_schema_refuses(change):
    result = report.report([report.evaluate(fake.HOLDS, numbers=True, steps=True)])
    VALIDATOR.validate(result)
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(result | change)


@pytest.mark.parametrize(
    ("actual", "claimed", "relation", "shown"),
    [
        (2.0, 3.0, "below", (2.0, 3.0, "")),
        (np.array([3.0, 4.0]), np.array([4.0, 3.0]), "equal", (5.0, 5.0, "norm")),
        (np.array([0.5, 0.75]), np.array([0.5, 0.5]), "equal", (0.75, 0.5, "each")),
        (np.array([1.0, 5.0]), np.array([9.0, 6.0]), "at most", (5.0, 6.0, "tightest")),
        (np.array([1.0, 5.0]), np.array([0.5, 1.0]), "above", (1.0, 0.5, "tightest")),
        (np.array([1.0, np.nan]), np.array([1.0, 2.0]), "equal", (None, 5**0.5, "norm")),
    ],
)
def test_two_numbers_stand_for_arrays(actual, claimed, relation, shown):
    found = report.pair(report.sides_json(register.Sides(actual, claimed, relation)))
    assert found == pytest.approx(shown)


def test_a_sentence_ends():
    assert report.sentence("two\n lines") == "two lines."
    assert report.sentence("It holds.") == "It holds."
    assert report.sentence("They are:") == "They are:"


@pytest.mark.parametrize("key", sorted(report.evaluate(fake.HOLDS)))
def test_the_schema_misses_a_key(key):
    result = report.report([report.evaluate(fake.HOLDS)])
    del result["claims"][0][key]
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(result)


def test_a_derivation(capsys):
    assert main(["claims", "--claim", "means", "--show"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    assert " 1. The square (sqrt a - sqrt b)^2 is not negative." in lines
    assert "      vector = [1, not finite]; count = 2" in lines
    assert "function    fake_claims.mean_of_two" in lines
    assert "remark      An old one." in lines
    assert "  Hypotheses: the numbers are positive, and two." in lines


def test_groups_and_claims_are_chosen(registered, capsys):
    other = replace(fake.HOLDS, id="other", group="second")
    registered(fake.HOLDS, fake.WRONG, other)
    assert main(["claims", "--group", "second", "--json"]) == 0
    assert [c["id"] for c in strict(capsys.readouterr().out)["claims"]] == ["other"]
    assert main(["claims", "--claim", "other", "--claim", "means", "--json"]) == 0
    assert [c["id"] for c in strict(capsys.readouterr().out)["claims"]] == ["means", "other"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--claim", "meens"], "claim: expected one of means; got 'meens'"),
        (["--group", "none"], "group: expected one of fake; got 'none'"),
        (["--show"], "--show: shows one derivation; name it with --claim ID"),
    ],
)
def test_what_cannot_be_run_is_one_line(arguments, words, capsys):
    assert main(["claims", *arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"kondo-ref: {words}\n")


def test_a_claim_that_cannot_be_computed_is_named(registered, capsys):
    registered(fake.HOLDS, fake.BROKEN)
    assert main(["claims"]) == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", "kondo-ref: broken: ValueError (numbers: expected two, got none)\n")


def test_figures_without_matplotlib(capsys, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["claims", "--figures", str(tmp_path / "figures")]) == 2
    assert (
        capsys.readouterr().err == "kondo-ref: --figures: needs matplotlib, of kondo-ref[plots]\n"
    )
