"""Standard output kept for the report: what other code prints meanwhile is not part of it."""

import contextlib
import os
import sys
from collections.abc import Iterator

OUT, ERR = 1, 2


def warn(line: str) -> None:
    """Say something on standard error that stops nothing."""
    print(f"kondo-ref: {line}", file=sys.stderr)


@contextlib.contextmanager
def stdout_is_stderr() -> Iterator[None]:
    """Send what is printed inside to standard error, however it is written.

    The descriptor is exchanged too: a child process and C code write there, past `sys.stdout`.
    """
    with contextlib.redirect_stdout(sys.stderr), contextlib.ExitStack() as stack:
        # Without one of them there is nothing to keep apart, or nowhere to send it.
        with contextlib.suppress(OSError):
            kept = os.dup(OUT)
            stack.callback(os.close, kept)
            _flush()
            os.dup2(ERR, OUT)
            stack.callback(os.dup2, kept, OUT)
        # What is still in a buffer belongs to the side that it was written on.
        stack.callback(_flush)
        yield


def _flush() -> None:
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None and not stream.closed:
            stream.flush()
