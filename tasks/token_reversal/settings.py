"""The settings of a token-reversal run, as data, and the gate of each method under them.

The published set-up ([K] Fig. 8, as far as it is known): H = 10, M = 2, 10 prompts with 10 samples
each, one prefix reward a sequence, the group's mean as baseline, Adam 3e-4, 10,000 steps, a pre-LN
transformer of width 64. Two layers of two heads are what other sources say and what meets its
speed best; the released configuration has three layers of four heads and a feed-forward of 128.
"""

import math
from dataclasses import dataclass

from kondo_ref import checks
from kondo_ref.gate import Gate
from kondo_ref.gradient import NORMALIZERS
from kondo_ref.models.transformer import Transformer
from kondo_ref.optim import Adam
from kondo_ref.tasks.settings import (
    DTYPES,
    PRICE_KINDS,
    AsData,
    check_methods,
    check_size,
    price_of,
)

TOKEN = "-token"
GATED = (
    "pg", "dg", "kondo", "kondo-token", "zero-price", "zero-price-token",
    "kondo-top-k", "kondo-top-k-token",
)  # fmt: skip
METHODS = (*GATED, "ppo", "pmpo")
REWARDS = ("prefix", "fraction", "exact")
BASELINES = ("group-mean", "leave-one-out", "zero", "constant")
SIZES = (
    "seeds", "steps", "prompts", "samples", "length",
    "width", "layers", "heads", "feed_forward", "epochs",
)  # fmt: skip


@dataclass(frozen=True)
class Settings(AsData):
    """What determines the numbers of a run.

    Parameters
    ----------
    methods : tuple of str
        pg; dg (token by token, as released); kondo, zero-price and kondo-top-k, which gate whole
        sequences, and the same with -token, which gate every token by itself; ppo and pmpo.
    seeds : int
        Seeds 0..seeds-1, for every method.
    steps : int
    prompts, samples : int
        A step has `prompts` prompts with `samples` answers each.
    length : int
        H, tokens of a prompt and of an answer.
    vocabulary : int
        M, the different tokens.
    reward : str
        prefix, fraction or exact; one a sequence.
    kappa : float
        Weight of a graded reward (prefix, fraction) against the exact one.
    baseline : str
        group-mean (the answers to one prompt, itself included), leave-one-out (the others among
        them), zero, constant (`baseline_value`).
    baseline_value : float
    noisy_zero : float
        Standard deviation of the noise on the reward of a right answer of only zeros.
    zero_prompts : float
        Share of the prompts that are replaced by zeros.
    rate : float
        Target rate of kondo and kondo-top-k, of sequences or of tokens.
    price : str
        Of kondo: quantile, calibrated, rolling (at `rate`), or a number.
    temperature : float
        Of kondo, in reward * nat.
    width, layers, heads, feed_forward : int
        Of the transformer.
    learning_rate : float
        Of Adam.
    dtype : str
        float32 or float64.
    normalizer : str
        decisions, kept or none; of the gated methods, since ppo and pmpo have their own.
    epochs : int
        Updates of ppo with one batch; all other methods make one.
    clip : float
        Of ppo's ratio.
    alpha : float
        Weight of pmpo's accepted decisions; 1 - alpha is that of the rejected ones.

    Raises
    ------
    TypeError, ValueError
        A setting out of range.
    """

    methods: tuple[str, ...] = ("pg", "dg", "kondo-top-k", "kondo-top-k-token")
    seeds: int = 2
    steps: int = 600
    prompts: int = 10
    samples: int = 10
    length: int = 10
    vocabulary: int = 2
    reward: str = "prefix"
    kappa: float = 1.0
    baseline: str = "group-mean"
    baseline_value: float = 0.5
    noisy_zero: float = 0.0
    zero_prompts: float = 0.0
    rate: float = 0.03
    price: str = "quantile"
    temperature: float = 1.0
    width: int = 64
    layers: int = 2
    heads: int = 2
    feed_forward: int = 256
    learning_rate: float = 3e-4
    dtype: str = "float32"
    normalizer: str = "decisions"
    epochs: int = 1
    clip: float = 0.1
    alpha: float = 0.6

    def __post_init__(self) -> None:
        object.__setattr__(self, "methods", tuple(self.methods))
        check_methods(self.methods, METHODS)
        for name in SIZES:
            check_size(name, getattr(self, name))
        check_size("vocabulary", checks.count("vocabulary", self.vocabulary, 2))
        checks.one_of("reward", self.reward, REWARDS)
        checks.one_of("baseline", self.baseline, BASELINES)
        checks.one_of("dtype", self.dtype, DTYPES)
        checks.one_of("normalizer", self.normalizer, NORMALIZERS)
        checks.rate_number("rate", self.rate)
        for name in ("kappa", "zero_prompts", "alpha"):
            value = checks.number(name, getattr(self, name))
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"{name}: expected a number in [0, 1], got {value}")
        if not math.isfinite(checks.number("baseline_value", self.baseline_value)):
            raise ValueError(f"baseline_value: expected a finite number, got {self.baseline_value}")
        if not 0.0 <= checks.number("noisy_zero", self.noisy_zero) < math.inf:
            raise ValueError(f"noisy_zero: expected a finite number >= 0, got {self.noisy_zero}")
        if not 0.0 < checks.number("clip", self.clip) < 1.0:
            raise ValueError(f"clip: expected a number in (0, 1), got {self.clip}")
        Adam(self.learning_rate)
        self.model()
        for method in self.methods:
            self.gate(method)
        if self.baseline in ("group-mean", "leave-one-out") and self.samples < 2:
            raise ValueError(f"samples: the baseline {self.baseline} needs at least 2, got 1")
        if self.epochs > 1 and "pmpo" in self.methods:
            raise ValueError(
                f"epochs: expected 1 with pmpo, got {self.epochs}: from its second update on the "
                f"gradient of its KL term takes the whole distribution, not one coefficient a token"
            )

    @property
    def batch(self) -> int:
        """Sequences a step, B."""
        return self.prompts * self.samples

    def model(self) -> Transformer:
        """Return the transformer: the tokens and a separator in, a token out."""
        return Transformer(
            vocabulary=self.vocabulary + 1,
            actions=self.vocabulary,
            length=2 * self.length,
            width=self.width,
            layers=self.layers,
            heads=self.heads,
            feed_forward=self.feed_forward,
        )

    def gate(self, method: str) -> Gate:
        """Return the gate of a method; ppo and pmpo keep everything, as pg."""
        if method in ("pg", "ppo", "pmpo"):
            return Gate.named("pg")
        if method == "dg":
            return Gate.named("dg")
        name = method.removesuffix(TOKEN)
        unit = "token" if method.endswith(TOKEN) else "sequence"
        if name == "kondo-top-k":
            return Gate.named(name, rate=self.rate, unit=unit)
        if name == "kondo":
            price = price_of(self.price, self.rate)
            return Gate.named(name, price=price, temperature=self.temperature, unit=unit)
        return Gate.named(name, unit=unit)

    @property
    def price_has_rate(self) -> bool:
        """Whether the price of kondo aims at a rate."""
        return self.price in PRICE_KINDS
