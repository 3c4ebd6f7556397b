"""The package kondo-gate of PyPI, whose version is pinned by the extra peers, under audit.

Every finding has a script of three lines on docs/audit-kondo-gate.md, which runs as a test too.
"""

import re
from importlib.metadata import version

import pytest

pytest.importorskip("torch", reason="the extra torch is not installed")
pytest.importorskip("kondo_gate", reason="the extra peers is not installed")

from kondo_gate_targets import TARGETS, Audited, audited, rows
from page_tables import KONDO_GATE, between

PAGE = KONDO_GATE.read_text("utf-8")


def test_the_version_is_the_pinned_one() -> None:
    assert version("kondo-gate") == "0.1.0"


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_what_is_found(target: Audited) -> None:
    audit = audited(target)
    assert {finding.id for finding in audit.findings} == set(target.findings)
    wrong = [f for f in audit.findings if f.severity != "documented variant"]
    assert audit.verdict == ("deviates" if wrong else "conforms")
    for finding in wrong:
        assert finding.evidence["replay"]["batches"]


def test_every_finding_is_shown_in_three_lines() -> None:
    shown = set(re.findall(r"^### ([a-z]+\.[a-z-]+)$", PAGE, re.M))
    assert {finding for target in TARGETS for finding in target.findings} <= shown


def test_the_table_on_the_page_is_that_of_the_audits() -> None:
    assert between(PAGE, "kondo-gate") == rows(), "run python tests/audit/page_tables.py"
