"""The expected cosine between a sampled policy gradient and grad J, exactly, for any batch.

One context, K arms, one of them correct with probability p, the wrong ones equally likely, rewards
1 and 0, a constant baseline b. With d = e_y - pi, n successes among B, wrong arms drawn n_j times,

    update * B = (n (1 - b) + b m p / (1 - p)) d - b sum_j (n_j - m / (K - 1)) e_j,   m = B - n,

the first part along grad J and the second perpendicular to it. So the cosine is
A / sqrt(A^2 + b^2 (S - m^2 / (K - 1))) with A the length of the first part and S = sum n_j^2. Its
expectation over S is taken by 1/sqrt(x) = (2 / sqrt(pi)) int exp(-x u^2) du, under which the wrong
arms separate: E exp(-c S) given m is a coefficient of the (K - 1)-th power of one power series.
Ours; the numbers it replaces were sampled.
"""

import math
from itertools import pairwise

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.stats import binom, chi2, poisson

from kondo_ref import checks
from kondo_ref.checks import FloatArray, IntArray

NEGLIGIBLE = 1e-18  # of the probability of a number of successes
LAST = 40.0  # x u^2 at the last abscissa
STEP = 0.15  # of log u; the error of the trapezoidal sum is exp(-pi^2 / (2 step)) = 5e-15


def expected_cosine(p: float, arms: int, b: float, batch: int) -> float:
    """Return E of the cosine between the update of a batch and grad J.

    A batch whose update is 0 counts as cosine 0.

    Parameters
    ----------
    p : float
        Probability of the correct arm, in (0, 1).
    arms : int
        K >= 2.
    b : float
        Constant baseline, in [0, 1).
    batch : int
        B.

    Raises
    ------
    TypeError, ValueError
        An argument out of range.

    Notes
    -----
    The integral is a trapezoidal sum that converges geometrically; what it lacks, and the rounding
    of the FFT, stay below 1e-11. Cost: O(sqrt(B) log B) an abscissa, two hundred abscissae.
    """
    _check(p, arms, b)
    checks.count("batch", batch, 1)
    if b == 0.0 or arms == 2:  # nothing is perpendicular; without a baseline failures give nothing
        return 1.0 if b > 0.0 else -math.expm1(batch * math.log1p(-p))
    # Wider than what is kept of it, and no longer than O(sqrt(B)).
    first, last = binom.ppf(NEGLIGIBLE**2, batch, p), binom.isf(NEGLIGIBLE**2, batch, p)
    n = np.arange(int(first), int(last) + 1)
    law = binom.pmf(n, batch, p)
    kept = law > NEGLIGIBLE * law.max()
    n, law = n[kept], law[kept]
    m = batch - n
    length = (1.0 - p) * math.sqrt(arms / (arms - 1))
    along = (n * (1.0 - b) + b * m * p / (1.0 - p)) * length
    return float(law @ (along * _mean_inverse_root(along, m, arms - 1, b)))


def batch_for_cosine(
    p: float, arms: int, b: float, cosine: float, *, grid: float | None = None
) -> int:
    """Return the least batch whose expected cosine is at least `cosine`, in (0, 1).

    Found by bisection. With few arms the expected cosine is not monotone, since wrong arms that are
    drawn equally often cancel: a smaller batch may reach it too then.

    Parameters
    ----------
    p, arms, b
        As in `expected_cosine`.
    cosine : float
    grid : float, optional
        > 1. Look at the batches int(grid^k), k = 0, 1, ... alone, as a search by sampling does.

    Raises
    ------
    TypeError, ValueError
        An argument out of range.
    """
    _check(p, arms, b)
    _check_cosine(cosine)
    ratio = 2.0 if grid is None else checks.number("grid", grid)
    if not 1.0 < ratio < math.inf:
        raise ValueError(f"grid: expected a finite number > 1, got {grid}")
    power = 0
    while expected_cosine(p, arms, b, int(ratio**power)) < cosine:
        power += 1
    high = int(ratio**power)
    if grid is not None:
        return high
    low = high // 2  # too small, or 0
    while high - low > 1:
        middle = (low + high) // 2
        if expected_cosine(p, arms, b, middle) < cosine:
            low = middle
        else:
            high = middle
    return high


def limiting_batch(arms: int, b: float, cosine: float) -> float:
    """Return the limit of p^2 B as p falls, B the batch that brings the expected cosine.

    With x = p^2 B held fixed the part along grad J becomes certain and the perpendicular one normal
    in K - 2 dimensions: the cosine is 1 / sqrt(1 + b^2 chi^2 / (x K)) with chi^2 of K - 2 degrees
    of freedom, and x solves its expectation for `cosine`. For many arms it is
    b^2 cosine^2 / (1 - cosine^2).

    Parameters
    ----------
    arms : int
        K >= 3.
    b : float
        In (0, 1).
    cosine : float
        In (0, 1).
    """
    _check(0.5, arms, b)
    if b == 0.0:
        raise ValueError("b: expected a number in (0, 1), got 0.0")
    _check_cosine(cosine)
    freedom = checks.count("arms", arms, 3) - 2
    spread = 14.0 * math.sqrt(2.0 * freedom)
    low, high = max(0.0, freedom - spread), freedom + spread + 60.0

    def surplus(log_x: float) -> float:
        scale = b * b / (math.exp(log_x) * arms)

        def term(root: float) -> float:  # t = root^2: no singularity at 0 for one or two degrees
            t = root * root
            return 2.0 * root * float(chi2.pdf(t, freedom)) / math.sqrt(1.0 + scale * t)

        cuts = np.linspace(math.sqrt(low), math.sqrt(high), 9)
        parts = (float(quad(term, a, z, epsabs=1e-13)[0]) for a, z in pairwise(cuts))
        return sum(parts) - cosine

    middle = math.log(b * b * cosine**2 / (1.0 - cosine**2))
    root: float = brentq(surplus, middle - 20.0, middle + 2.0, xtol=1e-13)
    return math.exp(root)


def success_batch(p: float, cosine: float) -> float:
    """Return the forward passes after which a success has been drawn with probability `cosine`.

    The hard gate at zero price has cosine 1 from the first success on, and 0 before it.
    """
    _check(p, 2, 0.0)
    _check_cosine(cosine)
    return math.log1p(-cosine) / math.log1p(-p)


def _check(p: float, arms: int, b: float) -> None:
    if not 0.0 < checks.number("p", p) < 1.0:
        raise ValueError(f"p: expected a number in (0, 1), got {p}")
    checks.count("arms", arms, 2)
    if not 0.0 <= checks.number("b", b) < 1.0:
        raise ValueError(f"b: expected a number in [0, 1), got {b}")


def _check_cosine(cosine: float) -> None:
    if not 0.0 < checks.number("cosine", cosine) < 1.0:
        raise ValueError(f"cosine: expected a number in (0, 1), got {cosine}")


def _mean_inverse_root(along: FloatArray, m: IntArray, cells: int, b: float) -> FloatArray:
    """Return E (A^2 + b^2 (S - m^2 / cells))^(-1/2) for every m, (n,) float.

    Parameters
    ----------
    along : (n,) float
        A > 0.
    m : (n,) int
        Draws of wrong arms, decreasing.
    cells : int
        K - 1, at least 2.
    b : float
        > 0.
    """
    least = along**2 + b * b * _least_spread(m, cells)
    most = along**2 + b * b * (m.astype(np.float64) ** 2 - m * m / cells)
    result = 1.0 / along  # right for m = 0, where nothing is spread
    start = 0
    while start < m.size and m[start] > 0:
        stop = start + 1
        while stop < m.size and m[stop] > 0 and _together(m, least, cells, b, start, stop):
            stop += 1
        part = slice(start, stop)
        result[part] = _integral(
            along[part], m[part], cells, b, float(least[part].min()), float(most[part].max())
        )
        start = stop
    return result


def _least_spread(m: IntArray, cells: int) -> FloatArray:
    """Return the least S - m^2 / cells: the draws as even over the cells as they can be."""
    over = m % cells
    least: FloatArray = over * (cells - over) / cells
    return least


def _together(m: IntArray, least: FloatArray, cells: int, b: float, start: int, stop: int) -> bool:
    """Tell whether one tilt serves m[start..stop]: what it magnifies the rounding by is small."""
    distance = float(m[start] - m[stop]) / 2.0
    centre = float(m[start] + m[stop]) / 2.0
    exponent = LAST / float(least[start : stop + 1].min()) * (b * distance) ** 2 / cells
    return exponent < 4.0 and distance < 2.0 * math.sqrt(centre)


def _integral(
    along: FloatArray, m: IntArray, cells: int, b: float, least: float, most: float
) -> FloatArray:
    """Return (2 / sqrt(pi)) int E exp(-x u^2) du for every m, where least <= x <= most.

    With u = e^v the trapezoidal sum converges geometrically; below the first abscissa, where
    exp(-x u^2) is 1 to rounding, it is a geometric series.
    """
    first = math.log(1e-8 / math.sqrt(most))
    last = math.log(math.sqrt(LAST / least))
    v = first + STEP * np.arange(math.ceil((last - first) / STEP) + 1)
    law = _Spread(m, cells)
    total = np.full(m.size, math.exp(first) / math.expm1(STEP))
    for u in np.exp(v):
        total += u * np.exp(-((u * along) ** 2)) * law.laplace((u * b) ** 2)
    return total * STEP * 2.0 / math.sqrt(math.pi)


class _Spread:
    """The law of S - m^2 / cells, S = sum n_j^2 of a uniform multinomial of m draws.

    Each cell gets a Poisson count of mean `rate`. The sum of all cells is m with Poisson weight,
    and given it the counts are multinomial: the transform is a coefficient of a power, by FFT.
    """

    def __init__(self, m: IntArray, cells: int) -> None:
        self.m, self.cells = m, cells
        total = float(m[0] + m[-1]) / 2.0
        self.rate = total / cells
        self.counts = np.arange(int(self.rate + 12.0 * math.sqrt(self.rate)) + 40)
        self.law = poisson.pmf(self.counts, self.rate)
        width = 26.0 * math.sqrt(total) + float(m[0] - m[-1]) + 64.0
        self.size = 1 << math.ceil(math.log2(width))
        self.weight = poisson.pmf(m, total)
        self.spread = (m - total) ** 2 / cells

    def laplace(self, c: float) -> FloatArray:
        """Return E exp(-c (S - m^2 / cells)) for every m."""
        # sum (n - rate)^2 = S - m^2 / cells + (m - total)^2 / cells: the exponent stays near 0
        one = self.law * np.exp(-c * (self.counts - self.rate) ** 2)
        whole = float(one.sum())
        # Coefficients further than `size` apart fall together; all but one of them are negligible.
        folded = np.bincount(self.counts % self.size, one / whole, self.size)
        powers = np.fft.irfft(np.fft.rfft(folded) ** self.cells, self.size)
        joint = np.maximum(powers[self.m % self.size], 0.0)
        result: FloatArray = joint / self.weight
        result *= np.exp(c * self.spread + self.cells * math.log(whole))
        return result
