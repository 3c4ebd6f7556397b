"""The reference with everything that it computes counted: results to the bit, and the counts.

A learner has the counts of its last step, by type and stage, beside its results. It is for
counting, not for speed.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kondo_ref.backends.numpy_backend import NumpyBackend
from kondo_ref.flops.counts import Counts, Step
from kondo_ref.flops.executed import Tally, counted, plain
from kondo_ref.flops.executed_stations import counting
from kondo_ref.gate import Gate
from kondo_ref.parameters import Parameters
from kondo_ref.screening import Screening
from kondo_ref.step import Learner, Policy, StepResult, TrainingState


class CountingBackend(NumpyBackend):
    """NumPy arrays that tally what is done with them."""

    name = "numpy:counting"

    def array(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return a counted view."""
        found: NDArray[Any] = counted(values)
        return found

    def to_numpy(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return a plain view."""
        found: NDArray[Any] = plain(values)
        return found

    def learner(self, state: TrainingState) -> "CountingLearner":  # type: ignore[override]
        """Return the reference learner, counted."""
        return CountingLearner(state, activations=self._activations)


class CountingLearner:
    """The reference learner, and what its last step counted.

    Parameters
    ----------
    state : TrainingState
        Where to start; not changed.
    activations : str
        As `kondo_ref.step.Learner` takes it.
    """

    def __init__(self, state: TrainingState, *, activations: str = "cache") -> None:
        start = state.copy()
        parameters = _with(start.parameters, counted)
        start = TrainingState(start.model, parameters, _moments(start.optimizer, counted))
        self.activations = activations
        self._learner = Learner(start, activations=activations)
        self._learner.gradient = _with(self._learner.gradient, counted)
        self._tally = Tally()

    @property
    def model(self) -> Any:
        """The model."""
        return self._learner.model

    @property
    def counts(self) -> Step:
        """The counts since the last forward, that one included: those of a step."""
        return self._tally.step

    @property
    def checks(self) -> Counts:
        """The counts of the checks of arguments meanwhile, which are no part of a step."""
        return self._tally.checks

    @property
    def activation_bytes(self) -> int:
        """Memory of the activations of the last step."""
        return self._learner.activation_bytes

    @property
    def gradient(self) -> Parameters:
        """The gradient of the last update."""
        return _with(self._learner.gradient, plain)

    def state(self) -> TrainingState:
        """Return a copy of the state of the training."""
        state = self._learner.state()
        parameters = _with(state.parameters, plain)
        return TrainingState(state.model, parameters, _moments(state.optimizer, plain))

    def logits(self, observations: Any) -> Any:
        """Return the logits of a batch; not counted."""
        return counted(self._learner.logits(observations))

    def forward(self, observations: Any) -> Policy:
        """Return the policy of a batch; the counts begin here."""
        self._tally = Tally(self._learner.gradient.flat)
        with counting(self._tally):
            return self._learner.forward(observations)

    def sample(self, policy: Policy, uniforms: Any) -> Any:
        """Return an action for each decision; not counted."""
        return counted(self._learner.sample(policy, uniforms))

    def generate(self, prompts: Any, uniforms: Any) -> Any:
        """Return sampled continuations; not counted."""
        return counted(self._learner.generate(prompts, uniforms))

    def confidence(self, policy: Policy) -> Any:
        """Return the baseline sum over a of pi(a)^2; not counted."""
        return counted(self._learner.confidence(policy))

    def screen(
        self, policy: Policy, actions: Any, advantages: Any, gate: Gate, **options: Any
    ) -> Screening:
        """Return the screening of a batch; counted, though a step has it in its update."""
        with counting(self._tally):
            return self._learner.screen(policy, actions, advantages, gate, **options)

    def update(
        self, policy: Policy, actions: Any, advantages: Any, gate: Gate, **options: Any
    ) -> StepResult:
        """Screen, run the backward on the kept rows alone, step the optimizer; all counted."""
        with counting(self._tally):
            return self._learner.update(policy, actions, advantages, gate, **options)


def _with(parameters: Parameters, convert: Any) -> Parameters:
    """Return the same parameters, in the same memory, as counted or as plain arrays."""
    return Parameters.wrap(convert(parameters.flat), parameters.shapes)


def _moments(optimizer: Any, convert: Any) -> Any:
    """Return the optimizer with its moments as counted or as plain arrays."""
    for name, value in vars(optimizer).items():
        if isinstance(value, np.ndarray):
            setattr(optimizer, name, convert(value))
    return optimizer
