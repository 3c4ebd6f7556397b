"""The screener with parameters of earlier: those that the network had some updates ago.

What an actor knows that fetches the parameters now and then. Its look costs a dense forward like
the exact one, but somebody else may have made it: an actor that drew the actions has it already.
"""

from dataclasses import dataclass, field

from kondo_ref import checks
from kondo_ref.checks import FloatArray, IntArray
from kondo_ref.delight import log_softmax
from kondo_ref.models.mlp import MLP
from kondo_ref.parameters import Parameters
from kondo_ref.screeners.screener import Look, Screener
from kondo_ref.step import Learner


@dataclass
class Stale(Screener):
    """The parameters as they were at the last of every `every` looks.

    Parameters
    ----------
    every : int
        >= 1. Parameters are copied at looks 1, 1 + every, ...: they lag by 0..every - 1 updates;
        with 1 they are the exact ones.

    Raises
    ------
    TypeError, ValueError
        Not such an integer.
    """

    every: int
    looks: int = field(default=0, init=False)
    parameters: Parameters | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        checks.count("every", self.every, 1)

    def look(self, learner: Learner, x: FloatArray, index: IntArray | None) -> Look:
        """Return the policy of the parameters of earlier; arguments as in `Screener.look`.

        Cost: a dense forward.
        """
        del index
        assert isinstance(learner.model, MLP)
        if self.parameters is None or self.looks % self.every == 0:
            self.parameters = learner.parameters.astype(learner.parameters.dtype)
        self.looks += 1
        logits, _ = learner.model.forward(self.parameters, x)
        return Look(x, log_softmax(logits))
