"""Numbers that are read off counts and off the order of a batch: a least count, sizes of blocks.

A micro-batch of 10, a packed segment of 4, at least four kept: sizes that no list holds. Blocks are
tried only where the order of the decisions matters.
"""

from collections.abc import Iterator

import numpy as np

from kondo_ref.audit.identify_estimate import GENERIC, base_name
from kondo_ref.audit.identify_trial import Trial
from kondo_ref.audit.known import Variant
from kondo_ref.audit.known_family import Member
from kondo_ref.audit.known_parts import Part, count_of
from kondo_ref.audit.probes import Probe

LARGEST = 48  # of the blocks that are tried; half of the largest batch


def sized(trial: Trial, member: Member) -> list[Variant]:
    """Return mistakes beside a member whose sizes are read off the responses.

    Parameters
    ----------
    trial : Trial
        Of the core.
    member : Member
    """
    found = list(_least(trial, member))
    if not trial.random and in_order(trial):
        found += _blocks(member)
    return found


def _least(trial: Trial, member: Member) -> Iterator[Variant]:
    """Yield the number that is kept at least, where a rule for k would keep fewer."""
    if member.draw != "top-k":
        return
    counts = []
    for probe in trial.probes:
        seen = trial.evidence.response(probe)
        if base_name(probe) in GENERIC and seen is not None and np.isfinite(seen).all():
            n = probe.batch.actions.size
            counts.append((int(np.count_nonzero(seen)), count_of(member.count, member.rate, n)))
    more = {seen for seen, k in counts if seen > k}
    if len(more) != 1:
        return
    least = more.pop()
    if least > 1 and all(seen == max(least, k) for seen, k in counts):
        changes = {"count": (member.count[0], float(least))}
        yield Variant("count.minimum", f"at least {least} kept", changes)


def in_order(trial: Trial) -> bool:
    """Whether the same decisions in another order have other responses than in the first."""
    by_name = {base_name(probe): probe for probe in trial.probes}
    if not {"generic", "permuted"} <= by_name.keys():
        return False
    first, again = (_sorted(trial, by_name[name]) for name in ("generic", "permuted"))
    if first is None or again is None or first.shape != again.shape:
        return False
    scale = float(np.abs(first).max())
    return bool(np.abs(first - again).max() > 1e-6 * max(scale, 1e-300))


def _sorted(trial: Trial, probe: Probe) -> np.ndarray | None:
    seen = trial.evidence.response(probe)
    return None if seen is None or not np.isfinite(seen).all() else np.sort(seen.ravel())


def _blocks(member: Member) -> Iterator[Variant]:
    """Yield blocks of neighbours that are ranked, priced, gated or averaged by themselves."""
    if member.price[0] == "rolling":
        return  # decided one after the other: blocks of it are no known mistake
    of_batch = member.draw == "top-k" or member.price[0] != "fixed"
    what = "count.per-part" if member.draw == "top-k" else "price.scope"
    for size in range(2, LARGEST + 1):
        wide = float(size)
        parts: list[tuple[Part, str]] = [
            (("chunk", wide), f"each {size} decisions"),
            (("split", wide), f"each of {size} parts"),
        ]
        if of_batch:
            for part, name in parts:
                kind = "k" if member.draw == "top-k" else "a price"
                yield Variant(what, f"{kind} of {name}", {"scope": part})
        if member.draw != "all":
            for how in ("mean", "sum", "max"):
                changes = {"unit": f"chunk {size}", "aggregation": how}
                name = f"one gate for {size} decisions, by their {how}"
                yield Variant("units.shared", name, changes)
        for divisor, which, name in (
            ("part-decisions", "normalizer.other", f"means over each {size}, averaged"),
            ("part-kept", "normalizer.kept", f"means over the kept of each {size}, averaged"),
        ):
            yield Variant(which, name, {"normalizer": (divisor, wide)})
