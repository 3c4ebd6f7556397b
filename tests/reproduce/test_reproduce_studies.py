"""The studies as data: every part is a run that its task takes, every comparison can be made."""

from dataclasses import replace
from importlib import import_module

import pytest

from kondo_ref.reproduce.register import STUDIES, load_study
from kondo_ref.reproduce.statistics import At
from kondo_ref.reproduce.study import Comparison, Study
from kondo_ref.task import load_task


def settings_of(task: str, given: dict[str, object]) -> object:
    """Return the settings without looking at data, which a machine may not have."""
    module = import_module(f"kondo_ref.tasks.{task.replace('-', '_')}.settings")
    of = getattr(module.Settings, "of", lambda values: module.Settings(**values))
    return of(given)


# Seconds of a core that a step takes at most, as measured; and what a quick run may take in all.
SECONDS = {
    "mnist": 4e-3,
    "screening": 5e-3,
    "token-reversal": 6e-2,
    "bandit": 5e-3,
    "gambling": 1e-2,
}
QUICK_SECONDS = 25.0


def check_quick(study: Study) -> None:
    """Every part of a quick run is one that its task takes, and all of them are done soon."""
    parts = study.parts_of(quick=True)
    assert {part.name for part in parts} >= set(study.quick_parts)
    assert parts
    assert study.parts_of(quick=False) == study.parts
    seconds = 0.0
    for part in parts:
        given = {**part.settings, **study.quick}
        settings_of(part.task, given)
        steps = given["steps"] + given.get("corner", 0)
        seconds += len(part.methods) * given["seeds"] * steps * SECONDS[part.task]
    assert seconds < QUICK_SECONDS


def check(study: Study) -> None:
    assert len({part.name for part in study.parts}) == len(study.parts)
    for part in study.parts:
        assert part.name == "".join(c for c in part.name if c.isalnum() or c in ".-_")
        settings_of(part.task, dict(part.settings))
        known = {option.name for option in load_task(part.task).options if option.place}
        assert known >= set(study.places)
    labels = {part.label_of(method) for part in study.parts for method in part.methods}
    made = [(part.label_of(method), part.x) for part in study.parts for method in part.methods]
    assert len(set(made)) == len(made), "two parts make the same rows"
    quantities = {read.quantity for read in study.reads}
    assert len(quantities) == len(study.reads)
    for comparison in study.comparisons:
        statistic = comparison.statistic
        assert set(statistic.labels) <= labels
        assert {statistic.quantity, statistic.against or statistic.quantity} <= quantities
    statistics = [comparison.statistic for comparison in study.comparisons]
    assert len(set(statistics)) == len(statistics)
    for panel in study.panels:
        assert {panel.quantity, panel.against} <= quantities | {""}
        assert set(panel.labels) <= labels


@pytest.mark.parametrize("name", STUDIES)
def test_the_study_can_be_made(name: str) -> None:
    study = load_study(name)
    assert study.name == name
    check(study)
    check_quick(study)


MNIST = load_study("mnist")
PART = MNIST.parts[0]
WRONG = {
    "unknown label": replace(MNIST, comparisons=(Comparison(At("gate", "online_error", 1.0)),)),
    "unknown quantity": replace(MNIST, comparisons=(Comparison(At("pg", "error", 1.0)),)),
    "compared twice": replace(MNIST, comparisons=MNIST.comparisons * 2),
    "the same part twice": replace(MNIST, parts=(PART, replace(PART, name="again"))),
    "no file name": replace(MNIST, parts=(replace(PART, name="a/b"),)),
    "unknown place": replace(MNIST, places=("data",)),
    "panel of nothing": replace(MNIST, panels=(replace(MNIST.panels[0], quantity="error"),)),
}


@pytest.mark.parametrize("name", WRONG)
def test_the_check_sees(name: str) -> None:
    with pytest.raises(AssertionError):
        check(WRONG[name])


CORNER, WORDS = load_study("corner-escape"), load_study("vocabulary")
SLOW = {
    "the deepest corner": replace(CORNER, quick_parts=()),
    "no such part": replace(CORNER, quick_parts=("depth-0", "depth-1")),
    "all vocabularies, 20 steps": replace(WORDS, quick={"steps": 20, "seeds": 2}, quick_parts=()),
    "as many seeds as the study": replace(MNIST, quick={"data": "embedded", "steps": 10_000}),
}


@pytest.mark.parametrize("name", SLOW)
def test_the_check_of_quick_runs_sees(name: str) -> None:
    with pytest.raises(AssertionError):
        check_quick(SLOW[name])


def test_settings_of_a_quick_run_that_no_task_takes_are_seen() -> None:
    with pytest.raises(TypeError):
        check_quick(replace(MNIST, quick={**MNIST.quick, "momentum": 0.9}))


@pytest.mark.parametrize("settings", [{"steps": 0}, {"methods": ("gate",)}, {"momentum": 0.9}])
def test_settings_that_no_task_takes_are_seen(settings: dict[str, object]) -> None:
    part = replace(PART, settings={**PART.settings, **settings})
    with pytest.raises((TypeError, ValueError)):
        check(replace(MNIST, parts=(part,)))


def test_an_unknown_study_is_refused() -> None:
    with pytest.raises(ValueError, match="NAME: expected one of mnist, "):
        load_study("imagenet")
