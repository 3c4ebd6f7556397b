"""kondo-ref vectors: hold a backend to files of gate vectors.

The door for those who want a verdict without writing Python; the work is in `kondo_ref.vectors`.
Files that cannot be read raise ValueError or OSError, which the caller turns into exit code 2.
"""

import argparse
import contextlib
import json
import sys
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Add the subcommand `vectors` to the parsers of the program."""
    parser = subparsers.add_parser("vectors", help="check a backend against golden cases")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    check = actions.add_parser(
        "check",
        allow_abbrev=False,
        help="evaluate gate vectors and report the worst test ratio and what fails",
        description="Evaluate gate vectors (schema kondo-ref/gate-vectors/1) and report the worst "
        "test ratio and every failing id, field and flag. Exit codes: 0 every case holds, 1 a case "
        "fails, 2 could not run.",
    )
    check.add_argument(
        "files", nargs="*", metavar="FILE", help="vector files (default: the published gate.json)"
    )
    check.add_argument(
        "--backend",
        default="numpy",
        metavar="NAME",
        help="a backend's name, or module:object (default: %(default)s)",
    )
    check.add_argument(
        "--json",
        action="store_true",
        help="print only a kondo-ref/vectors-report/1 object, or a list of them for several files",
    )
    check.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check the files and print the reports.

    Returns
    -------
    int
        0 if every case of every file holds, else 1.

    Raises
    ------
    ValueError, OSError
        A file or the backend cannot be loaded; nothing is printed then.
    """
    from kondo_ref.backend import load_backend
    from kondo_ref.vectors.check import PUBLISHED, check_vectors

    backend = load_backend(args.backend, needs=("policy_gradient",))
    with contextlib.redirect_stdout(sys.stderr):  # what a backend prints is not the report
        reports = [check_vectors(path, backend) for path in args.files or [PUBLISHED]]
    if args.json:
        content = reports[0] if len(reports) == 1 else reports
        print(json.dumps(content, indent=2, allow_nan=False))
    else:
        print("\n\n".join(table(report) for report in reports))
    return 1 if any(report["failed"] for report in reports) else 0


def table(report: dict[str, Any]) -> str:
    """Return a report as a small table for people."""
    from kondo_ref.vectors.check import LIMIT

    failed = report["failed"]
    lines = [
        f"file         {report['file']}",
        f"backend      {report['backend']}",
        f"cases        {report['cases']}, of which {len({row['id'] for row in failed})} fail",
        f"worst ratio  {ratio_text(report['worst_ratio'])} (limit {LIMIT:g})",
    ]
    if not failed:
        return "\n".join(lines)
    rows = [("CASE", "FIELD", "RATIO", "FLAGS", "")]
    for entry in failed:
        flags, message = ", ".join(entry["flags"]), " ".join(entry.get("message", "").split())
        rows.append((entry["id"], entry["field"], ratio_text(entry["ratio"]), flags, message))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for *cells, flags, message in rows:
        padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
        lines.append("  ".join([*padded, flags]))
        if message:
            lines.append(f"    {message}")
    return "\n".join(lines)


def ratio_text(ratio: float | None) -> str:
    """Return a test ratio for people; None means that the two cannot be compared."""
    return "infinite" if ratio is None else f"{ratio:.3g}"
