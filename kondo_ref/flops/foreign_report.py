"""What was executed once, and the verdict on what a gate claims to save; no framework is needed.

The claim is logical: a gate of rate r saves 1 - r of the backward that the dense rate runs. The
executed saving is of the backward FLOP that were counted where they ran.
"""

from dataclasses import asdict, dataclass
from typing import Any

STAGES = ("forward", "backward", "recompute", "update")
SKIPPED, PARTLY, MASKED, MORE = "skipped", "partly", "masked: no saving", "more than claimed"
# Of shares: their floats are off by some 1e-16, and no operation is as small a part of a backward.
ROUNDING = 1e-12


@dataclass(frozen=True)
class ModuleCount:
    """What one module executed.

    Parameters
    ----------
    name : str
        Its path below the outermost module called, which goes by its class.
    forward, backward, recompute, update : int
        FLOP of the module itself, without those of the modules in it.
    forward_rows : int or None
        Rows of its outputs, summed over its calls; None under vmap, which hides them.
    backward_rows : int or None
        Rows of the gradients of its outputs, as they entered its backward: what was executed.
    nonzero_rows : int or None
        Those of them with a non-zero element.
    """

    name: str
    forward: int = 0
    backward: int = 0
    recompute: int = 0
    update: int = 0
    forward_rows: int | None = 0
    backward_rows: int | None = 0
    nonzero_rows: int | None = 0


@dataclass(frozen=True)
class FlopReport:
    """What was executed once.

    Parameters
    ----------
    forward, backward, recompute, update : int
        FLOP by stage. A recomputation is a module's forward inside a backward; the update is what
        an optimizer's step does.
    operations : tuple of tuple of str and int
        FLOP of the backward, by operation.
    modules : tuple of ModuleCount
        In the order of their first call; what belongs to none is at the end.
    notes : tuple of str
        What to know about these numbers.
    """

    forward: int
    backward: int
    recompute: int = 0
    update: int = 0
    operations: tuple[tuple[str, int], ...] = ()
    modules: tuple[ModuleCount, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """All stages together."""
        return self.forward + self.backward + self.recompute + self.update

    @property
    def unfollowed(self) -> int:
        """FLOP of forwards of rows that no backward followed, as of a screening.

        Of modules with a backward only: a frozen network screens nothing. Exact where a module's
        FLOP are proportional to its rows.
        """
        return sum(
            round(m.forward * (1 - m.backward_rows / m.forward_rows))
            for m in self.modules
            if m.forward_rows and m.backward_rows and m.backward_rows < m.forward_rows
        )

    @property
    def executed(self) -> tuple[Any, ...]:
        """What has to be equal when the same step is run again."""
        rows = tuple((m.name, m.forward_rows, m.backward_rows) for m in self.modules)
        return (*(getattr(self, stage) for stage in STAGES), rows)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        content = asdict(self) | {"operations": dict(self.operations), "total": self.total}
        return content | {"modules": [asdict(m) for m in self.modules], "notes": list(self.notes)}


@dataclass(frozen=True)
class FlopAudit:
    """A claimed saving against the executed one.

    Parameters
    ----------
    framework : str
    versions : dict
        Of the framework, by package.
    convention : str
        What counts as an operation.
    rates : tuple of float
        The dense rate, and the gated one.
    runs : tuple of tuple of FlopReport
        For each rate, one report a run.
    tolerance : float
        Of the executed saving around the claimed one, as a share of the dense backward.
    """

    framework: str
    versions: dict[str, str]
    convention: str
    rates: tuple[float, float]
    runs: tuple[tuple[FlopReport, ...], tuple[FlopReport, ...]]
    tolerance: float

    @property
    def deterministic(self) -> bool:
        """Whether the runs of each rate executed the same."""
        return all(len({run.executed for run in runs}) == 1 for runs in self.runs)

    def ratio(self, stage: str) -> float | None:
        """Return a stage's FLOP at the gated rate over those at the dense one; of `total` too.

        Of the means over the runs; None for a stage that the dense rate does not have.
        """
        dense, gated = (self.mean(stage, rate) for rate in (0, 1))
        return gated / dense if dense else None

    def mean(self, stage: str, rate: int) -> float:
        """Return a stage's FLOP as the mean over the runs of the dense (0) or gated (1) rate."""
        counts: list[int] = [getattr(run, stage) for run in self.runs[rate]]
        return sum(counts) / len(counts)

    @property
    def plain_ratio(self) -> float | None:
        """The gated step's FLOP over those of a dense step that goes forward only once.

        None where the dense rate goes forward only once already, or where no rows are known.
        """
        unfollowed = self.mean("unfollowed", 0)
        if not unfollowed:
            return None
        return self.mean("total", 1) / (self.mean("total", 0) - unfollowed)

    @property
    def claimed_saving(self) -> float:
        """The share of the dense backward that a gate of this rate is said to save (logical)."""
        return 1.0 - self.rates[1] / self.rates[0]

    @property
    def executed_saving(self) -> float:
        """The share of the dense backward that was really saved."""
        ratio = self.ratio("backward")
        assert ratio is not None
        return 1.0 - ratio

    @property
    def verdict(self) -> str:
        """One of skipped, partly, masked: no saving, more than claimed."""
        beyond = self.executed_saving - self.claimed_saving
        if self.within_tolerance or self.nearest_rows:
            return SKIPPED
        if beyond > 0:
            return MORE
        return MASKED if self.executed_saving <= self.tolerance + ROUNDING else PARTLY

    @property
    def within_tolerance(self) -> bool:
        """Whether the executed saving is as near to the claimed one as the tolerance says."""
        beyond = abs(self.executed_saving - self.claimed_saving)
        return beyond <= self.tolerance + ROUNDING

    @property
    def nearest_rows(self) -> tuple[tuple[int, int], ...]:
        """Executed rows and dense rows, where no other number of rows is nearer to the claim.

        Each pair once; empty unless all of the backward is of modules with known rows, each of
        which executed the nearest whole number of them, at least one and not all, and FLOP in
        proportion, in every run.
        """
        pairs: dict[tuple[int, int], None] = {}
        for dense in self.runs[0]:
            for gated in self.runs[1]:
                found = _rows(dense, gated, 1.0 - self.claimed_saving)
                if not found:
                    return ()
                pairs |= dict.fromkeys(found)
        return tuple(pairs)

    @property
    def holds(self) -> bool:
        """Whether the executed saving is the claimed one, as nearly as can be."""
        return self.verdict == SKIPPED

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know about the numbers, each once."""
        found = [note for runs in self.runs for run in runs for note in run.notes]
        if not self.deterministic:
            spans = [f"{min(counts):,} to {max(counts):,}" for counts in map(_backwards, self.runs)]
            found.append(
                "not deterministic: runs of one rate did not execute the same; backward FLOP "
                f"{spans[0]} at rate {self.rates[0]:g}, {spans[1]} at rate {self.rates[1]:g}"
            )
        if self.nearest_rows and not self.within_tolerance:
            shares = ", ".join(f"{k:,} of {n:,}" for k, n in self.nearest_rows)
            found.append(f"the share is that of {shares} rows, the nearest whole number")
        forward = self.ratio("forward") or 1.0
        if forward > 1.0:
            found.append(f"the forward costs {forward:.3f} times the dense one")
        if self.plain_ratio is not None:
            found.append(
                f"also at rate {self.rates[0]:g} rows go forward that no backward follows; against "
                f"a dense step without those the gated step has a ratio of {self.plain_ratio:.4f}"
            )
        if not any(_backwards(self.runs[1])):
            found.append(f"no backward at all at rate {self.rates[1]:g}: was anything kept?")
        return tuple(dict.fromkeys(found))

    def to_dict(self) -> dict[str, Any]:
        """Return the audit as JSON values, schema kondo-ref/flops-audit/1."""
        return {
            "schema": "kondo-ref/flops-audit/1",
            "framework": self.framework,
            "versions": self.versions,
            "convention": self.convention,
            "rates": list(self.rates),
            "verdict": self.verdict,
            "holds": self.holds,
            "tolerance": self.tolerance,
            "claimed_saving": self.claimed_saving,
            "executed_saving": self.executed_saving,
            "ratios": {stage: self.ratio(stage) for stage in (*STAGES, "total")},
            "plain_ratio": self.plain_ratio,
            "deterministic": self.deterministic,
            "notes": list(self.notes),
            "runs": [
                {"rate": rate, "reports": [run.to_dict() for run in runs]}
                for rate, runs in zip(self.rates, self.runs, strict=True)
            ],
        }


def _backwards(runs: tuple[FlopReport, ...]) -> list[int]:
    return [run.backward for run in runs]


def _rows(dense: FlopReport, gated: FlopReport, rate: float) -> list[tuple[int, int]]:
    """Return executed and dense rows of each module, if these are all nearest; else nothing."""
    one, other = ({m.name: m for m in run.modules if m.backward} for run in (dense, gated))
    if one.keys() != other.keys():
        return []
    for run, of in ((dense, one), (gated, other)):
        if sum(m.backward for m in of.values()) != run.backward:
            return []
    pairs = []
    for name, module in one.items():
        n, k = module.backward_rows, other[name].backward_rows
        if not n or not k or k >= n or module.backward * k != other[name].backward * n:
            return []
        # A half is rounded up or down.
        if abs(k - max(1.0, rate * n)) > 0.5 + ROUNDING * n:
            return []
        pairs.append((k, n))
    return pairs
