"""Targets that misbehave where the first advantage is above 100, and are in order elsewhere."""

# A target has the arguments that its surface has.
# ruff: noqa: ARG001, T201

import ctypes
import os
import random
import signal
import sys
import threading
import time
import warnings

import numpy as np


def dlogits(logits, actions, advantages):
    """Return the gradient of plain PG, summed."""
    pi = np.exp(logits - logits.max(-1, keepdims=True))
    pi /= pi.sum(-1, keepdims=True)
    return advantages[:, None] * (pi - np.eye(logits.shape[-1])[actions])


def misbehaving(what):
    """Make a target of a deed."""

    def target(logits, actions, advantages):
        if advantages[0] > 100.0:
            what(logits, advantages)
        return dlogits(logits, actions, advantages)

    target.__module__, target.__qualname__ = __name__, what.__name__.removeprefix("_")
    return target


@misbehaving
def raises(logits, advantages):
    raise RuntimeError("several\nlines  of text")


@misbehaving
def exits(logits, advantages):
    sys.exit(3)


@misbehaving
def hangs(logits, advantages):
    while True:
        time.sleep(0.01)


@misbehaving
def swallows_everything(logits, advantages):
    for _ in range(300):
        try:
            time.sleep(0.05)
        except BaseException:
            pass
        else:
            continue
        break
    time.sleep(60.0)


@misbehaving
def hangs_out_of_reach(logits, advantages):
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    time.sleep(60.0)


@misbehaving
def segfaults(logits, advantages):
    ctypes.string_at(0)


@misbehaving
def ends_the_process(logits, advantages):
    os._exit(7)


@misbehaving
def aborts(logits, advantages):
    os.write(2, b"out of luck\n")
    os.abort()


@misbehaving
def prints(logits, advantages):
    print("to stdout")
    print("to stderr", file=sys.stderr)
    os.write(1, b"to descriptor 1\n")
    os.write(2, b"to descriptor 2\n")
    ctypes.CDLL(None).puts(b"to C")
    sys.stdout.buffer.write(b"to the buffer\n")


@misbehaving
def prints_without_end(logits, advantages):
    for _ in range(100_000):
        print("x" * 100)


@misbehaving
def warns(logits, advantages):
    warnings.warn("of nothing", UserWarning, stacklevel=1)
    np.log(np.zeros(1))


@misbehaving
def changes_advantages(logits, advantages):
    advantages[1] = 0.0


@misbehaving
def changes_logits(logits, advantages):
    np.clip(logits, -1.0, 1.0, out=logits)


@misbehaving
def seeds_python(logits, advantages):
    random.seed(0)


@misbehaving
def seeds_numpy(logits, advantages):
    np.random.seed(0)  # noqa: NPY002


@misbehaving
def seeds_torch(logits, advantages):
    import torch

    torch.manual_seed(0)


@misbehaving
def only_draws(logits, advantages):
    np.random.rand(5000)  # noqa: NPY002
    [random.random() for _ in range(5000)]


@misbehaving
def interrupts(logits, advantages):
    raise KeyboardInterrupt


@misbehaving
def sets_the_world(logits, advantages):
    import torch

    torch.set_default_dtype(torch.float16)
    torch.set_grad_enabled(False)
    np.seterr(all="raise")
    warnings.simplefilter("error")
    sys.setrecursionlimit(500)
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    sys.stdout = None


@misbehaving
def takes_itself_too_deep(logits, advantages):
    def deeper():
        return deeper()

    deeper()


def unseeded(logits, actions, advantages):
    """Differ every time, whatever is seeded."""
    noise = np.random.default_rng().random(advantages.size)
    return dlogits(logits, actions, advantages * noise)


class Remembers:
    """Remember in the class, so that no fresh object forgets."""

    calls = 0

    def __call__(self, logits, actions, advantages):
        Remembers.calls += 1
        return dlogits(logits, actions, advantages * Remembers.calls)


def in_thread(call):
    """Return what a call returns in another thread."""
    found = []
    thread = threading.Thread(target=lambda: found.append(call()))
    thread.start()
    thread.join()
    return found[0]
