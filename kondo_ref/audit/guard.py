"""Surviving a target: exceptions, hangs, prints, warnings, seeds, global settings.

Everything that a call can do to the process in which the audit runs, short of ending it, is undone
or reported. A call that ends the process needs `kondo_ref.audit.isolate`.
"""

import contextlib
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np

from kondo_ref.audit.observation import Observation
from kondo_ref.audit.printed import Printed, captured
from kondo_ref.audit.seeds import GlobalSeeds

# A hanging target is not waited for again and again.
TIME_OUTS = 2


class TimeLimit(BaseException):
    """Raised in a call that took too long; no Exception, so that few targets catch it."""


class EndsProcess(BaseException):
    """Raised in place of ``os._exit``, which would end the audit with a status of its own."""


class Unreadable(Exception):
    """What a target returned has no meaning on its surface."""


@dataclass
class Guard:
    """What surrounds the calls of one sequence of batches.

    Parameters
    ----------
    stream : Printed
    warned : list
        Of the warnings since the last call.
    time_limit : float
        Seconds for one call.
    alarm : bool
        Whether a time limit can be kept here: in the main thread, where there are signals.
    """

    stream: Printed
    warned: list[warnings.WarningMessage]
    time_limit: float
    alarm: bool
    time_outs: int = 0

    def run(self, call: Callable[[], Observation], patience: float = 1.0) -> Observation:
        """Return what a call observes, or how it failed.

        Parameters
        ----------
        call : callable
        patience : float
            Times the limit that this call may take.
        """
        if self.time_outs >= TIME_OUTS:
            return Observation("timed out", message="not called: it timed out twice before")
        began = time.perf_counter()
        try:
            with self.limit(patience):
                observation = call()
        except TimeLimit:
            self.time_outs += 1
            message = f"no answer in {patience * self.time_limit:g} s"
            observation = Observation("timed out", message=message)
        except Unreadable as error:
            observation = Observation(message=one_line(str(error)))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            observation = Observation("raised", message=described(error))
        seconds = time.perf_counter() - began
        printed = self.stream.take()
        if not printed and not self.warned:
            return replace(observation, seconds=seconds)
        texts = [f"{w.category.__name__}: {one_line(str(w.message))}" for w in self.warned]
        self.warned.clear()
        warned = tuple(dict.fromkeys(texts))
        return replace(observation, seconds=seconds, printed=printed, warned=warned)

    @contextlib.contextmanager
    def limit(self, patience: float = 1.0) -> Iterator[None]:
        """Keep the time limit, where it can be kept.

        Parameters
        ----------
        patience : float
            Times the limit that this call may take.

        Raises
        ------
        TimeLimit
            From whatever runs inside.
        """
        if not self.alarm:
            yield
            return
        # Again every second: whoever catches the first one gets another.
        signal.setitimer(signal.ITIMER_REAL, patience * self.time_limit, 1.0)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0.0)


@contextlib.contextmanager
def kept_alive() -> Iterator[None]:
    """Have ``os._exit`` raise `EndsProcess` in this process; its children end as they ask to."""
    leave, own = os._exit, os.getpid()

    def refuse(status: int = 0) -> NoReturn:
        if os.getpid() != own:
            leave(status)
        raise EndsProcess(f"os._exit({status})")

    os._exit = refuse
    try:
        yield
    finally:
        os._exit = leave


@contextlib.contextmanager
def guarded(seed: int, time_limit: float, seeded: list[bool]) -> Iterator[Guard]:
    """Prepare the process for calls of a target, and put it back afterwards.

    Parameters
    ----------
    seed : int
        Of the global generators.
    time_limit : float
        Seconds for one call.
    seeded : list of bool
        Afterwards, whether the target set a global seed.

    Yields
    ------
    Guard
    """
    with contextlib.ExitStack() as stack:
        stream = stack.enter_context(captured())
        warned = stack.enter_context(warnings.catch_warnings(record=True))
        warnings.simplefilter("always")
        stack.enter_context(np.errstate())
        stack.callback(sys.setrecursionlimit, sys.getrecursionlimit())
        _keep_torch(stack)
        seeds = GlobalSeeds(seed)
        stack.callback(lambda: seeded.append(seeds.restore()))
        alarm = _alarm(stack)
        yield Guard(stream, warned, time_limit, alarm)


def _alarm(stack: contextlib.ExitStack) -> bool:
    """Make the alarm ours until the stack is closed; return whether it can be."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(
        signal, "setitimer"
    ):
        return False

    def ring(*_: Any) -> None:
        raise TimeLimit

    began = time.monotonic()
    left, interval = signal.setitimer(signal.ITIMER_REAL, 0.0)
    former = signal.signal(signal.SIGALRM, ring)

    def put_back() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL if former is None else former)
        if left:
            # Somebody else's alarm, which has been waiting meanwhile.
            rest = max(left - (time.monotonic() - began), 1e-3)
            signal.setitimer(signal.ITIMER_REAL, rest, interval)

    stack.callback(put_back)
    return True


def _keep_torch(stack: contextlib.ExitStack) -> None:
    """Keep the settings of torch that change what a number is, where it is loaded."""
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "set_default_dtype"):
        return
    stack.callback(torch.set_default_dtype, torch.get_default_dtype())
    stack.callback(torch.set_grad_enabled, torch.is_grad_enabled())


def described(error: BaseException) -> str:
    """Return an exception in one line: its type and its message."""
    text = one_line(str(error))
    name = type(error).__name__
    return f"{name}: {text}" if text else name


def one_line(text: str) -> str:
    """Return a text in one line that is not endless."""
    line = " ".join(text.split())
    return line if len(line) <= 300 else line[:297] + "..."
