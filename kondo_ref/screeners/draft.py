"""The screener with a network of its own: a small one, distilled from the exact one alongside.

After the gate the exact network has evaluated the kept rows, and `teach` more that it evaluates for
the draft's sake: the first of the batch, whose order is random where the data are shuffled. The
draft is taught on all of these to give the exact policy.
"""

from dataclasses import dataclass

import numpy as np

from kondo_ref import checks
from kondo_ref.checks import FloatArray, IntArray
from kondo_ref.delight import log_softmax
from kondo_ref.models.mlp import MLP, Cache
from kondo_ref.screeners.screener import Lesson, Look, Screener
from kondo_ref.step import Learner, TrainingState


@dataclass(frozen=True, eq=False)
class DraftLook(Look):
    """A look whose activations serve the draft's own backward.

    Parameters
    ----------
    cache : Cache
        Of the draft.
    """

    cache: Cache = None  # type: ignore[assignment]


class Draft(Screener):
    """A smaller network q that learns to give the exact policy pi.

    It descends the mean of KL(pi, q) over the rows that were evaluated exactly; the gradient in its
    logits is (q - pi) / rows.

    Parameters
    ----------
    start : TrainingState
        The draft, an MLP with the inputs and actions of the learner's; not changed.
    teach : int
        >= 0. Rows of every batch, the first ones, that are evaluated exactly for it besides the
        kept.

    Raises
    ------
    TypeError, ValueError
        Another model; `teach` is no such integer.

    Notes
    -----
    Cost of a look: the draft's forward. Cost of a lesson: the exact forward of `teach` rows, the
    draft's backward on all rows of the lesson, the update of its parameters.
    """

    def __init__(self, start: TrainingState, teach: int) -> None:
        own = start.copy()
        if not isinstance(own.model, MLP):
            raise TypeError(f"start: expected an MLP, got {type(own.model).__name__}")
        self.model: MLP = own.model
        self.parameters, self.optimizer = own.parameters, own.optimizer
        self.gradient = own.parameters.zeros_like()
        self.teach = checks.count("teach", teach, 0)

    def look(self, learner: Learner, x: FloatArray, index: IntArray | None) -> DraftLook:
        """Return the draft's policy; arguments as in `Screener.look`."""
        del learner, index
        logits, cache = self.model.forward(self.parameters, x)
        also = np.arange(min(self.teach, len(x)))
        return DraftLook(x, log_softmax(logits), also=also, cache=cache)

    def learn(self, look: Look, lesson: Lesson) -> None:
        """Make a step towards the exact policy."""
        assert isinstance(look, DraftLook)
        assert look.log_probabilities is not None
        dlogits = np.exp(look.log_probabilities[lesson.rows]) - np.exp(lesson.log_probabilities)
        dlogits /= lesson.rows.size
        self.model.backward(self.parameters, look.cache, dlogits, lesson.rows, out=self.gradient)
        self.optimizer.step(self.parameters, self.gradient)
