"""``kondo-ref audit``: what somebody's DG or Kondo gate really computes and executes."""

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from kondo_ref.audit.words import OPTIONS, command, request_of
from kondo_ref.cli.progress import Progress
from kondo_ref.cli.streams import stdout_is_stderr

CODES = {"conforms": 0, "identified": 0, "deviates": 1, "unusable": 2}


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    p = subparsers.add_parser(
        "audit",
        allow_abbrev=False,
        help="tell what somebody's DG or Kondo gate really computes and executes",
        description=(
            "Probe an implementation with crafted batches, say what it is, and with --claim hold "
            "it to that. Nothing of its source is read. Exit codes: 0 conforms or identified, 1 "
            "deviates, 2 unusable or could not run."
        ),
    )
    p.add_argument(
        "target",
        nargs="?",
        metavar="TARGET",
        help="module:object or path.py:object; for the framework subprocess a command",
    )
    for name, options in OPTIONS.items():
        group = p if name == "target" else p.add_argument_group(name)
        for option, words in options.items():
            group.add_argument(f"--{option}", **words)
    output = p.add_argument_group("output")
    output.add_argument("--json", action="store_true", help="print JSON and nothing else")
    output.add_argument(
        "--report",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="write a report, .md, .html or .json; can be repeated",
    )
    output.add_argument(
        "--replay",
        type=Path,
        metavar="FILE.json",
        help="run the inputs of the findings in a JSON report again, beside the reference",
    )
    output.add_argument(
        "--finding",
        action="append",
        default=[],
        metavar="ID",
        help="of --replay: this finding alone; can be repeated",
    )
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Audit the target and print the report; see `add_parser`."""
    if args.replay is not None:
        if args.claim is not None:
            raise ValueError("--claim: the report that --replay reads has it")
        return _replay(args)
    if args.target is None:
        raise ValueError("TARGET: expected module:object, path.py:object or a command")
    if args.finding:
        raise ValueError("--finding: belongs to --replay FILE.json")
    from kondo_ref import files
    from kondo_ref.audit.json_schema import audit_json
    from kondo_ref.audit.report_text import text
    from kondo_ref.audit.reports import require_suffixes, write_reports

    require_suffixes(args.report)
    given = vars(args)

    def option(name: str) -> Any:
        return given[name.replace("-", "_")]

    request = request_of(args.target, option)
    with stdout_is_stderr(), _Stages(quiet=args.json) as stages:
        subject = request.subject()
        audit = request.audit(subject, stages.show)
        again = shlex.join(command(args.target, option))
        write_reports(args.report, audit, subject, request, again)
    if audit.verdict == "unusable" and args.framework is None:
        told = f"the framework {audit.framework} was guessed; --framework says another"
        print(f"kondo-ref: {told}", file=sys.stderr)
    if args.json:
        print(files.to_json(audit_json(audit, request)))
    else:
        print(text(audit, _replay_command(args.report)))
    return CODES[audit.verdict]


def _replay_command(reports: list[Path]) -> str:
    saved = next((path for path in reports if path.suffix == ".json"), None)
    if saved is None:
        return "add --report FILE.json, then kondo-ref audit --replay FILE.json --finding {id}"
    return f"kondo-ref audit --replay {shlex.quote(str(saved))} --finding {{id}}"


def _replay(args: argparse.Namespace) -> int:
    """Run the inputs of findings again, beside the reference."""
    from dataclasses import replace

    from kondo_ref import files
    from kondo_ref.audit.json_schema import read_audit
    from kondo_ref.audit.replay import replay, replay_text, replayed_json

    try:
        audit, request = read_audit(args.replay.read_text("utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(f"--replay: no file {args.replay}") from None
    except ValueError as error:
        raise ValueError(f"--replay: {args.replay}: {error}") from None
    known = {f.id: f for f in audit.findings if f.evidence.get("replay")}
    for identity in args.finding:
        if identity not in known:
            listed = ", ".join(known) or "none"
            raise ValueError(f"--finding: {identity!r} is not among those with an input: {listed}")
    if args.target is not None:
        request = replace(request, target=args.target)
    chosen = [known[identity] for identity in args.finding or known]
    with stdout_is_stderr():
        subject = request.subject()
        done = [(finding, replay(subject, finding, audit.claim)) for finding in chosen]
    if args.json:
        print(files.to_json({"replayed": [replayed_json(*one) for one in done]}))
    else:
        print("\n\n".join(replay_text(*one) for one in done) or "no finding has an input")
    return 0


class _Stages:
    """Progress of an audit, a bar whose label is the stage."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self.bar: Progress | None = None

    def __enter__(self) -> "_Stages":
        return self

    def __exit__(self, *error: object) -> None:
        if self.bar is not None:
            self.bar.__exit__(*error)

    def show(self, stage: str, done: int, total: int) -> None:
        """Show which stage it is, and how much is done."""
        if self.bar is None:
            self.bar = Progress(total, quiet=self.quiet, unit="stage")
        self.bar.describe(stage)
        self.bar.show(done)
