"""The command line: one file a subcommand, text for people, ``--json`` for programs.

Exit codes: 0 holds, 1 does not hold, 2 could not run. What cannot be run is said in one line on
standard error; an error of our own has its traceback there, and code 2 too.
"""

import io
import os
import sys
import traceback
from pathlib import Path

import kondo_ref
from kondo_ref.cli import (
    audit,
    backends,
    bench,
    claims,
    flops,
    flops_audit,
    report,
    reproduce,
    run,
    vectors,
)
from kondo_ref.cli.arguments import ArgumentParser
from kondo_ref.cli.foreign import REFUSALS
from kondo_ref.executors import BLAS_THREAD_VARIABLES


def main(argv: list[str] | None = None) -> int:
    """Run one subcommand and return its exit code."""
    # Two processes with two BLAS threads each run many times slower than with one each, and the
    # variables count only before NumPy is loaded.
    for variable in BLAS_THREAD_VARIABLES:
        os.environ.setdefault(variable, "1")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    # Somebody's own backend is often a file in the folder they stand in.
    sys.path.append(str(Path.cwd()))
    arguments = parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    except (*REFUSALS, OverflowError, RecursionError, KeyboardInterrupt, SystemExit) as error:
        print(f"kondo-ref: {reason(error)}", file=sys.stderr)
        return 2
    except Exception:  # our own bug: a code of 1 would say that something does not hold
        traceback.print_exc()
        return 2
    return code


def reason(error: BaseException) -> str:
    """Return in one line why a command could not run."""
    if isinstance(error, SystemExit):  # no command of ours raises it
        return f"the code that was run called sys.exit({error.code!r})"
    if isinstance(error, KeyboardInterrupt):
        return one_line(error) or "interrupted"
    if isinstance(error, OverflowError):
        return f"a number is too large ({one_line(error)})"
    if isinstance(error, RecursionError):
        return f"nested too deeply ({one_line(error)})"
    return one_line(error) or type(error).__name__


def parser() -> ArgumentParser:
    """Return the parser of all subcommands."""
    root = ArgumentParser(
        prog="kondo-ref",
        description="The reference for the Delightful Policy Gradient and the Kondo gate.",
        epilog="Exit codes: 0 holds, 1 does not hold, 2 could not run.",
        allow_abbrev=False,
    )
    root.add_argument("--version", action="version", version=f"kondo-ref {kondo_ref.__version__}")
    subparsers = root.add_subparsers(metavar="COMMAND", required=True)
    commands = (run, reproduce, vectors, backends, audit, claims, flops, flops_audit, report, bench)
    for module in commands:
        module.add_parser(subparsers)
    return root


def one_line(error: BaseException) -> str:
    """Return an error's message in one line."""
    return " ".join(str(error).split())
