"""Every mutant deviates, under its own id; every correct implementation conforms.

The committed matrix, shown on docs/audit-findings.md, holds every target under two seeds. Here each
target is audited again under one of them, chosen by its name, and has to be reported as it is in
the matrix; slow ones, and all but a sample of those in JAX, are audited by
``python tests/audit/kill_matrix.py`` alone.

What the matrix itself has to say is held to the rule: a mutant that is missed, or named otherwise,
is expected to fail, strictly. To find it, or to name it, is progress, which the matrix follows.
"""

import pytest

pytest.importorskip("torch", reason="the extra torch is not installed")
pytest.importorskip("jax", reason="the extra jax is not installed")

import targets
import torch
from kill_matrix import (
    JAX_SAMPLE,
    SEEDS,
    SLOW,
    committed,
    dimension_table,
    every_target,
    found,
    held_out_table,
    ids,
    in_ci,
    kill_table,
    seed_in_ci,
    summary,
)
from page_tables import PAGE, between

from kondo_ref.audit.catalogue import CATALOGUE, DIMENSIONS

HINT = "run python tests/audit/kill_matrix.py, then python tests/audit/page_tables.py"
ALL = every_target()
EVERY_MUTANT = [*targets.MUTANTS, *targets.HELD_OUT]
EVERY_CORRECT = [*targets.CORRECT, *targets.HELD_OUT_CORRECT]
MATRIX = committed()


def found_of(target: targets.Target) -> dict[str, list[str]]:
    return ids(MATRIX, target.place)


def seen(mutant: targets.Mutant) -> bool:
    return all(found_of(mutant).values())


def named(mutant: targets.Mutant) -> bool:
    return all(mutant.finding in one for one in found_of(mutant).values())


def strictly(mutant: targets.Mutant, holds: bool) -> object:
    """Return a mutant as a parameter, expected to fail where the matrix says so."""
    told = {i for one in found_of(mutant).values() for i in one}
    reason = f"found: {', '.join(sorted(told)) or 'nothing'}"
    marks = [] if holds else [pytest.mark.xfail(reason=reason, strict=True)]
    return pytest.param(mutant, id=mutant.name, marks=marks)


@pytest.mark.parametrize("target", [t for t in ALL if in_ci(t)], ids=lambda t: t.name)
def test_a_target_is_reported_as_in_the_matrix(target: targets.Target) -> None:
    torch.set_num_threads(1)
    seed = seed_in_ci(target)
    if seed not in MATRIX[target.place]:  # of JAX, where the matrix may have one seed alone
        (seed,) = MATRIX[target.place]
    assert found(target.place, int(seed)) == MATRIX[target.place][seed], HINT


@pytest.mark.parametrize("mutant", [strictly(m, seen(m)) for m in EVERY_MUTANT])
def test_a_mutant_is_seen(mutant: targets.Mutant) -> None:
    for one in MATRIX[mutant.place].values():
        assert one["findings"], mutant.tells
        variant = all(CATALOGUE[i].severity == "documented variant" for i in one["findings"])
        assert one["verdict"] == "deviates" or (variant and one["verdict"] == "conforms")


@pytest.mark.parametrize("mutant", [strictly(m, named(m)) for m in EVERY_MUTANT])
def test_a_mutant_is_named(mutant: targets.Mutant) -> None:
    for one in MATRIX[mutant.place].values():
        assert mutant.finding in one["findings"], mutant.tells


@pytest.mark.parametrize("correct", EVERY_CORRECT, ids=lambda c: c.name)
def test_a_correct_implementation_conforms(correct: targets.Target) -> None:
    for one in MATRIX[correct.place].values():
        assert one["verdict"] == "conforms", one["findings"]


def test_the_library_covers_every_dimension() -> None:
    assert len(targets.MUTANTS) >= 60
    assert len(targets.CORRECT) >= 12
    several = [d for d in DIMENSIONS if sum(m.dimension == d for m in targets.MUTANTS) > 1]
    assert several == list(DIMENSIONS)
    assert {m.framework for m in targets.MUTANTS} >= {"torch", "numpy", "jax"}


def test_the_matrix_holds_every_target() -> None:
    assert MATRIX.keys() == {t.place for t in ALL}, HINT
    for target in ALL:
        run = set(MATRIX[target.place])
        assert run <= set(SEEDS)
        assert run
        assert run == set(SEEDS) or target.framework == "jax"


def test_what_the_tests_leave_to_the_script_exists() -> None:
    names = {t.name: t.framework for t in ALL}
    assert all(names[name] == "jax" for name in JAX_SAMPLE)
    assert all(names[name] != "jax" for name in SLOW)


def test_the_page_shows_the_committed_matrix() -> None:
    page = PAGE.read_text("utf-8")
    assert between(page, "summary") == summary(MATRIX), HINT
    assert between(page, "dimensions") == dimension_table(MATRIX), HINT
    assert between(page, "mutants") == kill_table(MATRIX), HINT
    assert between(page, "held-out") == held_out_table(MATRIX), HINT
