"""``kondo-ref report``: one page from runs, audits, claims, cost studies and checks."""

import argparse
from pathlib import Path
from typing import Any

SUMMARY = "make one self-contained HTML page of results"


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    p = subparsers.add_parser(
        "report",
        allow_abbrev=False,
        help=SUMMARY,
        description=(
            "Make one self-contained HTML page (tables, figures, configuration, environment) of "
            "run folders and of what the other commands print with --json. Exit codes: 0 written, "
            "2 could not run."
        ),
    )
    p.add_argument(
        "paths",
        nargs="+",
        type=Path,
        metavar="PATH",
        help="a run folder, a JSON file of any command, or a folder of them",
    )
    p.add_argument(
        "--out",
        type=Path,
        default=Path("report.html"),
        metavar="FILE",
        help="the page, replaced if it is there (default: %(default)s)",
    )
    p.add_argument("--title", default="kondo_ref report", help="(default: %(default)s)")
    p.add_argument("--json", action="store_true", help="print JSON and nothing else")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the page and say what is in it; see `add_parser`."""
    from kondo_ref import files
    from kondo_ref.report.document import report
    from kondo_ref.report.sources import sources

    if args.out.suffix not in (".html", ".htm"):
        raise ValueError(f"--out: expected a file that ends in .html, got {args.out}")
    found = sources(args.paths)
    page, sections = report(found, args.title)
    files.write_text(args.out, page)
    if args.json:
        listed = [
            {"title": s.title, "verdict": s.verdict, "sentence": s.sentence, "file": str(f.path)}
            for s, f in zip(sections, found, strict=True)
        ]
        answer = {"schema": "kondo-ref/report/1", "page": str(args.out), "sections": listed}
        print(files.to_json(answer))
        return 0
    width = max(len(s.verdict) for s in sections)
    for told in sections:
        print(f"{told.verdict:<{width}}  {told.title}: {told.sentence}")
    print(f"\n{args.out} ({len(page.encode()) / 1024:.0f} KiB)")
    return 0
