"""Cost studies: what a gated step costs at a rate, and when it is worth it.

The three counts of a backward stand side by side and are never mixed: logical (the rate times the
dense backward, the papers' axis), structural (the least this gate allows) and executed (what the
reference would run). A dense step is the baseline: PG keeps everything, and so does DG, whose soft
gate weighs every decision and skips none. All numbers are in one convention.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from scipy.optimize import brentq

from kondo_ref import checks
from kondo_ref.flops.conventions import VIEWS, Convention
from kondo_ref.flops.decoder_kept import Number, as_fraction, plain
from kondo_ref.flops.decoder_step import SCREENINGS
from kondo_ref.flops.study_batches import Batch, Share, Stages
from kondo_ref.gate import Gate


@dataclass(frozen=True)
class Study:
    """A batch behind a gate of one unit and one way to screen.

    Parameters
    ----------
    batch : Batch
    convention : Convention
    unit : str
        sample, token or sequence; the batch's first by default.
    screening : str
        cached: the backward uses the activations of the forward. recompute: the kept prefixes run
        forward once more. draft: something that costs `draft_ratio` of a forward screens, and the
        kept prefixes run forward.
    draft_ratio : float or Fraction, optional
        In [0, 1]; for draft, and only there.

    Raises
    ------
    TypeError, ValueError
        An unknown word, a ratio out of range, missing, or where it has no meaning.
    """

    batch: Batch
    convention: Convention = field(default_factory=lambda: VIEWS["matmul"])
    unit: str = ""
    screening: str = "cached"
    draft_ratio: float | Fraction | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "unit", self.unit or self.batch.units[0])
        checks.one_of("unit", self.unit, self.batch.units)
        checks.one_of("screening", self.screening, SCREENINGS)
        if (self.screening == "draft") != (self.draft_ratio is not None):
            raise ValueError(
                f"draft_ratio: needed for the screening draft and only there, "
                f"got {self.draft_ratio!r} with {self.screening}"
            )
        if self.draft_ratio is not None:
            ratio = as_fraction("draft_ratio", self.draft_ratio)
            object.__setattr__(self, "draft_ratio", ratio)

    @property
    def again(self) -> bool:
        """Whether what is kept runs forward for its backward."""
        return self.screening != "cached"

    @property
    def forward_share(self) -> Fraction:
        """What the screening forward costs, of a forward."""
        return Fraction(1 if self.draft_ratio is None else self.draft_ratio)

    def dense(self, method: str = "pg") -> Stages:
        """Return the stages of a dense step, by pg or dg."""
        checks.one_of("method", method, ("pg", "dg"))
        return self.batch.stages(self.convention, Gate.named(method), Fraction(1))

    def stages(self, rate: float | Fraction) -> Stages:
        """Return the stages of a gated step, in expectation over a random gate of the rate."""
        unit = "token" if self.unit == "sample" else self.unit
        # What top-k screening computes does not depend on its rate.
        gate = Gate.named("kondo-top-k", rate=1.0, unit=unit)
        share = as_fraction("rate", rate)
        stages = self.batch.stages(self.convention, gate, share, again=self.again)
        stages["forward"] = plain(self.forward_share * stages["forward"])
        return stages

    def cost(self, rate: float | Fraction) -> "Cost":
        """Return all about a rate in [0, 1]."""
        share = as_fraction("rate", rate)
        return Cost(
            share,
            self.batch.share(share, self.unit),
            self.stages(share),
            self.dense(),
            self.dense("dg"),
            self.backwards(share),
            self.backwards(1),
            self.batch.activation_entries(*((share, self.unit) if self.again else ())),
        )

    def random_stages(self) -> frozenset[str]:
        """Return the stages whose number depends on what is kept."""
        nothing, everything = self.stages(0), self.stages(1)
        return frozenset(name for name in nothing if nothing[name] != everything[name])

    def backwards(self, rate: float | Fraction) -> dict[str, Number]:
        """Return the three counts of the backward at a rate, by name."""
        share, (batch, view) = as_fraction("rate", rate), (self.batch, self.convention)
        return {
            "logical": plain(share * dense_backward(self.dense())),
            "structural": batch.structural(view, share, self.unit),
            "executed": batch.executed(view, share, self.unit),
        }

    def ceiling(self) -> float:
        """Return the saving over PG as the rate goes to 0: what no gate can exceed."""
        nothing = total(self.stages(0))
        return float(total(self.dense()) / Fraction(nothing)) if nothing else float("inf")

    def break_even(self) -> float | None:
        """Return the rate above which the gated step costs more than PG's.

        None where it never does. Found to 12 digits.
        """
        dense = total(self.dense())

        def excess(rate: float) -> float:
            return float(total(self.stages(rate)) / Fraction(dense) - 1)

        if excess(1.0) <= 0:
            return None
        if excess(0.0) >= 0:
            return 0.0
        return float(brentq(excess, 0.0, 1.0, xtol=1e-13, rtol=1e-12))


@dataclass(frozen=True)
class Cost:
    """A gated step at one rate, in expectation.

    Parameters
    ----------
    rate : Fraction
    share : Share
        Sequences, rows and decisions that are kept.
    stages, dense_pg, dense_dg : dict
        The numbers of the gated step and of the two dense ones, by stage.
    backwards, whole_backwards : dict
        The three counts of the backward, logical, structural and executed; and with all kept.
    activations : int or Fraction
        Numbers that are kept for the backward.
    """

    rate: Fraction
    share: Share
    stages: Stages
    dense_pg: Stages
    dense_dg: Stages
    backwards: dict[str, Number]
    whole_backwards: dict[str, Number]
    activations: Number

    @property
    def expectation(self) -> bool:
        """Whether the gate is a random one: the rate is below 1."""
        return self.rate < 1

    @property
    def step(self) -> Number:
        """All stages together."""
        return total(self.stages)

    @property
    def saving_over_pg(self) -> float:
        """How many such steps one of PG costs."""
        return ratio(total(self.dense_pg), self.step)

    @property
    def saving_over_dg(self) -> float:
        """How many such steps one of DG costs."""
        return ratio(total(self.dense_dg), self.step)

    @property
    def backward_shares(self) -> dict[str, float]:
        """The three counts, each as a share of what it is with everything kept."""
        return {
            name: ratio(count, self.whole_backwards[name]) for name, count in self.backwards.items()
        }


@dataclass(frozen=True)
class PaperCost:
    """The cost model of the papers, with the ratio r of backward to forward given, not counted.

    A dense step costs F (1 + r), a gated one F (d + a rho + r rho): d is 1, or the draft's ratio;
    a is 1 where what is kept runs forward again, else 0. ([K] Fig. 3 has d = 1 and a = 0.)

    Parameters
    ----------
    ratio : float
        r >= 0.
    forward_share : float
        d.
    again : bool
        Whether a is 1.
    """

    ratio: float
    forward_share: float = 1.0
    again: bool = False

    def __post_init__(self) -> None:
        if not 0.0 <= checks.number("backward_cost", self.ratio) < float("inf"):
            raise ValueError(f"backward_cost: expected a finite number >= 0, got {self.ratio}")

    def step(self, share: float) -> float:
        """Return the cost of a step whose backward is this share, in forwards."""
        return self.forward_share + (self.again + self.ratio) * share

    @property
    def dense(self) -> float:
        """The cost of a dense step, in forwards."""
        return 1.0 + self.ratio

    def saving(self, share: float) -> float:
        """Return how many such steps a dense one costs."""
        cost = self.step(share)
        return self.dense / cost if cost else float("inf")

    @property
    def break_even(self) -> float | None:
        """The share above which the gated step is the dearer one, None if it never is."""
        if self.step(1.0) <= self.dense:
            return None
        return (self.dense - self.forward_share) / (self.again + self.ratio)


def total(stages: Stages) -> Number:
    """Return the sum of some stages."""
    return plain(sum(map(Fraction, stages.values()), Fraction()))


def dense_backward(stages: Stages) -> Number:
    """Return both halves of a backward."""
    return plain(Fraction(stages["backward_input"]) + stages["backward_weight"])


def sweep(studies: Sequence[Study], rates: Sequence[float | Fraction]) -> list[tuple[Study, Cost]]:
    """Return a point a study and rate."""
    return [(study, study.cost(rate)) for study in studies for rate in rates]


def ratio(a: Number, b: Number) -> float:
    """Return a / b, infinite where b is 0."""
    return float(Fraction(a) / b) if b else float("inf")
