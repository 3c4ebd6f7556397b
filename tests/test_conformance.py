"""The conformance suite: every backend that is here holds, every wrong one is seen."""

import json
from importlib.metadata import EntryPoint
from typing import Any

import numpy as np
import pytest
from wrong_backends import WRONG, failing_checks

import kondo_ref.backend
from kondo_ref import SGD, TrainingState
from kondo_ref.backend import BUILTIN, load_backend
from kondo_ref.backends.numpy_backend import NumpyBackend
from kondo_ref.cli import main
from kondo_ref.conformance import check_backend
from kondo_ref.conformance.cases import (
    CASES,
    Case,
    cast_state,
    make_batch,
    start_state,
    trace_step,
)
from kondo_ref.conformance.compare import compare
from kondo_ref.conformance.sequences import PLAIN, SEQUENCE_CASES, prefix_rows
from kondo_ref.conformance.suite import STEPS, models_of
from kondo_ref.gate import Gate


class Whole(NumpyBackend):
    """The reference, of which every check is asked."""

    models = ("mlp", "transformer")


def ids(report: dict[str, Any], models: tuple[str, ...]) -> list[str]:
    """Return the ids of the checks that concern some kinds of models."""
    found = [check["id"] for check in report["checks"]]
    return [i for i in found if ("transformer" if "/" in i else "mlp") in models]


EVERYTHING = check_backend(Whole(), steps=1)
IDS = ids(EVERYTHING, ("mlp",))
EPS = float(np.finfo(np.float64).eps)


# Those that compile each shape or loop in Python, and one that computes what another does.
SLOW = ("jax", "numpy:counting", "numpy:loops", "numpy:readonly")
SHORT = 40


@pytest.fixture(scope="module", params=sorted(BUILTIN))
def report(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return the whole report of a backend, over fewer steps where they are slow."""
    extra = BUILTIN[request.param][1]
    if extra is not None:
        pytest.importorskip(extra)
    steps = SHORT if request.param in SLOW else STEPS
    return check_backend(load_backend(request.param), steps=steps)


@pytest.mark.parametrize("check_id", IDS)
def test_a_backend_conforms(report: dict[str, Any], check_id: str) -> None:
    (check,) = [check for check in report["checks"] if check["id"] == check_id]
    assert check["verdict"] == "holds", check


def test_a_backend_conforms_on_sequences_if_it_trains_them(report: dict[str, Any]) -> None:
    models = models_of(load_backend(report["backend"]))
    assert report["models"] == list(models)
    assert ids(report, ("mlp", "transformer")) == ids(EVERYTHING, models)
    fails = [c for c in report["checks"] if "/" in c["id"] and c["verdict"] != "holds"]
    assert not fails


def test_a_transformer_whose_activations_are_recomputed_conforms() -> None:
    backend: Any = Whole(activations="recompute")
    backend.models = ("transformer",)
    report = check_backend(backend, steps=30)
    assert len(report["checks"]) == 1 + len(ids(EVERYTHING, ("transformer",)))
    assert report["verdict"] == "conforms"


@pytest.mark.parametrize("name", ["jax", "numpy:loops"])
def test_a_backend_without_transformers_says_so(name: str) -> None:
    extra = BUILTIN[name][1]
    if extra is not None:
        pytest.importorskip(extra)
    backend = load_backend(name)
    assert models_of(backend) == ("mlp",)
    with pytest.raises(TypeError, match=f"^state: the backend {name} trains an MLP only, got a tr"):
        backend.learner(TrainingState(PLAIN, PLAIN.initialize(0), SGD(0.1)))


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


def test_the_sequence_cases_differ_in_what_they_skip() -> None:
    """Some keep tokens and some sequences; skipping tokens or masking them gives other rows."""
    skipped = []
    for case in SEQUENCE_CASES:
        state, batch = start_state(case, 0), make_batch(case, 0, 0)
        trace = trace_step(NumpyBackend(), state, case, batch)
        kept, tokens = trace["weight"] > 0, np.count_nonzero(~batch.past)
        assert kept.any()
        assert not kept[batch.past].any()
        assert trace["executed_rows"] == prefix_rows(kept)
        skipped.append(2 * trace["executed_rows"] < tokens)
        assert case.ragged == (tokens < kept.size)
    assert {case.gate.unit for case, s in zip(SEQUENCE_CASES, skipped, strict=True) if s} == {
        "token",
        "sequence",
    }


def test_flips_of_whole_sequences_are_counted_by_their_tokens() -> None:
    case = Case("hard", Gate.named("kondo-top-k", rate=0.3, unit="sequence"), model=PLAIN)
    state = cast_state(start_state(case, 0), np.float64)
    batch = make_batch(case, 0, 0).astype(np.float64)
    expected = trace_step(NumpyBackend(), state, case, batch)
    order = np.argsort(expected["signal"])[::-1]
    flipped = dict(expected, weight=expected["weight"].copy())
    flipped["weight"][order[1:3]] = 1 - flipped["weight"][order[1:3]]
    assert max(d.ratio for d in compare(case, batch, flipped, expected, EPS).differences) == np.inf
    near = dict(expected, signal=expected["signal"].copy())
    near["signal"][order[2]] = near["signal"][order[1]] - 1e-9
    found = compare(case, batch, dict(flipped, signal=near["signal"]), near, EPS)
    assert found.flipped == 14
    assert max(difference.ratio for difference in found.differences) == 0.0


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
    assert rows["numpy:loops"]["models"] == ["mlp"]
    assert main(["backends"]) == 0
    text = capsys.readouterr().out
    assert "BLAS of NumPy" in text
    assert f"numpy:readonly  numpy {np.__version__}; trains mlp, transformer\n" in text

    assert main(["backends", "check", "numpy", "--steps", "2", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["schema"], report["verdict"]) == ("kondo-ref/backend-report/1", "conforms")
    assert ids(report, ("mlp",)) == IDS
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
