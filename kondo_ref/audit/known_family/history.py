"""Prices with a memory: a stream of decisions, each priced by the signals before it."""

import numpy as np

from kondo_ref.audit.known_parts import Part, number
from kondo_ref.checks import FloatArray
from kondo_ref.price import upper_quantile


def stream(
    price: Part,
    signal: FloatArray,
    past: FloatArray | None,
    temperature: float,
    hard: bool,
    compare: Part,
) -> tuple[FloatArray, FloatArray]:
    """Decide one decision after the other.

    Parameters
    ----------
    price : tuple
        ("rolling", rate, history, warmup, ways): ways are words, joined by +, that say what is
        done otherwise: itself (the current signal enters first), kept (only kept signals are
        remembered), forever (nothing is forgotten), drop (nothing is kept in the warm-up),
        gaussian (mean and spread in place of the quantile), batch (the whole batch enters before
        its first decision), after (the batch enters after its last), cap=n (kept after n drops).
    signal : (n,) float
    past : (h,) float or None
    temperature : float
    hard : bool
    compare : tuple
        Of a hard gate.

    Returns
    -------
    kept : (n,) float
        1 or 0, of a hard gate.
    distance : (n,) float
        (signal - price) / temperature.
    """
    rate, size, warmup = number(price, 1, 0.1), int(number(price, 2, 64)), int(number(price, 3, 1))
    ways = dict.fromkeys(str(price[4]).split("+")) if len(price) > 4 else {}
    cap = next((int(w.partition("=")[2]) for w in ways if w.startswith("cap=")), 0)
    memory = [] if past is None else list(past)
    if "batch" in ways:
        memory += list(signal)
    kept, distance = np.zeros(signal.size), np.zeros(signal.size)
    drops = 0
    for i, value in enumerate(signal):
        warm = len(memory) >= max(1, warmup)
        if "itself" in ways:
            memory.append(value)
        at = np.inf if "drop" in ways else -np.inf
        if warm:
            known = np.array(memory if "forever" in ways else memory[-size:])
            at = _price(known, rate, ways)
        distance[i] = (value - at) / temperature if temperature else np.sign(value - at)
        above = value >= at if compare[0] == "ge" else value > at
        if cap and not above and drops >= cap:
            above, distance[i] = True, np.inf
        kept[i] = float(above) if hard else 0.0
        drops = 0 if above else drops + 1
        if not {"itself", "batch", "after"} & ways.keys() and ("kept" not in ways or above):
            memory.append(value)
    return kept, distance


def _price(known: FloatArray, rate: float, ways: dict[str, None]) -> float:
    if "gaussian" in ways:
        from scipy.special import ndtri

        return float(known.mean() + ndtri(1.0 - rate) * known.std())
    for method in ("lower", "higher", "nearest"):
        if method in ways:
            return float(np.quantile(known, 1.0 - rate, method=method))
    if not np.isfinite(known).all():  # a transformed signal may overflow; the exact one refuses
        return float(np.quantile(known, 1.0 - rate))
    return upper_quantile(known, rate)
