"""The settings of an MNIST run, as data, and the gate of each method under them.

The published set-up ([K] Fig. 1, by replication): 784-100-100-10 with ReLU, Adam 1e-3, batches of
100, 10,000 steps, one action an image, reward 1 if it is the label, baseline sum of pi(a)^2, all
60,000 training images.
"""

import math
from dataclasses import dataclass, replace

from kondo_ref import checks
from kondo_ref.delight import SIGNALS
from kondo_ref.gate import METHODS as GATED
from kondo_ref.gate import Gate
from kondo_ref.gradient import NORMALIZERS
from kondo_ref.optim import Adam
from kondo_ref.tasks.settings import (
    DTYPES,
    PRICE_KINDS,
    AsData,
    check_batch,
    check_methods,
    check_size,
    later,
    price_of,
)

METHODS = (*GATED, "ce")
BASELINES = ("expected", "zero", "constant", "batch-mean", "leave-one-out", "oracle")
DATA = ("embedded", "full")


@dataclass(frozen=True)
class Settings(AsData):
    """What determines the numbers of a run.

    Parameters
    ----------
    methods : tuple of str
        Of pg, dg, kondo, zero-price, kondo-top-k, and ce: cross-entropy on the labels, an oracle.
    seeds : int
        Seeds 0..seeds-1, for every method.
    steps, batch : int
    rate : float
        Target rate of kondo and kondo-top-k.
    price : str
        Of kondo: quantile, calibrated, rolling (at `rate`), or a number.
    temperature : float
        Of kondo, in reward * nat.
    baseline : str
        expected, zero, constant (`baseline_value`), batch-mean, leave-one-out, oracle.
    baseline_value : float
    data : str
        embedded or full.
    hidden : tuple of int
        Hidden widths.
    learning_rate : float
        Of Adam.
    dtype : str
        float32 or float64.
    normalizer : str
        decisions, kept or none.
    signal : str
        What kondo-top-k ranks by.
    alpha : float
        Weight of the advantage in the signal additive, in [0, 1].
    corner : int
        Steps of cross-entropy toward a wrong digit before the run, which neither its steps nor its
        counts include; see `kondo_ref.tasks.mnist.corner`.

    Raises
    ------
    TypeError, ValueError
        A setting out of range.
    """

    methods: tuple[str, ...] = ("pg", "dg", "kondo-top-k")
    seeds: int = 3
    steps: int = 5000
    batch: int = 100
    rate: float = 0.03
    price: str = "quantile"
    temperature: float = 1.0
    baseline: str = "expected"
    baseline_value: float = 0.5
    data: str = "embedded"
    hidden: tuple[int, ...] = (100, 100)
    learning_rate: float = 1e-3
    dtype: str = "float32"
    normalizer: str = "decisions"
    signal: str = later("delight")
    alpha: float = later(0.5)
    corner: int = later(0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "methods", tuple(self.methods))
        object.__setattr__(self, "hidden", tuple(self.hidden))
        check_methods(self.methods, METHODS)
        check_size("seeds", self.seeds)
        for name in ("steps", "batch"):
            checks.count(name, getattr(self, name), 1)
        for width in self.hidden:
            check_size("hidden", width)
        checks.rate_number("rate", self.rate)
        checks.one_of("baseline", self.baseline, BASELINES)
        if not math.isfinite(checks.number("baseline_value", self.baseline_value)):
            raise ValueError(f"baseline_value: expected a finite number, got {self.baseline_value}")
        Adam(self.learning_rate)
        checks.one_of("data", self.data, DATA)
        checks.one_of("dtype", self.dtype, DTYPES)
        checks.one_of("normalizer", self.normalizer, NORMALIZERS)
        checks.one_of("signal", self.signal, SIGNALS)
        if not 0.0 <= checks.number("alpha", self.alpha) <= 1.0:
            raise ValueError(f"alpha: expected a number in [0, 1], got {self.alpha}")
        checks.count("corner", self.corner, 0)
        for method in self.methods:
            self.gate(method)
        if self.baseline == "leave-one-out" and self.batch < 2:
            raise ValueError("batch: a leave-one-out baseline needs at least 2, got 1")

    @property
    def work(self) -> int:
        """The steps that a unit reports as its progress: to the corner, and those of the run."""
        return self.corner + self.steps

    def check_data(self, images: int) -> None:
        """Refuse a batch larger than the training set of `images` images."""
        check_batch(self.batch, images)

    def gate(self, method: str) -> Gate:
        """Return the gate of a method; ce keeps everything, as pg."""
        if method == "kondo-top-k":
            alpha = self.alpha if self.signal == "additive" else None
            named = Gate.named(method, rate=self.rate)
            return replace(named, signal=self.signal, alpha=alpha)
        if method == "kondo":
            price = price_of(self.price, self.rate)
            return Gate.named(method, price=price, temperature=self.temperature)
        return Gate.named("pg" if method == "ce" else method)

    @property
    def price_has_rate(self) -> bool:
        """Whether the price of kondo aims at a rate."""
        return self.price in PRICE_KINDS
