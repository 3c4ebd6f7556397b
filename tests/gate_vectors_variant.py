"""The semantics in plain NumPy, straight from the page, with room for one mistake.

Without a mistake it is an honest implementation that takes no care of rounding: the ordinary
log-softmax, `numpy.quantile`, a plain bracketing. With one, it must fail the vectors.
"""

import math
from types import SimpleNamespace

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from kondo_ref.price import Calibrated, Fixed


class Variant:
    """The semantics once more, straight from the page, with room for one mistake."""

    def __init__(self, mistake: str = "") -> None:
        self.name = self.mistake = mistake

    def policy_gradient(
        self, logits, actions, advantages, gate, *, normalizer, uniforms=None, mask=None
    ):
        wrong, rows = self.mistake, np.arange(len(actions))
        valid = np.ones(len(actions), bool) if mask is None else mask
        z = logits - logits.max(axis=1, keepdims=True)
        log_pi = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        level = -log_pi[rows, actions]
        mix = gate.alpha or 0.0
        signal = {
            "delight": advantages * level,
            "advantage": advantages,
            "abs_advantage": np.abs(advantages),
            "surprisal": level,
            "uniform": np.ones_like(level),
            "additive": mix * advantages + (1.0 - mix) * level,
        }[gate.signal]
        keep, price, t = np.zeros_like(level), None, gate.temperature
        if gate.draw == "top_k":
            share = gate.rate * valid.sum()
            k = max(1, math.floor(share + 0.5) if wrong == "half rounds up" else round(share))
            last = rows[::-1] if wrong == "ties to the highest index" else rows
            order = sorted(last[valid[last]], key=lambda i: -signal[i])
            keep[order[:k]] = 1.0
            if wrong == "ties keep all":
                keep[valid] = signal[valid] >= signal[order[k - 1]]
        else:
            price = self.price(
                gate, signal if wrong == "masked rows in the price" else signal[valid]
            )
            if t == 0.0:
                keep[valid] = (signal >= price if wrong == "not strict" else signal > price)[valid]
            elif wrong == "price not divided":
                keep[valid] = expit(signal / t - price)[valid]
            else:
                scaled = (signal - price) * t if wrong == "multiplied" else (signal - price) / t
                keep[valid] = expit(scaled)[valid]
        weight = (uniforms < keep).astype(float) if gate.draw == "bernoulli" else keep
        count = {"decisions": valid.sum(), "kept": max(1, (weight > 0).sum()), "none": 1}
        if wrong == "mean over kept":
            count["decisions"] = count["kept"]
        if wrong == "divided by the sum of weights":
            count["kept"] = weight.sum() or 1.0
        c = weight * advantages / count[normalizer]
        dlogits = c[:, None] * np.exp(log_pi)
        dlogits[rows, actions] -= c
        screening = SimpleNamespace(
            surprisal=level, signal=signal, price=price, keep_probability=keep, weight=weight
        )
        return SimpleNamespace(loss=(c * level).sum(), dlogits=dlogits, screening=screening)

    @staticmethod
    def price(gate, signal):
        if isinstance(gate.price, Fixed):
            return gate.price.value
        if not isinstance(gate.price, Calibrated):
            return np.quantile(signal, 1.0 - gate.price.rate)
        wide = 50.0 * gate.temperature
        return brentq(
            lambda price: expit((signal - price) / gate.temperature).mean() - gate.price.rate,
            signal.min() - wide,
            signal.max() + wide,
            xtol=1e-300,
            rtol=8.9e-16,
        )
