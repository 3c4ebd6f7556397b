"""The MLP: closed form and what runs, the published ratios, the three backwards, and mutants."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from counted_steps import EXAMPLES, closed_form, differing, run, settings
from hypothesis import given
from hypothesis import strategies as st

from kondo_ref import MLP, Gate
from kondo_ref.flops import gate, layers, mlp
from kondo_ref.flops.counts import STAGES, Counts, Step
from kondo_ref.flops.layers import Layer
from kondo_ref.flops.mlp import executed_backward, logical_backward, mlp_step, structural_backward
from kondo_ref.step import Learner

STEPS = EXAMPLES[:2]


@given(settings("mlp"))
def test_what_runs_is_the_closed_form(setting) -> None:
    done = run(setting)
    assert done.counts == closed_form(done)


@given(settings("mlp"))
def test_counting_changes_no_bit(setting) -> None:
    counted, plain = run(setting), run(setting, Learner)
    assert np.array_equal(counted.learner.state().parameters.flat, plain.learner.parameters.flat)
    assert np.array_equal(counted.learner.gradient.flat, plain.learner.gradient.flat)
    assert counted.result.loss == plain.result.loss


def matmul_ratio(sizes: tuple[int, ...], rate: Fraction) -> float:
    """Return (forward + rate x backward) / forward, in products alone."""
    rows = 10_000
    step = mlp_step(MLP(sizes), rows, round(rate * rows), Gate.named("dg"))
    forward = step["forward"].matmul
    return (forward + step.backward.matmul) / forward


def test_the_backward_is_no_two_forwards() -> None:
    assert round(matmul_ratio((784, 128, 10), Fraction(1)) - 1, 3) == 1.013
    assert round(matmul_ratio((784, 100, 100, 10), Fraction(1)) - 1, 2) == 1.12
    assert round(matmul_ratio((784, 100, 100, 10), Fraction(3, 100)), 3) == 1.034


def test_a_step_by_hand() -> None:
    """3 inputs, 2 hidden, 2 actions; 4 rows of which 1 is kept, SGD, zero price."""
    step = mlp_step(MLP((3, 2, 2)), 4, 1, Gate.named("zero-price"), optimizer="sgd")
    assert step == Step.of(
        forward=Counts(matmul=2 * 4 * (6 + 4), add=4 * (2 + 2) + 4 * 2, cmp=4 * 2),
        screen=Counts(cmp=4 * (2 + 1), add=4 * (3 * 2 + 1), exp=4 * 2, log=4, mul=4),
        select=Counts(cmp=4, mul=2, add=1, div=1),
        backward_input=Counts(matmul=2 * 4, exp=2 + 1, mul=2 + 2, cmp=2),
        backward_weight=Counts(matmul=2 * (6 + 4), add=2 + 2),
        update=Counts(mul=14, add=14),
    )


@given(st.lists(st.integers(1, 9), min_size=2, max_size=5), st.integers(1, 40), st.data())
def test_rows_are_independent_so_the_three_backwards_agree(sizes, rows, data) -> None:
    kept = data.draw(st.integers(0, rows))
    model = MLP(tuple(sizes))
    executed = executed_backward(model, kept)
    assert executed == structural_backward(model, kept)
    assert executed == logical_backward(model, rows, Fraction(kept, rows))
    assert executed == mlp_step(model, rows, kept, Gate.named("dg")).backward


def test_nothing_kept_is_no_backward_and_no_update() -> None:
    step = mlp_step(MLP((3, 2)), 5, 0, Gate.named("kondo-top-k", rate=0.1))
    assert [stage for stage in STAGES if step[stage] != Counts()] == ["forward", "screen", "select"]


def twice_the_forward(model: MLP, rows: int) -> Layer:
    forward = original(model, rows).forward
    return Layer(forward, Counts(), forward, forward)


def dx_of_the_first_layer(model: MLP, rows: int) -> Layer:
    more = layers.linear(rows, *model.sizes[:2])
    return original(model, rows) + Layer(backward_input=more.backward_input)


def without_biases(model: MLP, rows: int) -> Layer:
    biases = Counts(add=rows * sum(model.sizes[1:]))
    layer = original(model, rows)
    return replace(layer, backward_weight=layer.backward_weight - biases)


def without_relu(model: MLP, rows: int) -> Layer:
    hidden = layers.relu(rows * sum(model.sizes[1:-1]))
    layer = original(model, rows)
    return replace(layer, backward_input=layer.backward_input - hidden.backward_input)


original = mlp.network
NONE = lambda *_, **__: Counts()  # noqa: E731

MUTANTS: dict[str, tuple[Any, str, Any, list[str]]] = {
    "backward = 2 x forward": (
        mlp,
        "network",
        twice_the_forward,
        ["backward_input", "backward_weight"],
    ),
    "the first layer has a dx": (mlp, "network", dx_of_the_first_layer, ["backward_input"]),
    "no bias gradients": (mlp, "network", without_biases, ["backward_weight"]),
    "no ReLU in the backward": (mlp, "network", without_relu, ["backward_input"]),
    "no dlogits": (gate, "dlogits", NONE, ["backward_input"]),
    "no log-softmax": (gate, "log_softmax", NONE, ["screen"]),
    "no price": (gate, "price", NONE, ["screen"]),
    "no selection": (gate, "select", NONE, ["select"]),
    "no update": (layers, "update", NONE, ["update"]),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_closed_form_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    done = [run(setting) for setting in STEPS]
    assert [differing(one) for one in done] == [[], []]
    owner, attribute, wrong, stages = MUTANTS[name]
    monkeypatch.setattr(owner, attribute, wrong)
    assert all(differing(one) == stages for one in done)


@pytest.mark.parametrize(
    ("change", "stages"),
    [
        ({"optimizer": "sgd"}, ["update"]),
        ({"flush": False}, ["update"]),
        ({"valid": 11}, ["screen"]),
        ({"uniforms": True}, []),  # without a Bernoulli draw they are checked, not used
    ],
)
def test_every_argument_counts(change: dict[str, Any], stages: list[str]) -> None:
    assert differing(run(STEPS[0]), **change) == stages


def test_the_price_of_a_calibrated_gate_needs_its_evaluations() -> None:
    done = run(STEPS[1])
    assert done.evaluations > 2
    assert differing(done, evaluations=done.evaluations + 1) == ["screen"]
    with pytest.raises(ValueError, match="evaluations: needed by a calibrated price, got None"):
        closed_form(done, evaluations=None)


def test_what_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="kept: expected at most 5 rows, got 6"):
        mlp_step(MLP((3, 2)), 5, 6, Gate.named("dg"))
    with pytest.raises(ValueError, match="optimizer: expected one of sgd, adam; got 'lion'"):
        mlp_step(MLP((3, 2)), 5, 1, Gate.named("dg"), optimizer="lion")
