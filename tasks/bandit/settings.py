"""The settings of a bandit run, as data: the two published experiments, and the gate of a method.

Both have logits as parameters, one right arm a context that pays 1, and steps of a fixed length
along the update. many-contexts is that of [DG], Prop. 2 (100 contexts of 10 arms, logits N(0, 1),
exact gradients, no baseline); single-context that of [DG], Prop. 1 (100 arms from equal logits, 100
decisions a step, baseline 1/2, so that U is +-1/2). The papers' numbers of steps are not known to
us.
"""

import math
from dataclasses import dataclass
from typing import Any, Self

from kondo_ref import checks
from kondo_ref.gate import METHODS as GATED
from kondo_ref.gate import Gate
from kondo_ref.tasks.settings import PRICE_KINDS, AsData, check_methods, check_size, price_of

METHODS = (*GATED, "ce")
BASELINES = ("zero", "constant", "expected", "oracle")
GRADIENTS = ("exact", "sampled")
EXPERIMENTS: dict[str, dict[str, Any]] = {
    "many-contexts": {},
    "single-context": {
        "seeds": 20,
        "steps": 200,
        "contexts": 1,
        "arms": 100,
        "spread": 0.0,
        "gradients": "sampled",
        "batch": 100,
        "baseline": "constant",
    },
}
LARGEST_STEP = 10_000_000


@dataclass(frozen=True)
class Settings(AsData):
    """What determines the numbers of a run.

    Parameters
    ----------
    experiment : str
        many-contexts or single-context: which settings `of` starts from.
    methods : tuple of str
        Of pg, dg, kondo, zero-price, kondo-top-k, and ce: cross-entropy on the right arms, an
        oracle.
    seeds : int
        Seeds 0..seeds-1, for every method.
    steps : int
    contexts, arms : int
        N and K.
    spread : float
        Standard deviation of the initial logits.
    gradients : str
        exact: the expected update, by enumerating the arms; the gates of a batch at the limit of
        a large one. sampled: `batch` decisions.
    batch : int
        Decisions a step in every context, where gradients are sampled.
    baseline : str
        zero; constant (`baseline_value`); expected, sum of pi(a)^2; oracle, the true pi(right arm).
    baseline_value : float
    learning_rate : float
        Length of a step in the logits of all contexts.
    rate : float
        Target rate of kondo and kondo-top-k.
    price : str
        Of kondo: quantile, calibrated, rolling (at `rate`), or a number.
    temperature : float
        Of dg and kondo, in reward * nat.

    Raises
    ------
    TypeError, ValueError
        A setting out of range.
    """

    experiment: str = "many-contexts"
    methods: tuple[str, ...] = ("pg", "dg", "kondo", "kondo-top-k", "ce")
    seeds: int = 5
    steps: int = 1000
    contexts: int = 100
    arms: int = 10
    spread: float = 1.0
    gradients: str = "exact"
    batch: int = 1
    baseline: str = "zero"
    baseline_value: float = 0.5
    learning_rate: float = 0.1
    rate: float = 0.03
    price: str = "quantile"
    temperature: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "methods", tuple(self.methods))
        checks.one_of("experiment", self.experiment, tuple(EXPERIMENTS))
        check_methods(self.methods, METHODS)
        for name in ("seeds", "steps", "contexts", "batch"):
            check_size(name, getattr(self, name))
        check_size("arms", checks.count("arms", self.arms, 2))
        checks.one_of("gradients", self.gradients, GRADIENTS)
        checks.one_of("baseline", self.baseline, BASELINES)
        decisions = self.contexts * (self.arms if self.exact else self.batch)
        if decisions * self.arms > LARGEST_STEP:
            raise ValueError(
                f"contexts: expected at most {LARGEST_STEP:,} logits a step, got "
                f"{decisions:,} decisions of {self.arms:,} arms"
            )
        if not 0.0 <= checks.number("spread", self.spread) <= 100.0:
            raise ValueError(f"spread: expected a number in [0, 100], got {self.spread}")
        if not math.isfinite(checks.number("baseline_value", self.baseline_value)):
            raise ValueError(f"baseline_value: expected a finite number, got {self.baseline_value}")
        if not 0.0 < checks.number("learning_rate", self.learning_rate) < math.inf:
            raise ValueError(
                f"learning_rate: expected a finite number > 0, got {self.learning_rate}"
            )
        checks.rate_number("rate", self.rate)
        for method in self.methods:
            self.gate(method)
        if self.exact and "kondo" in self.methods and self.price == "rolling":
            raise ValueError("price: a rolling price needs --gradients sampled, it has no batch")

    @classmethod
    def of(cls, given: dict[str, Any]) -> Self:
        """Return the settings of an experiment with what was given in place of its own."""
        experiment = given.get("experiment", cls.experiment)
        checks.one_of("experiment", experiment, tuple(EXPERIMENTS))
        return cls(**{**EXPERIMENTS[experiment], **given})

    @property
    def exact(self) -> bool:
        """Whether the update is the expected one."""
        return self.gradients == "exact"

    def gate(self, method: str) -> Gate:
        """Return the gate of a method; ce keeps everything, as pg."""
        if method == "kondo-top-k":
            return Gate.named(method, rate=self.rate)
        if method == "kondo":
            price = price_of(self.price, self.rate)
            return Gate.named(method, price=price, temperature=self.temperature)
        if method == "dg":
            return Gate.named(method, temperature=self.temperature)
        return Gate.named("pg" if method == "ce" else method)

    @property
    def price_has_rate(self) -> bool:
        """Whether the price of kondo aims at a rate."""
        return self.price in PRICE_KINDS
