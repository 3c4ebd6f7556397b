"""Policy and rewards of a bandit -> the law of one decision, as atoms with probabilities.

An atom is a context, an action, and a reward, with the probability that one sampled decision is
this one. Finite reward distributions give the law itself. A Gaussian reward becomes the nodes of
Gauss-Legendre panels, which are cut where the gate's keep probability jumps or bends: at U = 0 and
where the signal meets the price.
"""

from dataclasses import dataclass

import numpy as np

from kondo_ref import checks
from kondo_ref.checks import FloatArray, IntArray
from kondo_ref.delight import log_softmax
from kondo_ref.gate import Gate
from kondo_ref.price import Fixed

REACH = 12.0  # standard deviations of a Gaussian reward; what lies beyond has probability 4e-33
NODES = 16  # of a panel
SMALL = 1.0 / 64.0  # the first panel beside a bend, in units of its width


@dataclass(frozen=True, eq=False)
class FiniteRewards:
    """Rewards of K arms that take finitely many values.

    Parameters
    ----------
    values : (K, R) float
    probabilities : (K, R) float
        Of each arm's values, >= 0, of sum 1.

    Raises
    ------
    ValueError
        Other shapes, negative probabilities, or rows that do not sum to 1.
    """

    values: FloatArray
    probabilities: FloatArray

    def __post_init__(self) -> None:
        values = checks.real_array("values", self.values)
        chances = checks.real_array("probabilities", self.probabilities)
        if values.ndim != 2:
            raise ValueError(f"values: expected shape (K, R), got {values.shape}")
        checks.require_shape("probabilities", chances, values.shape)
        if (chances < 0.0).any() or (np.abs(chances.sum(axis=1) - 1.0) > 1e-12).any():
            raise ValueError("probabilities: expected rows >= 0 that sum to 1")
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "probabilities", chances)

    @classmethod
    def certain(cls, rewards: FloatArray) -> "FiniteRewards":
        """Return deterministic rewards (K,), K >= 1."""
        given = checks.real_array("rewards", rewards).astype(np.float64, copy=False)
        if given.ndim != 1 or not given.size:
            raise ValueError(f"rewards: expected shape (K,), K >= 1, got {given.shape}")
        column = given[:, None]
        return cls(column, np.ones_like(column))

    @property
    def arms(self) -> int:
        """K."""
        return len(self.values)

    @property
    def mean(self) -> FloatArray:
        """Expected reward of every arm, (K,)."""
        result: FloatArray = np.einsum("kr,kr->k", self.values, self.probabilities)
        return result


@dataclass(frozen=True, eq=False)
class GaussianRewards:
    """Normal rewards of K arms.

    Parameters
    ----------
    mean : (K,) float
    std : (K,) float
        >= 0; an arm with 0 is deterministic.

    Raises
    ------
    ValueError
        Other shapes, or a negative standard deviation.
    """

    mean: FloatArray
    std: FloatArray

    def __post_init__(self) -> None:
        mean, std = checks.real_array("mean", self.mean), checks.real_array("std", self.std)
        if mean.ndim != 1:
            raise ValueError(f"mean: expected shape (K,), got {mean.shape}")
        checks.require_shape("std", std, mean.shape)
        if (std < 0.0).any():
            raise ValueError(f"std: expected numbers >= 0, got {std.min()}")
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "std", std)

    @property
    def arms(self) -> int:
        """K."""
        return self.mean.size


Rewards = FiniteRewards | GaussianRewards


@dataclass(frozen=True, eq=False)
class Bandit:
    """Contexts with K arms each.

    Parameters
    ----------
    rewards : tuple of FiniteRewards or GaussianRewards
        One a context.
    weights : (C,) float, optional
        Probability of each context; uniform by default.

    Raises
    ------
    ValueError
        No context, different numbers of arms, or weights that are no probabilities.
    """

    rewards: tuple[Rewards, ...]
    weights: FloatArray | None = None

    def __post_init__(self) -> None:
        if len({rewards.arms for rewards in self.rewards}) != 1:
            raise ValueError("rewards: expected at least one context, all of one number of arms")
        count = len(self.rewards)
        weights = np.full(count, 1.0 / count) if self.weights is None else self.weights
        weights = checks.real_array("weights", weights)
        checks.require_shape("weights", weights, (count,))
        if (weights < 0.0).any() or abs(weights.sum() - 1.0) > 1e-12:
            raise ValueError("weights: expected numbers >= 0 that sum to 1")
        object.__setattr__(self, "weights", weights)

    @classmethod
    def single(cls, rewards: Rewards) -> "Bandit":
        """Return the bandit of one context."""
        return cls((rewards,))

    @property
    def mean(self) -> FloatArray:
        """Expected reward of every arm in every context, (C, K)."""
        return np.stack([rewards.mean for rewards in self.rewards])


@dataclass(frozen=True, eq=False)
class Atoms:
    """The law of one decision.

    Parameters
    ----------
    probability : (A,) float
        Of sum 1; to quadrature, where a reward is Gaussian.
    context, action : (A,) int
    reward : (A,) float
    exact : bool
        Whether the atoms are the law itself, no quadrature.
    """

    probability: FloatArray
    context: IntArray
    action: IntArray
    reward: FloatArray
    exact: bool


def atoms(bandit: Bandit, logits: FloatArray, gate: Gate, baseline: FloatArray) -> Atoms:
    """Return the law of one decision under a policy.

    Parameters
    ----------
    bandit : Bandit
    logits : (C, K) float64
    gate : Gate
        Says where the panels of a Gaussian reward are cut.
    baseline : (C,) float
        b of every context, which the cuts depend on.
    """
    log_pi = log_softmax(logits)
    parts: list[tuple[FloatArray, int, int, FloatArray]] = []
    exact = True
    assert bandit.weights is not None
    for context, rewards in enumerate(bandit.rewards):
        for action in range(rewards.arms):
            chance = float(bandit.weights[context] * np.exp(log_pi[context, action]))
            if isinstance(rewards, FiniteRewards):
                law, values = rewards.probabilities[action], rewards.values[action]
                law, values = law[law > 0.0], values[law > 0.0]
            elif rewards.std[action] == 0.0:
                law, values = np.ones(1), rewards.mean[action : action + 1]
            else:
                exact = False
                bends = _bends(gate, -float(log_pi[context, action]), float(baseline[context]))
                law, values = gaussian_nodes(
                    float(rewards.mean[action]), float(rewards.std[action]), bends
                )
            if chance > 0.0:
                parts.append((chance * law, context, action, values))
    return Atoms(
        np.concatenate([law for law, *_ in parts]),
        np.repeat([p[1] for p in parts], [p[0].size for p in parts]),
        np.repeat([p[2] for p in parts], [p[0].size for p in parts]),
        np.concatenate([values for *_, values in parts]),
        exact,
    )


def gaussian_nodes(
    mean: float, std: float, bends: list[tuple[float, float]]
) -> tuple[FloatArray, FloatArray]:
    """Return weights and nodes that integrate a function against a normal density.

    Parameters
    ----------
    mean, std : float
    bends : list of (place, width)
        Where the function jumps (width 0) or changes over a width.

    Returns
    -------
    weights, nodes : (n,) float
    """
    low, high = mean - REACH * std, mean + REACH * std
    cuts = {low, high, *np.linspace(low, high, round(4 * REACH) + 1)}
    for place, width in bends:
        cuts.add(place)
        distance = SMALL * width
        while 0.0 < distance < high - low:
            cuts |= {place - distance, place + distance}
            distance *= 1.5
    edges = np.array(sorted(cut for cut in cuts if low <= cut <= high))
    x, weight = np.polynomial.legendre.leggauss(NODES)
    half = np.diff(edges)[:, None] / 2.0
    nodes = (edges[:-1, None] + half * (1.0 + x)).ravel()
    z = (nodes - mean) / std
    density = np.exp(-0.5 * z * z) / (std * np.sqrt(2.0 * np.pi))
    return (half * weight).ravel() * density, nodes


def _bends(gate: Gate, surprisal: float, baseline: float) -> list[tuple[float, float]]:
    """Return where w bends as a function of the reward: place and width, in reward."""
    price = gate.price.value if isinstance(gate.price, Fixed) else 0.0
    slope, offset = {
        "delight": (surprisal, 0.0),
        "advantage": (1.0, 0.0),
        "abs_advantage": (1.0, 0.0),
        "additive": (gate.alpha or 0.0, (1.0 - (gate.alpha or 0.0)) * surprisal),
    }.get(gate.signal, (0.0, 0.0))
    bends = [(baseline, 0.0)]
    if slope > 0.0 and np.isfinite(price):
        at = (price - offset) / slope
        width = gate.temperature / slope
        bends.append((baseline + at, width))
        if gate.signal == "abs_advantage":
            bends.append((baseline - at, width))
    return bends
