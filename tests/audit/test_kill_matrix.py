"""Every mutant deviates, under its own id; every correct implementation conforms.

The matrix is computed here, on two processes, and held to the one that is committed and shown on
docs/audit-findings.md. Another seed gives other batches and other draws: a third of the mutants and
every correct implementation are audited with one too.

A mutant that is seen but named otherwise in the committed matrix is expected to fail, strictly: to
name it is progress, which the matrix has to follow.
"""

import pytest

pytest.importorskip("torch", reason="the extra torch is not installed")
pytest.importorskip("jax", reason="the extra jax is not installed")

import targets
from kill_matrix import (
    Results,
    committed,
    computed,
    dimension_table,
    kill_table,
    summary,
)
from page_tables import PAGE, between

from kondo_ref.audit.catalogue import CATALOGUE, DIMENSIONS

PLACES = [target.place for target in (*targets.MUTANTS, *targets.CORRECT)]
HINT = "run python tests/audit/kill_matrix.py, then python tests/audit/page_tables.py"
SEED = 1


@pytest.fixture(scope="module")
def matrix() -> Results:
    return computed(PLACES)


@pytest.fixture(scope="module")
def again() -> Results:
    some = [m.place for m in targets.MUTANTS[::3]]
    return computed([*some, *(c.place for c in targets.CORRECT)], SEED)


def named(mutant: targets.Mutant) -> object:
    """Return a mutant as a parameter, marked where the committed matrix names it otherwise."""
    known = committed().get(mutant.place, {"findings": [mutant.finding]})["findings"]
    reason = f"named {', '.join(known) or 'nothing'}"
    marks = [] if mutant.finding in known else [pytest.mark.xfail(reason=reason, strict=True)]
    return pytest.param(mutant, id=mutant.name, marks=marks)


@pytest.mark.parametrize("mutant", targets.MUTANTS, ids=lambda m: m.name)
def test_a_mutant_is_seen(mutant: targets.Mutant, matrix: Results) -> None:
    found = matrix[mutant.place]
    variant = all(CATALOGUE[i].severity == "documented variant" for i in found["findings"])
    assert found["findings"], mutant.tells
    assert found["verdict"] == ("conforms" if variant else "deviates")


@pytest.mark.parametrize("mutant", [named(mutant) for mutant in targets.MUTANTS])
def test_a_mutant_is_named(mutant: targets.Mutant, matrix: Results) -> None:
    assert mutant.finding in matrix[mutant.place]["findings"], mutant.tells


@pytest.mark.parametrize("correct", targets.CORRECT, ids=lambda c: c.name)
def test_a_correct_implementation_conforms(correct: targets.Target, matrix: Results) -> None:
    assert matrix[correct.place]["verdict"] == "conforms", matrix[correct.place]


def test_another_seed_says_the_same(again: Results) -> None:
    first = committed()
    some = [m for m in targets.MUTANTS[::3] if m.finding in first[m.place]["findings"]]
    assert [m.name for m in some if m.finding not in again[m.place]["findings"]] == []
    assert [m.name for m in targets.MUTANTS[::3] if not again[m.place]["findings"]] == []
    accused = [c.name for c in targets.CORRECT if again[c.place]["verdict"] != "conforms"]
    assert accused == []


def test_the_library_covers_every_dimension() -> None:
    assert len(targets.MUTANTS) >= 60
    assert len(targets.CORRECT) >= 12
    several = [d for d in DIMENSIONS if sum(m.dimension == d for m in targets.MUTANTS) > 1]
    assert several == list(DIMENSIONS)
    assert {m.framework for m in targets.MUTANTS} >= {"torch", "numpy", "jax"}


def test_the_matrix_is_the_committed_one(matrix: Results) -> None:
    assert matrix == committed(), HINT


def test_the_page_shows_the_committed_matrix() -> None:
    page, results = PAGE.read_text("utf-8"), committed()
    assert between(page, "summary") == summary(results), HINT
    assert between(page, "dimensions") == dimension_table(results), HINT
    assert between(page, "mutants") == kill_table(results), HINT
