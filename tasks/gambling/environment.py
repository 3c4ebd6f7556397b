"""The two arms: rewards, the baseline, and the same bandit for the exact engine.

Arm 1 (index 0) pays `gap`, arm 2 (index 1) pays 0; noise is Gaussian. Everything is there once for
every sigma of the sweep, along the first axis.
"""

import numpy as np
from scipy.special import logit, ndtr

from kondo_ref.checks import FloatArray, IntArray
from kondo_ref.exact.gambling import Gambling, false_breakthrough
from kondo_ref.randomness import Purpose, normals
from kondo_ref.tasks.gambling.settings import Settings


def rewards(settings: Settings, actions: IntArray, standard: FloatArray) -> FloatArray:
    """Return the rewards of a batch.

    Parameters
    ----------
    settings : Settings
    actions : (S, B) int
        0 or 1; S is the number of sigmas.
    standard : (S, B) float
        Standard normals.

    Returns
    -------
    (S, B) float
    """
    better = actions == 0
    noisy = np.ones_like(better) if settings.noise == "both" else ~better
    spread = settings.gap * np.array(settings.sigma)[:, None]
    paid: FloatArray = settings.gap * better + np.where(noisy, spread * standard, 0.0)
    return paid


def baseline(settings: Settings, pi_1: FloatArray) -> FloatArray:
    """Return b for policies with these pi_1, of the same shape; exact is the value pi_1 gap."""
    if settings.baseline == "exact":
        return pi_1 * settings.gap
    value = settings.baseline_value if settings.baseline == "constant" else 0.0
    return np.full_like(pi_1, value)


def bandit(settings: Settings, sigma: float) -> Gambling:
    """Return the bandit of one sigma, in gaps, for `kondo_ref.exact.gambling`."""
    spread = settings.gap * sigma
    constant = {"exact": None, "zero": 0.0, "constant": settings.baseline_value}
    return Gambling(
        gap=settings.gap,
        sigma=spread,
        sigma_1=spread if settings.noise == "both" else 0.0,
        baseline=constant[settings.baseline],
    )


def false_breakthroughs(settings: Settings, level: FloatArray) -> FloatArray:
    """Return P(U > 0 given arm 2) at baselines `level` (S,): Phi(-b / noise) ([K], Prop. 3)."""
    spread = settings.gap * np.array(settings.sigma)
    quiet = spread == 0.0
    chance: FloatArray = np.where(quiet, level < 0.0, ndtr(-level / np.where(quiet, 1.0, spread)))
    return chance


def breakthroughs(settings: Settings, seed: int) -> list[dict[str, float]]:
    """Count how often arm 2 looks like a success, U > 0, at fixed policies.

    Parameters
    ----------
    settings : Settings
    seed : int
        The draws are its own: nothing else in this task uses the purpose INITIALIZATION.

    Returns
    -------
    list of dict
        One row a sigma and pi_1: ``draws`` of arm 2, ``count`` of them with U > 0, ``formula``,
        the probability of it.
    """
    shape = (len(settings.sigma), settings.draws)
    rows = []
    for number, pi_1 in enumerate(settings.chances):
        standard = normals(seed, Purpose.INITIALIZATION, number, shape)
        paid = rewards(settings, np.ones(shape, dtype=np.int64), standard)
        positive = paid - baseline(settings, np.full((shape[0], 1), pi_1)) > 0.0
        for index, sigma in enumerate(settings.sigma):
            rows.append(
                {
                    "sigma": sigma,
                    "pi_1": pi_1,
                    "draws": settings.draws,
                    "count": int(np.count_nonzero(positive[index])),
                    "formula": false_breakthrough(bandit(settings, sigma), float(logit(1 - pi_1))),
                }
            )
    return rows
