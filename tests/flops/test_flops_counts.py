"""Typed counts and steps: plain sums, and no stage that there is not."""

import pytest

from kondo_ref.flops.counts import STAGES, Counts, Step


def test_counts_add_up() -> None:
    a, b = Counts(matmul=5, mul=1, add=2), Counts(mul=3, exp=4)
    assert a + b == Counts(matmul=5, mul=4, add=2, exp=4)
    assert (a + b) - b == a
    assert 3 * a == a * 3 == a + a + a == Counts.total([a, a, a])
    assert Counts.total([]) == Counts()
    assert (a.matmul, a.scalar) == (5, 3)
    assert Counts(**a.to_dict()) == a
    assert set(a.to_dict()) == {"matmul", "mul", "add", "cmp", "exp", "log", "sqrt", "div"}


def test_a_step_is_its_stages() -> None:
    step = Step.of(forward=Counts(matmul=8), backward_input=Counts(mul=1))
    step += Step.of(backward_weight=Counts(matmul=4), update=Counts(sqrt=2))
    assert tuple(step.stages) == STAGES
    assert step["forward"] == Counts(matmul=8)
    assert step["recompute"] == Counts()
    assert step.backward == Counts(matmul=4, mul=1)
    assert step.total == Counts(matmul=12, mul=1, sqrt=2)


def test_a_stage_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match=r"stages: expected names of forward, .*; got 'backward'"):
        Step.of(backward=Counts())
    with pytest.raises(TypeError):
        Counts(flops=1)  # type: ignore[call-arg]
