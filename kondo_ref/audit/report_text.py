"""Audit -> text: what a person reads in a terminal, and the message of a failed assertion."""

import textwrap

from kondo_ref.audit.report import (
    claim_sentence,
    identified_rows,
    numbers,
    sorted_findings,
    unusable_reason,
    verdict_sentence,
)
from kondo_ref.audit.verdict import Audit, Finding
from kondo_ref.report.words import plural

WIDTH = 98
LABEL = 11


def text(audit: Audit, replay: str = "") -> str:
    """Return an audit as text.

    Parameters
    ----------
    audit : Audit
    replay : str
        The command that runs the input of a finding again, with ``{id}`` for its id.
    """
    lines = [
        f"target     {audit.target}",
        f"surface    {audit.surface}, {audit.framework}",
        *labelled("claim", claim_sentence(audit.claim)),
        "",
        *wrapped(f"{audit.verdict.upper()}  {verdict_sentence(audit)}", ""),
    ]
    if identified := identified_rows(audit):
        lines += ["", "identified", *identified_lines(identified)]
    findings = sorted_findings(audit)
    if findings:
        lines += ["", "findings"]
    for finding in findings:
        lines += finding_lines(finding, audit.accepted.get(finding.id))
        if replay and "replay" in finding.evidence:
            lines.append(f"  {'replay':<{LABEL}}{replay.format(id=finding.id)}")
        lines.append("")
    if audit.stale:
        lines += [] if findings else [""]
        lines += ["accepted, but no longer shown: take them off the list"]
        lines += [f"  {i}  ({audit.accepted.get(i, '')})" for i in audit.stale]
    return "\n".join(lines).rstrip()


def identified_lines(rows: list[tuple[str, str, str, str]]) -> list[str]:
    """Return what was identified as lines: name, value, confidence, evidence."""
    widths = [min(max(len(row[i]) for row in rows), 28) for i in range(3)]
    indent = 2 + sum(widths) + 6
    lines: list[str] = []
    said = ""
    for name, value, confidence, told in rows:
        evidence, said = '"' if told == said else told, told
        head = f"  {name:<{widths[0]}}  {value:<{widths[1]}}  {confidence:<{widths[2]}}  "
        if len(head) > indent:  # a value that is longer than its column has the line to itself
            lines.append(head.rstrip())
            head = ""
        lines += textwrap.wrap(
            evidence,
            WIDTH,
            initial_indent=head.ljust(indent),
            subsequent_indent=" " * indent,
            break_on_hyphens=False,
        ) or [head.rstrip()]
    return lines


def finding_lines(finding: Finding, reason: str | None = None) -> list[str]:
    """Return a finding as lines; with the reason for which it is accepted, if it is."""
    state = "" if reason is None else "  (accepted)"
    lines = [f"* {finding.id}  [{finding.severity}]{state}", *wrapped(finding.summary, "  ")]
    lines += labelled("expected", finding.expected, "  ")
    lines += labelled("found", finding.found, "  ")
    measured = "; ".join(f"{name} {value}" for name, value in numbers(finding))
    if measured:
        lines += labelled("measured", measured, "  ")
    if finding.nearest:
        lines += labelled("nearest", finding.nearest, "  ")
    if reason is not None:
        lines += labelled("accepted", reason, "  ")
    return lines


def failure(audit: Audit) -> str:
    """Return in several lines why an audit does not pass; empty where it conforms."""
    if audit.verdict in ("conforms", "identified"):
        return ""
    left = [f for f in sorted_findings(audit) if f.id not in audit.accepted]
    told = f"deviates from its claim ({plural(len(left), 'finding')})"
    if audit.verdict == "unusable":
        told = f"is unusable. {unusable_reason(audit)}"
    lines = [
        *wrapped(f"{audit.target} {told}", ""),
        *wrapped(f"claim: {claim_sentence(audit.claim)}", ""),
    ]
    for finding in left:
        lines += ["", *finding_lines(finding)]
    return "\n".join(lines)


def stale_sentence(audit: Audit) -> str:
    """Return in one line which accepted findings no longer show; empty where all do."""
    listed = ", ".join(f"{i} ({audit.accepted.get(i, '')})" for i in audit.stale)
    return f"accepted, but no longer shown: {listed}; take it off the list" if listed else ""


def labelled(label: str, words: str, indent: str = "") -> list[str]:
    """Return words after a label, folded under themselves."""
    head = f"{indent}{label:<{LABEL}}"
    return textwrap.wrap(
        words,
        WIDTH,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_on_hyphens=False,
    ) or [head.rstrip()]


def wrapped(words: str, indent: str) -> list[str]:
    """Return words as folded lines."""
    return textwrap.wrap(
        words, WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )
