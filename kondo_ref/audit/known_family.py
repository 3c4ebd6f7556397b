"""The family of gates and policy gradients that people have written, as data and one formula.

A `Member` says how an implementation gets from (advantage, surprisal, mask) to the coefficients;
`respond` computes them, in NumPy. The claimed estimator is a member (`of_claim`; a test holds it
to `kondo_ref.gradient.policy_gradient`), a known mistake is a member that differs in one field or
two, and what a target is comes out as the member that reproduces it.
"""

from dataclasses import dataclass, replace

import numpy as np

from kondo_ref.audit.batch import Batch
from kondo_ref.audit.known_memory import stream
from kondo_ref.audit.known_parts import (
    RAW,
    Part,
    baseline_of,
    chosen,
    count_of,
    extra_part,
    number,
    parts_of,
    price_of,
    scaled_by,
    squash,
    surprisal_part,
    transform,
)
from kondo_ref.audit.verdict import Claim
from kondo_ref.checks import BoolArray, FloatArray, IntArray
from kondo_ref.gate import Gate
from kondo_ref.price import Calibrated, Fixed, Quantile, Rolling


@dataclass(frozen=True)
class Member:
    """One estimator of the family; the defaults are DG.

    Parameters
    ----------
    gate_advantage, surprisal, signal_transform, advantage : tuple
        Transforms of U in the gate, of l, of the signal, of U in the coefficient.
    signal : str
        delight, abs-delight, advantage, abs-advantage, surprisal, uniform, additive.
    alpha : float
        Of the additive signal.
    temperature : float
    heat : str
        How it is used: divides, multiplies, signal-only, price-only, std, rms, mean-abs
        (multiples of a spread of the signal).
    squash : str
    price : tuple
    scope : tuple
        Where prices and counts are taken: batch, split, chunk, row, column.
    price_masked, count_masked, count_positive : bool
        Invalid decisions enter the price and the ranking; the count alone; only positive signals
        are counted.
    draw : str
        soft, hard, bernoulli, top-k, all.
    compare : tuple
        ("gt",), ("ge",), ("gt", slack), ("half",): of a hard gate.
    rate : float
        Of top-k.
    count, ties : tuple
    unit, aggregation : str
    power : float
        The weight is w to this power (2: a double gate).
    when_empty : str
        one, all: what is kept all the same where a hard gate keeps nothing.
    gain : float
    bounds : tuple of float
        Weights are clipped to it.
    mix : float
        The weight is (1 - mix) w + mix.
    ungated : str
        "", negative or positive: decisions of this sign pass without the gate.
    factor : str
        one, inverse-probability, inverse-rate, sigmoid (chained), surprisal, 1/surprisal.
    normalizer : tuple
    leak : str
        "", gate, price, straight-through, surprisal-factor.
    leak_share, leak_temperature : float
        Share of the leak, and the temperature of the soft gate behind a straight-through one.
    baseline, gate_baseline : tuple
        Of rewards, where the target takes it itself; of the gate, where that has another one.
    extra : tuple
        Another term of the loss: (kind, factor, mean or sum).
    mask_ignored : bool
    """

    gate_advantage: Part = RAW
    surprisal: Part = RAW
    signal: str = "delight"
    alpha: float = 0.5
    signal_transform: Part = RAW
    temperature: float = 1.0
    heat: str = "divides"
    squash: str = "sigmoid"
    price: Part = ("fixed", 0.0)
    scope: Part = ("batch",)
    price_masked: bool = False
    count_masked: bool = False
    count_positive: bool = False
    draw: str = "soft"
    compare: Part = ("gt",)
    rate: float = 1.0
    count: Part = ("half-even", 1.0)
    ties: Part = ("lowest",)
    unit: str = "token"
    aggregation: str = "mean"
    advantage: Part = RAW
    power: float = 1.0
    when_empty: str = ""
    gain: float = 1.0
    bounds: tuple[float, float] = (-np.inf, np.inf)
    mix: float = 0.0
    ungated: str = ""
    factor: str = "one"
    normalizer: Part = ("decisions",)
    leak: str = ""
    leak_share: float = 1.0
    leak_temperature: float = 1.0
    baseline: Part = ("none",)
    gate_baseline: Part = ("none",)
    extra: Part = ("none",)
    mask_ignored: bool = False

    @property
    def random(self) -> bool:
        """Whether the gate is drawn."""
        return self.draw in ("bernoulli", "random-k") or self.ties[0] in ("random", "any")


def of_gate(gate: Gate, normalizer: str = "decisions") -> Member:
    """Return the member that is the reference's estimator with this gate."""
    price: Part = ("none",)
    if isinstance(gate.price, Fixed):
        price = ("fixed", gate.price.value)
    elif isinstance(gate.price, Quantile):
        price = ("quantile", gate.price.rate, "linear")
    elif isinstance(gate.price, Calibrated):
        price = ("calibrated", gate.price.rate)
    elif isinstance(gate.price, Rolling):
        price = ("rolling", gate.price.rate, gate.price.history, gate.price.warmup)
    draw = "top-k" if gate.draw == "top_k" else gate.draw
    if gate.temperature == 0.0 and draw in ("soft", "bernoulli"):
        draw = "hard"
    if gate.signal == "uniform" and draw == "hard" and price == ("fixed", 0.0):
        draw = "all"
    return Member(
        signal=gate.signal.replace("_", "-"),
        alpha=0.5 if gate.alpha is None else gate.alpha,
        temperature=gate.temperature,
        price=price,
        draw=draw,
        rate=1.0 if gate.rate is None else gate.rate,
        unit=gate.unit,
        normalizer=(normalizer,),
    )


def of_claim(claim: Claim) -> Member:
    """Return the member that a claim describes."""
    return of_gate(claim.gate, claim.normalizer)


@dataclass(frozen=True, eq=False)
class Prepared:
    """What a member makes of a batch before anything is drawn; decisions float each.

    Parameters
    ----------
    probability : decisions float
        w, 0 where invalid.
    argument : decisions float
        (signal - price) / temperature.
    gate_signal : decisions float
    surprisal : decisions float
    valid : decisions bool
    """

    probability: FloatArray
    argument: FloatArray
    gate_signal: FloatArray
    surprisal: FloatArray
    valid: BoolArray


def prepare(
    member: Member,
    batch: Batch,
    level: FloatArray | None = None,
    past: FloatArray | None = None,
) -> Prepared:
    """Return keep probabilities, from the batch or with another surprisal in its place.

    Parameters
    ----------
    member : Member
    batch : Batch
    level : decisions float, optional
        The surprisal, where it is not the batch's: for differences through an attached gate.
    past : (h,) float, optional
        Valid signals of the batches before, for a price with a history.
    """
    valid = np.ones(batch.shape, dtype=np.bool_) if member.mask_ignored else batch.valid
    counted = np.ones(batch.shape, dtype=np.bool_) if member.price_masked else valid
    level = batch.surprisal if level is None else level
    level = surprisal_part(member.surprisal, level, batch, counted)
    gain = transform(member.gate_advantage, batch.advantages, counted)
    if member.draw == "all":
        ones = valid.astype(np.float64)
        return Prepared(ones, ones, gain * level, level, valid)
    sequence = member.unit == "sequence" and len(batch.shape) == 2
    signal = _signal(member, gain, level)
    labels = shared_labels(member.unit, batch)
    if labels is not None:
        return _shared(member, batch, labels, (gain, level, signal), (valid, counted))
    units, unit_valid, unit_counted = signal, valid, counted
    if sequence or member.unit == "batch":
        units, unit_valid, unit_counted = _aggregate(member, batch, gain, level, signal, counted)
    units = transform(member.signal_transform, units, unit_counted)
    if member.price[0] == "rolling" and member.draw not in ("top-k", "all"):
        x, w = streamed(member, units, unit_counted, past)
    else:
        x, w = _price_and_squash(member, units, unit_counted)
    w = np.where(unit_valid, w, 0.0)
    if member.when_empty and member.draw == "hard" and not w.any() and unit_valid.any():
        w = _kept_when_empty(member, units, unit_valid)
    shape = batch.shape
    if sequence:
        w = np.repeat(w[:, None], shape[1], axis=1)
        x = np.repeat(x[:, None], shape[1], axis=1)
        units = np.repeat(units[:, None], shape[1], axis=1)
    elif member.unit == "batch":
        w, x, units = (np.full(shape, a.reshape(-1)[0]) for a in (w, x, units))
    return Prepared(np.where(valid, w, 0.0), x, units, level, valid)


def shared_labels(unit: str, batch: Batch) -> IntArray | None:
    """Return which unit each decision belongs to, where units are groups or micro-batches."""
    if unit == "group":
        groups = np.zeros(batch.shape[0]) if batch.groups is None else batch.groups
        _, which = np.unique(groups, return_inverse=True)
        wide = which.reshape(-1, *[1] * (len(batch.shape) - 1))
        return np.broadcast_to(wide, batch.shape).ravel().astype(np.int64)
    if unit.startswith("chunk "):
        return np.arange(batch.actions.size) // int(unit.partition(" ")[2])
    return None


def _shared(
    member: Member,
    batch: Batch,
    labels: IntArray,
    parts: tuple[FloatArray, FloatArray, FloatArray],
    masks: tuple[BoolArray, BoolArray],
) -> Prepared:
    """Return keep probabilities where decisions share a gate, as the rows of a padded batch."""
    count = np.bincount(labels)
    place = np.zeros(labels.size, dtype=np.int64)
    for label in range(count.size):
        place[labels == label] = np.arange(count[label])
    shape = (count.size, int(count.max()))

    def padded(a: FloatArray) -> FloatArray:
        wide = np.zeros(shape)
        wide[labels, place] = a.ravel()
        return wide

    gain, level, signal = (padded(a) for a in parts)
    counted = padded(masks[1].astype(np.float64)) > 0
    whole = replace(member, unit="sequence")
    units, unit_valid, unit_counted = _aggregate(whole, batch, gain, level, signal, counted)
    units = transform(member.signal_transform, units, unit_counted)
    x, w = _price_and_squash(whole, units, unit_counted)
    w = np.where(unit_valid, w, 0.0)
    w, x, units = (a[labels].reshape(batch.shape) for a in (w, x, units))
    return Prepared(np.where(masks[0], w, 0.0), x, units, parts[1], masks[0])


def _kept_when_empty(member: Member, signal: FloatArray, valid: BoolArray) -> FloatArray:
    """Return the gate where nothing exceeded the price and something is kept all the same."""
    if member.when_empty == "all":
        return valid.astype(np.float64)
    w = np.zeros(signal.shape)
    w.reshape(-1)[int(np.where(valid, signal, -np.inf).argmax())] = 1.0
    return w


def unit_signal(member: Member, batch: Batch) -> FloatArray:
    """Return the signals of the valid units of a batch, (n,), in order."""
    plain = replace(member, price=("none",), draw="soft")
    prepared = prepare(plain, batch)
    if member.unit == "sequence" and len(batch.shape) == 2:
        rows = batch.valid.any(axis=1)
        return prepared.gate_signal[rows, 0]
    return prepared.gate_signal[prepared.valid]


def streamed(
    member: Member, signal: FloatArray, counted: BoolArray, past: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    """Return argument and w of units that are decided one after the other."""
    flat = signal.ravel()
    which = np.flatnonzero(counted.ravel())
    hard = member.draw == "hard"
    x, w = np.zeros(flat.size), np.zeros(flat.size)
    at = 1.0 if hard else member.temperature
    kept, distance = stream(member.price, flat[which], past, at, hard, member.compare)
    x[which], w[which] = distance, kept if hard else squash(member.squash, distance)
    return x.reshape(signal.shape), w.reshape(signal.shape)


def _signal(member: Member, gain: FloatArray, level: FloatArray) -> FloatArray:
    made = {
        "delight": lambda: gain * level,
        "abs-delight": lambda: np.abs(gain) * level,
        "advantage": lambda: gain,
        "abs-advantage": lambda: np.abs(gain),
        "surprisal": lambda: level,
        "uniform": lambda: np.ones_like(gain),
        "additive": lambda: member.alpha * gain + (1.0 - member.alpha) * level,
        "sum": lambda: gain + level,
    }
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(made[member.signal]())


def _aggregate(
    member: Member,
    batch: Batch,
    gain: FloatArray,
    level: FloatArray,
    signal: FloatArray,
    counted: BoolArray,
) -> tuple[FloatArray, BoolArray, BoolArray]:
    """Return signal and validity of every sequence (B,), or of the one batch (1,)."""
    if member.unit == "batch":
        signal, gain, level, counted = (a.reshape(1, -1) for a in (signal, gain, level, counted))
    n = counted.sum(axis=1)
    tokens = np.maximum(n, 1)
    how = member.aggregation

    def mean(a: FloatArray) -> FloatArray:
        return np.asarray(np.where(counted, a, 0.0).sum(axis=1) / tokens)

    if how == "mean":
        units = mean(signal)
    elif how == "sum":
        units = mean(signal) * n
    elif how == "max":
        units = np.where(counted, signal, -np.inf).max(axis=1)
    elif how == "min":
        units = np.where(counted, signal, np.inf).min(axis=1)
    elif how == "median":
        rows = zip(signal, counted, strict=True)
        units = np.array([np.median(s[c]) if c.any() else 0.0 for s, c in rows])
    elif how == "last":
        units = signal[
            np.arange(len(signal)), signal.shape[1] - 1 - counted[:, ::-1].argmax(axis=1)
        ]
    elif how == "last-column":
        units = signal[:, -1]
    elif how == "first":
        units = signal[np.arange(len(signal)), counted.argmax(axis=1)]
    elif how == "product-of-means":
        units = mean(gain) * mean(level)
    elif how == "sum-surprisal":
        units = mean(gain) * mean(level) * n
    elif how == "padded-mean":  # invalid tokens are 0 but count in the length
        units = mean(signal) * n / signal.shape[1]
    elif how == "unmasked-mean":
        units = signal.mean(axis=1)
    elif how == "root-length":
        units = mean(signal) * n / np.sqrt(tokens)
    else:
        raise ValueError(f"aggregation: unknown, {how!r}")
    return units, n > 0, n > 0


def _price_and_squash(
    member: Member, signal: FloatArray, counted: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """Return the argument of the squash and w, of every unit."""
    label = parts_of(member.scope, signal.shape, counted)
    x = np.zeros(signal.shape)
    w = np.zeros(signal.shape)
    for part in np.unique(label):
        inside = label == part
        known = signal[inside & counted]
        if known.size == 0:
            continue
        if member.draw in ("top-k", "random-k"):
            n = int(inside.sum()) if member.count_masked else known.size
            n = int(np.count_nonzero(known > 0)) if member.count_positive else n
            k = (
                min(known.size, max(1, count_of(member.count, member.rate, n)))
                if (member.count_positive)
                else min(known.size, count_of(member.count, member.rate, n))
            )
            if member.draw == "random-k":
                w[inside] = k / known.size
                continue
            marked = np.zeros(signal.shape, dtype=np.bool_)
            marked[inside & counted] = chosen(member.ties, known, k)
            w[inside] = marked[inside]
            kth = np.sort(known)[::-1][max(k, 1) - 1]
            x[inside] = (signal[inside] - kth) / _scale(member, known)
            continue
        scale = _scale(member, known)
        price = price_of(member.price, known, scale)
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            if member.heat == "signal-only":
                x[inside] = signal[inside] / scale - price
            elif member.heat == "price-only":
                x[inside] = signal[inside] - price / scale
            else:
                x[inside] = (signal[inside] - price) / scale
        w[inside] = _keep(member, signal[inside], price, x[inside])
    return x, w


def _keep(member: Member, signal: FloatArray, price: float, x: FloatArray) -> FloatArray:
    if member.squash == "rate":
        return np.full(signal.shape, number(member.price, 1, 1.0))
    if member.draw != "hard":
        return squash(member.squash, x)
    how, slack = member.compare[0], number(member.compare, 1, 0.0)
    if how == "half":
        return (signal > price) + 0.5 * (signal == price)
    above = signal >= price - slack if how == "ge" else signal > price - slack
    return above.astype(np.float64)


def _scale(member: Member, known: FloatArray) -> float:
    heat, at = member.heat, member.temperature
    if member.draw in ("hard", "top-k") and at == 0.0:
        return 1.0
    if heat == "multiplies":
        return 1.0 / at if at else np.inf
    if heat in ("std", "std1"):
        return at * float(known.std(ddof=int(heat == "std1" and known.size > 1)))
    if heat == "rms":
        return at * float(np.sqrt(np.mean(known**2)))
    if heat == "mean-abs":
        return at * float(np.abs(known).mean())
    if heat == "root":
        return float(np.sqrt(at))
    if heat == "square":
        return at * at
    return at


def weight_of(member: Member, prepared: Prepared, batch: Batch, gate: FloatArray) -> FloatArray:
    """Return the weight of every decision, given the gate G that was realised (w if not drawn)."""
    g = gate**member.power if member.power != 1.0 else gate
    if member.factor == "inverse-probability":
        with np.errstate(divide="ignore", invalid="ignore"):
            g = np.where(g > 0, g / prepared.probability, 0.0)
    elif member.factor == "inverse-rate":
        g = g / max(_rate(member), 1e-12)
    elif member.factor == "realised-rate":
        kept = np.count_nonzero(g[prepared.valid]) / max(1, np.count_nonzero(prepared.valid))
        g = g / max(kept, 1e-12)
    elif member.factor == "sigmoid":
        g = g * squash("sigmoid", batch.advantages * batch.surprisal)
    elif member.factor == "sigmoid-price":
        g = g * squash("sigmoid", prepared.argument)
    elif member.factor == "surprisal":
        g = g * batch.surprisal
    elif member.factor == "signal":
        g = g * np.abs(prepared.gate_signal)
    elif member.factor == "probability":
        g = g * np.exp(-batch.surprisal)
    if member.mix:
        g = (1.0 - member.mix) * g + member.mix
    if member.bounds != (-np.inf, np.inf):
        g = np.clip(g, *member.bounds)
    if member.ungated == "negative":
        g = np.where(batch.advantages < 0, 1.0, g)
    elif member.ungated == "positive":
        g = np.where(batch.advantages > 0, 1.0, g)
    return np.where(prepared.valid, g * member.gain, 0.0)


def _rate(member: Member) -> float:
    return member.rate if member.draw == "top-k" else number(member.price, 1, 1.0)


def divisor(
    member: Member, prepared: Prepared, batch: Batch, gate: FloatArray
) -> float | FloatArray:
    """Return Z: a number, or one for each decision where means of rows are averaged."""
    name = str(member.normalizer[0])
    valid = prepared.valid
    n = int(np.count_nonzero(valid))
    rows = batch.shape[0]
    columns = batch.shape[1] if len(batch.shape) > 1 else 1
    if name == "sequence-mean":
        if len(batch.shape) == 1:
            return float(max(1, n))
        each = np.maximum(valid.sum(axis=1, keepdims=True), 1)
        return np.asarray(each * max(1, int(np.count_nonzero(valid.any(axis=1)))), dtype=float)
    if name == "part-kept":  # means over the kept of each micro-batch, averaged
        flat = np.arange(valid.size) // int(number(member.normalizer, 1, 8.0))
        kept = np.bincount(flat, weights=((gate > 0) & valid).ravel().astype(np.float64))
        return np.asarray(np.maximum(kept, 1.0)[flat].reshape(batch.shape) * kept.size)
    if name == "kept-sequence-mean":
        if len(batch.shape) == 1:
            return float(max(1, np.count_nonzero(gate)))
        kept = (gate > 0) & valid
        each = np.maximum(kept.sum(axis=1, keepdims=True), 1)
        return np.asarray(each * max(1, int(np.count_nonzero(kept.any(axis=1)))), dtype=float)
    made = {
        "decisions": lambda: n,
        "all": lambda: valid.size,
        "kept": lambda: np.count_nonzero((gate > 0) & valid),
        "none": lambda: 1,
        "nonzero-advantage": lambda: np.count_nonzero((batch.advantages != 0) & valid),
        "weight-sum": lambda: float(gate[valid].sum()),
        "probability-sum": lambda: float(prepared.probability[valid].sum()),
        "expected-kept": lambda: _rate(member) * n,
        "k": lambda: count_of(member.count, _rate(member), n),
        "sequences": lambda: rows,
        "length": lambda: columns,
        "longest": lambda: valid.sum(axis=-1).max() if len(batch.shape) > 1 else 1,
        "valid-sequences": lambda: (
            np.count_nonzero(valid.any(axis=1)) if len(batch.shape) > 1 else n
        ),
        "one-less": lambda: n - 1,
        "one-more": lambda: n + 1,
        "kept-plus-one": lambda: np.count_nonzero((gate > 0) & valid) + 1,
        "positive": lambda: np.count_nonzero((batch.advantages > 0) & valid),
        "root": lambda: n**0.5,
        "square": lambda: n * n,
        "constant": lambda: number(member.normalizer, 1, 1.0),
        "actions": lambda: n * batch.logits.shape[-1],
        "norm": lambda: float(np.linalg.norm(gate[valid] * batch.advantages[valid])),
    }
    z = float(made[name]())
    return z if z > 0 else 1.0


def coefficients(
    member: Member,
    batch: Batch,
    gate: FloatArray | None = None,
    past: FloatArray | None = None,
) -> FloatArray:
    """Return c of every decision.

    Parameters
    ----------
    member : Member
    batch : Batch
    gate : decisions float, optional
        The realised gate, for a member that draws; w else.
    past : (h,) float, optional
        As of `prepare`.
    """
    if member.baseline[0] != "none":
        return _of_rewards(member, batch, gate)
    if member.extra[0] != "none":
        plain = replace(member, extra=("none",))
        return coefficients(plain, batch, gate, past) + extra_part(member.extra, batch)
    if member.leak:
        return _attached(member, batch, gate)
    prepared = prepare(member, batch, past=past)
    g = prepared.probability if gate is None else gate
    weight = weight_of(member, prepared, batch, g)
    gain = transform(member.advantage, batch.advantages, prepared.valid)
    with np.errstate(invalid="ignore", over="ignore"):
        c = weight * gain / divisor(member, prepared, batch, g)
    return np.where(prepared.valid, c, 0.0)


def _of_rewards(member: Member, batch: Batch, gate: FloatArray | None) -> FloatArray:
    """Return c of a target that takes rewards, and its baseline from them itself."""
    plain = replace(member, baseline=("none",), gate_baseline=("none",))
    if member.baseline[0] == "gated":  # the gate multiplies the rewards, and then comes the rest
        part = member.baseline[1:]
        raw = replace(plain, normalizer=("none",))
        gated = coefficients(raw, batch, gate)
        moved = replace(batch, advantages=gated)
        gain = gated - baseline_of(part, moved)
        pg = replace(plain, draw="all")
        return coefficients(pg, replace(batch, advantages=gain))
    gain = scaled_by(member.baseline, batch.advantages - baseline_of(member.baseline, batch), batch)
    rated = replace(batch, advantages=gain)
    if member.gate_baseline == ("none",) or gate is not None:
        return coefficients(plain, rated, gate)
    other = member.gate_baseline
    in_gate = scaled_by(other, batch.advantages - baseline_of(other, batch), batch)
    g = prepare(plain, replace(batch, advantages=in_gate)).probability
    return coefficients(replace(plain, leak=""), rated, g)


def weights(
    member: Member,
    batch: Batch,
    gate: FloatArray | None = None,
    past: FloatArray | None = None,
) -> FloatArray:
    """Return the weight of every decision, as surfaces without a gradient show it."""
    prepared = prepare(member, batch, past=past)
    g = prepared.probability if gate is None else gate
    return weight_of(member, prepared, batch, g)


def _attached(member: Member, batch: Batch, gate: FloatArray | None) -> FloatArray:
    """Return -dloss/dlog pi with parts of the gate attached, by central differences."""
    plain = replace(member, leak="")
    base = prepare(plain, batch)
    g = base.probability if gate is None else gate
    valid = base.valid
    level = batch.surprisal
    gain = transform(member.advantage, batch.advantages, valid)
    z = divisor(plain, base, batch, g)
    if member.leak == "surprisal-factor":  # loss built from U * l * l or the like
        return 2.0 * coefficients(plain, batch, gate)

    soft = plain
    if member.draw in ("hard", "top-k", "bernoulli"):
        at = member.temperature or member.leak_temperature
        soft = replace(plain, draw="soft", temperature=at)
        if member.draw == "top-k":
            soft = replace(soft, price=("fixed", 0.0))
    price = _frozen_price(soft, batch) if member.leak in ("gate", "straight-through") else None

    def loss(l_now: FloatArray) -> float:
        now = prepare(soft if price is None else replace(soft, price=price), batch, l_now)
        w = weight_of(plain, now, batch, now.probability)
        divide = divisor(plain, now, batch, now.probability) if member.leak == "normalizer" else z
        return float((np.where(valid, w * gain * l_now, 0.0) / divide).sum())

    through = np.zeros(batch.shape)
    for index in np.ndindex(batch.shape):
        h = 1e-6 * max(1.0, level[index])
        up, down = level.copy(), level.copy()
        up[index] += h
        down[index] -= h
        through[index] = (loss(up) - loss(down)) / (2 * h)
    if member.leak == "straight-through":
        soft_c = coefficients(replace(soft, leak=""), batch)
        return coefficients(plain, batch, gate) + through - soft_c
    right = coefficients(plain, batch, gate)
    return right + member.leak_share * (through - right)


def _frozen_price(member: Member, batch: Batch) -> Part | None:
    """Return the batch's price as a constant, where it is one number."""
    if member.scope != ("batch",) or member.unit != "token":
        return None
    valid = batch.valid
    signal = _signal(
        member,
        transform(member.gate_advantage, batch.advantages, valid),
        surprisal_part(member.surprisal, batch.surprisal, batch, valid),
    )
    known = transform(member.signal_transform, signal, valid)[valid]
    return ("fixed", price_of(member.price, known, _scale(member, known)))
