"""The batches that backends are compared on, and the trace of one step on any backend.

A case is a model and a gate with its normaliser, mask and optimizer; a batch of it is a function of
the seed and the step. A trace holds every tensor of one step as NumPy arrays, by name.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from kondo_ref.backend import Backend
from kondo_ref.gate import Gate
from kondo_ref.models.kinds import Model
from kondo_ref.models.mlp import MLP
from kondo_ref.optim import SGD, Adam, Optimizer
from kondo_ref.parameters import Parameters
from kondo_ref.price import Calibrated, Fixed, Quantile, Rolling
from kondo_ref.randomness import Purpose, uniforms
from kondo_ref.step import TrainingState

SIZES = (9, 8, 7, 5)
ROWS = 24
NETWORK = MLP(SIZES)
# As many sequences as tokens, so that an array of one number a sequence would broadcast unseen.
SEQUENCES = TOKENS = 7


@dataclass(frozen=True)
class Case:
    """A gate, and how its step is made.

    Parameters
    ----------
    id : str
    gate : Gate
    normalizer : str
    masked : bool
        Whether a part of the batch is invalid.
    optimizer : str
        sgd or adam.
    model : MLP or Transformer
    ragged : bool
        Whether sequences end early.
    """

    id: str
    gate: Gate
    normalizer: str = "decisions"
    masked: bool = False
    optimizer: str = "adam"
    model: Model = NETWORK
    ragged: bool = False


CASES = (
    Case("pg", Gate.named("pg"), optimizer="sgd"),
    Case("dg", Gate.named("dg")),
    Case("dg-cold-masked", Gate(price=Fixed(0.1), temperature=0.1), masked=True),
    Case("kondo-fixed", Gate.named("kondo", price=Fixed(0.2), temperature=0.5)),
    Case("kondo-quantile-masked", Gate.named("kondo", rate=0.3, temperature=0.3), masked=True),
    Case("kondo-calibrated", Gate.named("kondo", price=Calibrated(0.25), temperature=0.2)),
    Case("kondo-rolling", Gate.named("kondo", price=Rolling(0.3, 16, 4), temperature=0.2)),
    Case("quantile-hard-masked", Gate(price=Quantile(0.2), temperature=0.0), masked=True),
    Case("zero-price", Gate.named("zero-price")),
    Case("top-k", Gate.named("kondo-top-k", rate=0.1)),
    Case("top-k-masked-kept", Gate.named("kondo-top-k", rate=0.2), "kept", masked=True),
    Case("top-k-one", Gate.named("kondo-top-k", rate=0.01), "none", optimizer="sgd"),
    Case("top-k-everything", Gate.named("kondo-top-k", rate=1.0)),
    Case("additive", Gate(signal="additive", alpha=0.3, draw="top_k", price=None, rate=0.2)),
    Case("advantage", Gate(signal="advantage", price=Fixed(0.1), temperature=0.3), "kept"),
    Case("abs-advantage", Gate(signal="abs_advantage", draw="top_k", price=None, rate=0.2)),
    Case("surprisal", Gate(signal="surprisal", price=Quantile(0.4), temperature=0.5), "none"),
)


@dataclass(frozen=True)
class Batch:
    """What goes into one step, as NumPy arrays of one dtype."""

    observations: NDArray[Any]
    rewards: NDArray[Any]
    action_uniforms: NDArray[Any]
    gate_uniforms: NDArray[Any]
    mask: NDArray[np.bool_] | None

    def astype(self, dtype: DTypeLike) -> "Batch":
        """Return the same numbers in another dtype; tokens stay integers."""
        tokens = self.observations.dtype.kind in "iu"
        return Batch(
            self.observations if tokens else self.observations.astype(dtype),
            self.rewards.astype(dtype),
            self.action_uniforms.astype(dtype),
            self.gate_uniforms.astype(dtype),
            self.mask,
        )

    @property
    def past(self) -> NDArray[np.bool_]:
        """Which decisions are none, being past the end of their sequence."""
        if self.observations.dtype.kind in "iu":
            return self.observations < 0
        return np.zeros(self.rewards.shape, dtype=np.bool_)


def make_batch(case: Case, seed: int, step: int) -> Batch:
    """Return the batch of a case at a step, in numbers that float32 holds exactly."""

    def draw(purpose: int, *shape: int) -> NDArray[Any]:
        return uniforms(seed, purpose, step, shape, np.float32)

    sequences = not isinstance(case.model, MLP)
    shape = (SEQUENCES, TOKENS) if sequences else (ROWS,)
    mask = draw(64, *shape) < 0.7 if case.masked else None
    if isinstance(case.model, MLP):
        observations = 2 * draw(65, *shape, SIZES[0]) - 1
    else:
        observations = np.floor(case.model.vocabulary * draw(65, *shape)).astype(np.int64)
    if case.ragged:
        there = np.arange(TOKENS) < 1 + np.floor(TOKENS * draw(68, SEQUENCES, 1))
        observations[~there] = -1
        mask = there if mask is None else mask & there
    return Batch(
        observations,
        2 * draw(66, *shape) - 0.5,
        draw(Purpose.ACTIONS, *shape),
        draw(Purpose.GATE, *(shape[:1] if case.gate.unit == "sequence" else shape)),
        mask,
    )


def start_state(case: Case, seed: int) -> TrainingState:
    """Return the state from which a case starts, in numbers that float32 holds exactly."""
    parameters = case.model.initialize(seed, np.float32)
    flat = parameters.flat
    # Depth magnifies roundings, the more so the further the weights are from their initialization.
    around = np.float32(0.5 if isinstance(case.model, MLP) else 0.2)
    flat += around * (uniforms(seed, 67, 0, flat.shape, np.float32) - np.float32(0.5))
    # An epsilon above rounding: divided by 1e-8 alone, a gradient that cancels to 0 up to rounding
    # would be a step of another size on every honest backend.
    adam = case.optimizer == "adam"
    optimizer: Optimizer = Adam(1e-3, epsilon=1e-2) if adam else SGD(0.1)
    return TrainingState(case.model, parameters, optimizer)


def cast_state(state: TrainingState, dtype: DTypeLike) -> TrainingState:
    """Return a state with parameters and moments in another dtype."""
    optimizer = state.copy().optimizer
    for name in ("first", "second"):
        moment = getattr(optimizer, name, None)
        if moment is not None:
            setattr(optimizer, name, moment.astype(dtype))
    return TrainingState(state.model, state.parameters.astype(dtype), optimizer)


Trace = dict[str, Any]


def trace_step(
    backend: Backend,
    state: TrainingState,
    case: Case,
    batch: Batch,
    *,
    actions: NDArray[Any] | None = None,
    history: NDArray[Any] | None = None,
) -> Trace:
    """Run one step on a backend and return everything it gave, as NumPy arrays.

    Parameters
    ----------
    backend : Backend
    state : TrainingState
    case : Case
    batch : Batch
        In the dtype of the state's parameters.
    actions : (N,) or (B, T) int, optional
        Use these in place of the sampled ones, so that what follows can be compared although a
        sampled action differs by rounding.
    history : (h,) float, optional
        Of a rolling price.

    Returns
    -------
    dict
        ``state`` and ``history`` after the step, and the tensors by name; 0 past the end of a
        sequence, where a forward and a signal may be anything.
    """
    learner = backend.learner(state)
    out, into, past = backend.to_numpy, backend.array, batch.past

    def there(values: Any) -> NDArray[Any]:
        array = np.array(values)
        if array.shape[: past.ndim] == past.shape:
            array[past] = 0
        return array

    observations = into(batch.observations)
    trace: Trace = {"logits": there(out(learner.logits(observations)))}
    policy = learner.forward(observations)
    trace["log_probabilities"] = there(out(policy.log_probabilities))
    sampled = learner.sample(policy, into(batch.action_uniforms))
    trace["actions"] = there(out(sampled))
    trace["confidence"] = there(out(learner.confidence(policy)))
    taken = sampled if actions is None else into(actions)
    result = learner.update(
        policy,
        taken,
        into(batch.rewards),
        case.gate,
        normalizer=case.normalizer,
        uniforms=into(batch.gate_uniforms) if case.gate.draw == "bernoulli" else None,
        mask=None if batch.mask is None else into(batch.mask),
        history=None if history is None else into(history),
    )
    screening = result.screening.convert(out)
    for name in ("surprisal", "signal", "price", "keep_probability", "weight"):
        value = getattr(screening, name)
        where = there if name in ("surprisal", "signal") else np.array
        trace[name] = None if value is None else where(value)
    trace["loss"] = float(result.loss)
    trace["executed_rows"], trace["updated"] = result.executed_rows, result.updated
    trace["dense_rows"] = screening.valid if result.dense_rows is None else result.dense_rows
    trace["history"] = screening.history
    after = learner.state()
    trace["state"] = after
    trace |= _blocks("gradient", learner.gradient)
    trace |= _blocks("parameters", after.parameters)
    for name in ("first", "second"):
        moment = getattr(after.optimizer, name, None)
        if moment is not None:
            trace |= _blocks(name, Parameters.wrap(moment, after.model.shapes))
    return trace


def _blocks(name: str, parameters: Parameters) -> Trace:
    return {f"{name}/{block}": np.array(view) for block, view in parameters.views.items()}
