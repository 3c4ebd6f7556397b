"""Expected keep probability and expected update of a bandit, under each way to set the price.

A batch of independent decisions of a bandit with finite rewards; Z = decisions, so that the soft
and the Bernoulli gate have the same expectation. Where `bandit_update` enumerates batches, here the
exact law of the price gives the sum for any batch size. Ours.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kondo_ref.checks import FloatArray
from kondo_ref.delight import log_softmax, priority_signal
from kondo_ref.exact.atoms import Bandit, atoms
from kondo_ref.exact.batches import OF_POLICY, Baseline
from kondo_ref.exact.quantile_law import FiniteSignal, PriceLaw, quantile_price_law
from kondo_ref.gate import Gate, keep_probability


@dataclass(frozen=True, eq=False)
class Outcomes:
    """The law of one decision: what the gate sees of it, and what it adds to the update.

    Parameters
    ----------
    signals : (O,) float64
    vectors : (O, D) float64
        v = U grad log pi(a).
    probabilities : (O,) float64
        > 0, of sum 1 to rounding.
    """

    signals: FloatArray
    vectors: FloatArray
    probabilities: FloatArray

    @cached_property
    def signal(self) -> FiniteSignal:
        """The law of the signal."""
        return FiniteSignal.of_outcomes(self.signals, self.probabilities)

    @property
    def size(self) -> float:
        """The longest v, which bounds an update and what a price can change of it."""
        return float(np.linalg.norm(self.vectors, axis=1).max())

    def update(self, keep: FloatArray) -> "ExpectedUpdate":
        """Return the expectations for the keep probability (O,) of every outcome."""
        weight = self.probabilities * keep
        return ExpectedUpdate(weight @ self.vectors, float(weight.sum()))


@dataclass(frozen=True, eq=False)
class ExpectedUpdate:
    """Expectations over batches, the price's law and the gate's draws.

    Parameters
    ----------
    mean : (D,) float
        Of (1/n) sum G_i U_i grad log pi(a_i), an ascent direction.
    kept_share : float
        Of (1/n) sum G_i.
    """

    mean: FloatArray
    kept_share: float


def outcomes_of_bandit(
    bandit: Bandit,
    logits: FloatArray,
    *,
    baseline: Baseline | None = None,
    signal: str = "delight",
    alpha: float | None = None,
) -> Outcomes:
    """Return the law of one decision of a bandit.

    Parameters
    ----------
    bandit : Bandit
        Of finite rewards.
    logits : (C, K) float64
    baseline : Baseline, optional
        Of the policy; zero by default.
    signal : str
        A priority signal.
    alpha : float, optional
        Of the additive signal.

    Raises
    ------
    ValueError
        A baseline of the batch, which couples the decisions; Gaussian rewards.
    """
    chosen = Baseline() if baseline is None else baseline
    if chosen.kind not in OF_POLICY:
        raise ValueError(f"baseline: expected one of {', '.join(OF_POLICY)}; got {chosen.kind!r}")
    log_pi = log_softmax(logits)
    pi = np.exp(log_pi)
    b = chosen.of_policy(pi, bandit.mean)
    law = atoms(bandit, logits, Gate(signal=signal, alpha=alpha), b)
    if not law.exact:
        raise ValueError("bandit: expected finite rewards, got a Gaussian one")
    advantage = law.reward - b[law.context]
    scores = np.zeros((law.action.size, *logits.shape))
    rows = np.arange(law.action.size)
    scores[rows, law.context] = -pi[law.context]
    scores[rows, law.context, law.action] += 1.0
    return Outcomes(
        priority_signal(signal, advantage, -log_pi[law.context, law.action], alpha),
        scores.reshape(law.action.size, -1) * advantage[:, None],
        law.probability,
    )


def at_fixed_price(outcomes: Outcomes, price: float, temperature: float) -> ExpectedUpdate:
    """Return the expectations at a fixed price."""
    return outcomes.update(keep_probability(outcomes.signals, price, temperature))


def at_quantile_price(
    outcomes: Outcomes, n: int, rate: float, temperature: float
) -> ExpectedUpdate:
    """Return the expectations at the quantile price of the decision's own batch of n."""
    keep = np.empty(outcomes.signals.size)
    for value in outcomes.signal.values:
        law = quantile_price_law(outcomes.signal, n, rate, given=(float(value),))
        keep[outcomes.signals == value] = expected_keep(law, float(value), temperature)
    return outcomes.update(keep)


def at_leave_one_out_price(
    outcomes: Outcomes, n: int, rate: float, temperature: float
) -> ExpectedUpdate:
    """Return the expectations at the quantile price of the n - 1 other decisions.

    Raises
    ------
    ValueError
        n below 2.
    """
    if n < 2:
        raise ValueError(f"n: expected at least 2 decisions, got {n}")
    law = quantile_price_law(outcomes.signal, n - 1, rate)
    keep = np.array([expected_keep(law, float(s), temperature) for s in outcomes.signals])
    return outcomes.update(keep)


def expected_keep(law: PriceLaw, signal: float, temperature: float) -> float:
    """Return E[w] of one signal over the law of its price."""
    at_price = keep_probability(np.full(law.prices.size, signal), law.prices, temperature)
    return float(law.expect(at_price))
