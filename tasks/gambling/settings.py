"""The settings of a gambling run, as data, and the gate of each method under them.

[K], Prop. 3: two arms, the better one by `gap`, noise on the worse one alone (or on both), the
exact value as baseline. Three methods are remedies tried against it: softer (the Kondo gate at
price 0 with a temperature), priced (the hard gate at a price above 0) and reserve (the hard gate,
with some decisions kept whatever their delight; ours).
"""

import math
import sys
from dataclasses import dataclass

from kondo_ref import checks
from kondo_ref.gate import METHODS as GATED
from kondo_ref.gate import Gate
from kondo_ref.price import Fixed
from kondo_ref.tasks.settings import PRICE_KINDS, AsData, check_methods, check_size, price_of

REMEDIES = ("softer", "priced", "reserve")
METHODS = (*GATED, *REMEDIES)
NOISES = ("worse", "both")
BASELINES = ("exact", "zero", "constant")
LARGEST_STEP = 10_000_000


@dataclass(frozen=True)
class Settings(AsData):
    """What determines the numbers of a run.

    Parameters
    ----------
    methods : tuple of str
        Of pg, dg, kondo, zero-price, kondo-top-k, softer, priced, reserve.
    seeds : int
        Seeds 0..seeds-1, for every method.
    steps, batch : int
        Updates, and decisions in each; every sigma has its own batch.
    learning_rate : float
        Of plain gradient ascent, at sigma = 1 and the first step; see `step_size`.
    gap : float
        By how much arm 1 pays more, > 0, in reward; arm 2 pays 0 on average.
    sigma : tuple of float
        Standard deviations of the noise, in gaps; each is trained by itself.
    noise : str
        worse: on arm 2. both: on both arms.
    baseline : str
        exact (the value pi_1 gap), zero or constant (`baseline_value`).
    baseline_value : float
        In reward.
    start : float
        pi_2 at the start, in (0, 1).
    rate : float
        Target rate of kondo and kondo-top-k.
    price : str
        Of kondo: quantile, calibrated, rolling (at `rate`), or a number.
    temperature : float
        Of kondo, in reward * nat.
    softer_temperature : float
        Of softer, in reward * nat.
    fixed_price : float
        Of priced, in reward * nat.
    reserve : float
        Of reserve, in [0, 1]: a decision is kept with probability 1 - (1 - w)(1 - reserve), where w
        is that of the hard gate, and weighs U if it is kept.
    chances : tuple of float
        The pi_1 at which false breakthroughs are counted.
    draws : int
        Draws of arm 2 for each of these, each sigma and each seed.

    Raises
    ------
    TypeError, ValueError
        A setting out of range.
    """

    methods: tuple[str, ...] = ("pg", "dg", "zero-price", "kondo", *REMEDIES)
    seeds: int = 2
    steps: int = 2000
    batch: int = 200
    learning_rate: float = 4.0
    gap: float = 1.0
    sigma: tuple[float, ...] = (0.5, 0.75, 1.0, 2.0, 5.0)
    noise: str = "worse"
    baseline: str = "exact"
    baseline_value: float = 0.5
    start: float = 0.5
    rate: float = 0.03
    price: str = "quantile"
    temperature: float = 1.0
    softer_temperature: float = 4.0
    fixed_price: float = 0.1
    reserve: float = 0.1
    chances: tuple[float, ...] = (0.5, 0.9, 0.99)
    draws: int = 100_000

    def __post_init__(self) -> None:
        for name in ("methods", "sigma", "chances"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        check_methods(self.methods, METHODS)
        for name in ("seeds", "steps", "batch", "draws"):
            check_size(name, getattr(self, name))
        checks.one_of("noise", self.noise, NOISES)
        checks.one_of("baseline", self.baseline, BASELINES)
        checks.rate_number("rate", self.rate)
        self._check_numbers()
        if len(self.sigma) * self.batch > LARGEST_STEP:
            raise ValueError(f"batch: expected at most {LARGEST_STEP:,} decisions a step")
        for method in self.methods:
            self.gate(method)

    def _check_numbers(self) -> None:
        """Refuse numbers outside their interval."""
        for name in ("sigma", "chances"):
            values = getattr(self, name)
            if not values or len(set(values)) != len(values):
                raise ValueError(f"{name}: expected distinct numbers, got {values}")
        largest = sys.float_info.max
        closed = {"sigma": (0.0, 1e6), "reserve": (0.0, 1.0), "softer_temperature": (0.0, largest)}
        closed |= dict.fromkeys(("baseline_value", "fixed_price"), (-largest, largest))
        opened = {"learning_rate": (0.0, math.inf), "gap": (0.0, math.inf)}
        opened |= dict.fromkeys(("start", "chances"), (0.0, 1.0))
        for name, (low, high) in {**closed, **opened}.items():
            given = getattr(self, name)
            for value in given if isinstance(given, tuple) else (given,):
                x = checks.number(name, value)
                if not (low < x < high if name in opened else low <= x <= high):
                    ends = "()" if name in opened else "[]"
                    raise ValueError(
                        f"{name}: expected a number in {ends[0]}{low:g}, {high:g}{ends[1]}, "
                        f"got {value}"
                    )

    def gate(self, method: str) -> Gate:
        """Return the gate of a method; that of reserve is the hard one, without its reserve."""
        if method == "kondo-top-k":
            return Gate.named(method, rate=self.rate)
        if method == "kondo":
            price = price_of(self.price, self.rate)
            return Gate.named(method, price=price, temperature=self.temperature)
        if method == "softer":
            return Gate.named("kondo", price=Fixed(0.0), temperature=self.softer_temperature)
        if method == "priced":
            return Gate.named("kondo", price=Fixed(self.fixed_price), temperature=0.0)
        return Gate.named("zero-price" if method == "reserve" else method)

    def step_size(self, sigma: float, step: int) -> float:
        """Return the step size, in 1/reward: learning_rate / (gap max(sigma, 1/2)^2), falling to 0.

        The noise of a step is then alike at every sigma, and the drift, the slower the smaller
        sigma, gets there. It falls linearly, so that the run ends at rest.
        """
        left = 1.0 - (step - 1) / self.steps
        return left * self.learning_rate / (self.gap * max(sigma, 0.5) ** 2)

    @property
    def late_steps(self) -> int:
        """The steps at the end whose mean is the long run: a quarter."""
        return max(1, self.steps // 4)

    def reserve_of(self, method: str) -> float:
        """Return the share that a method keeps unseen."""
        return self.reserve if method == "reserve" else 0.0

    @property
    def price_has_rate(self) -> bool:
        """Whether the price of kondo aims at a rate."""
        return self.price in PRICE_KINDS
