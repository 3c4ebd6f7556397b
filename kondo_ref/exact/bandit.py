"""A bandit and a policy -> expectation and covariance of the gated update of a batch.

Over contexts, actions, rewards and the gate's draws at once. Where a decision's keep probability
and advantage depend on nothing but itself (a fixed price, a baseline of the policy), the decisions
of a batch are independent and one of them says it all, for any batch. Otherwise (quantile,
calibrated or rolling price, top-k, a baseline from the batch) every batch is enumerated and run by
the core, as far as that is finite and not too much.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kondo_ref import checks
from kondo_ref.checks import FloatArray
from kondo_ref.delight import log_softmax, priority_signal
from kondo_ref.exact.atoms import Atoms, Bandit, atoms
from kondo_ref.exact.batches import OF_POLICY, Baseline, every_batch
from kondo_ref.exact.draws import GivenBatch, closed, drawable
from kondo_ref.exact.moments import Moments, moments_of
from kondo_ref.gate import Gate, keep_probability
from kondo_ref.gradient import NORMALIZERS, kept_dlogits
from kondo_ref.price import Fixed


@dataclass(frozen=True, eq=False)
class BanditUpdate:
    """The law of a gated update, as far as two moments say it.

    Parameters
    ----------
    moments : Moments
        Of the update (C K,), an ascent direction in the logits.
    kept_share : float
        Expected share of the decisions with G > 0.
    direction : (C K,) float
        grad J.
    """

    moments: Moments
    kept_share: float
    direction: FloatArray


def bandit_gradient(bandit: Bandit, logits: FloatArray) -> FloatArray:
    """Return grad J (C K,) at `logits` (C, K): weight_c pi_a (r_a - sum of pi r) of every arm."""
    pi, mean = np.exp(log_softmax(logits)), bandit.mean
    assert bandit.weights is not None
    value = np.einsum("ck,ck->c", pi, mean)
    rows: FloatArray = bandit.weights[:, None] * pi * (mean - value[:, None])
    return rows.ravel()


def bandit_update(
    bandit: Bandit,
    logits: FloatArray,
    gate: Gate,
    *,
    baseline: Baseline | None = None,
    batch: int = 1,
    normalizer: str = "decisions",
    history: FloatArray | None = None,
) -> BanditUpdate:
    """Return the moments of the gated update of a batch of independent decisions.

    Parameters
    ----------
    bandit : Bandit
    logits : (C, K) float64
        Of the policy in every context.
    gate : Gate
        Any that decides on single decisions.
    baseline : Baseline, optional
        Zero by default.
    batch : int
        Decisions, each with its own context, action and reward.
    normalizer : str
        decisions, kept or none.
    history : (h,) float, optional
        Of a rolling price, before the batch.

    Raises
    ------
    TypeError, ValueError
        A wrong shape; more batches than `LARGEST_BATCHES` to enumerate; a Gaussian reward under
        a price or a baseline of the batch, which no finite sum covers.
    """
    checks.count("batch", batch, 1)
    checks.one_of("normalizer", normalizer, NORMALIZERS)
    logits = _policy_logits(bandit, logits)
    chosen = Baseline() if baseline is None else baseline
    pi = np.exp(log_softmax(logits))
    b = chosen.of_policy(pi, bandit.mean)
    law = atoms(bandit, logits, gate, b)
    direction = bandit_gradient(bandit, logits)
    if chosen.kind in OF_POLICY and isinstance(gate.price, Fixed) and gate.unit == "token":
        moments, share = _independent(law, logits, gate, b, batch, normalizer)
    else:
        batches = every_batch(law, logits, gate, chosen, b, batch, normalizer, history)
        moments, share = _enumerated(batches, logits.size)
    return BanditUpdate(moments, share, direction)


def bandit_cosine(
    bandit: Bandit, logits: FloatArray, gate: Gate, *, baseline: Baseline, batch: int
) -> float:
    """Return the expected cosine of a batch's update to grad J, over all batches and gates.

    A batch whose update is 0 counts as cosine 0. Arguments and errors as in `bandit_update`; for a
    random draw the batch is one of `kondo_ref.exact.draws.LARGEST_UNITS` at most.
    """
    checks.count("batch", batch, 1)
    logits = _policy_logits(bandit, logits)
    b = baseline.of_policy(np.exp(log_softmax(logits)), bandit.mean)
    law, direction = atoms(bandit, logits, gate, b), bandit_gradient(bandit, logits)
    total = 0.0
    for chance, given in every_batch(law, logits, gate, baseline, b, batch, "decisions", None):
        chances: FloatArray = np.ones(1)
        uniforms: FloatArray | None = None
        if gate.needs_uniforms:
            gates = drawable(given.screening().keep_probability)
            chances, uniforms = gates.probabilities, gates.uniforms
        for i, part in enumerate(chances):
            update = given.update(None if uniforms is None else uniforms[i])
            size = float(np.linalg.norm(update) * np.linalg.norm(direction))
            along = float(update @ direction[: update.size])
            total += chance * float(part) * (along / size if size > 0.0 else 0.0)
    return total


def _policy_logits(bandit: Bandit, logits: FloatArray) -> FloatArray:
    array = checks.real_array("logits", logits).astype(np.float64, copy=False)
    checks.require_shape("logits", array, bandit.mean.shape)
    return array


def keep_of_atoms(law: Atoms, logits: FloatArray, gate: Gate, b: FloatArray) -> FloatArray:
    """Return the keep probability of every atom (A,) at the gate's fixed price."""
    assert isinstance(gate.price, Fixed)
    surprisals = -log_softmax(logits)[law.context, law.action]
    signal = priority_signal(gate.signal, law.reward - b[law.context], surprisals, gate.alpha)
    return keep_probability(signal, gate.price.value, gate.temperature)


def _independent(
    law: Atoms, logits: FloatArray, gate: Gate, b: FloatArray, batch: int, normalizer: str
) -> tuple[Moments, float]:
    """Return moments and kept share where one decision says it all."""
    w = keep_of_atoms(law, logits, gate, b)
    g = _vectors(law, logits) * (law.reward - b[law.context])[:, None]
    soft = gate.draw == "soft"
    chance = law.probability * (w > 0.0 if soft else w)  # of the atom, kept
    weight = w if soft else np.ones_like(w)
    share = float(chance.sum())
    if normalizer == "kept":
        return _per_kept(chance, g * weight[:, None], share, batch), share
    z = 1.0 if normalizer == "none" else float(batch)
    mean = (chance * weight) @ g
    # Deviations of what is kept and of what is dropped, which is 0.
    deviation = g * weight[:, None] - mean
    one = np.einsum("a,ai,aj->ij", chance, deviation, deviation)
    one += (1.0 - share) * np.outer(mean, mean)
    return Moments(batch * mean / z, batch * one / z**2), share


def _per_kept(chance: FloatArray, g: FloatArray, share: float, batch: int) -> Moments:
    """Return the moments of the mean over the kept ones, 0 where nothing is kept.

    Given that n > 0 are kept, they are n independent draws from the law of a kept one.
    """
    if share == 0.0:
        return Moments(np.zeros(g.shape[1]), np.zeros((g.shape[1], g.shape[1])))
    from scipy.stats import binom

    kept = moments_of(chance / share, g)
    n = np.arange(1, batch + 1)
    law = binom.pmf(n, batch, min(1.0, share))
    some = float(law.sum())
    covariance = kept.covariance * float(law @ (1.0 / n))
    covariance += np.outer(kept.mean, kept.mean) * some * float(binom.pmf(0, batch, share))
    return Moments(kept.mean * some, covariance)


def _enumerated(batches: Iterator[tuple[float, GivenBatch]], size: int) -> tuple[Moments, float]:
    """Return moments and kept share over all batches, each screened by the core."""
    share = 0.0
    chances, means, spread = [], [], np.zeros((size, size))
    for chance, given in batches:
        of_draws = closed(given)
        # Contexts after the last one that the batch has got nothing.
        seen = of_draws.mean.size
        mean = np.zeros(size)
        mean[:seen] = of_draws.mean
        spread[:seen, :seen] += chance * of_draws.covariance
        chances.append(chance)
        means.append(mean)
        w = given.screening().keep_probability
        kept = w > 0.0 if given.gate.draw == "soft" else w
        share += chance * float(kept.sum()) / w.size
    between = moments_of(np.array(chances), np.stack(means))
    return Moments(between.mean, between.covariance + spread), share


def _vectors(law: Atoms, logits: FloatArray) -> FloatArray:
    """Return grad log pi of every atom's action in the logits of all contexts, (A, C K)."""
    contexts, k = logits.shape
    scores = np.zeros((law.action.size, contexts, k))
    index = np.arange(law.action.size)
    log_pi = log_softmax(logits)[law.context]
    scores[index, law.context] = -kept_dlogits(log_pi, law.action, np.ones(law.action.size))
    return scores.reshape(law.action.size, -1)
