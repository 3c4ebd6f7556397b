"""The settings of a screening study, as data; what is compared are screeners, not gates.

The bandit, the network and the optimizer are those of `kondo_ref.tasks.mnist`, whose published
set-up is the default here but for the size; the baseline is the acting policy's sum of pi(a)^2.
"""

from dataclasses import dataclass

from kondo_ref import checks
from kondo_ref.gate import Gate
from kondo_ref.models.mlp import MLP
from kondo_ref.optim import Adam
from kondo_ref.screeners.exact import Exact
from kondo_ref.screeners.named import Setting, proposed_rate, screener_named
from kondo_ref.tasks.mnist.settings import DATA
from kondo_ref.tasks.settings import DTYPES, AsData, check_batch, check_size

GATES = ("kondo-top-k", "kondo", "zero-price", "dg")
ACTORS = ("exact", "screener")
METHODS = (
    "exact",
    "additive:0.5",
    "multiplicative:0.5",
    "stale:100",
    "cached:4",
    "cached-signal:4",
    "int8",
    "bfloat16",
    "draft:16",
    "draft:16@0.1",
)


@dataclass(frozen=True)
class Settings(AsData):
    """What determines the numbers of a study.

    Parameters
    ----------
    methods : tuple of str
        Screeners, by the words of `kondo_ref.screeners.named`.
    seeds : int
        Seeds 0..seeds-1, for every screener.
    steps, batch : int
    gate : str
        kondo-top-k, kondo (at the quantile price, temperature 1), zero-price or dg.
    rate : float
        Target rate of kondo and kondo-top-k.
    actor : str
        Whose policy draws the actions. exact: the exact parameters of now, by a dense forward that
        is counted apart. screener: the screener's own policy, so that no dense exact forward is run
        by anybody.
    data : str
        embedded or full.
    hidden : tuple of int
        Hidden widths of the exact network.
    learning_rate : float
        Of Adam, for the exact network and for a draft.
    dtype : str
        float32 or float64.

    Raises
    ------
    TypeError, ValueError
        A setting out of range; a screener that cannot act, or cannot be checked.
    """

    methods: tuple[str, ...] = METHODS
    seeds: int = 3
    steps: int = 2000
    batch: int = 100
    gate: str = "kondo-top-k"
    rate: float = 0.03
    actor: str = "exact"
    data: str = "embedded"
    hidden: tuple[int, ...] = (100, 100)
    learning_rate: float = 1e-3
    dtype: str = "float32"

    def __post_init__(self) -> None:
        object.__setattr__(self, "methods", tuple(self.methods))
        object.__setattr__(self, "hidden", tuple(self.hidden))
        if not self.methods or len(set(self.methods)) != len(self.methods):
            raise ValueError(f"methods: expected distinct screeners, got {self.methods}")
        check_size("seeds", self.seeds)
        for name in ("steps", "batch"):
            checks.count(name, getattr(self, name), 1)
        for width in self.hidden:
            check_size("hidden", width)
        checks.rate_number("rate", self.rate)
        checks.one_of("gate", self.gate, GATES)
        checks.one_of("actor", self.actor, ACTORS)
        Adam(self.learning_rate)
        checks.one_of("data", self.data, DATA)
        checks.one_of("dtype", self.dtype, DTYPES)
        for method in self.methods:
            self._check_method(method)

    def _check_method(self, method: str) -> None:
        model = MLP((1, 1))
        screener = screener_named(method.partition("@")[0], Setting(model, 1, self.dtype))
        if self.actor == "screener" and not screener.has_policy:
            raise ValueError(f"actor: {method} has no policy to act by; use --actor exact")
        propose = proposed_rate(method)
        if propose is None:
            return
        checks.rate_number("methods", propose)
        if isinstance(screener, Exact) or self.gate != "kondo-top-k" or self.rate > propose:
            raise ValueError(
                f"methods: {method} needs an estimate to be checked and --gate kondo-top-k at a "
                f"rate of at most {propose}"
            )

    def check_data(self, images: int) -> None:
        """Refuse a batch larger than the training set of `images` images."""
        check_batch(self.batch, images)

    def named_gate(self) -> Gate:
        """Return the gate, the same for every screener."""
        if self.gate in {"kondo-top-k", "kondo"}:
            return Gate.named(self.gate, rate=self.rate)
        return Gate.named(self.gate)
