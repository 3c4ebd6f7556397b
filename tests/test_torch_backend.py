"""The PyTorch backend: the reference's numbers by autograd, on the kept rows and no others."""

from typing import Any

import numpy as np
import pytest
from test_bad_input import BATCHES, DG, GOOD

torch = pytest.importorskip("torch")

import kondo_ref  # noqa: E402
from kondo_ref import Calibrated, Fixed, Gate, Quantile, Rolling  # noqa: E402
from kondo_ref.backend import load_backend  # noqa: E402
from kondo_ref.backends import torch_stations as stations  # noqa: E402
from kondo_ref.backends.torch_backend import TorchBackend  # noqa: E402
from kondo_ref.conformance.cases import (  # noqa: E402
    Case,
    cast_state,
    make_batch,
    start_state,
    trace_step,
)
from kondo_ref.randomness import uniforms  # noqa: E402
from kondo_ref.ratio import LIMIT, error_ratio  # noqa: E402
from kondo_ref.vectors.check import PUBLISHED, check_vectors  # noqa: E402

TORCH, NUMPY = TorchBackend(), load_backend("numpy")
GATES = {
    "pg": Gate.named("pg"),
    "dg": Gate.named("dg"),
    "zero-price": Gate.named("zero-price"),
    "kondo": Gate.named("kondo", rate=0.3, temperature=0.3),
    "kondo-top-k": Gate.named("kondo-top-k", rate=0.2),
    "calibrated": Gate(price=Calibrated(0.25), temperature=0.2, draw="bernoulli"),
    "rolling": Gate(price=Rolling(0.3, 16, 4), temperature=0.2),
    "hard": Gate(price=Quantile(0.2), temperature=0.0),
    "additive": Gate(signal="additive", alpha=0.3, draw="top_k", price=None, rate=0.2),
    "advantage": Gate(signal="advantage", price=Fixed(0.1), temperature=0.3),
    "abs_advantage": Gate(signal="abs_advantage", price=Quantile(0.5), temperature=0.5),
    "surprisal": Gate(signal="surprisal", price=Quantile(0.4), temperature=0.5),
}
TOP = Case("top", GATES["kondo-top-k"])
ALL = GATES["pg"]


def ratios(found: dict[str, Any], expected: dict[str, Any], dtype: str) -> dict[str, float]:
    """Return the test ratio of every tensor of a trace; infinite prices have to be the same."""
    result = {}
    for name, value in expected.items():
        if name in {"state", "history", "actions", "executed_rows", "updated"} or value is None:
            continue
        wanted, given = np.asarray(value, dtype=np.float64), np.asarray(found[name])
        finite = np.isfinite(wanted)
        assert np.array_equal(given[~finite], wanted[~finite])
        result[name] = error_ratio(given[finite], wanted[finite], np.finfo(dtype).eps)
    return result


def decisions(trace: dict[str, Any]) -> list[Any]:
    kept = np.flatnonzero(trace["weight"]).tolist()
    return [kept, trace["executed_rows"], trace["updated"], trace["actions"].tolist()]


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("normalizer", ["decisions", "kept", "none"])
@pytest.mark.parametrize("name", GATES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_step_is_the_float64_reference(
    dtype: str, name: str, normalizer: str, masked: bool
) -> None:
    case = Case(name, GATES[name], normalizer, masked, "sgd" if normalizer == "none" else "adam")
    state, batch = start_state(case, 1), make_batch(case, 1, 0)
    exact = cast_state(state, "float64")
    expected = trace_step(NUMPY, exact, case, batch.astype("float64"))
    found = trace_step(TORCH, cast_state(state, dtype), case, batch.astype(dtype))
    assert decisions(found) == decisions(expected)
    found_ratios = ratios(found, expected, dtype)
    assert len(found_ratios) >= 18
    assert max(found_ratios.values()) <= LIMIT, found_ratios


def whole(trace: dict[str, Any]) -> dict[str, Any]:
    """Return a trace with the blocks of a network as one tensor.

    In 200 steps one block or other has kept rows that nearly cancel, which no rounding survives.
    """
    joined: dict[str, Any] = {}
    for name, value in trace.items():
        head, slash, _ = name.partition("/")
        before = joined.get(head, np.zeros(0))
        joined[head] = np.concatenate([before, np.ravel(value)]) if slash else value
    return joined


def test_two_hundred_steps_each_from_the_state_of_the_reference() -> None:
    state = cast_state(start_state(TOP, 0), "float64")
    for step in range(200):
        batch = make_batch(TOP, 0, step).astype("float64")
        expected = trace_step(NUMPY, state, TOP, batch)
        found = trace_step(TORCH, state, TOP, batch)
        assert decisions(found) == decisions(expected)
        assert max(ratios(whole(found), whole(expected), "float64").values()) <= LIMIT
        state = expected["state"]
    assert state.optimizer.steps == 200


def test_the_golden_vectors() -> None:
    report = check_vectors(PUBLISHED, TORCH)
    assert report["failed"] == []
    assert report["worst_ratio"] <= LIMIT


@pytest.mark.parametrize("given", ["numpy", "torch"])
@pytest.mark.parametrize("unit", ["token", "sequence"])
@pytest.mark.parametrize("name", GATES)
def test_policy_gradient_of_sequences(name: str, unit: str, given: str) -> None:
    shape = (6, 5)
    gate = kondo_ref.Gate(**{f: getattr(GATES[name], f) for f in FIELDS} | {"unit": unit})
    batch = (
        8 * uniforms(2, 0, 0, (*shape, 4)) - 4,
        np.floor(4 * uniforms(2, 1, 0, shape)).astype(np.int32),
        2 * uniforms(2, 2, 0, shape) - 1,
    )
    mask = uniforms(2, 3, 0, shape) < 0.6
    mask[2] = False
    options: dict[str, Any] = {"mask": mask}
    if gate.needs_uniforms:
        options["uniforms"] = uniforms(2, 4, 0, shape if unit == "token" else shape[:1])
    expected = kondo_ref.policy_gradient(*batch, gate, **options)
    into = TORCH.array if given == "torch" else np.asarray
    found = TORCH.policy_gradient(
        *map(into, batch), gate, **{k: into(v) for k, v in options.items()}
    )
    assert found.normalizer == expected.normalizer
    assert np.array_equal(found.screening.kept, expected.screening.kept)
    assert error_ratio(found.dlogits, expected.dlogits) <= LIMIT
    assert error_ratio(found.screening.weight, expected.screening.weight) <= LIMIT
    for rate in ("valid", "valid_units", "target_rate", "selectivity"):
        assert getattr(found.screening, rate) == getattr(expected.screening, rate)
    for rate in ("expected_rate", "realised_rate"):
        wanted = getattr(expected.screening, rate)
        assert getattr(found.screening, rate) == pytest.approx(wanted, rel=1e-14)


FIELDS = ("signal", "price", "temperature", "draw", "rate", "alpha")


def nearly_deterministic() -> tuple[tuple[Any, ...], Any]:
    z = np.array([[36.0, 0.25, 0.0], [0.0, 30.5, 1.0], [0.0, 20.0, 25.0]])
    batch = (z, np.array([0, 1, 0]), np.array([1.0, -0.5, 0.0]))
    return batch, kondo_ref.policy_gradient(*batch, ALL).dlogits


def test_the_gradient_of_a_nearly_deterministic_policy() -> None:
    batch, expected = nearly_deterministic()
    found = TORCH.policy_gradient(*batch, ALL).dlogits
    assert max(error_ratio(found[i], expected[i]) for i in range(3)) <= LIMIT


def test_log_softmax_of_torch_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def usual(logits: Any, actions: Any) -> Any:
        return -torch.log_softmax(logits, -1).gather(-1, actions[:, None])[:, 0]

    monkeypatch.setattr(stations, "differentiable_surprisal", usual)
    batch, expected = nearly_deterministic()
    assert error_ratio(TORCH.policy_gradient(*batch, ALL).dlogits[0], expected[0]) > 1e3


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "i8", "?"])
def test_arrays_keep_their_dtype(dtype: str) -> None:
    whole = np.arange(12).reshape(3, 4).astype(dtype)
    frozen = whole.copy()
    frozen.setflags(write=False)
    for array in (whole, frozen, whole[::-1], whole.T, whole[1, 1]):
        values = np.asarray(array)
        back = TORCH.to_numpy(TORCH.array(values))
        assert back.dtype == values.dtype
        assert np.array_equal(back, values)


def test_ties_go_to_the_lowest_index() -> None:
    signal = torch.tensor([0.0, 2.0, -0.0, 1.0, 0.0, 2.0])
    for k, kept in ((1, [1]), (2, [1, 5]), (4, [0, 1, 3, 5]), (5, [0, 1, 2, 3, 5])):
        assert stations.top_k(signal, k).nonzero()[:, 0].tolist() == kept
    rows = torch.tensor([[0.3, -1.7, 2.1, 0.9, 0.2]]).repeat(10007, 1)
    assert len(torch.unique(stations.log_softmax(rows), dim=0)) == 1


def answer(backend: Any, arguments: dict[str, Any]) -> str:
    try:
        backend.policy_gradient(**arguments)
    except (TypeError, ValueError) as error:
        return f"{type(error).__name__}: {error}".replace(".to(torch.bool)", ".astype(bool)")
    return "accepted"


@pytest.mark.parametrize("row", BATCHES, ids=lambda row: row[0])
def test_refusals_are_those_of_the_reference(row: tuple[Any, ...]) -> None:
    arguments = {**GOOD, "gate": DG, **row[1]}
    expected = answer(NUMPY, arguments)
    assert expected.startswith(row[2].__name__)
    assert answer(TORCH, arguments) == expected
    try:
        as_tensors = {
            k: v if k == "gate" or v is None else torch.tensor(np.asarray(v))
            for k, v in arguments.items()
        }
    except (TypeError, ValueError):
        return
    assert answer(TORCH, as_tensors) == expected


def test_a_device_that_torch_cannot_use_is_refused() -> None:
    with pytest.raises(ValueError, match="device: torch cannot use 'abacus'"):
        TorchBackend(device="abacus")
