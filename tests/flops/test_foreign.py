"""The verdict on a claimed saving, from counts that are given; and no framework where none is."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from kondo_ref.flops.foreign import TOLERANCE, audit_flops, counted
from kondo_ref.flops.foreign_report import (
    MASKED,
    MORE,
    PARTLY,
    SKIPPED,
    FlopAudit,
    FlopReport,
    ModuleCount,
)


def audit(*backwards: int, forwards: tuple[int, int] = (50, 50), **settings: object) -> FlopAudit:
    """Return an audit whose first run is dense and whose others are gated."""
    dense, *gated = backwards
    runs = (
        (FlopReport(forwards[0], dense),),
        tuple(FlopReport(forwards[1], backward) for backward in gated),
    )
    given = {"rates": (1.0, 0.03), "runs": runs, "tolerance": TOLERANCE, **settings}
    return FlopAudit("none", {}, "all", **given)


@pytest.mark.parametrize(
    ("gated", "verdict"),
    [
        (1000, MASKED),
        (1100, MASKED),  # it may even cost more
        (990, MASKED),
        (989, PARTLY),
        (500, PARTLY),
        (41, PARTLY),
        (40, SKIPPED),
        (30, SKIPPED),
        (20, SKIPPED),
        (19, MORE),
        (0, MORE),
    ],
)
def test_verdict(gated: int, verdict: str) -> None:
    found = audit(1000, gated, tolerance=0.0100001)
    assert found.verdict == verdict
    assert found.holds == (verdict == SKIPPED)


def rows(n: int, k: int, flop: int = 100, **of: object) -> tuple[FlopReport, FlopReport]:
    """Return what a layer executes on all of n rows, and on k of them."""
    reports = []
    for count in (n, k):
        module = ModuleCount("layer", flop, flop * count, 0, 0, n, count, count)
        reports.append(FlopReport(flop * n, flop * count, modules=(module,)))
    return reports[0], replace(reports[1], **of)


def of_rows(*reports: FlopReport, **settings: object) -> FlopAudit:
    return audit(1, 1, **{"runs": ((reports[0],), reports[1:]), **settings})


def test_50_rows_at_the_boundary_of_the_default_tolerance() -> None:
    found = audit(50, max(1, round(0.03 * 50)))
    assert abs(found.executed_saving - found.claimed_saving) > TOLERANCE == 0.01
    assert found.verdict == SKIPPED
    assert audit(1000, 990).verdict == MASKED
    assert audit(1000, 41).verdict == PARTLY


@pytest.mark.parametrize(
    ("n", "k", "rate", "verdict"),
    [
        (20, 1, 0.03, SKIPPED),
        (20, 1, 0.07, SKIPPED),  # fewer than claimed, as 1.4 rows cannot be run
        (10, 2, 0.25, SKIPPED),  # half rows are rounded either way
        (10, 3, 0.25, SKIPPED),
        (20, 2, 0.03, PARTLY),
        (20, 20, 0.03, MASKED),
        (20, 0, 0.03, MORE),
        (1, 1, 0.03, MASKED),  # the only row cannot be skipped, so nothing is saved
    ],
)
def test_the_nearest_whole_row(n: int, k: int, rate: float, verdict: str) -> None:
    found = of_rows(*rows(n, k), rates=(1.0, rate))
    assert found.verdict == verdict
    note = f"the share is that of {k} of {n} rows, the nearest whole number"
    assert (note in found.notes) == (verdict == SKIPPED)


def test_the_nearest_row_is_not_told_inside_the_tolerance() -> None:
    found = of_rows(*rows(100, 3))
    assert (found.verdict, found.notes) == (SKIPPED, ())


def test_the_nearest_rows_excuse_nothing_else() -> None:
    dense, gated = rows(20, 1)
    hidden = replace(gated.modules[0], backward_rows=None)
    dearer = replace(gated.modules[0], backward=150)
    other = ModuleCount("other", backward=100, backward_rows=1)
    for module_counts in ((hidden,), (dearer,), (gated.modules[0], other), ()):
        assert of_rows(dense, replace(gated, modules=module_counts)).verdict == PARTLY
    # All of the runs, and all of the backward.
    assert of_rows(dense, gated, rows(20, 2)[1]).verdict == PARTLY
    assert of_rows(dense, replace(gated, backward=gated.backward + 1)).verdict == PARTLY


def test_claim_is_relative_to_the_dense_rate() -> None:
    found = audit(1000, 200, rates=(0.5, 0.1))
    assert found.claimed_saving == pytest.approx(0.8)
    assert found.executed_saving == pytest.approx(0.8)
    assert found.verdict == SKIPPED


def test_ratios_are_of_sums_and_the_spread_is_told() -> None:
    found = audit(1000, 20, 40)
    assert found.ratio("backward") == pytest.approx(0.03)
    assert not found.deterministic
    note = next(note for note in found.notes if "deterministic" in note)
    assert "20 to 40 at rate 0.03" in note
    assert "1,000 to 1,000 at rate 1" in note
    assert audit(1000, 30, 30).deterministic


def test_a_run_of_other_rows_is_another_run() -> None:
    runs = [FlopReport(1, 9, modules=(ModuleCount("m", backward_rows=rows),)) for rows in (3, 4)]
    assert not audit(1, 1, runs=((runs[0],), tuple(runs))).deterministic
    nonzero = [FlopReport(1, 9, modules=(ModuleCount("m", nonzero_rows=n),)) for n in (3, 4)]
    assert audit(1, 1, runs=((runs[0],), tuple(nonzero))).deterministic


def test_a_dearer_forward_is_told() -> None:
    assert any("1.030 times" in note for note in audit(100, 3, forwards=(100, 103)).notes)
    assert audit(100, 3, forwards=(100, 100)).notes == ()


def test_nothing_kept_is_told() -> None:
    assert any("was anything kept?" in note for note in audit(100, 0).notes)


def test_forwards_without_a_backward() -> None:
    screened = ModuleCount("m", forward=200, forward_rows=20, backward_rows=10)
    frozen = ModuleCount("f", forward=400, forward_rows=20, backward_rows=0)
    hidden = ModuleCount("h", forward=400, forward_rows=None, backward_rows=None)
    report = FlopReport(1000, 300, modules=(screened, frozen, hidden))
    assert report.unfollowed == 100
    found = audit(1, 1, runs=((report,), (FlopReport(590, 10),)))
    assert found.plain_ratio == pytest.approx(600 / 1200)
    assert any("0.5000" in note for note in found.notes)
    assert audit(100, 3).plain_ratio is None


def test_json() -> None:
    report = FlopReport(1, 2, 3, 4, operations=(("mm", 2),), modules=(ModuleCount("m"),))
    content = json.loads(json.dumps(audit(1, 1, runs=((report,), (report,))).to_dict()))
    assert content["schema"] == "kondo-ref/flops-audit/1"
    assert content["verdict"] == MASKED
    assert content["holds"] is False
    assert content["ratios"] == dict.fromkeys(
        ("forward", "backward", "recompute", "update", "total"), 1.0
    )
    assert [run["rate"] for run in content["runs"]] == [1.0, 0.03]
    shown = content["runs"][0]["reports"][0]
    assert shown["operations"] == {"mm": 2}
    assert shown["total"] == 10
    assert shown["modules"][0]["name"] == "m"


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"rates": (1.0,)}, ValueError, "rates"),
        ({"rates": (0.03, 1.0)}, ValueError, "rates"),
        ({"rates": (0.5, 0.5)}, ValueError, "rates"),
        ({"rates": (1.0, 0.0)}, ValueError, "rates"),
        ({"rates": (2.0, 1.0)}, ValueError, "rates"),
        ({"rates": ("1", 0.5)}, TypeError, "rates"),
        ({"framework": "tensorflow"}, ValueError, "framework: expected one of torch, jax"),
        ({"repeats": 0}, ValueError, "repeats"),
        ({"warmup": -1}, ValueError, "warmup"),
        ({"row_dimensions": 0}, ValueError, "row_dimensions"),
        ({"tolerance": 0.0}, ValueError, "tolerance"),
        ({"tolerance": 0.5}, ValueError, "tolerance"),
        ({"rates": (1.0, 0.99)}, ValueError, "tolerance"),
        ({"tolerance": None}, TypeError, "tolerance"),
    ],
)
def test_bad_arguments(options: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        audit_flops(lambda _: None, **options)


def test_a_step_is_callable() -> None:
    with pytest.raises(TypeError, match="step: expected a callable"):
        audit_flops(3)


@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_without_the_framework(framework: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, framework, None)
    message = rf'{framework} is not installed; install it: .*"kondo-ref\[{framework}\]"'
    with pytest.raises(ImportError, match=message):
        audit_flops(lambda _: None, framework=framework)


def test_counting_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match="torch is not installed"), counted():
        pass


def test_loading_loads_no_framework() -> None:
    names = ("", "_jax", "_report", "_tally", "_target", "_torch")
    modules = ", ".join(f"kondo_ref.flops.foreign{name}" for name in names)
    code = f"import sys, {modules}, kondo_ref.cli.flops_audit; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "jax"} & set(done.stdout.split())
