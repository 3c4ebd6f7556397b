"""The pytest plugin, as another project uses it: in a process and a folder of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kondo_ref.audit.catalogue import DIMENSIONS

PLUGIN = ("-p", "kondo_ref.audit.pytest_plugin", "-p", "no:cacheprovider")
TESTS = 1 + len(DIMENSIONS)
# An engine whose answer is chosen by the name of the target.
STUB = """
import sys
sys.path.insert(0, {folder!r})
import fake_subjects
from dataclasses import replace
from kondo_ref.audit import engine, target

VARIANT = replace(
    fake_subjects.NAN, id="execution.padded", dimension="execution", severity="documented variant"
)
ANSWERS = {{
    "good": ("conforms", ()),
    "bad": ("deviates", (fake_subjects.NAN, fake_subjects.KEPT)),
    "variant": ("conforms", (VARIANT,)),
    "broken": ("unusable", (replace(fake_subjects.NAN, id="robustness.raises"),)),
}}


def subject(name, **others):
    if name == "missing":
        raise ValueError("target: cannot load 'missing'")
    return replace(fake_subjects.FakeSubject(fake_subjects.CLAIM.gate), name=name)


def audit(subject, claim, *, accept, **others):
    verdict, findings = ANSWERS[subject.name]
    shown = {{f.id for f in findings}}
    if findings and shown <= set(accept):
        verdict = "conforms"
    stale = tuple(i for i in accept if i not in shown)
    return fake_subjects.audit(verdict, findings, claim, accepted=accept, stale=stale)


target.subject, engine.audit = subject, audit
"""


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-rA", *PLUGIN, *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def outcomes(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """Return how many tests had which outcome, of the last line."""
    last = done.stdout.strip().splitlines()[-1]
    return {word.rstrip("s"): int(n) for n, word in re.findall(r"(\d+) ([a-z]+)", last)}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return the folder of a project that has a test of its own, with a stub for the engine."""
    (tmp_path / "conftest.py").write_text(STUB.format(folder=str(Path(__file__).parent)))
    (tmp_path / "test_own.py").write_text("def test_own():\n    pass\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return tmp_path


def test_a_target_that_conforms(project: Path) -> None:
    done = run(project, "--kondo-target", "good", "--kondo-claim", "dg")
    assert done.returncode == 0, done.stdout
    assert outcomes(done)["passed"] == TESTS + 1
    assert "PASSED kondo-audit::usable" in done.stdout
    assert "PASSED kondo-audit::ties" in done.stdout
    assert "targets.py:loss: CONFORMS\nclaim: dg: price 0, temperature 1" in done.stdout


def test_a_target_that_deviates(project: Path) -> None:
    done = run(project, "--kondo-target", "bad", "--kondo-claim", "dg")
    assert done.returncode == 1
    assert outcomes(done) == {"passed": TESTS - 1, "failed": 2} | outcomes(done)
    assert "FAILED kondo-audit::normalizer" in done.stdout
    assert "FAILED kondo-audit::robustness" in done.stdout
    own = done.stdout[done.stdout.index("kondo-audit[bad] normalizer ") :]
    assert "* normalizer.kept  [wrong estimator]\n  The mean is over the kept" in own
    assert "expected   Z is the number of valid decisions" in own
    assert "Traceback" not in done.stdout
    assert "targets.py:loss: DEVIATES" in done.stdout


def test_accepted_findings_are_expected_to_fail(project: Path) -> None:
    words = ["--kondo-accept", "normalizer.kept=as published"]
    words += ["--kondo-accept", "robustness.nan-silent=refused before"]
    done = run(project, "--kondo-target", "bad", "--kondo-claim", "dg", *words)
    assert done.returncode == 0, done.stdout
    assert outcomes(done)["xfailed"] == 2
    assert "XFAIL kondo-audit::normalizer - normalizer.kept (as published)" in done.stdout


def test_one_that_no_longer_shows_is_reported(project: Path) -> None:
    words = ["--kondo-target", "good", "--kondo-claim", "dg", "--kondo-accept", "ties.other=old"]
    done = run(project, *words)
    assert done.returncode == 0
    assert "accepted, but no longer shown: ties.other (old); take it off the list" in done.stdout


def test_a_documented_variant_passes_and_is_told(project: Path) -> None:
    done = run(project, "--kondo-target", "variant", "--kondo-claim", "dg")
    assert done.returncode == 0
    assert "* execution.padded  [documented variant]" in done.stdout


def test_an_unusable_target_fails_once(project: Path) -> None:
    done = run(project, "--kondo-target", "broken", "--kondo-claim", "dg")
    assert done.returncode == 1
    assert outcomes(done) == {"passed": 1, "failed": 1, "skipped": TESTS - 1} | outcomes(done)
    assert "FAILED kondo-audit::usable" in done.stdout


def test_a_target_that_cannot_be_loaded(project: Path) -> None:
    done = run(project, "--kondo-target", "missing", "--kondo-claim", "dg", "-x")
    assert done.returncode == 1
    assert "target: cannot load 'missing'" in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--kondo-claim: expected a method to be held to"),
        (["--kondo-claim", "x"], "--kondo-claim: expected one of dg"),
        (["--kondo-claim", "kondo"], "--kondo-rate: kondo needs either"),
        (["--kondo-claim", "dg", "--kondo-accept", "x"], "--kondo-accept: expected id=reason"),
        (["--kondo-claim", "dg", "--kondo-report", "a.txt"], "--kondo-report: expected a .md"),
    ],
)
def test_usage_errors(project: Path, words: list[str], message: str) -> None:
    done = run(project, "--kondo-target", "good", *words)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"ERROR: {message}" in done.stderr


def test_the_tests_are_chosen_as_others_are(project: Path) -> None:
    words = ["--kondo-target", "bad", "--kondo-claim", "dg"]
    done = run(project, *words, "-k", "kondo-audit and not normalizer and not robustness")
    assert done.returncode == 0, done.stdout
    assert outcomes(done)["passed"] == TESTS - 2
    done = run(project, *words, "--collect-only", "-q")
    assert [line for line in done.stdout.splitlines() if "::" in line] == [
        "test_own.py::test_own",
        "kondo-audit::usable",
        *(f"kondo-audit::{dimension}" for dimension in DIMENSIONS),
    ]


def test_without_a_target_nothing_is_added(project: Path) -> None:
    done = run(project)
    assert outcomes(done) == {"passed": 1} | outcomes(done)
    assert "kondo-audit" not in done.stdout


def test_a_report_is_written(project: Path) -> None:
    words = ["--kondo-target", "bad", "--kondo-claim", "kondo-top-k", "--kondo-rate", ".25"]
    run(project, *words, "--kondo-report", "audit.md", "--kondo-report", "audit.json")
    assert (project / "audit.md").read_text("utf-8").startswith("# Audit of targets.py:loss")
    assert (project / "audit.json").exists()
