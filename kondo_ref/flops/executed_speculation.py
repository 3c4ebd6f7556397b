"""Speculation, counted where it runs: the look, the gate, the exact part and the lesson.

The step is the one of `kondo_ref.screeners.speculation`, on counted arrays, and each of its parts
has a tally of its own. `speculation` beside this has the same as closed forms.
"""

from typing import Any

import numpy as np

from kondo_ref.flops.executed import Tally, counted
from kondo_ref.flops.executed_stations import counting
from kondo_ref.flops.speculation import SpeculationCounts
from kondo_ref.parameters import Parameters
from kondo_ref.screeners.cached import Cached
from kondo_ref.screeners.draft import Draft
from kondo_ref.screeners.screener import Estimate, Lesson, Look, Screener
from kondo_ref.screeners.speculation import Speculation, SpeculativeResult
from kondo_ref.screening import Screening
from kondo_ref.step import Learner


class CountedSpeculation(Speculation):
    """A speculation whose arrays are counted; `counts` is of what ran since the last look.

    Parameters
    ----------
    learner : Learner
        Its parameters, moments and gradient are counted from now on.
    screener : Screener
        A draft and a memory likewise.
    propose : float, optional
    """

    def __init__(self, learner: Learner, screener: Screener, propose: float | None = None) -> None:
        count_arrays_of(learner)
        if isinstance(screener, Draft):
            count_arrays_of(screener)
        elif isinstance(screener, Cached):
            count_floats(screener)
        super().__init__(learner, screener, propose)
        self._begin()

    def _begin(self) -> None:
        own = self.screener.gradient.flat if isinstance(self.screener, Draft) else None
        exact = Tally(self.learner.gradient.flat)
        self._tallies = {"look": Tally(), "gate": Tally(), "exact": exact, "learn": Tally(own)}

    @property
    def counts(self) -> SpeculationCounts:
        """The counts of the last step, checks of arguments left out."""
        return SpeculationCounts(**{name: tally.step for name, tally in self._tallies.items()})

    def look(self, x: Any, index: Any = None) -> Look:
        """Look, counted."""
        self._begin()
        with counting(self._tallies["look"]) as tally, tally.stage("screen"):
            return super().look(counted(x), index)

    def _estimate(self, *arguments: Any) -> Estimate:
        with counting(self._tallies["gate"]) as tally, tally.stage("screen"):
            return super()._estimate(*map(counted, arguments))

    def _screen(self, *arguments: Any) -> Screening:
        with counting(self._tallies["gate"]) as tally, tally.stage("screen"):
            return super()._screen(*arguments)

    def _in_place(self, *arguments: Any) -> SpeculativeResult:
        with counting(self._tallies["exact"]) as tally, tally.stage("select"):
            return super()._in_place(*arguments)

    def _evaluate(self, *arguments: Any) -> SpeculativeResult:
        with counting(self._tallies["exact"]) as tally, tally.stage("select"):
            return super()._evaluate(*arguments)

    def _learn(self, look: Look, lesson: Lesson) -> None:
        with counting(self._tallies["learn"]) as tally, tally.stage("backward_input"):
            super()._learn(look, lesson)


def count_arrays_of(owner: Learner | Draft) -> None:
    """Make the parameters, the gradient and the moments counted arrays, in the same memory."""
    for name in ("parameters", "gradient"):
        own = getattr(owner, name)
        setattr(owner, name, Parameters.wrap(counted(own.flat), own.shapes))
    count_floats(owner.optimizer)


def count_floats(owner: Any) -> None:
    """Make the arrays of floats that are attributes of an object counted ones."""
    for name, value in vars(owner).items():
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            setattr(owner, name, counted(value))
