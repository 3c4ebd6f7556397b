"""Numbers that no list holds, estimated from the probes: temperature, price, rate.

Where to start a search without a claim: a regression of logit(c / U) on the signal gives
temperature and price of a soft gate, a threshold in the order of the signal those of a hard one,
and a likelihood those of a drawn one. How the price moves from batch to batch tells its kind.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.optimize import brentq, minimize
from scipy.special import expit, logit

from kondo_ref.audit.identify_evidence import Draws, Evidence
from kondo_ref.audit.identify_trial import Trial, realised
from kondo_ref.audit.known import Variant, variants
from kondo_ref.audit.known_family import Member, prepare
from kondo_ref.audit.known_parts import Part
from kondo_ref.audit.probes import Probe
from kondo_ref.checks import FloatArray
from kondo_ref.price import upper_quantile

GENERIC = ("generic", "another", "scaled down", "shifted", "permuted", "with low ones", "mid-size")
SIGNAL_FIELDS = frozenset({"signal", "alpha", "signal_transform", "surprisal", "gate_advantage"})


def base_name(probe: Probe) -> str:
    """Return the name of a probe, without what came before it where that is more than it has."""
    return probe.name.partition(", after ")[0]


def bases(trial: Trial) -> list[Member]:
    """Return members to start from, the likeliest first; empty where nothing can be said.

    Parameters
    ----------
    trial : Trial
        Its first probes are generic.
    """
    evidence = trial.evidence
    if trial.draws:
        return drawn_bases(evidence, trial.draws)
    generic = [p for p in trial.probes if base_name(p) in GENERIC]
    if not generic:
        return []
    shares = [_share(evidence, p) for p in generic]
    if any(s is None for s in shares):
        return []
    known = [(p, s) for p, s in zip(generic, shares, strict=True) if s is not None]
    first = known[0][1]
    if np.ptp(first) <= 1e-6 * np.abs(first).max() and first.all():
        return [Member(draw="all", signal="uniform", temperature=0.0)]
    if all((s != 0).all() for _, s in known):
        return soft_bases(known)
    return hard_bases(known)


def _share(evidence: Evidence, probe: Probe) -> FloatArray | None:
    """Return c / U, or the weight, of every decision; U is never 0 in the probes used here."""
    seen = evidence.response(probe)
    if seen is None or not np.isfinite(seen).all():
        return None
    u = probe.batch.advantages
    if not evidence.gradient:
        return seen
    return np.divide(seen, u, out=np.zeros_like(seen), where=u != 0)


def signals() -> list[Variant]:
    """Return the known signals, the right one first."""
    right = Variant("", "the delight", {})
    others = [v for v in variants(Member()) if v.changes.keys() <= SIGNAL_FIELDS and v.primary]
    return [right, *others]


def soft_bases(known: Sequence[tuple[Probe, FloatArray]]) -> list[Member]:
    """Return soft gates from a regression on each known signal, those that fit.

    Parameters
    ----------
    known : sequence of (Probe, decisions float)
        Probes, and the shares c / U.
    """
    found = []
    for variant in signals():
        member = variant.apply(Member())
        lines = [_line(member, probe, share) for probe, share in known[:5]]
        if any(line is None for line in lines[:2]):
            continue
        fits = [(p, line) for (p, _), line in zip(known, lines, strict=False) if line is not None]
        temperatures = np.array([line[0] for _, line in fits])
        if np.ptp(temperatures) > 1e-5 * abs(temperatures[0]):
            continue
        at = tidy(float(temperatures[0]), 1e-7)
        price = price_kind(member, [(p, line[1]) for p, line in fits])
        found.append(replace(member, temperature=at, price=price))
    return found


def _line(member: Member, probe: Probe, share: FloatArray) -> tuple[float, float] | None:
    """Return temperature and price of one batch, None where no line fits."""
    signal = prepare(member, probe.batch).gate_signal
    n = share.size
    if np.ptp(signal) == 0:
        return None
    for factor in (1.0 / n, 1.0, 2.0 / n, 0.5 / n, 2.0, *_levels(share)):
        w = share / factor
        inside = (w > 1e-9) & (w < 1.0 - 1e-9)
        if inside.sum() < 4 or (w < 0).any() or (w > 1.0 + 1e-9).any():
            continue
        x, y = signal[inside], logit(w[inside])
        slope, offset = np.polyfit(x, y, 1)
        error = np.abs(y - slope * x - offset).max()
        if error < 1e-6 * max(1.0, np.abs(y).max()) and slope != 0:
            return 1.0 / float(slope), float(-offset / slope)
    return None


def _levels(share: FloatArray) -> list[float]:
    """Return where a soft gate saturates, if it does."""
    top = float(np.abs(share).max())
    near = np.count_nonzero(np.abs(share) > 0.999999 * top)
    return [top * (1 + 1e-12)] if near > 1 else []


def price_kind(member: Member, prices: Sequence[tuple[Probe, float]]) -> Part:
    """Return the price that explains the prices of several batches.

    Parameters
    ----------
    member : Member
        Its signal is priced.
    prices : sequence of (Probe, float)
    """
    values = np.array([price for _, price in prices])
    scale = max(1.0, float(np.abs(values).max()))
    if np.ptp(values) < 1e-6 * scale:
        value = tidy(float(values[0]), 1e-6)
        return ("fixed", 0.0 if abs(value) < 1e-6 else value)
    rates = []
    for probe, price in prices:
        signal = prepare(member, probe.batch).gate_signal.ravel()
        if not signal.min() < price < signal.max():
            break
        rates.append(brentq(lambda r, s=signal, p=price: upper_quantile(s, r) - p, 1e-9, 1.0))
    if len(rates) == len(prices) and np.ptp(rates) < 1e-5:
        return ("quantile", tidy(float(np.mean(rates)), 1e-5), "linear")
    means = [float(prepare(member, p.batch).gate_signal.mean()) for p, _ in prices]
    if np.allclose(means, values, rtol=1e-6, atol=1e-6):
        return ("mean", 1.0)
    return ("fixed", float(values[0]))


def hard_bases(known: Sequence[tuple[Probe, FloatArray]]) -> list[Member]:
    """Return gates with a threshold, from each signal in whose order the kept ones are on top."""
    found = []
    for variant in signals():
        member = variant.apply(Member(draw="hard", temperature=0.0))
        cuts = []
        for probe, share in known:
            signal = prepare(member, probe.batch).gate_signal
            kept = share != 0
            low = signal[~kept].max() if not kept.all() else -np.inf
            high = signal[kept].min() if kept.any() else np.inf
            if low >= high:
                break
            cuts.append((probe, float(low), float(high), int(kept.sum())))
        else:
            found += _thresholds(member, cuts)
    return found


def _thresholds(member: Member, cuts: Sequence[tuple[Probe, float, float, int]]) -> list[Member]:
    """Return a fixed price, or top-k at a rate, that lies in all the cuts."""
    low = max(c[1] for c in cuts)
    high = min(c[2] for c in cuts)
    if low < high:
        value = 0.0 if low <= 0.0 < high else simplest(low, high)
        return [replace(member, price=("fixed", value))]
    shares = [
        ((c[3] - 1) / c[0].batch.actions.size, (c[3] + 1) / c[0].batch.actions.size) for c in cuts
    ]
    least, most = max(s[0] for s in shares), min(s[1] for s in shares if s[1] > 0)
    if least >= most:
        return []
    rates = sorted({simplest(max(least, 1e-4), min(most, 1.0)), 0.5 * (least + most)})
    return [
        *(replace(member, draw="top-k", rate=r, price=("none",)) for r in rates),
        *(replace(member, price=("quantile", r, "linear")) for r in rates),
    ]


def simplest(low: float, high: float) -> float:
    """Return the decimal of fewest digits in [low, high], the nearest to the middle."""
    middle = 0.5 * (low + high)
    for digits in range(-3, 12):
        value = round(middle, digits)
        if low <= value <= high and value != 0.0:
            return float(value)
    return middle


def tidy(value: float, relative: float) -> float:
    """Return the decimal of fewest digits that is the value to a relative error."""
    for digits in range(1, 12):
        short = float(f"{value:.{digits}g}")
        if abs(short - value) <= relative * abs(value):
            return short
    return value


def drawn_bases(evidence: Evidence, draws: Sequence[Draws]) -> list[Member]:
    """Return drawn gates: temperature and price of each batch by likelihood, for each signal."""
    del evidence
    best: list[tuple[float, Member]] = []
    usable = [d for d in draws if len(d.probe.batch.shape) == 1 and d.probe.batch.mask is None]
    first = usable[0]
    for variant in signals():
        member = variant.apply(Member(draw="bernoulli"))
        fit = _likeliest(member, first)
        if fit is not None:
            best.append((fit[0], replace(member, temperature=fit[1], price=("fixed", fit[2]))))
    top = max((pair[0] for pair in best), default=0.0)
    best = [
        pair for pair in best if pair[0] > top - 10.0
    ]  # in the order of the list: delight first
    found: list[Member] = []
    for _, member in best[:2]:
        at = nice(member.temperature)
        found.append(replace(member, temperature=at, price=("fixed", 0.0)))
        signal = prepare(member, first.probe.batch).gate_signal.ravel()
        price = float(member.price[1])
        found.append(
            replace(
                member,
                temperature=at,
                price=("fixed", simplest(price - 0.1, price + 0.1) if abs(price) > 0.1 else 0.0),
            )
        )
        above = float(np.mean(signal > price))
        for rate in sorted(
            {
                simplest(max(1e-3, above - 0.03), min(1.0, above + 0.03)),
                0.01,
                0.03,
                0.05,
                0.1,
                0.2,
                0.25,
                0.3,
                0.5,
            },
            key=lambda r: abs(r - above),
        )[:5]:
            found.append(replace(member, temperature=at, price=("quantile", rate, "linear")))
    return found


def _likeliest(member: Member, draws: Draws) -> tuple[float, float, float] | None:
    """Return log-likelihood, temperature and price of a drawn gate in one batch."""
    signal = prepare(member, draws.probe.batch).gate_signal.ravel()
    kept = np.array([realised(r, draws.probe) for r in draws.responses]).reshape(-1, signal.size)
    n, k = len(kept), kept.sum(axis=0)
    spread = float(signal.std())
    if spread == 0:
        return None
    x = (signal - signal.mean()) / spread

    def loss(theta: FloatArray) -> float:
        p = np.clip(expit(theta[0] * x + theta[1]), 1e-12, 1 - 1e-12)
        return float(-(k * np.log(p) + (n - k) * np.log1p(-p)).sum())

    fit = minimize(loss, np.array([1.0, 0.0]), method="BFGS")
    slope, offset = (float(t) for t in fit.x)
    if slope == 0:
        return None
    return -float(fit.fun), spread / slope, float(signal.mean()) - offset * spread / slope


def nice(temperature: float) -> float:
    """Return the usual temperature nearest by its logarithm, or two digits where none is near."""
    usual = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 10.0)
    if temperature <= 0:
        return temperature
    nearest = min(usual, key=lambda u: abs(np.log(u / temperature)))
    return nearest if abs(np.log(nearest / temperature)) < 0.15 else float(f"{temperature:.2g}")
