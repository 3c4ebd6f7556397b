"""An audit -> the files that a door was asked for: .md and .html with figures, .json."""

from collections.abc import Sequence
from pathlib import Path

from kondo_ref import files
from kondo_ref.audit.json_schema import audit_json
from kondo_ref.audit.observation import Subject
from kondo_ref.audit.report import write_report
from kondo_ref.audit.request import Request
from kondo_ref.audit.verdict import Audit
from kondo_ref.report.blocks import Picture

SUFFIXES = (".md", ".html", ".json")


def require_suffixes(paths: Sequence[Path]) -> None:
    """Refuse a name from which no form follows, and a folder that is not there."""
    for path in paths:
        if path.suffix not in SUFFIXES:
            raise ValueError(f"report: expected a .md, .html or .json file, got {path}")
        if not path.parent.is_dir():
            raise ValueError(f"report: no folder {path.parent}")


def write_reports(
    paths: Sequence[Path], audit: Audit, subject: Subject, request: Request, command: str = ""
) -> None:
    """Write the reports of an audit.

    What the figures show is measured here, after the verdict, and for them alone.

    Parameters
    ----------
    paths : sequence of Path
    audit : Audit
    subject : Subject
    request : Request
    command : str
        That makes the audit again.
    """
    drawn = any(path.suffix != ".json" for path in paths)
    pictures = drawn_pictures(subject, request, audit) if drawn else []
    for path in paths:
        if path.suffix == ".json":
            files.write_json(path, audit_json(audit, request))
        else:
            write_report(audit, path, pictures, command)


def drawn_pictures(subject: Subject, request: Request, audit: Audit) -> list[Picture]:
    """Return the figures of a report; none of an unusable target, and none without matplotlib."""
    from importlib.util import find_spec

    if audit.verdict == "unusable" or find_spec("matplotlib") is None:
        return []
    from kondo_ref.audit.curves import curves
    from kondo_ref.audit.figures import pictures

    measured = curves(subject, request.claim, seed=request.seed)
    return [] if measured is None else pictures(measured)
