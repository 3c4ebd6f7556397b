"""The JAX backend against the reference: numbers within rounding, decisions the same.

Gated gradients of every kind, steps tensor by tensor, and what is of JAX alone: buffers of fixed
capacity and the number of compilations. Edges are in `test_jax_edges`, the golden vectors are a
check of the conformance suite.
"""

from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="the extra jax is not installed")

from kondo_ref import (  # noqa: E402
    MLP,
    SGD,
    Calibrated,
    Fixed,
    Gate,
    Quantile,
    Rolling,
    policy_gradient,
)
from kondo_ref.backend import load_backend  # noqa: E402
from kondo_ref.backends import jax_network, jax_stations  # noqa: E402
from kondo_ref.backends.jax_arrays import in_double, own  # noqa: E402
from kondo_ref.backends.jax_backend import JaxBackend  # noqa: E402
from kondo_ref.conformance.cases import (  # noqa: E402
    CASES,
    cast_state,
    make_batch,
    start_state,
    trace_step,
)
from kondo_ref.conformance.compare import compare  # noqa: E402
from kondo_ref.randomness import uniforms  # noqa: E402
from kondo_ref.ratio import LIMIT, error_ratio  # noqa: E402
from kondo_ref.step import TrainingState  # noqa: E402

BACKEND, REFERENCE = JaxBackend(), load_backend("numpy")
NAMED = {
    "pg": Gate.named("pg"),
    "dg": Gate.named("dg"),
    "kondo": Gate.named("kondo", rate=0.3, temperature=0.2),
    "zero-price": Gate.named("zero-price"),
    "kondo-top-k": Gate.named("kondo-top-k", rate=0.2),
}
PRICES = (Fixed(0.1), Quantile(0.3), Calibrated(0.3), Rolling(0.4, 8, 3))
GATES = {
    **NAMED,
    **{
        f"{draw} {type(price).__name__} {temperature}": Gate(
            draw=draw, price=price, temperature=temperature
        )
        for draw in ("soft", "bernoulli")
        for price in PRICES
        for temperature in (0.3, 0.0)
        if temperature > 0 or not isinstance(price, Calibrated)
    },
    **{
        signal: Gate(
            signal=signal, price=Quantile(0.4), alpha=0.3 if signal == "additive" else None
        )
        for signal in ("advantage", "abs_advantage", "surprisal", "uniform", "additive")
    },
}
SHAPES = {"N": (13,), "B,T": (4, 5)}


def inputs(shape: tuple[int, ...], masked: bool, dtype: Any = np.float64) -> dict[str, Any]:
    """Return a batch of 4 actions in numbers that float32 holds exactly."""
    given = {
        "logits": 6 * uniforms(7, 70, 0, (*shape, 4), np.float32).astype(dtype),
        "actions": np.floor(4 * uniforms(7, 71, 0, shape)).astype(np.int64),
        "advantages": (2 * uniforms(7, 72, 0, shape, np.float32) - np.float32(0.7)).astype(dtype),
        "uniforms": uniforms(7, 73, 0, shape, np.float32).astype(dtype),
    }
    return given | ({"mask": uniforms(7, 74, 0, shape) < 0.7} if masked else {})


def same(found: Any, expected: Any, dtype: Any = np.float64) -> None:
    """Assert that a gated gradient is that of the reference in float64, to rounding."""
    eps = float(np.finfo(dtype).eps)
    assert np.array_equal(found.screening.kept, expected.screening.kept)
    screening = found.screening.convert(BACKEND.to_numpy)
    for name in ("surprisal", "signal", "price", "keep_probability", "weight", "history"):
        a, b = getattr(screening, name), getattr(expected.screening, name)
        if isinstance(a, np.ndarray):
            assert a.dtype == dtype
            assert np.array_equal(np.isfinite(a), np.isfinite(b))
            a, b = a[np.isfinite(b)], b[np.isfinite(b)]
        if a is not None and np.isfinite(a).all():
            assert error_ratio(a, np.asarray(b, np.float64), eps) <= LIMIT, name
        else:
            assert a == b
    assert error_ratio(found.dlogits, expected.dlogits, eps) <= LIMIT
    assert error_ratio(found.loss, np.asarray(expected.loss), eps) <= LIMIT
    assert found.dlogits.dtype == dtype
    assert found.normalizer == expected.normalizer


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("gate", GATES)
def test_policy_gradient(gate: str, masked: bool) -> None:
    given = inputs(SHAPES["N"], masked)
    same(
        BACKEND.policy_gradient(**given, gate=GATES[gate]),
        policy_gradient(**given, gate=GATES[gate]),
    )


@pytest.mark.parametrize("normalizer", ["decisions", "kept", "none"])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("gate", NAMED)
def test_policy_gradient_of_sequences(gate: str, masked: bool, normalizer: str) -> None:
    given = inputs(SHAPES["B,T"], masked) | {"gate": NAMED[gate], "normalizer": normalizer}
    same(BACKEND.policy_gradient(**given), policy_gradient(**given))


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("gate", ["kondo", "dg", "kondo-top-k"])
def test_the_unit_sequence(gate: str, masked: bool) -> None:
    options: dict[str, Any] = {} if gate == "dg" else {"rate": 0.5}
    given = inputs(SHAPES["B,T"], masked) | {"gate": Gate.named(gate, unit="sequence", **options)}
    given["uniforms"] = given["uniforms"][:, 0]
    if masked:
        given["mask"][2] = False
    same(BACKEND.policy_gradient(**given), policy_gradient(**given))


@pytest.mark.parametrize("gate", NAMED)
def test_float32_is_the_float64_result_to_its_rounding(gate: str) -> None:
    single, double = inputs((13,), True, np.float32), inputs((13,), True)
    found = BACKEND.policy_gradient(**single, gate=NAMED[gate])
    same(found, policy_gradient(**double, gate=NAMED[gate]), np.float32)


def test_arrays_of_jax_and_of_numpy_give_the_same() -> None:
    given = inputs((13,), True)
    own_arrays = {name: BACKEND.array(values) for name, values in given.items()}
    found = [BACKEND.policy_gradient(**g, gate=NAMED["kondo"]) for g in (given, own_arrays)]
    assert np.array_equal(found[0].dlogits, found[1].dlogits)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_step(case: Any, dtype: str) -> None:
    state, batch = start_state(case, 3), make_batch(case, 3, 0)
    exact = batch.astype(np.float64)
    expected = trace_step(REFERENCE, cast_state(state, np.float64), case, exact)
    found = trace_step(BACKEND, cast_state(state, dtype), case, batch.astype(dtype))
    result = compare(case, exact, found, expected, float(np.finfo(dtype).eps))
    assert result.flipped == 0
    assert [d for d in result.differences if not d.ratio <= LIMIT] == []


def test_200_steps_each_from_the_state_of_the_reference() -> None:
    """A gate that keeps another number of rows at almost every step."""
    case = next(case for case in CASES if case.id == "kondo-quantile-masked")
    state, worst, rows = cast_state(start_state(case, 4), np.float64), 0.0, set()
    for step in range(200):
        batch = make_batch(case, 4, step).astype(np.float64)
        expected = trace_step(REFERENCE, state, case, batch)
        found = trace_step(BACKEND, state, case, batch)
        result = compare(case, batch, found, expected, float(np.finfo(np.float64).eps))
        assert result.flipped == 0
        worst = max(worst, *(d.ratio for d in result.differences))
        rows.add(found["executed_rows"])
        state = expected["state"]
    assert worst <= LIMIT
    assert rows <= {0, 1, 2, 4, 8, 16, 24}
    assert len(rows) >= 3


def test_capacities() -> None:
    found = [jax_stations.capacity_for(kept, 20) for kept in range(1, 21)]
    assert found == [1, 2, 4, 4, 8, 8, 8, 8] + 8 * [16] + 4 * [20]


@pytest.mark.parametrize("capacity", [4, 8, 16])
def test_a_larger_buffer_changes_nothing(capacity: int) -> None:
    """Three kept rows in buffers of 3 and more; what was dropped is not even read."""
    model = MLP((5, 7, 4))
    x = 2 * uniforms(8, 75, 0, (16, 5)) - 1
    weight = np.zeros(16)
    weight[[3, 7, 12]] = [1.0, 0.25, 0.5]
    x[weight == 0] = np.nan

    @in_double
    def gradient(rows: int) -> tuple[Any, dict[str, Any]]:
        parameters = {n: own(None, v) for n, v in model.initialize(0).views.items()}
        batch = [own(None, v) for v in (x, np.arange(16) % 4, weight, np.linspace(-1, 1, 16))]
        found: tuple[Any, dict[str, Any]]
        found = jax_network.network_gradient(parameters, *batch, 16.0, capacity=rows)
        return found

    loss, exact = gradient(3)
    padded_loss, padded = gradient(capacity)
    assert error_ratio(padded_loss, np.asarray(loss)) <= 4
    for name, block in exact.items():
        assert error_ratio(padded[name], np.asarray(block)) <= 4, name


def test_compilations_stay_few(monkeypatch: pytest.MonkeyPatch) -> None:
    traced: list[tuple[int, ...]] = []
    real = jax_network.network_loss

    def spy(parameters: Any, x: Any, actions: Any, coefficients: Any) -> Any:
        traced.append(x.shape)
        return real(parameters, x, actions, coefficients)

    monkeypatch.setattr(jax_network, "network_loss", spy)
    model, n = MLP((3, 2)), 37
    learner = BACKEND.learner(TrainingState(model, model.initialize(0), SGD(0.1)))
    executed = []
    for kept in range(1, n + 1):
        policy = learner.forward(BACKEND.array(uniforms(9, 76, kept, (n, 3))))
        gate = Gate(draw="top_k", price=None, rate=kept / n)
        result = learner.update(policy, np.zeros(n, dtype=int), np.ones(n), gate)
        assert result.screening.kept.size == kept <= result.executed_rows
        executed.append(result.executed_rows)
    assert sorted(traced) == [(rows, 3) for rows in (1, 2, 4, 8, 16, 32, 37)]
    assert set(executed) == {1, 2, 4, 8, 16, 32, 37}
