"""Speculative steps: closed forms beside what was counted where it ran, type by type."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from dying import dies
from hypothesis import given
from hypothesis import strategies as st
from screened import TOP_K, Screened, screened

from kondo_ref import Gate
from kondo_ref.flops.counts import Counts
from kondo_ref.flops.executed_speculation import CountedSpeculation
from kondo_ref.flops.mlp import mlp_step, network
from kondo_ref.flops.speculation import (
    SpeculationCounts,
    dense_step_flop,
    speculative_step,
    step_flop,
    width,
)
from kondo_ref.gate import top_k_count
from kondo_ref.models.mlp import MLP
from kondo_ref.screeners.draft import Draft
from kondo_ref.screeners.exact import Exact
from kondo_ref.screeners.named import Setting, screener_named
from kondo_ref.screeners.speculation import Speculation

GATES = st.sampled_from(
    (
        Gate.named("kondo-top-k", rate=0.3),
        Gate.named("kondo", rate=0.3, temperature=0.5),
        Gate.named("zero-price"),
        Gate.named("dg"),
        Gate(signal="surprisal", draw="top_k", price=None, rate=0.3),
    )
)
PARTS = ("look", "gate", "exact", "learn")


def counted_and_expected(
    case: Screened, propose: float | None, steps: int = 2
) -> list[tuple[SpeculationCounts, SpeculationCounts]]:
    """Return what some steps counted, and their closed forms."""
    case = replace(case, masked=False)
    learner, screener = case.learner(), case.screener()
    speculation = CountedSpeculation(learner, screener, propose)
    found = []
    for number in range(steps):
        actions, advantages, options = case.batch(number)
        look = speculation.look(case.x(number), case.index(number))
        result = speculation.update(
            look, actions, advantages, case.gate, normals=case.normals(number), **options
        )
        expected = speculative_step(
            screener,
            case.model,
            case.gate,
            case.rows,
            result.screening.kept.size,
            evaluated=result.forward_rows,
            seen=look.seen.size,
            proposed=(
                None if propose is None or look.policy is not None
                else top_k_count(propose, case.rows)
            ),
        )  # fmt: skip
        found.append((speculation.counts, expected))
    return found


def assert_counted(case: Screened, propose: float | None) -> None:
    adam = Counts()
    if case.kind == "draft":  # its optimizer here is SGD, the closed form's is Adam
        size = case.draft().parameters.flat.size
        adam = Counts(mul=5, add=3, sqrt=1, div=1) * size
    for counts, expected in counted_and_expected(case, propose):
        for part in PARTS:
            ran, closed = getattr(counts, part), getattr(expected, part)
            for stage in closed.stages:
                learned = part == "learn" and stage == "update" and closed[stage] != Counts()
                other = adam if learned else Counts()
                assert ran[stage] == closed[stage] - other, (case.kind, part, stage)


@given(case=screened(gate=GATES))
def test_closed_forms_are_what_ran(case: Screened) -> None:
    assert_counted(case, None)


@given(case=screened(kinds=("stale", "int8", "cached", "cached-signal", "draft"), gate=TOP_K))
def test_closed_forms_of_a_checked_choice_are_what_ran(case: Screened) -> None:
    assert_counted(case, 0.7)


@given(case=screened(gate=GATES))
def test_counting_changes_no_bit(case: Screened) -> None:
    plain = Speculation(case.learner(), case.screener())
    counting = CountedSpeculation(case.learner(), case.screener())
    for number in range(2):
        actions, advantages, options = case.batch(number)
        for subject in (plain, counting):
            look = subject.look(case.x(number), case.index(number))
            subject.update(
                look, actions, advantages, case.gate, normals=case.normals(number), **options
            )
    assert np.array_equal(plain.learner.parameters.flat, counting.learner.parameters.flat)


def an_example(kind: str, *, propose: float | None = None) -> Any:
    case = Screened(
        seed=1, rows=8, gate=Gate.named("kondo-top-k", rate=0.25), normalizer="decisions",
        masked=False, dtype="float32", kind=kind, value=2,
    )  # fmt: skip
    return lambda: assert_counted(case, propose)


@pytest.mark.parametrize(
    ("kind", "target", "old", "new"),
    [
        ("int8", "look_counts", "cmp=inputs * outputs + outputs", "cmp=inputs * outputs"),
        ("int8", "look_counts", "mul=2 * rows * outputs", "mul=rows * outputs"),
        ("draft", "look_counts", "_forward(screener.model, rows)", "_forward(model, rows)"),
        ("cached", "look_counts", "_forward(model, seen) if seen", "_forward(model, rows) if seen"),
        ("draft", "learn_counts", "exp=2 * actions", "exp=actions"),
        ("draft", "learn_counts", "network(screener.model, lesson)", "network(screener.model, 1)"),
        ("cached-signal", "learn_counts", "add=lesson", "add=0"),
        ("additive", "_estimate", '4 if screener.kind == "additive" else 1', "3"),
        ("stale", "_evaluation", "_forward(model, evaluated)", "_forward(model, rows)"),
        ("stale", "_evaluation", "Counts(mul=1, div=1) * kept", "Counts(div=1) * kept"),
        ("exact", "speculative_step", "Counts(add=rows) + _price_and", "_price_and"),
    ],
)  # fmt: skip
def test_a_wrong_closed_form_is_seen(kind: str, target: str, old: str, new: str) -> None:
    dies(f"flops.speculation.{target}", old, new, an_example(kind))


def test_a_wrong_closed_form_of_the_check_is_seen() -> None:
    check = an_example("int8", propose=0.5)
    dies("flops.speculation.speculative_step", "check + Counts(cmp=rows)", "check", check)


def test_an_operation_that_is_not_made_is_seen() -> None:
    target = "screeners.draft.Draft.learn"
    dies(target, "dlogits /= lesson.rows.size", "pass", an_example("draft"))


def test_the_exact_screener_costs_an_ordinary_step() -> None:
    model, gate = MLP((784, 100, 100, 10)), Gate.named("kondo-top-k", rate=0.03)
    found = speculative_step(Exact(), model, gate, 100, 3, evaluated=0)
    plain = mlp_step(model, 100, 3, gate)
    # The signal is the estimate's; its surprisal is computed once more where the learner screens.
    assert found.total == plain.total + Counts(add=100)
    assert found.total.matmul == plain.total.matmul == step_flop(found)


def test_costs_of_the_published_network_in_dense_forwards() -> None:
    """By hand: F = 2 B (784 100 + 100 100 + 100 10); a draft of 16 has 784 16 + 16 10."""
    model, gate = MLP((784, 100, 100, 10)), Gate.named("kondo-top-k", rate=0.03)
    forward = 2 * 100 * (78_400 + 10_000 + 1_000)
    backward = 2 * 3 * (78_400 + 2 * 10_000 + 2 * 1_000)
    setting = Setting(model, 1000, np.float32)
    draft = screener_named("draft:16", setting)
    assert isinstance(draft, Draft)
    found = speculative_step(draft, model, gate, 100, 3, evaluated=12)
    look, lesson = 2 * 100 * (784 * 16 + 160), 2 * 12 * (784 * 16 + 2 * 160)
    assert found.look.total.matmul == look
    assert found.learn.total.matmul == lesson
    assert found.exact["forward"].matmul == forward * 12 // 100
    assert found.exact.backward.matmul == backward
    assert step_flop(found) == look + lesson + forward * 12 // 100 + backward
    int8 = screener_named("int8", setting)
    found = speculative_step(int8, model, gate, 100, 3, evaluated=3)
    assert step_flop(found) == forward + forward * 3 // 100 + backward
    assert step_flop(found, width(int8)) == forward // 4 + forward * 3 // 100 + backward
    assert [width(screener_named(w, setting)) for w in ("bfloat16", "exact")] == [0.5, 1]
    assert dense_step_flop(model, 100) == forward + 100 * backward // 3
    assert network(model, 100).forward.matmul == forward


def test_an_sgd_learner_has_its_own_update() -> None:
    model = MLP((4, 3))
    found = speculative_step(Exact(), model, Gate.named("pg"), 5, 5, evaluated=0, optimizer="sgd")
    assert found.exact["update"] == Counts(mul=15, add=15)
