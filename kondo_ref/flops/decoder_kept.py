"""What a gate keeps of a batch of sequences, as far as the cost of its backward depends on it.

B sequences of T positions; the first P, a prompt, carry no decision, the H = T - P others one each.
A kept decision needs the backward of its whole prefix. So the cost is linear in a few sums over the
sequences that have a kept decision: their number, the lengths of their prefixes, the decisions, and
the scores of the attention. For a set that was really kept the sums are integers; for a random gate
here are their expectations, in closed form and exact.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import TypeAlias

from kondo_ref import checks

Number: TypeAlias = int | Fraction

ATTENTION = ("dense", "causal")
UNITS = ("token", "sequence")

# Where the exact chance that a sequence is dropped has more bits, it is rounded at 2^-SHIFT.
EXACT_BITS, SHIFT = 2048, 256


@dataclass(frozen=True)
class Kept:
    """Sums over the sequences that have a kept decision.

    Parameters
    ----------
    sequences : int or Fraction
        How many there are.
    rows : int or Fraction
        Positions up to the last kept one.
    decisions : int or Fraction
        Kept decisions, those that the head and most of the last block run on.
    dense, causal : int or Fraction
        Attention scores of a head among the rows: all pairs, and those of no later key.
    dense_last, causal_last : int or Fraction
        The same of the last block, where kept decisions alone ask.
    partial : int or Fraction
        Kept decisions, if they are not all positions of the batch; else 0.
    batches : int or Fraction
        1 if anything is kept, else 0: whether there is an update.
    """

    sequences: Number
    rows: Number
    decisions: Number
    dense: Number
    causal: Number
    dense_last: Number
    causal_last: Number
    partial: Number
    batches: Number

    def scores(self, attention: str) -> tuple[Number, Number]:
        """Return the scores of a block but the last, and of the last.

        Raises
        ------
        ValueError
            Neither dense nor causal.
        """
        checks.one_of("attention", attention, ATTENTION)
        if attention == "dense":
            return self.dense, self.dense_last
        return self.causal, self.causal_last


def kept_positions(positions: Sequence[Sequence[int]], length: int) -> Kept:
    """Return the sums of a set that was kept.

    Parameters
    ----------
    positions : sequence of sequences of int
        A sequence's kept decisions, as places in it from 0, ascending; empty where there are none.
    length : int
        T, of all B sequences.

    Raises
    ------
    TypeError, ValueError
        Places that are not ascending integers in 0..T-1.
    """
    sums = [0] * 7
    for places in positions:
        if not places:
            continue
        before = -1
        for place in places:
            if checks.count("positions", place, 0) <= before:
                raise ValueError(f"positions: expected ascending places, got {list(places)}")
            before = place
        if before >= length:
            raise ValueError(f"positions: expected places in 0..{length - 1}, got {before}")
        n, k = places[-1] + 1, len(places)
        own = (1, n, k, n * n, n * (n + 1) // 2, k * n, sum(place + 1 for place in places))
        sums = [a + b for a, b in zip(sums, own, strict=True)]
    kept = sums[2]
    partial = 0 if kept == len(positions) * length else kept
    return Kept(*(*sums, partial, int(kept > 0)))


def all_kept(batch: int, length: int, prompt: int = 0) -> Kept:
    """Return the sums of a batch whose decisions are all kept.

    Raises
    ------
    TypeError, ValueError
        No sequence, or no decision.
    """
    b, t, h = batch, length, _decisions(batch, length, prompt)
    last = h * prompt + h * (h + 1) // 2
    sums = (1, t, h, t * t, t * (t + 1) // 2, h * t, last, h if prompt else 0)
    return Kept(*(*(b * n for n in sums), 1))


def expected_kept(
    batch: int, length: int, rate: float | Fraction, *, unit: str = "token", prompt: int = 0
) -> Kept:
    """Return the expected sums of a gate that keeps every unit with one probability.

    Parameters
    ----------
    batch, length : int
        B and T.
    rate : float or Fraction
        In [0, 1]. A float is taken for the decimal number that it prints as.
    unit : str
        token: every decision by itself. sequence: all decisions of a sequence or none.
    prompt : int
        P.

    Returns
    -------
    Kept

    Raises
    ------
    TypeError, ValueError
        An argument out of its range.

    Notes
    -----
    A sequence is touched with the chance 1 - q^H, q = 1 - rate. With the chance rate q^(H - j) its
    last kept decision is the j-th, so with n = P + j, e.g. E n = P (1 - q^H) + H - q (1 - q^H) /
    rate; the sums of n^2 and j n follow from sum_j rate q^(H - j) j^2 = H^2 - 2 q H / rate +
    q (1 + q) (1 - q^H) / rate^2.
    """
    checks.one_of("unit", unit, UNITS)
    share = as_fraction("rate", rate)
    h, p = _decisions(batch, length, prompt), prompt
    units = batch if unit == "sequence" else batch * h
    everything = all_kept(batch, length, prompt)
    # The chances that nothing is kept, and that everything is.
    nothing, whole = power(1 - share, units), power(share, units)
    partial = share * batch * h - (0 if prompt else batch * h * whole)
    if unit == "sequence" or share in (0, 1):
        sums = tuple(share * getattr(everything, f.name) for f in fields(Kept)[:7])
        return Kept(*map(plain, (*sums, partial, 1 - nothing)))
    q = 1 - share
    touched = 1 - power(q, h)
    first = h - q * touched / share
    second = h * h - 2 * q * h / share + q * (1 + q) * touched / share**2
    rows = p * touched + first
    dense = p * p * touched + 2 * p * first + second
    # Beside the last one, each of the j - 1 before it is kept with the chance of the rate.
    dense_last = (1 - share) * rows + share * (p * first + second)
    causal_last = share * (h * p + Fraction(h * (h + 1), 2))
    causal = (dense + rows) / 2
    own = (touched, rows, share * h, dense, causal, dense_last, causal_last)
    return Kept(*(*(plain(batch * n) for n in own), plain(partial), plain(1 - nothing)))


def as_fraction(name: str, value: float | Fraction) -> Fraction:
    """Return a share in [0, 1] as an exact number: .03 is 3/100."""
    if not 0 <= (value if isinstance(value, Fraction) else checks.number(name, value)) <= 1:
        raise ValueError(f"{name}: expected a number in [0, 1], got {value}")
    return value if isinstance(value, Fraction) else Fraction(repr(float(value)))


def _decisions(batch: int, length: int, prompt: int) -> int:
    checks.count("batch", batch, 1)
    checks.count("length", length, 1)
    checks.count("prompt", prompt, 0)
    if prompt >= length:
        raise ValueError(f"prompt: expected fewer than the {length} positions, got {prompt}")
    return length - prompt


def power(q: Fraction, h: int) -> Fraction:
    """Return q^h of a q in [0, 1], exact unless that is unwieldy, and then to 2^-250."""
    if h * q.denominator.bit_length() <= EXACT_BITS:
        return q**h
    result, square = 1 << SHIFT, (q.numerator << SHIFT) // q.denominator
    while h:
        if h & 1:
            result = result * square >> SHIFT
        square = square * square >> SHIFT
        h >>= 1
    return Fraction(result, 1 << SHIFT)


def plain(value: Number) -> Number:
    """Return an integer where it is one."""
    return int(value) if value.denominator == 1 else value
