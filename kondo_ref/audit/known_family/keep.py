"""From the signals of the units to keep probabilities: the price, the temperature, the squash."""

from collections.abc import Callable

import numpy as np

from kondo_ref.audit.known_family.history import stream
from kondo_ref.audit.known_family.member import Member
from kondo_ref.audit.known_parts import chosen, count_of, number, parts_of, price_of, squash
from kondo_ref.checks import BoolArray, FloatArray

# (temperature, signals in scope) -> what divides the distance to the price.
_HEATS: dict[str, Callable[[float, FloatArray], float]] = {
    "multiplies": lambda at, _: 1.0 / at if at else np.inf,
    "std": lambda at, known: at * float(known.std(ddof=0)),
    "std1": lambda at, known: at * float(known.std(ddof=int(known.size > 1))),
    "rms": lambda at, known: at * float(np.sqrt(np.mean(known**2))),
    "mean-abs": lambda at, known: at * float(np.abs(known).mean()),
    "root": lambda at, _: float(np.sqrt(at)),
    "square": lambda at, _: at * at,
}


def kept(member: Member, signal: FloatArray, counted: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Return the argument of the squash and w, of every unit, each as `signal`."""
    x, w = np.zeros(signal.shape), np.zeros(signal.shape)
    part_of = _ranked if member.draw in ("top-k", "random-k") else _priced
    if member.scope == ("batch",):  # as the parts below, which are the one
        if counted.any():
            of_all = part_of(member, signal.ravel(), counted.ravel())
            x[...], w[...] = (a.reshape(signal.shape) for a in of_all)
        return x, w
    label = parts_of(member.scope, signal.shape)
    for part in np.unique(label):
        inside = label == part
        if (inside & counted).any():
            x[inside], w[inside] = part_of(member, signal[inside], counted[inside])
    return x, w


def _ranked(
    member: Member, signal: FloatArray, counted: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """Return argument and w of the units (n,) that are ranked together."""
    known = signal[counted]
    n = signal.size if member.count_masked else known.size
    n = int(np.count_nonzero(known > 0)) if member.count_positive else n
    k = count_of(member.count, member.rate, n)
    k = min(known.size, max(1, k) if member.count_positive else k)
    x, w = np.zeros(signal.size), np.zeros(signal.size)
    if member.draw == "random-k":
        w[:] = k / known.size
        return x, w
    w[counted] = chosen(member.ties, known, k)
    kth = np.sort(known)[::-1][max(k, 1) - 1]
    x[:] = (signal - kth) / scale(member, known)
    return x, w


def _priced(
    member: Member, signal: FloatArray, counted: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """Return argument and w of the units (n,) that have one price."""
    known = signal[counted]
    divisor = scale(member, known)
    price = price_of(member.price, known, divisor)
    if member.heat == "signal-only":
        x = signal / divisor - price
    elif member.heat == "price-only":
        x = signal - price / divisor
    else:
        x = (signal - price) / divisor
    return x, _keep(member, signal, price, x)


def _keep(member: Member, signal: FloatArray, price: float, x: FloatArray) -> FloatArray:
    if member.squash == "rate":
        return np.full(signal.shape, number(member.price, 1, 1.0))
    if member.draw != "hard":
        return squash(member.squash, x)
    how, slack = member.compare[0], number(member.compare, 1, 0.0)
    if how == "half":
        return np.asarray((signal > price) + 0.5 * (signal == price))
    above = signal >= price - slack if how == "ge" else signal > price - slack
    return np.asarray(above, dtype=np.float64)


def scale(member: Member, known: FloatArray) -> float:
    """Return what divides the distance to the price, given the signals in its scope."""
    if member.temperature == 0.0 and member.draw in ("hard", "top-k"):
        return 1.0
    heat = _HEATS.get(member.heat)
    return member.temperature if heat is None else heat(member.temperature, known)


def streamed(
    member: Member, signal: FloatArray, counted: BoolArray, past: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    """Return argument and w of units that are decided one after the other."""
    flat = signal.ravel()
    which = np.flatnonzero(counted.ravel())
    hard = member.draw == "hard"
    x, w = np.zeros(flat.size), np.zeros(flat.size)
    at = 1.0 if hard else member.temperature
    passed, distance = stream(member.price, flat[which], past, at, hard, member.compare)
    x[which], w[which] = distance, passed if hard else squash(member.squash, distance)
    return x.reshape(signal.shape), w.reshape(signal.shape)


def when_empty(member: Member, signal: FloatArray, valid: BoolArray) -> FloatArray:
    """Return the gate where nothing exceeded the price and something is kept all the same."""
    if member.when_empty == "all":
        return valid.astype(np.float64)
    w = np.zeros(signal.shape)
    w.reshape(-1)[int(np.where(valid, signal, -np.inf).argmax())] = 1.0
    return w
