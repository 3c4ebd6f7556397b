"""The command line: one file a subcommand, text for people, ``--json`` for programs.

Exit codes: 0 holds, 1 does not hold, 2 could not run. What cannot be run is said in one line on
standard error.
"""

import argparse
import io
import os
import sys
from pathlib import Path

import kondo_ref
from kondo_ref.cli import backends, bench, flops, flops_audit, run, vectors

BLAS_THREAD_VARIABLES = (
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


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
    except (ValueError, TypeError, OSError, ImportError, MemoryError) as error:
        print(f"kondo-ref: {one_line(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as interrupt:
        print(f"kondo-ref: {one_line(interrupt) or 'interrupted'}", file=sys.stderr)
        return 2
    return code


def parser() -> argparse.ArgumentParser:
    """Return the parser of all subcommands."""
    root = argparse.ArgumentParser(
        prog="kondo-ref",
        description="The reference for the Delightful Policy Gradient and the Kondo gate.",
        epilog="Exit codes: 0 holds, 1 does not hold, 2 could not run.",
        allow_abbrev=False,
    )
    root.add_argument("--version", action="version", version=f"kondo-ref {kondo_ref.__version__}")
    subparsers = root.add_subparsers(metavar="COMMAND", required=True)
    for module in (run, vectors, backends, flops, flops_audit, bench):
        module.add_parser(subparsers)
    return root


def one_line(error: BaseException) -> str:
    """Return an error's message in one line."""
    return " ".join(str(error).split())
