"""The reference while it is counted: all of it in a stage, nobody else touched; wrong counters."""

import threading
from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from counted_steps import EXAMPLES, batch, differing, run, state

import kondo_ref.models.mlp
import kondo_ref.optim
from kondo_ref.backends.counting_backend import CountingLearner
from kondo_ref.flops import executed, executed_rules, executed_stations
from kondo_ref.flops.counts import Counts
from kondo_ref.flops.executed import CountedArray, Tally
from kondo_ref.flops.executed_rules import UncountedOperationError
from kondo_ref.flops.executed_stations import STATIONS, counting, reference_modules
from kondo_ref.step import Learner


def divide_by_zero_while_counting() -> None:
    with counting(Tally()), counting(Tally()):
        assert kondo_ref.optim.np is not np
        raise ZeroDivisionError


def test_the_reference_is_left_as_it_was() -> None:
    modules = reference_modules()
    assert kondo_ref.models.mlp in modules
    assert kondo_ref.optim in modules
    before = [getattr(owner, name) for owner, name, _ in STATIONS]
    with pytest.raises(ZeroDivisionError):
        divide_by_zero_while_counting()
    assert all(module.np is np for module in modules)
    assert before == [getattr(owner, name) for owner, name, _ in STATIONS]


def test_another_thread_computes_as_ever() -> None:
    seen: list[Any] = []

    def elsewhere() -> None:
        done = run(EXAMPLES[0], Learner)
        seen.extend([done.result.loss, done.learner.gradient.flat])

    expected = run(EXAMPLES[0])
    tally = Tally()
    with counting(tally):
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
    assert tally.step.total == Counts()
    assert seen[0] == expected.result.loss
    assert type(seen[1]) is np.ndarray


def arrays_of(thing: Any, seen: dict[int, Any]) -> Iterator[np.ndarray]:
    """Yield every array that can be reached from an object of the reference."""
    if id(thing) in seen:
        return
    seen[id(thing)] = thing
    if isinstance(thing, np.ndarray):
        yield thing
        return
    parts: Any = ()
    if isinstance(thing, dict | MappingProxyType):
        parts = thing.values()
    elif isinstance(thing, tuple | list):
        parts = thing
    elif type(thing).__module__.startswith("kondo_ref."):
        parts = vars(thing).values()
    for part in parts:
        yield from arrays_of(part, seen)


@pytest.mark.parametrize("setting", EXAMPLES)
def test_no_array_of_a_step_is_a_plain_one(setting) -> None:
    learner = CountingLearner(state(setting), activations=setting.activations)
    observations, actions, advantages, options = batch(setting)
    policy = learner.forward(observations)
    result = learner.update(policy, actions, advantages, setting.gate, **options)
    found = [*arrays_of([learner._learner, policy, result], {})]
    assert len(found) > 15
    assert [array for array in found if type(array) is not CountedArray] == []


def test_an_unknown_operation_in_the_reference_stops_the_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kondo_ref.models.mlp, "relu_forward", lambda a: np.tanh(a, out=a))
    with pytest.raises(UncountedOperationError, match="tanh: an operation without a counting rule"):
        run(EXAMPLES[0])


def ignoring_the_unknown(*args: Any, **kwargs: Any) -> Counts:
    try:
        return ufunc_counts(*args, **kwargs)
    except UncountedOperationError:
        return Counts()


def multiply_adds(*args: Any, **kwargs: Any) -> Counts:
    found = ufunc_counts(*args, **kwargs)
    return found - Counts(matmul=found.matmul // 2)


def counting_results(*args: Any, **kwargs: Any) -> Counts:
    """Count a reduction by what comes out of it."""
    ufunc, method, _, result = args
    if method == "reduce" and ufunc is np.add:
        return Counts(add=np.size(result))
    return ufunc_counts(*args, **kwargs)


def views_counted(*args: Any) -> Any:
    """Count a copy of every gather as an addition an entry."""
    result = getitem(*args)
    tally = executed.current()
    if tally is not None and isinstance(result, CountedArray) and result.dtype.kind == "f":
        tally.add("view", Counts(add=result.size))
    return result


ufunc_counts = executed_rules.ufunc_counts
getitem = np.ndarray.__getitem__
checks_in_the_screen = tuple((*s[:2], s[2].replace("checks", "screen")) for s in STATIONS)
no_log1p = {u: c for u, c in executed_rules.ELEMENTWISE.items() if u is not np.log1p}

MUTANTS: dict[str, list[tuple[Any, str, Any]]] = {
    "an unknown ufunc is ignored": [
        (executed_rules, "ELEMENTWISE", no_log1p),
        (executed_rules, "ufunc_counts", ignoring_the_unknown),
    ],
    "multiply-adds": [(executed_rules, "ufunc_counts", multiply_adds)],
    "a reduction is what comes out": [(executed_rules, "ufunc_counts", counting_results)],
    "views count": [(CountedArray, "__getitem__", views_counted)],
    "new arrays are plain": [(executed_stations, "reference_modules", list)],
    "weights are not told apart": [(Tally, "fills_weight", lambda *_: False)],
    "checks are a part": [(executed_stations, "STATIONS", checks_in_the_screen)],
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_counter_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for owner, attribute, wrong in MUTANTS[name]:
        monkeypatch.setattr(owner, attribute, wrong, raising=attribute != "__getitem__")
    assert all(differing(run(setting)) for setting in EXAMPLES)
