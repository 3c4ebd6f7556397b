"""Every registered claim holds, and fails with a hypothesis dropped; the checks see wrong ones."""

from collections import Counter

import fake_claims as fake
import numpy as np
import pytest
from records import CLAIMS, record

from kondo_ref.claims import register, report

BOUNDARIES = [(claim, boundary) for claim in CLAIMS for boundary in claim.boundaries]
NUMBERS = [(claim, i) for claim in CLAIMS for i in range(len(claim.numbers))]


def bare(claim):
    """Return the hypotheses of a claim that have no boundary."""
    return set(claim.hypotheses) - {boundary.hypothesis for boundary in claim.boundaries}


def named(pair):
    claim, part = pair
    return f"{claim.id}: {part if isinstance(part, int) else part.instead}"


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_its_instance_holds(claim):
    sides = claim.check()
    assert np.isfinite(sides.actual).all()
    assert sides.holds, f"{sides.actual} is not {sides.relation} {sides.claimed}: {sides.error}"


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_every_hypothesis_has_a_boundary(claim):
    assert claim.hypotheses
    assert len(set(claim.hypotheses)) == len(claim.hypotheses)
    assert bare(claim) == set()


@pytest.mark.parametrize("pair", BOUNDARIES, ids=named)
def test_it_fails_without_the_hypothesis(pair):
    claim, boundary = pair
    sides = claim.function(**boundary.arguments())
    assert report.breaks(sides), f"error {sides.error:.3g} of {sides.tolerance:g}"
    # The miss is measured: an error without a scale would be infinite at any rounding.
    assert np.isfinite(sides.error)
    sentence = boundary.shows(sides)
    assert any(letter.isdigit() for letter in sentence)
    assert "nan" not in sentence.lower().split()


@pytest.mark.parametrize("pair", NUMBERS, ids=named)
def test_a_published_number_is_met(pair):
    claim, i = pair
    number = claim.numbers[i]
    shown = record(claim.id)["numbers"][i]
    assert shown["met"], shown
    # Half a unit of a printed digit, or 5 % where it was sampled, and never more.
    if number.sampled:
        assert number.digits <= 0.05 * abs(number.published) * (1 + 1e-12)
    else:
        assert number.digits <= 0.5 * abs(number.published)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_its_derivation_has_steps(claim):
    steps = claim.steps()
    assert 3 <= len(steps) <= 9
    assert all(step.text.strip() for step in steps)
    assert any(step.numbers for step in steps)
    assert claim.function.__doc__
    assert claim.statement


def test_ids_are_unique_and_groups_are_known():
    assert [i for i, n in Counter(claim.id for claim in CLAIMS).items() if n > 1] == []
    assert {claim.group for claim in CLAIMS} == set(register.GROUPS)


def test_every_statement_of_the_list_is_a_claim():
    assert {claim.section for claim in CLAIMS} >= {*map(str, range(1, 11)), "ours"}


@pytest.mark.parametrize(
    ("claim", "ok"),
    [
        (fake.HOLDS, True),
        (fake.WRONG, False),
        (fake.NAN, False),
        (fake.HOLDING_BOUNDARY, False),
        (fake.NAN_BOUNDARY, False),
        (fake.NARROW_BOUNDARY, False),
        (fake.MISSED_NUMBER, False),
    ],
    ids=lambda value: getattr(value, "id", None),
)
def test_wrong_claims_are_seen(claim, ok):
    assert report.evaluate(claim, numbers=True)["ok"] is ok


def test_a_bare_hypothesis_is_seen():
    assert bare(fake.NO_BOUNDARY) == {fake.TWO}
    assert bare(fake.HOLDS) == set()


@pytest.mark.parametrize(
    ("actual", "claimed", "relation", "broken"),
    [
        (2.0, 1.0, "equal", True),
        (1.0 + 1e-13, 1.0, "equal", False),
        (1.0, 1.0, "equal", False),
        (np.nan, 1.0, "equal", False),
        (np.inf, 1.0, "equal", False),
        (1.0, 2.0, "at most", False),
        (2.0, 1.0, "at most", True),
        (1.0, 2.0, "at least", True),
        (1.0, 1.0, "above", True),
        (0.5, 1.0, "above", True),
        (1.0 - 1e-13, 1.0, "above", False),
        (2.0, 1.0, "above", False),
        (1.0, 1.0, "below", True),
        (0.5, 1.0, "below", False),
    ],
)
def test_what_is_a_counterexample(actual, claimed, relation, broken):
    assert report.breaks(register.Sides(actual, claimed, relation)) is broken
