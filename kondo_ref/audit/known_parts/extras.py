"""Other terms of a loss, as they show in recovered coefficients."""

from collections.abc import Callable

import numpy as np

from kondo_ref.audit.batch import Batch
from kondo_ref.audit.known_parts.part import Part, number
from kondo_ref.checks import FloatArray


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
    ascent = _ASCENTS[kind](batch, log_pi, pi)
    direction = -pi
    taken = batch.actions[..., None]
    own = -np.expm1(np.take_along_axis(log_pi, taken, axis=-1))
    np.put_along_axis(direction, taken, own, axis=-1)
    along = (ascent * direction).sum(axis=-1) / (direction**2).sum(axis=-1)
    n = max(1, int(np.count_nonzero(batch.valid)))
    return np.asarray(factor * np.where(batch.valid, along, 0.0) / (n if per == "mean" else 1.0))


def _entropy(_: Batch, log_pi: FloatArray, pi: FloatArray) -> FloatArray:
    entropy = -(pi * log_pi).sum(axis=-1, keepdims=True)
    return np.asarray(-pi * (log_pi + entropy))


def _baseline(batch: Batch, _: FloatArray, pi: FloatArray) -> FloatArray:
    """Of an attached sum of pi squared."""
    expected = (pi**2).sum(axis=-1, keepdims=True)
    return np.asarray(2.0 * pi * (pi - expected) * batch.surprisal[..., None])


_ASCENTS: dict[str, Callable[[Batch, FloatArray, FloatArray], FloatArray]] = {
    "entropy": _entropy,
    "uniform": lambda _, __, pi: 1.0 / pi.shape[-1] - pi,
    "square": lambda batch, _, __: -batch.logits,
    "baseline": _baseline,
}
