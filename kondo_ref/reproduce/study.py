"""What a study is, as data: what is run, what is read from it, what is compared with what.

A study's parts are runs of the tasks of `kondo-ref run`; the reads say which of their columns
become tidy rows; the comparisons say which statistic of these rows stands beside which published
number. Nothing here runs anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kondo_ref.reproduce.statistics import Statistic

LEVEL = 0.95
READS = ("curve", "last", "total", "listed", "crossing")


@dataclass(frozen=True)
class Part:
    """A run of a task.

    Parameters
    ----------
    name : str
        Of the part, unique in the study; it names files.
    task : str
        As `kondo-ref run` takes it.
    settings : mapping
        What differs from the task's own; methods among it.
    label : str
        Of the tidy rows, with ``{method}`` where the method's name goes.
    x : float, optional
        Where the part stands on a sweep; for the reads that have no x of their own.
    """

    name: str
    task: str
    settings: Mapping[str, Any]
    label: str = "{method}"
    x: float | None = None

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that it trains."""
        return tuple(self.settings["methods"])

    def label_of(self, method: str) -> str:
        """Return the label of a method's rows."""
        return self.label.format(method=method)


@dataclass(frozen=True)
class Read:
    """A quantity that is read from every unit.

    Parameters
    ----------
    quantity : str
        Its name in the tidy rows.
    title : str
        What it is, with its unit.
    how : str
        curve: `column` against column `x` of the curve, a row a log point. last: `column` of the
        last log point, at the part's x. total: ``totals[column]``, at the part's x. listed: the
        list ``totals[column]``, at the values of the setting `x`. crossing: where on column `x` of
        the curve `column` first falls to `threshold`, linear in log x, at the part's x; inf where
        it never does.
    column : str
    x : str, optional
        For curve, listed and crossing.
    x_title : str
    threshold : float, optional
        For crossing.
    needs : str
        A setting; a part where it is off, or its default, has no such row.
    """

    quantity: str
    title: str
    how: str
    column: str
    x: str | None = None
    x_title: str = ""
    threshold: float | None = None
    needs: str = ""

    def __post_init__(self) -> None:
        if self.how not in READS:
            raise ValueError(f"how: expected one of {', '.join(READS)}; got {self.how!r}")
        if (self.how in ("curve", "listed", "crossing")) != (self.x is not None):
            raise ValueError(f"x: a read {self.how} got {self.x!r}")
        if (self.how == "crossing") != (self.threshold is not None):
            raise ValueError(f"threshold: a read {self.how} got {self.threshold!r}")


@dataclass(frozen=True)
class Comparison:
    """A statistic of ours, and the published number that it stands beside.

    Parameters
    ----------
    statistic : Statistic
    published : float, optional
        None where no number is known.
    """

    statistic: Statistic
    published: float | None = None


@dataclass(frozen=True)
class Panel:
    """A panel of the figure.

    Parameters
    ----------
    quantity : str
        A read's, drawn against its x with the published points on it; or "" to draw the
        comparisons themselves, ours with intervals beside the published, at their statistic's x.
    title : str
    xscale, yscale : str
        linear or log.
    labels : tuple of str
        What is drawn; empty for everything.
    xlabel, ylabel : str
        In place of the read's titles.
    against : str
        The quantity whose mean is the axis, in place of the read's x.
    quantities : tuple of str
        Whose comparisons are drawn, where no quantity is named; empty for all.
    """

    quantity: str
    title: str
    xscale: str = "log"
    yscale: str = "log"
    labels: tuple[str, ...] = ()
    xlabel: str = ""
    ylabel: str = ""
    against: str = ""
    quantities: tuple[str, ...] = ()


@dataclass(frozen=True)
class Study:
    """A study: everything but the machine that it runs on.

    Parameters
    ----------
    name : str
    summary : str
        In one line.
    source : str
        Paper and figure, and how its numbers were read.
    parts : tuple of Part
    reads : tuple of Read
    comparisons : tuple of Comparison
    panels : tuple of Panel
    quick : mapping
        Settings of all parts in a quick run, which is not the study.
    places : tuple of str
        The options of its tasks that say where something is, as ``data_dir``.
    quick_parts : tuple of str
        The parts of a quick run, where all of them would take minutes; empty for all.
    """

    name: str
    summary: str
    source: str
    parts: tuple[Part, ...]
    reads: tuple[Read, ...]
    comparisons: tuple[Comparison, ...]
    panels: tuple[Panel, ...]
    quick: Mapping[str, Any]
    places: tuple[str, ...] = ()
    quick_parts: tuple[str, ...] = ()

    def parts_of(self, *, quick: bool) -> tuple[Part, ...]:
        """Return the parts of the study or of its quick run."""
        if not quick or not self.quick_parts:
            return self.parts
        return tuple(part for part in self.parts if part.name in self.quick_parts)

    def read(self, quantity: str) -> Read:
        """Return the read of a quantity."""
        return next(read for read in self.reads if read.quantity == quantity)
