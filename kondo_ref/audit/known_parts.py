"""The parts that known implementations are put together from: transforms, prices, counts, ties.

Each is named by a tuple, ``(name, number, ...)``, so that a member of the family
(`kondo_ref.audit.known_family`) is plain data that can be compared and printed. Right and wrong
parts stand side by side: the family has to describe what people wrote, not what they should have.
"""

import math

import numpy as np
from scipy.special import expit, ndtr, ndtri

from kondo_ref.audit.batch import Batch
from kondo_ref.checks import BoolArray, FloatArray, IntArray
from kondo_ref.price import Calibrated, upper_quantile

Part = tuple[str | float, ...]
RAW: Part = ("raw",)


def number(part: Part, index: int, default: float) -> float:
    """Return the number at `index` of a part, or the default where it has none."""
    return float(part[index]) if len(part) > index else default


def transform(part: Part, x: FloatArray, valid: BoolArray) -> FloatArray:
    """Apply a transform over the valid entries of `x` (...); the shape stays.

    Parameters
    ----------
    part : tuple
        ``(name, ...)``; for the ones with a spread: (name, ddof, eps, where) with eps added to
        the standard deviation (where = 0) or to the variance (where = 1).
    x : (...) float
    valid : (...) bool

    Raises
    ------
    ValueError
        An unknown name.
    """
    name = part[0]
    if name == "raw":
        return x
    simple = _elementwise(part, x)
    if simple is not None:
        return simple
    known = x[valid]
    if known.size == 0:
        return x
    mean = float(known.mean())
    if name == "centre":
        return x - mean
    if name == "minus-median":
        return x - float(np.median(known))
    if name == "minus-min":
        return x - float(known.min())
    if name == "rank":
        order = np.searchsorted(np.sort(known), x, side="left")
        return np.asarray(order / max(1, known.size - 1), dtype=np.float64)
    if name == "leave-one-out":
        return (x - mean) * known.size / max(1, known.size - 1)
    spread = _spread(part, known)
    with np.errstate(divide="ignore", invalid="ignore"):
        if name == "whiten":
            return (x - mean) / spread
        if name == "whiten-add-mean":
            return (x - mean) / spread + mean
        return x / spread


def _elementwise(part: Part, x: FloatArray) -> FloatArray | None:
    """Return the transform if it is one of each entry by itself, else None."""
    bound = number(part, 1, 1.0)
    table = {
        "raw": lambda: x,
        "abs": lambda: np.abs(x),
        "relu": lambda: np.maximum(x, 0.0),
        "negative-only": lambda: np.minimum(x, 0.0),
        "sign": lambda: np.sign(x),
        "negate": lambda: -x,
        "one": lambda: np.ones_like(x),
        "clip": lambda: np.clip(x, -bound, bound),
        "clip-above": lambda: np.minimum(x, bound),
        "clip-below": lambda: np.maximum(x, bound),
        "add": lambda: x + bound,
        "times": lambda: x * bound,
        "square": lambda: x * x,
        "signed-square": lambda: x * np.abs(x),
        "signed-root": lambda: np.sign(x) * np.sqrt(np.abs(x)),
        "cube": lambda: x * x * x,
        "tanh": lambda: np.tanh(x),
        "log-eps": lambda: -np.log(np.exp(-x) + bound),
        "times-probability": lambda: x * np.exp(-x),
        "focal": lambda: np.expm1(-x) ** 2 * x,
        "power": lambda: np.sign(x) * np.abs(x) ** bound,
        "log1p": lambda: np.sign(x) * np.log1p(np.abs(x)),
        "expm1": lambda: np.expm1(np.minimum(x, 700.0)),
        "probability": lambda: -np.expm1(-x),
        "inverse-probability": lambda: np.exp(np.minimum(x, 700.0)),
    }
    made = table.get(str(part[0]))
    return None if made is None else np.asarray(made(), dtype=np.float64)


def _spread(part: Part, known: FloatArray) -> float:
    name = part[0]
    if name == "scale-rms":
        return math.sqrt(float(np.mean(known**2))) + number(part, 2, 0.0)
    if name == "scale-max":
        return float(np.abs(known).max()) + number(part, 2, 0.0)
    if name == "scale-mean-abs":
        return float(np.abs(known).mean()) + number(part, 2, 0.0)
    if name == "scale-sum":
        return float(np.abs(known).sum()) + number(part, 2, 0.0)
    if name not in ("whiten", "whiten-add-mean", "scale-std"):
        raise ValueError(f"transform: unknown, {part!r}")
    ddof = int(number(part, 1, 0.0))
    eps, inside = number(part, 2, 0.0), number(part, 3, 0.0)
    if known.size <= ddof:
        return math.nan
    variance = float(known.var(ddof=ddof))
    return math.sqrt(variance + eps) if inside else math.sqrt(variance) + eps


def surprisal_part(part: Part, level: FloatArray, batch: Batch, valid: BoolArray) -> FloatArray:
    """Return what stands for the surprisal, where that needs more than the surprisal itself.

    Parameters
    ----------
    part : tuple
        entropy, greedy, raw-logit, log-k, tempered; else as `transform`.
    level : (...) float
        The surprisal of the actions taken.
    batch : Batch
    valid : (...) bool
    """
    name = part[0]
    if name == "entropy":
        log_pi = batch.log_probabilities
        return np.asarray(-(np.exp(log_pi) * log_pi).sum(axis=-1))
    if name == "greedy":
        return np.asarray(-batch.log_probabilities.max(axis=-1))
    if name == "centred-entropy":
        log_pi = batch.log_probabilities
        return level + np.asarray((np.exp(log_pi) * log_pi).sum(axis=-1))
    if name == "raw-logit":
        return -np.take_along_axis(batch.logits, batch.actions[..., None], axis=-1)[..., 0]
    if name == "log-k":
        return level / math.log(batch.logits.shape[-1])
    if name == "tempered":
        scaled = batch.logits / number(part, 1, 1.0)
        top = scaled.max(axis=-1, keepdims=True)
        log_z = top[..., 0] + np.log(np.exp(scaled - top).sum(axis=-1))
        taken = np.take_along_axis(scaled, batch.actions[..., None], axis=-1)[..., 0]
        return np.asarray(log_z - taken)
    return transform(part, level, valid)


def squash(name: str, x: FloatArray) -> FloatArray:
    """Return the keep probability from the scaled distance to the price, (...) float."""
    with np.errstate(over="ignore"):
        if name == "sigmoid":
            return np.asarray(expit(x))
        if name == "linear":
            return np.clip(0.5 + 0.25 * x, 0.0, 1.0)
        if name == "hard-sigmoid":
            return np.clip(0.5 + x / 6.0, 0.0, 1.0)
        if name == "clip":
            return np.clip(x, 0.0, 1.0)
        if name == "probit":
            return np.asarray(ndtr(x))
        if name == "tanh":
            return np.tanh(x)
        if name == "positive-tanh":
            return np.maximum(np.tanh(x), 0.0)
        if name == "exp":
            return np.exp(np.minimum(x, 0.0))
        if name == "square":
            return np.asarray(expit(x) ** 2)
        if name == "complement":
            return np.asarray(expit(-x))
        if name == "linear-above":
            return np.maximum(x, 0.0)
        if name == "softmax":
            top = np.exp(x - x.max()) if x.size else x
            return np.asarray(top / top.sum())
        if name.startswith("reserve "):  # kept at random beside the gate
            share = float(name.partition(" ")[2])
            return np.asarray(share + (1.0 - share) * expit(x))
    raise ValueError(f"squash: unknown, {name!r}")


def price_of(part: Part, signal: FloatArray, temperature: float) -> float:
    """Return the price from the signals in its scope.

    Parameters
    ----------
    part : tuple
        (kind, rate or value, interpolation).
    signal : (n,) float
        n >= 1.
    temperature : float
        For the calibrated price.
    """
    name, rate = str(part[0]), number(part, 1, 0.0)
    if name == "fixed":
        return rate
    if not np.isfinite(signal).all():
        return math.nan
    if name == "none":
        return -math.inf
    if name == "quantile":
        how = str(part[2]) if len(part) > 2 else "linear"
        return _quantile(signal, rate, how)
    if name == "abs-quantile":
        return _quantile(np.abs(signal), rate, "linear")
    if name == "order":
        k = count_of((part[2], 1.0), rate, signal.size)
        return float(np.sort(signal)[::-1][min(max(k, 1), signal.size) - 1])
    if name == "order-next":
        k = count_of((part[2], 1.0), rate, signal.size)
        return float(np.sort(signal)[::-1][k]) if k < signal.size else -math.inf
    if name == "index":  # of the ascending order, counted from (1 - rate) n, rounded and moved
        exact = (1.0 - rate) * (signal.size - number(part, 4, 0.0))
        rounding = {"floor": math.floor, "ceil": math.ceil, "round": round}[str(part[2])]
        at = int(rounding(exact)) + int(number(part, 3, 0.0))
        return float(np.sort(signal)[min(max(at, 0), signal.size - 1)])
    if name == "calibrated":
        return Calibrated(rate).solve(signal, max(temperature, 1e-300))
    if name == "mean":
        return float(signal.mean()) * rate
    if name == "mean-abs":
        return float(np.abs(signal).mean()) * rate
    if name == "mean-positive":
        return float(np.maximum(signal, 0.0).mean()) * rate
    if name == "gaussian":
        return float(signal.mean() + ndtri(1.0 - rate) * signal.std(ddof=int(number(part, 2, 0))))
    if name == "max":
        return float(signal.max()) * rate
    raise ValueError(f"price: unknown, {part!r}")


def _quantile(signal: FloatArray, rate: float, how: str) -> float:
    if how == "linear":
        return upper_quantile(signal, rate)
    return float(np.quantile(signal, min(max(1.0 - rate, 0.0), 1.0), method=how))  # type: ignore[call-overload]


def count_of(part: Part, rate: float, n: int) -> int:
    """Return how many of `n` are kept at `rate`, by the rule (name, least)."""
    name, least = str(part[0]), int(number(part, 1, 1.0))
    exact = rate * n
    k = {
        "half-even": round(exact),
        "ceil": math.ceil(exact - 1e-9 * max(1.0, exact)),
        "ceil-float": math.ceil(exact),
        "floor": math.floor(exact + 1e-9 * max(1.0, exact)),
        "floor-float": math.floor(exact),
        "half-up": math.floor(exact + 0.5),
        "plus-one": round(exact) + 1,
        "floor-plus-one": math.floor(exact) + 1,
        "minus-one": round(exact) - 1,
        "drop-floor": n - math.floor((1.0 - rate) * n),
        "drop-ceil": n - math.ceil((1.0 - rate) * n),
        "drop-round": n - round((1.0 - rate) * n),
        "constant": int(number(part, 2, 1.0)),
    }[name]
    return min(n, max(least, k))


def chosen(rule: Part, signal: FloatArray, k: int) -> BoolArray:
    """Mark about k of the largest signals (n,), by a tie rule."""
    n = signal.size
    if k <= 0:
        return np.zeros(n, dtype=np.bool_)
    name = str(rule[0])
    descending = np.sort(signal)[::-1]
    kth = descending[k - 1]
    if name == "all":
        return np.asarray(signal >= kth)
    if name == "none":
        return np.asarray(signal > descending[k]) if k < n else np.ones(n, dtype=np.bool_)
    if name == "slack":
        return np.asarray(signal >= kth - number(rule, 1, 0.0))
    index: IntArray = np.arange(n)
    if name == "highest":
        index = index[::-1]
    order = index[np.argsort(-signal[index], kind="stable")]
    kept = np.zeros(n, dtype=np.bool_)
    kept[order[:k]] = True
    return kept


def parts_of(scope: Part, shape: tuple[int, ...], valid: BoolArray) -> IntArray:
    """Return the label of the part in which each unit is priced or ranked, (...) int."""
    name = str(scope[0])
    flat = np.arange(math.prod(shape)).reshape(shape)
    if name == "batch":
        return np.zeros(shape, dtype=np.int64)
    if name == "row" and len(shape) > 1:
        return np.broadcast_to(np.arange(shape[0])[:, None], shape).copy()
    if name == "column" and len(shape) > 1:
        return np.broadcast_to(np.arange(shape[1])[None, :], shape).copy()
    size = flat.size
    if name == "split":  # into this many parts of (almost) one size
        pieces = np.array_split(np.arange(size), int(number(scope, 1, 2.0)))
        label = np.empty(size, dtype=np.int64)
        for i, piece in enumerate(pieces):
            label[piece] = i
        return label.reshape(shape)
    if name == "chunk":
        return np.asarray(flat // int(number(scope, 1, 8.0)), dtype=np.int64)
    if name == "strided":
        return np.asarray(flat % int(number(scope, 1, 2.0)), dtype=np.int64)
    del valid
    return np.zeros(shape, dtype=np.int64)


def baseline_of(part: Part, batch: Batch) -> FloatArray:
    """Return what is taken from the rewards of a batch, as the rewards.

    Parameters
    ----------
    part : tuple
        zero, batch, leave-one-out, group, group-leave-one-out, expected, or ones of no paper;
        with a spread that divides the rest: batch-std, group-std.
    batch : Batch
        Its advantages are rewards.
    """
    name, rewards = str(part[0]), batch.advantages
    valid = batch.valid
    known = rewards[valid]
    if name in ("zero", "zero-std"):
        return np.zeros_like(rewards)
    if name == "constant":
        return np.full_like(rewards, number(part, 1, 0.5))
    if name == "expected":
        return np.asarray(np.exp(2.0 * batch.log_probabilities).sum(axis=-1))
    if name == "probability":
        return np.asarray(np.exp(-batch.surprisal))
    if name in ("batch", "batch-std"):
        return np.full_like(rewards, known.mean())
    if name == "leave-one-out":
        return (known.sum() - rewards) / max(1, known.size - 1)
    if name == "median":
        return np.full_like(rewards, np.median(known))
    if name in ("max", "min"):
        return np.full_like(rewards, known.max() if name == "max" else known.min())
    result = np.zeros_like(rewards)
    groups = np.zeros(batch.shape) if batch.groups is None else batch.groups
    for label in np.unique(groups):
        inside = groups == label
        r = rewards[inside]
        if name in ("group", "group-std", "group-batch-std"):
            result[inside] = r.mean()
        elif name == "group-leave-one-out":
            result[inside] = (r.sum() - r) / max(1, r.size - 1)
        elif name == "group-median":
            result[inside] = np.median(r)
        elif name == "group-max":
            result[inside] = r.max()
    return result


def scaled_by(part: Part, gain: FloatArray, batch: Batch) -> FloatArray:
    """Return advantages over the spread that belongs to a baseline with one."""
    name = str(part[0])
    if not name.endswith("-std"):
        return gain
    ddof, eps = int(number(part, 1, 0.0)), number(part, 2, 0.0)
    groups = np.zeros(batch.shape) if batch.groups is None else batch.groups
    if not name.startswith("group") or name == "group-batch-std":
        groups = np.zeros(batch.shape)
    result = gain.copy()
    for label in np.unique(groups):
        inside = groups == label
        r = batch.advantages[inside] if name != "group-batch-std" else batch.advantages
        if r.size > ddof:
            with np.errstate(divide="ignore", invalid="ignore"):
                result[inside] = gain[inside] / (r.std(ddof=ddof) + eps)
    return result


def extra_part(part: Part, batch: Batch) -> FloatArray:
    """Return what another term of the loss adds to the recovered coefficients.

    The gradient of the term in the logits, along onehot(a) - pi, as the coefficient is recovered.

    Parameters
    ----------
    part : tuple
        (kind, factor, mean or sum): entropy, a bonus on the policy's entropy; uniform, the
        divergence of the uniform policy; square, half the squared logits; baseline, an
        attached expected confidence.
    batch : Batch
    """
    kind, factor, per = str(part[0]), number(part, 1, 1.0), str(part[2])
    log_pi = batch.log_probabilities
    pi = np.exp(log_pi)
    if kind == "entropy":
        entropy = -(pi * log_pi).sum(axis=-1, keepdims=True)
        ascent = -pi * (log_pi + entropy)
    elif kind == "uniform":
        ascent = 1.0 / pi.shape[-1] - pi
    elif kind == "baseline":  # of an attached sum of pi squared
        expected = (pi**2).sum(axis=-1, keepdims=True)
        ascent = 2.0 * pi * (pi - expected) * batch.surprisal[..., None]
    else:
        ascent = -batch.logits
    direction = -pi
    taken = batch.actions[..., None]
    own = -np.expm1(np.take_along_axis(log_pi, taken, axis=-1))
    np.put_along_axis(direction, taken, own, axis=-1)
    along = (ascent * direction).sum(axis=-1) / (direction**2).sum(axis=-1)
    n = max(1, int(np.count_nonzero(batch.valid)))
    return np.asarray(factor * np.where(batch.valid, along, 0.0) / (n if per == "mean" else 1.0))
