"""Units: what identifies one, taking those that are finished elsewhere, running the rest."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kondo_ref import unit_runs
from kondo_ref.reproduce import units
from kondo_ref.reproduce.register import load_study
from kondo_ref.runs import RunFolder
from kondo_ref.tasks.mnist.settings import Settings
from kondo_ref.tasks.settings import AsData
from kondo_ref.workers import Where

BANDIT = load_study("many-contexts")
SETTINGS = {"methods": ["pg", "dg"], "seeds": 2, "steps": 10, "rate": 0.03}
Hash = Callable[[str, str, dict[str, Any], str, int], str]


def check_hash(unit_hash: Hash) -> None:
    """Beside whom it was run is no matter; everything else is."""
    base = unit_hash("mnist", "numpy", SETTINGS, "pg", 0)
    assert base == unit_hash("mnist", "numpy", {**SETTINGS, "methods": ["pg"]}, "pg", 0)
    assert base == unit_hash("mnist", "numpy", {**SETTINGS, "seeds": 9}, "pg", 0)
    others = {
        unit_hash("bandit", "numpy", SETTINGS, "pg", 0),
        unit_hash("mnist", "numba", SETTINGS, "pg", 0),
        unit_hash("mnist", "numpy", {**SETTINGS, "steps": 11}, "pg", 0),
        unit_hash("mnist", "numpy", {**SETTINGS, "rate": 0.1}, "pg", 0),
        unit_hash("mnist", "numpy", SETTINGS, "dg", 0),
        unit_hash("mnist", "numpy", SETTINGS, "pg", 1),
    }
    assert len(others - {base}) == 6


def test_the_hash_of_a_unit() -> None:
    check_hash(units.unit_hash)


WRONG: dict[str, Hash] = {
    "with the methods": lambda t, b, s, m, n: units.unit_hash(t, b, s | {"of": s["methods"]}, m, n),
    "with the seeds": lambda t, b, s, m, n: units.unit_hash(t, b, s | {"of": s["seeds"]}, m, n),
    "without the backend": lambda t, _, s, m, n: units.unit_hash(t, "", s, m, n),
    "without the rate": lambda t, b, s, m, n: units.unit_hash(t, b, {**s, "rate": 0}, m, n),
    "without the seed": lambda t, b, s, m, _: units.unit_hash(t, b, s, m, 0),
}


@pytest.mark.parametrize("name", WRONG)
def test_the_check_sees(name: str) -> None:
    with pytest.raises(AssertionError):
        check_hash(WRONG[name])


def planned() -> list[units.Unit]:
    plans = units.plan(BANDIT, quick=True, seeds=1, places={})
    return units.units_of(plans, "numpy")


def folder(path: Path, configuration: dict[str, Any]) -> RunFolder:
    return RunFolder.open(path, configuration, resume=False)


def keep(study: RunFolder, unit: units.Unit, *curve: str) -> None:
    study.keep(unit.name, unit.seed, {"curve": list(curve), "totals": {}, "unit": unit.digest})


def test_units_come_seed_by_seed() -> None:
    plans = units.plan(BANDIT, quick=True, seeds=2, places={})
    seeds = [unit.seed for unit in units.units_of(plans, "numpy")]
    assert seeds == sorted(seeds)
    assert len(seeds) == 10


def test_a_quick_run_plans_its_own_parts() -> None:
    study = load_study("vocabulary")
    quick = units.plan(study, quick=True, seeds=None, places={})
    assert [p.part.name for p in quick] == ["tokens-2", "tokens-4"]
    whole = units.plan(study, quick=False, seeds=None, places={})
    assert [p.part.name for p in whole] == [part.name for part in study.parts]


def test_a_run_of_the_task_counts(tmp_path: Path) -> None:
    every = planned()
    settings = {**every[0].plan.settings, "methods": ["dg", "pg"], "seeds": 3}
    run = folder(tmp_path / "run", {"task": "bandit", "backend": "numpy", **settings})
    run.keep("dg", 0, {"curve": ["dg"], "totals": {}})
    run.keep("pg", 2, {"curve": ["pg"], "totals": {}})
    other = folder(
        tmp_path / "other", {"task": "bandit", "backend": "numpy", **settings, "steps": 61}
    )
    other.keep("pg", 0, {"curve": ["of other steps"], "totals": {}})
    found = units.finished_elsewhere([tmp_path])
    taken = {unit.method: found[unit.digest] for unit in every if unit.digest in found}
    assert taken == {"dg": {"curve": ["dg"], "totals": {}}}


def test_a_unit_of_another_study_counts_and_a_damaged_one_does_not(tmp_path: Path) -> None:
    every = planned()
    study = folder(tmp_path / "study", {"study": "many-contexts", "parts": []})
    for unit in every[:2]:
        keep(study, unit, unit.method)
    path = study.partial / "units" / f"{every[1].name}-0.json"
    path.write_text(path.read_text().replace(study.digest, "0" * 12))
    found = units.finished_elsewhere([tmp_path])
    assert [unit.digest in found for unit in every] == [True, False, False, False, False]


def test_what_is_finished_is_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    every = planned()
    study = folder(tmp_path / "study", {"study": "many-contexts", "parts": []})
    keep(study, every[0], "kept")
    elsewhere = {every[1].digest: {"curve": ["elsewhere"], "totals": {}}}
    ran = []

    def run_units(_: Any, left: list[Any], *, finished: Any, **__: Any) -> list[Any]:
        for arguments in left:
            ran.append(arguments[0])
            finished(arguments, {"curve": ["run"], "totals": {}})
        return []

    monkeypatch.setattr(unit_runs.workers, "run_units", run_units)
    silent = {"progress": lambda _: None, "warn": lambda _: None}
    done = units.run(study, every, elsewhere, "numpy", where=Where(), **silent)
    assert ran == [unit.name for unit in every[2:]]
    assert [result["curve"][0] for result in done.values()] == ["kept", "elsewhere", *["run"] * 3]
    assert not units.missing(study, every)


def test_a_unit_that_was_run_has_its_hash() -> None:
    plan = units.plan(BANDIT, quick=True, seeds=1, places={})[0]
    settings = {**plan.settings, "steps": 2}
    result = units.train_unit("abc", "bandit", settings, {}, "numpy", "dg", 0, lambda _: None)
    assert result["unit"] == "abc"
    assert result["curve"][-1]["step"] == 2


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="--reuse: no folder"):
        units.finished_elsewhere([tmp_path / "nowhere"])


def check_later(to_dict: Callable[[AsData], dict[str, Any]]) -> None:
    """A setting that came later is in the configuration where it is not its default, else not."""
    assert "signal" not in to_dict(Settings())
    assert to_dict(Settings())["rate"] == 0.03
    changed = to_dict(Settings(signal="additive", alpha=0.9))
    assert (changed["signal"], changed["alpha"]) == ("additive", 0.9)
    assert Settings.from_dict(json.loads(json.dumps(to_dict(Settings())))) == Settings()


def test_settings_that_came_later() -> None:
    check_later(AsData.to_dict)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda s: {**AsData.to_dict(s), "signal": s.signal},
        lambda s: {k: v for k, v in AsData.to_dict(s).items() if k != "alpha"},
        lambda s: {k: v for k, v in AsData.to_dict(s).items() if k != "rate"},
    ],
)
def test_the_check_of_later_settings_sees(wrong: Callable[[AsData], dict[str, Any]]) -> None:
    with pytest.raises((AssertionError, KeyError)):
        check_later(wrong)
