"""``kondo-ref backends``: what is installed, and whether a backend means the same."""

import argparse
import contextlib
import sys
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    p = subparsers.add_parser(
        "backends",
        allow_abbrev=False,
        help="list the backends, or run the conformance suite over them",
        description=(
            "Without an action: list the backends with versions and the models that they train, "
            "BLAS and threads; a missing one with the command that installs it."
        ),
    )
    p.add_argument("--json", action="store_true", help="print JSON and nothing else")
    p.set_defaults(run=list_backends)
    actions = p.add_subparsers(metavar="ACTION")
    check = actions.add_parser(
        "check",
        allow_abbrev=False,
        help="run the conformance suite over backends",
        description=(
            "Compare every tensor of a training step with the reference in float64, and check "
            "what a backend skips, refuses and leaves alone. Exit codes: 0 conforms, 1 deviates, "
            "2 could not run."
        ),
    )
    check.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="backends by name or module:object (default: all that are installed)",
    )
    check.add_argument("--seed", type=int, default=0, help="of the batches (default: 0)")
    check.add_argument(
        "--steps", type=int, default=200, help="of the re-synchronised runs (default: 200)"
    )
    check.add_argument("--json", action="store_true", help="print JSON and nothing else")
    check.set_defaults(run=check_backends)


def installed() -> dict[str, Any]:
    """Return every known backend by name, or the reason why it cannot be loaded."""
    from kondo_ref.backend import backend_names, load_backend

    found: dict[str, Any] = {}
    for name in sorted(backend_names()):
        try:
            found[name] = load_backend(name)
        except ValueError as error:
            found[name] = str(error)
    return found


def list_backends(args: argparse.Namespace) -> int:
    """List the backends."""
    from kondo_ref import files, runs
    from kondo_ref.conformance.suite import models_of

    environment = runs.environment()
    rows: list[dict[str, Any]] = []
    for name, found in installed().items():
        missing = isinstance(found, str)
        what: dict[str, Any] = {"problem": found}
        if not missing:
            what = {"versions": found.versions(), "models": list(models_of(found))}
        rows.append({"name": name, "installed": not missing, **what})
    if args.json:
        report = {"schema": "kondo-ref/backends/1", "backends": rows, "environment": environment}
        print(files.to_json(report))
        return 0
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        text = f"not installed: {row.get('problem')}"
        if row["installed"]:
            versions = ", ".join(f"{k} {v}" for k, v in row["versions"].items())
            text = f"{versions}; trains {', '.join(row['models'])}"
        print(f"{row['name']:{width}}  {text}")
    blas = environment["blas"]
    print(f"\nBLAS of NumPy: {blas['name']} {blas['version']}, {blas['threads']} thread(s)")
    return 0


def check_backends(args: argparse.Namespace) -> int:
    """Run the conformance suite."""
    from kondo_ref import checks, files, runs
    from kondo_ref.backend import load_backend
    from kondo_ref.conformance import check_backend

    checks.count("seed", args.seed, 0)
    checks.count("steps", args.steps, 1)
    if args.names:
        backends = [load_backend(name) for name in args.names]
    else:
        backends = [found for found in installed().values() if not isinstance(found, str)]
    reports = []
    for backend in backends:
        # What a backend prints is not the report.
        quiet = contextlib.redirect_stdout(sys.stderr)
        with quiet, _Line(backend.name, quiet=args.json) as line:
            report = check_backend(backend, seed=args.seed, steps=args.steps, progress=line.show)
        reports.append({**report, "environment": runs.environment()})
        if not args.json:
            print(table(report))
    if args.json:
        print(files.to_json(reports[0] if len(reports) == 1 else reports))
    return 0 if all(report["verdict"] == "conforms" for report in reports) else 1


def table(report: dict[str, Any]) -> str:
    """Return a report as text: the verdict, the worst ratio of each part, what fails."""
    versions = ", ".join(f"{k} {v}" for k, v in report["versions"].items())
    lines = [f"{report['backend']} ({versions}): {report['verdict']}"]
    width = max(len(check["id"]) for check in report["checks"])
    for check in report["checks"]:
        ratio = "" if check["ratio"] is None else f"ratio {check['ratio']:.2f}"
        where = f"{check['tensor']} of {check['case']}" if check["tensor"] else ""
        if check["verdict"] == "fails":
            ratio = ratio or "not comparable"
            where += f" at step {check['step']}" if check["step"] is not None else ""
            where += f" {check['message']}" if check["message"] else ""
        if check["inside_guard"] is not None:
            where += f" ({check['inside_guard']} inside the guard band, {check['flipped']} differ)"
        lines.append(f"  {check['verdict']:5}  {check['id']:{width}}  {ratio:14}  {where}".rstrip())
    lines.append(f"  replay with --seed {report['seed']} --steps {report['steps']}\n")
    return "\n".join(lines)


class _Line:
    """One line of progress on standard error, if that is a terminal."""

    def __init__(self, name: str, *, quiet: bool) -> None:
        self.name = name
        self.shown = sys.stderr.isatty() and not quiet

    def __enter__(self) -> "_Line":
        return self

    def __exit__(self, *error: object) -> None:
        if self.shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def show(self, check: str) -> None:
        """Show what is run now."""
        if self.shown:
            print(f"\r\x1b[K{self.name}: {check}", end="", file=sys.stderr, flush=True)
