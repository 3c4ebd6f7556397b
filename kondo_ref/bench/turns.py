"""Variants that take turns: ratios of CPU time that hold from one run to the next.

Absolute times do not hold, so whatever is compared runs in one process, a few calls of each
variant after the other, and is compared by medians.
"""

import time
from collections.abc import Callable

import numpy as np

LEAST_CALLS = 7
TURN = 5
TURN_SECONDS = 0.02

Variant = Callable[[], int]


def take_turns(
    variants: dict[str, Variant], seconds: float, progress: Callable[[float], None] | None = None
) -> dict[str, dict[str, float]]:
    """Time every variant in turn.

    A turn is `TURN` calls that count, or more for a fast variant, after one that fills the caches,
    as in training they are.

    Parameters
    ----------
    variants : dict
        By name, a call that returns the rows that entered a backward.
    seconds : float
        About how long to measure each; at least `LEAST_CALLS` calls are.
    progress : callable, optional
        Called with the share that is done, in [0, 1].

    Returns
    -------
    dict
        By name the median CPU ``seconds``, the number of ``calls`` and the mean ``rows``.
    """
    times: dict[str, list[float]] = {name: [] for name in variants}
    rows: dict[str, list[int]] = {name: [] for name in variants}
    began_all, span = time.monotonic(), seconds * len(variants)
    while time.monotonic() < began_all + span or len(next(iter(times.values()))) < LEAST_CALLS:
        for name, variant in variants.items():
            began = time.process_time()
            variant()
            calls = int(TURN_SECONDS / max(time.process_time() - began, 1e-6))
            for _ in range(max(TURN, calls)):
                began = time.process_time()
                entered = variant()
                times[name].append(time.process_time() - began)
                rows[name].append(entered)
            if progress is not None:
                progress(min(1.0, (time.monotonic() - began_all) / span))
    return {
        name: {
            "seconds": float(np.median(times[name])),
            "calls": len(times[name]),
            "rows": float(np.mean(rows[name])),
        }
        for name in variants
    }
