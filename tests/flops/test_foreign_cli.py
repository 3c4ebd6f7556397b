"""The command kondo-ref flops-audit: targets, text, JSON, exit codes, errors in one line."""

import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the extra torch is not installed")

from kondo_ref.cli import main, parser
from kondo_ref.flops.foreign import TOLERANCE
from kondo_ref.flops.foreign_target import load_callable

STEPS = str(Path(__file__).with_name("foreign_steps.py"))
RATES = ("--rates", "1", "0.1")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["flops-audit", *arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_a_masked_step(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, f"{STEPS}:masked", *RATES)
    assert code == 1
    assert "claimed saving of the backward    90.00%" in out
    assert "executed saving of the backward    0.00%" in out
    assert f"verdict: masked: no saving (tolerance {TOLERANCE:g} of the dense backward)" in out
    head = next(line.split() for line in out.splitlines() if line.startswith("Policy.head"))
    assert head == ["Policy.head", "40", "40", "4", "1,920", "1,920"]


def test_a_skipping_step(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, f"{STEPS}:forward_again", *RATES)
    assert code == 0
    assert "verdict: skipped" in out
    assert "note: also at rate 1 rows go forward that no backward follows" in out


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--repeats", "1", "--warmup", "0", "--tolerance", "0.4", "--row-dimensions", "1")
    code, out, _ = run(capsys, f"{STEPS}:head_only", *RATES, *options, "--json")
    report = json.loads(out)
    assert code == 1
    assert report["schema"] == "kondo-ref/flops-audit/1"
    assert report["target"] == f"{STEPS}:head_only"
    assert report["tolerance"] == 0.4
    assert report["verdict"] == "masked: no saving"
    assert [len(runs["reports"]) for runs in report["runs"]] == [1, 1]
    assert report["environment"]["packages"]["numpy"]


def test_the_default_tolerance_is_that_of_the_function() -> None:
    assert parser().parse_args(["flops-audit", "a:b"]).tolerance == TOLERANCE


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("no_such_module:step", "cannot load 'no_such_module:step'"),
        ("no_such_file.py:step", "no file no_such_file.py"),
        (f"{STEPS}:no_such_step", "no_such_step"),
        (f"{STEPS}:N", "is not callable"),
        ("step", "expected module:callable or path.py:callable"),
        (":step", "expected module:callable"),
        (f"{STEPS}:raises", "step: raised RuntimeError at rate 1 (no such rate: 1.0)"),
        (f"{STEPS}:no_backward", "no FLOP in a backward"),
    ],
)
def test_what_cannot_run(target: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, target)
    assert (code, out) == (2, "")
    assert message in err
    assert err.startswith("kondo-ref: ")
    assert err.count("\n") == 1


def test_without_torch(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    file = tmp_path / "mine.py"
    file.write_text("import torch\n")
    code, _, err = run(capsys, f"{file}:step")
    assert code == 2
    assert err == (
        'kondo-ref: torch is not installed; install it: python -m pip install "kondo-ref[torch]"\n'
    )


def test_a_framework_that_there_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, f"{STEPS}:masked", "--framework", "tensorflow")
    assert code == 2
    assert "framework: expected one of torch, jax" in err


def test_what_a_target_prints_is_not_the_report(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "beside.py").write_text("SCALE = 2.0\n")
    file = tmp_path / "loud_step.py"
    file.write_text(
        "import torch\nfrom beside import SCALE\nprint('loaded')\n"
        "class Steps:\n    @staticmethod\n    def one(rate):\n        print('stepped')\n"
        "        w = torch.ones(3, 3, requires_grad=True)\n"
        "        return SCALE * (torch.ones(round(100 * rate), 3) @ w).sum()\n"
    )
    code, out, err = run(capsys, f"{file}:Steps.one", "--json")
    assert code == 0
    assert json.loads(out)["verdict"] == "skipped"
    assert "loaded" in err
    assert "stepped" in err


def test_what_a_target_writes_to_the_descriptor_is_not_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    file = tmp_path / "low_step.py"
    file.write_text(
        "import os, subprocess, sys, torch\n"
        "def one(rate):\n    os.write(1, b'written\\n')\n    print('kept', file=sys.__stdout__)\n"
        "    subprocess.run([sys.executable, '-c', 'print(\"child\")'], check=True)\n"
        "    w = torch.ones(3, 3, requires_grad=True)\n"
        "    return (torch.ones(round(100 * rate), 3) @ w).sum()\n"
    )
    code, out, err = run(capfd, f"{file}:one", "--json", "--warmup", "0", "--repeats", "1")
    assert code == 0
    assert json.loads(out)["verdict"] == "skipped"
    assert err.count("written") == err.count("child") == 2


@pytest.mark.parametrize("where", ["quits", "at_import"])
def test_a_target_that_exits(
    where: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    file = tmp_path / f"{where}_step.py"
    file.write_text(
        "import sys\ndef quits(rate):\n    sys.exit(0)\n"
        + ("sys.exit(0)\n" if where == "at_import" else "")
    )
    code, out, err = run(capsys, f"{file}:quits")
    assert (code, out) == (2, "")
    assert err == "kondo-ref: the code that was run called sys.exit(0)\n"


@pytest.mark.parametrize("rows", [50, 20])
def test_few_rows_of_which_the_nearest_number_is_run(
    rows: int, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    file = tmp_path / f"few_{rows}_step.py"
    file.write_text(
        f"import torch\nlayer = torch.nn.Linear(3, 2)\n"
        f"def step(rate):\n    k = max(1, round(rate * {rows}))\n"
        f"    return layer(torch.ones({rows}, 3)[:k]).sum()\n"
    )
    code, out, _ = run(capsys, f"{file}:step")
    assert code == 0
    assert "verdict: skipped" in out
    assert ("note: the share is that of 1 of 20 rows, the nearest" in out) == (rows == 20)


def test_a_module_is_named_with_dots() -> None:
    assert load_callable("json.decoder:JSONDecoder.decode") is json.decoder.JSONDecoder.decode
