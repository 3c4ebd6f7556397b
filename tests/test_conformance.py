"""The conformance suite: every backend that is here holds, every wrong one is seen."""

import json
from importlib.metadata import EntryPoint
from typing import Any

import numpy as np
import pytest
from wrong_backends import WRONG, failing_checks

import kondo_ref.backend
from kondo_ref.backend import BUILTIN, load_backend
from kondo_ref.backends.numpy_backend import NumpyBackend
from kondo_ref.cli import main
from kondo_ref.conformance import check_backend
from kondo_ref.conformance.cases import CASES, cast_state, make_batch, start_state, trace_step
from kondo_ref.conformance.compare import compare

IDS = [check["id"] for check in check_backend(NumpyBackend(), steps=1)["checks"]]
EPS = float(np.finfo(np.float64).eps)


@pytest.fixture(scope="module", params=sorted(BUILTIN))
def report(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return the whole report of a backend."""
    extra = BUILTIN[request.param][1]
    if extra is not None:
        pytest.importorskip(extra)
    return check_backend(load_backend(request.param))


@pytest.mark.parametrize("check_id", IDS)
def test_a_backend_conforms(report: dict[str, Any], check_id: str) -> None:
    (check,) = [check for check in report["checks"] if check["id"] == check_id]
    assert check["verdict"] == "holds", check


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_backend_is_seen(name: str) -> None:
    by = WRONG[name][2]
    assert by in failing_checks(name)


def test_every_case_keeps_something_and_most_drop_something() -> None:
    kept = []
    for case in CASES:
        state = cast_state(start_state(case, 0), np.float64)
        trace = trace_step(NumpyBackend(), state, case, make_batch(case, 0, 0).astype(np.float64))
        kept.append(int(np.count_nonzero(trace["weight"])))
    assert min(kept) >= 1
    assert sum(k < 24 for k in kept) > len(CASES) / 2


def test_a_flip_inside_the_guard_band_is_counted_and_one_outside_fails() -> None:
    case = next(c for c in CASES if c.id == "kondo-fixed")
    state = cast_state(start_state(case, 0), np.float64)
    batch = make_batch(case, 0, 0).astype(np.float64)
    expected = trace_step(NumpyBackend(), state, case, batch)
    near = batch.gate_uniforms.copy()
    near[0] = expected["keep_probability"][0] + 1e-9
    for draws, message in ((near, "inside"), (batch.gate_uniforms, "outside")):
        moved = type(batch)(
            batch.observations, batch.rewards, batch.action_uniforms, draws, batch.mask
        )
        reference = trace_step(NumpyBackend(), state, case, moved)
        flipped = dict(reference, weight=reference["weight"].copy())
        flipped["weight"][0] = 1 - flipped["weight"][0]
        flipped["gradient/bias1"] = flipped["gradient/bias1"] + 1
        found = compare(case, moved, flipped, reference, EPS)
        worst = max(difference.ratio for difference in found.differences)
        assert (found.flipped, worst) == ((1, 0.0) if message == "inside" else (0, np.inf))


def test_the_command_line_lists_and_checks(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backends", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["backends"]}
    assert rows.keys() >= BUILTIN.keys()
    assert rows["numpy"]["versions"] == {"numpy": np.__version__}
    assert main(["backends"]) == 0
    assert "BLAS of NumPy" in capsys.readouterr().out

    assert main(["backends", "check", "numpy", "--steps", "2", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["schema"], report["verdict"]) == ("kondo-ref/backend-report/1", "conforms")
    assert [check["id"] for check in report["checks"]] == IDS
    assert main(["backends", "check", "numpy", "--steps", "2", "--seed", "5"]) == 0
    assert "replay with --seed 5 --steps 2" in capsys.readouterr().out


class Attached(NumpyBackend):
    """A backend of somebody else, with a mistake."""

    name = "attached"

    def policy_gradient(self, *_: Any, **_named: Any) -> Any:
        raise RuntimeError("not written yet")


def test_somebody_elses_backend_is_named_by_module(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backends", "check", f"{__name__}:Attached", "--steps", "1"]) == 1
    printed = capsys.readouterr().out
    assert "attached (numpy" in printed
    assert "fails  vectors" in printed
    assert "RuntimeError: not written yet" in printed


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "expected one of"),
        ("no.such.module:Backend", "cannot load"),
        ("math:nothing", "cannot load"),
        ("kondo_ref.delight:SIGNALS", "lacks name, versions"),
    ],
)
def test_what_is_no_backend_is_refused(
    name: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["backends", "check", name]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("package", ["numba", "llvmlite"])
def test_a_missing_package_is_named_with_its_command(
    monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, package, None)
    for module in [m for m in sys.modules if m.startswith("kondo_ref.backends.numba")]:
        monkeypatch.delitem(sys.modules, module)
    with pytest.raises(ValueError, match=r'python -m pip install "kondo-ref\[numba\]"'):
        load_backend("numba")


def test_a_registered_backend_is_found_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("attached", f"{__name__}:Attached", "kondo_ref.backends")
    monkeypatch.setattr(kondo_ref.backend, "entry_points", lambda **_: [point])
    assert kondo_ref.backend.backend_names()["attached"] == f"{__name__}:Attached"
    assert load_backend("attached").name == "attached"
    assert load_backend("numpy").name == "numpy"
