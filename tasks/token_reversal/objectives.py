"""PPO and PMPO, the papers' baselines, as one coefficient a decision.

Both have losses of their own. Near the current policy each is a weighted sum of log-probabilities,
so its gradient is a policy gradient with other numbers in the place of the advantages: a learner
gets these, with the gate that keeps everything and Z = N, the number of valid decisions. Where a
method has a normalizer of its own, its coefficient is multiplied by N, which Z divides away.
"""

import numpy as np

from kondo_ref import checks
from kondo_ref.checks import FloatArray


def ppo(
    log_probabilities: FloatArray, old: FloatArray, advantages: FloatArray, clip: float
) -> FloatArray:
    """Return the coefficients of PPO's clipped surrogate.

    Parameters
    ----------
    log_probabilities : (...) float
        log pi of the actions taken, under the current policy.
    old : (...) float
        The same under the policy that took them; equal on the first update with a batch, where
        the coefficients are the advantages.
    advantages : (...) float
    clip : float
        In (0, 1).

    Returns
    -------
    (...) float
        The ratio pi / pi_old times U where the clip is not active, else 0.

    Notes
    -----
    Source: Schulman et al., Proximal Policy Optimization Algorithms (2017), arXiv 1707.06347,
    Eq. 7: maximize mean min(ratio U, clamp(ratio, 1 - clip, 1 + clip) U). The smaller one is the
    constant if U > 0 and ratio > 1 + clip, or U < 0 and ratio < 1 - clip; elsewhere the gradient
    is that of ratio U, which is ratio U grad log pi. The mean over N decisions is Z = N.
    """
    checks.require_shape("old", old, log_probabilities.shape)
    checks.require_shape("advantages", advantages, log_probabilities.shape)
    ratio = np.exp(log_probabilities - old)
    clipped = np.where(advantages > 0, ratio > 1.0 + clip, (advantages < 0) & (ratio < 1.0 - clip))
    coefficients: FloatArray = np.where(clipped, 0.0, ratio * advantages)
    return coefficients.astype(advantages.dtype, copy=False)


def pmpo(advantages: FloatArray, alpha: float) -> FloatArray:
    """Return the coefficients of PMPO on the first update with a batch.

    Parameters
    ----------
    advantages : (...) float
        Only their sign counts: a decision is accepted if U > 0, else rejected.
    alpha : float
        In [0, 1].

    Returns
    -------
    (...) float
        With N the number of `advantages`: alpha N / N_accepted for the accepted ones,
        -(1 - alpha) N / N_rejected for the rejected. A mean over none is left out, as 0.

    Notes
    -----
    Source: Abdolmaleki et al., Preference Optimization as Probabilistic Inference (2024), arXiv
    2410.04166: maximize alpha mean over accepted log pi - (1 - alpha) mean over rejected log pi
    - beta KL(pi_old || pi). The KL's gradient in the logits is beta (pi - pi_old), 0 on the first
    update with a batch, where pi is pi_old. Later it is not of the form (onehot(a) - pi) times a
    number, which is all that a policy gradient has; so there is one update with a batch, and beta
    does nothing.
    """
    accepted = advantages > 0
    n, good = advantages.size, int(np.count_nonzero(accepted))
    up, down = alpha * n / max(good, 1), (1.0 - alpha) * n / max(n - good, 1)
    coefficients: FloatArray = np.where(accepted, up, -down).astype(advantages.dtype)
    return coefficients
