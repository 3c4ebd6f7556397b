"""The update of one step, exact or sampled, context by context, and what it paid for.

The rows come from the backend's `policy_gradient`. A sampled update is a batch of it; an exact one
is a batch of all arms of all contexts, each row weighted by its probability and keep probability.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from kondo_ref.backend import Backend
from kondo_ref.checks import FloatArray, IntArray
from kondo_ref.delight import log_softmax, priority_signal
from kondo_ref.gate import Gate
from kondo_ref.randomness import Purpose, sample_actions, uniforms
from kondo_ref.tasks.bandit.environment import Bandit
from kondo_ref.tasks.bandit.limit import limit_keep_probability
from kondo_ref.tasks.bandit.settings import Settings

EVERYTHING = Gate.named("pg")


@dataclass(frozen=True, eq=False)
class Update:
    """One update in the logits.

    Parameters
    ----------
    ascent : (N, K) float
        sum over the decisions of a context of G U grad log pi, or for exact gradients its mean for
        one decision a context. Only its direction is used.
    decisions : int
        A context.
    kept : (N,) float
        Backward passes paid for in each context; for exact gradients expected ones.
    kept_right : (N,) float
        Those among them for the right arm.
    history : object
        Of a rolling price.
    """

    ascent: FloatArray
    decisions: int
    kept: FloatArray
    kept_right: FloatArray
    history: Any = None


def exact_update(
    settings: Settings, bandit: Bandit, backend: Backend, method: str, logits: FloatArray
) -> Update:
    """Return the expected update of one decision a context, by enumerating all N K of them.

    Parameters
    ----------
    settings : Settings
    bandit : Bandit
    backend : Backend
    method : str
    logits : (N, K) float
    """
    n, k = logits.shape
    arms = np.tile(np.arange(k), (n, 1))
    log_pi = log_softmax(logits)
    pi = np.exp(log_pi)
    reward = bandit.rewards(arms)
    if method == "ce":
        # Its decisions are the right arms, whatever the policy.
        chance, gain, w = reward, np.ones_like(reward), np.ones_like(reward)
    else:
        chance, gain = pi, reward - bandit.baseline(settings, pi)[:, None]
        signal = priority_signal(settings.gate(method).signal, gain, 0.0 - log_pi)
        mass = (pi / pi.sum(axis=1, keepdims=True) / n).ravel()
        w = limit_keep_probability(settings.gate(method), signal.ravel(), mass).reshape(n, k)
    rows = _rows(backend, logits, arms, gain, EVERYTHING)
    ascent = np.einsum("na,nak->nk", chance * w, -rows)
    # A soft gate weighs every decision and skips none.
    paid = (w > 0.0).astype(np.float64) if settings.gate(method).draw == "soft" else w
    kept = chance * paid
    return Update(ascent, 1, kept.sum(axis=1), (kept * reward).sum(axis=1))


def sampled_update(
    settings: Settings,
    bandit: Bandit,
    backend: Backend,
    method: str,
    logits: FloatArray,
    *,
    seed: int,
    step: int,
    history: Any = None,
) -> Update:
    """Return the update of `batch` decisions in every context; ce is not sampled.

    Parameters
    ----------
    settings : Settings
    bandit : Bandit
    backend : Backend
    method : str
    logits : (N, K) float
    seed, step : int
        Which uniforms.
    history : object
        That of the update before, for a rolling price.
    """
    n, k = logits.shape
    shape = (n, settings.batch)
    if method == "ce":
        return exact_update(settings, bandit, backend, method, logits)
    pi = np.exp(log_softmax(logits))
    actions = sample_actions(
        np.broadcast_to(pi[:, None, :], (*shape, k)),
        uniforms(seed, Purpose.ACTIONS, step, shape),
    )
    reward = bandit.rewards(actions)
    gain = reward - bandit.baseline(settings, pi)[:, None]
    gate = settings.gate(method)
    draws = None
    if gate.needs_uniforms:
        draws = backend.array(uniforms(seed, Purpose.GATE, step, (actions.size,)))
    result = _gradient(backend, logits, actions, gain, gate, uniforms=draws, history=history)
    rows = backend.to_numpy(result.dlogits).reshape(*shape, k)
    kept = (backend.to_numpy(result.screening.weight) > 0.0).reshape(shape)
    return Update(
        -rows.sum(axis=1),
        settings.batch,
        kept.sum(axis=1).astype(np.float64),
        (kept * reward).sum(axis=1),
        result.screening.history,
    )


def _rows(
    backend: Backend, logits: FloatArray, actions: IntArray, gain: FloatArray, gate: Gate
) -> FloatArray:
    """Return dloss/dlogits of every decision at Z = 1, (N, B, K) float."""
    result = _gradient(backend, logits, actions, gain, gate)
    rows: FloatArray = backend.to_numpy(result.dlogits).reshape(*actions.shape, logits.shape[1])
    return rows


def _gradient(
    backend: Backend,
    logits: FloatArray,
    actions: IntArray,
    gain: FloatArray,
    gate: Gate,
    **others: Any,
) -> Any:
    """Return the policy gradient of B decisions a context, as one batch of N B decisions."""
    return backend.policy_gradient(
        backend.array(np.repeat(logits, actions.shape[1], axis=0)),
        backend.array(actions.ravel()),
        backend.array(gain.ravel()),
        gate,
        normalizer="none",
        **others,
    )
