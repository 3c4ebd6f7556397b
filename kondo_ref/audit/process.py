"""A process that answers lines with lines: started, spoken to with deadlines, killed, restarted."""

import contextlib
import os
import selectors
import signal
import subprocess
import tempfile
import time
import weakref
from collections.abc import Sequence
from typing import Any

from kondo_ref.audit.guard import one_line

# What a process leaves on standard error before it ends, as far as it is told.
TAIL = 2_000


class Ended(Exception):
    """The process ended, or cannot be started; says how."""


class Silent(Exception):
    """The process did not answer in time; it was killed."""


class Process:
    """A process, its standard input and output.

    Parameters
    ----------
    command : sequence of str

    Raises
    ------
    Ended
        It cannot be started.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._errors: Any = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            # A session of its own, so that its children end with it.
            self._popen = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                bufsize=0,
                start_new_session=os.name == "posix",
            )
        except OSError as error:
            self._errors.close()
            raise Ended(f"cannot start {command[0]!r}: {error.strerror or error}") from error
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        self._in, self._out = self._popen.stdin, self._popen.stdout
        os.set_blocking(self._in.fileno(), False)
        self._pending = bytearray()
        self._finalizer = weakref.finalize(self, _kill, self._popen, self._errors)

    def ask(self, line: str, seconds: float) -> str:
        """Send a line and return the next one, without its end.

        Raises
        ------
        Ended, Silent
        """
        self.send(line, seconds)
        return self.receive(seconds)

    def send(self, line: str, seconds: float) -> None:
        """Send a line.

        Raises
        ------
        Ended, Silent
        """
        data = memoryview(line.encode() + b"\n")
        deadline = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self._in, selectors.EVENT_WRITE)
            while data:
                if not selector.select(max(deadline - time.monotonic(), 0.0)):
                    self.kill()
                    raise Silent(f"did not read its input in {seconds:.3g} s")
                try:
                    data = data[os.write(self._in.fileno(), data[:65536]) :]
                except BlockingIOError:
                    continue
                except OSError as error:
                    raise self._ended() from error

    def receive(self, seconds: float) -> str:
        """Return the next line, without its end.

        Raises
        ------
        Ended, Silent
        """
        deadline = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self._out, selectors.EVENT_READ)
            searched = 0
            while (end := self._pending.find(b"\n", searched)) < 0:
                searched = len(self._pending)
                if not selector.select(max(deadline - time.monotonic(), 0.0)):
                    self.kill()
                    raise Silent(f"no answer in {seconds:.3g} s")
                data = os.read(self._out.fileno(), 1 << 20)
                if not data:
                    raise self._ended()
                self._pending += data
        line = bytes(self._pending[:end])
        del self._pending[: end + 1]
        return line.decode(errors="replace").rstrip("\r")

    def errors(self) -> str:
        """Return the end of what it wrote to standard error."""
        size = os.fstat(self._errors.fileno()).st_size
        return os.pread(self._errors.fileno(), TAIL, max(size - TAIL, 0)).decode(errors="replace")

    def _ended(self) -> Ended:
        """Return how it ended."""
        try:
            code = self._popen.wait(timeout=5.0)
        except subprocess.TimeoutExpired:
            self.kill()
            return Ended("it closed its output")
        how = f"exit status {code}"
        if code < 0:
            with contextlib.suppress(ValueError):
                how = f"signal {signal.Signals(-code).name}"
        said = [line for line in self.errors().splitlines() if line.strip()]
        self.kill()
        return Ended(one_line(f"the process ended with {how}" + (f": {said[-1]}" if said else "")))

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._finalizer.alive and self._popen.poll() is None

    def kill(self) -> None:
        """End it, and what it started."""
        if self._finalizer.alive:
            self._finalizer()


def _kill(popen: "subprocess.Popen[bytes]", errors: Any) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.name == "posix":
            os.killpg(popen.pid, signal.SIGKILL)
        else:
            popen.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        popen.wait(timeout=5.0)
    streams: tuple[Any, ...] = (popen.stdin, popen.stdout, errors)
    for stream in streams:
        with contextlib.suppress(OSError):
            stream.close()
