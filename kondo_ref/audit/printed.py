"""What a target writes to standard output and standard error, kept apart from ours.

The descriptors are exchanged too: a child process and C code write there, past `sys.stdout`.
"""

import atexit
import contextlib
import ctypes
import io
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

# A target that prints without end must not fill the memory.
LIMIT = 65_536
OUT, ERR = 1, 2


class Printed(io.TextIOBase):
    """A stream that keeps the first characters written to it."""

    encoding = "utf-8"

    def __init__(self, file: Any) -> None:
        self.buffer = file
        self._file = file
        self._parts: list[str] = []
        self._length = 0

    def write(self, text: str, /) -> int:
        """Keep the text, as far as there is room."""
        room = LIMIT - self._length
        if room > 0:
            self._parts.append(str(text)[:room])
            self._length += len(self._parts[-1])
        return len(text)

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the descriptor, which is exchanged too."""
        return OUT

    def take(self) -> str:
        """Return what was written since the last time, also past this stream."""
        _flush_c()
        size = os.fstat(self._file.fileno()).st_size
        if not self._length and not size:
            return ""
        text = "".join(self._parts)
        self._parts.clear()
        self._length = 0
        if size:
            self._file.seek(0)
            text += self._file.read(LIMIT).decode(errors="replace")
            self._file.seek(0)
            self._file.truncate()
        return text


@contextlib.contextmanager
def captured() -> Iterator[Printed]:
    """Keep what is printed inside, however it is written.

    Yields
    ------
    Printed
        Its `take()` returns what came since the last call.
    """
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(_scratch())
        stream = Printed(file)
        for kept in (sys.stdout, sys.stderr):
            with contextlib.suppress(AttributeError, OSError, ValueError):
                kept.flush()
        _flush_c()
        for descriptor in (OUT, ERR):
            # Without one of them there is nothing to keep apart.
            with contextlib.suppress(OSError):
                kept_descriptor = os.dup(descriptor)
                stack.callback(os.close, kept_descriptor)
                os.dup2(file.fileno(), descriptor)
                stack.callback(os.dup2, kept_descriptor, descriptor)
        # What is still in C's buffer belongs to the side that it was written on.
        stack.callback(_flush_c)
        stack.enter_context(contextlib.redirect_stdout(stream))
        stack.enter_context(contextlib.redirect_stderr(stream))
        yield stream


_spare: list[Any] = []


@atexit.register
def _close() -> None:
    for file in _spare:
        file.close()


@contextlib.contextmanager
def _scratch() -> Iterator[Any]:
    """Yield an empty unbuffered file; it is kept for the next time, making it takes longest."""
    file = _spare.pop() if _spare else tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
    try:
        file.seek(0)
        file.truncate()
        yield file
    finally:
        _spare.append(file)


_flush_all: Any = None
with contextlib.suppress(OSError, TypeError, AttributeError):  # no C library under this name
    _flush_all = ctypes.CDLL(None).fflush


def _flush_c() -> None:
    if _flush_all is not None:
        _flush_all(None)
