"""Every mutant dies of its property, every property kills a mutant, the edits leave no trace."""

import inspect

import pytest
from mutants import MUTANTS, Mutant, find
from properties import PROPERTIES


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_dies_of_its_property(mutant: Mutant) -> None:
    assert mutant.dies_of(mutant.killer), f"{mutant.killer} does not see: {mutant.name}"


def test_every_property_has_a_mutant() -> None:
    assert set(PROPERTIES) == {mutant.killer for mutant in MUTANTS}


def test_mutants_have_different_names() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 25


@pytest.mark.parametrize("target", sorted({mutant.target for mutant in MUTANTS}))
def test_functions_are_put_back(target: str) -> None:
    function = find(target)
    before = function.__code__
    mutant = next(mutant for mutant in MUTANTS if mutant.target == target)
    with mutant.alive():
        assert function.__code__ is not before
    assert function.__code__ is before
    assert function.__code__.co_filename == inspect.getsourcefile(function)
