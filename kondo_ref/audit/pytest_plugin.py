"""The pytest door: one test for each dimension of an audit, so one sees which one fails.

Loaded by ``-p kondo_ref.audit.pytest_plugin``, never by itself. The options are those of
``kondo-ref audit`` with ``--kondo-`` before them::

    pytest -p kondo_ref.audit.pytest_plugin --kondo-target my.losses:dg_loss --kondo-claim dg
"""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kondo_ref.audit.catalogue import DIMENSIONS
from kondo_ref.audit.observation import Subject
from kondo_ref.audit.report import claim_sentence, unusable_reason, verdict_sentence
from kondo_ref.audit.report_text import finding_lines, labelled, stale_sentence
from kondo_ref.audit.reports import require_suffixes, write_reports
from kondo_ref.audit.request import Request
from kondo_ref.audit.verdict import Audit, Finding
from kondo_ref.audit.words import OPTIONS, command, request_of

# The first test: whether there is anything to audit.
USABLE = "usable"
VARIANT = "documented variant"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("kondo", "audit of a DG or Kondo gate")
    group.addoption(
        "--kondo-target",
        metavar="TARGET",
        help="module:object or path.py:object; for the framework subprocess a command",
    )
    for options in OPTIONS.values():
        for option, words in options.items():
            group.addoption(f"--kondo-{option}", **words)
    group.addoption(
        "--kondo-report",
        action="append",
        default=[],
        metavar="FILE",
        help="write a report, .md, .html or .json; can be repeated",
    )


@pytest.hookimpl(tryfirst=True)  # before -k and -m choose among the tests
def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Add the tests of the audit to those that were collected."""
    target = session.config.getoption("kondo_target")
    if target is None:
        return

    def option(name: str) -> Any:
        return session.config.getoption(f"kondo_{name.replace('-', '_')}")

    if option("claim") is None:
        raise pytest.UsageError("--kondo-claim: expected a method to be held to")
    reports = [Path(name) for name in option("report")]
    try:
        require_suffixes(reports)
        request = request_of(target, option)
    except (TypeError, ValueError) as error:
        raise pytest.UsageError(f"--kondo-{error}") from None
    name = f"kondo-audit[{target}]"
    node = AuditNode.from_parent(session, name=name, nodeid="kondo-audit")
    node.request, node.reports = request, reports
    node.command = shlex.join(command(target, option))
    items += node.collect()


class AuditNode(pytest.Collector):
    """The audit that the tests share; it is made before the first of them.

    Parameters
    ----------
    *arguments, **keywords
        As of `pytest.Collector`.
    """

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.request: Request
        self.reports: list[Path] = []
        self.command = ""
        self.audit: Audit | None = None

    def collect(self) -> list[pytest.Item]:
        """Return the tests: whether the target is usable, and each dimension."""
        return [AuditItem.from_parent(self, name=name) for name in (USABLE, *DIMENSIONS)]

    def setup(self) -> None:
        """Make the audit, and its reports."""
        subject: Subject = self.request.subject()
        self.audit = self.request.audit(subject)
        write_reports(self.reports, self.audit, subject, self.request, self.command)
        self.config.stash[_DONE] = self.audit
        if stale := stale_sentence(self.audit):
            self.warn(pytest.PytestWarning(stale))


class AuditItem(pytest.Item):
    """One dimension of the audit.

    Parameters
    ----------
    *arguments, **keywords
        As of `pytest.Item`.
    """

    def runtest(self) -> None:
        """Fail with what was found in this dimension."""
        assert isinstance(self.parent, AuditNode)
        audit = self.parent.audit
        assert audit is not None
        if audit.verdict == "unusable":
            if self.name == USABLE:
                raise Deviates(list(audit.findings), audit)
            pytest.skip(f"the target is unusable. {unusable_reason(audit)}")
        own = [f for f in audit.findings if f.dimension == self.name]
        left = [f for f in own if f.id not in audit.accepted]
        for finding in left:
            if finding.severity == VARIANT:
                self.add_report_section("call", "kondo-audit", "\n".join(finding_lines(finding)))
        wrong = [f for f in left if f.severity != VARIANT]
        if wrong:
            raise Deviates(wrong, audit)
        if known := [f"{f.id} ({audit.accepted[f.id]})" for f in own if f.id in audit.accepted]:
            pytest.xfail("; ".join(known))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return the findings, without a traceback; any other error with its own."""
        if isinstance(excinfo.value, Deviates):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Return where the test stands, for headings."""
        return self.path, None, f"{self.parent.name if self.parent else ''} {self.name}"


class Deviates(AssertionError):
    """A target deviates from its claim.

    Parameters
    ----------
    findings : list of Finding
    audit : Audit
    """

    def __init__(self, findings: list[Finding], audit: Audit) -> None:
        # The first line is what pytest's summary shows.
        lines = [f"{f.id}: {f.summary}" for f in findings]
        lines += [
            *labelled("target", audit.target),
            *labelled("claim", claim_sentence(audit.claim)),
        ]
        if audit.verdict == "unusable":
            lines += labelled("unusable", unusable_reason(audit))
        for finding in findings:
            lines += ["", *finding_lines(finding)]
        super().__init__("\n".join(lines))


_DONE = pytest.StashKey[Audit]()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the verdict after the tests."""
    audit = terminalreporter.config.stash.get(_DONE, None)
    if audit is not None:
        terminalreporter.section("kondo-audit")
        for line in _summary(audit):
            terminalreporter.write_line(line)


def _summary(audit: Audit) -> Iterator[str]:
    yield f"{audit.target}: {audit.verdict.upper()}"
    yield f"claim: {claim_sentence(audit.claim)}"
    yield verdict_sentence(audit)
