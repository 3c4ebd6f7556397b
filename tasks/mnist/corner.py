"""A wrong corner to begin at: cross-entropy toward a wrong digit, before a method may learn.

[CE] starts its MNIST run so, after 1 to 10,000 steps; how is not known to us beyond the words
"toward a wrong digit". Ours: the digit after the label, 9 followed by 0, so that the policy of
every image is near a corner that is wrong for it; one digit for all images would be right for a
tenth of them. The optimizer of the run is a fresh one, since the pre-training stands for a policy
that was handed over, not for a part of the method.
"""

from collections.abc import Callable, Iterator

import numpy as np

from kondo_ref.backend import Backend
from kondo_ref.checks import FloatArray, IntArray
from kondo_ref.gate import Gate
from kondo_ref.optim import Adam
from kondo_ref.step import TrainingState
from kondo_ref.tasks.mnist.environment import ACTIONS


def wrong_digits(labels: IntArray) -> IntArray:
    """Return the digit after each label, 0 after 9, (N,) int."""
    after: IntArray = (labels + 1) % ACTIONS
    return after


def at_corner(
    state: TrainingState,
    backend: Backend,
    batches: Iterator[tuple[FloatArray, IntArray]],
    steps: int,
    report: Callable[[int], None],
) -> TrainingState:
    """Return the state after steps of cross-entropy toward the wrong digits.

    Parameters
    ----------
    state : TrainingState
        With Adam; not changed.
    backend : Backend
        On which the steps are made.
    batches : iterator
        Of images (N, 784) and labels (N,).
    steps : int
        With 0 the state itself comes back.
    report : callable
        Called with the steps done since its last call.

    Returns
    -------
    TrainingState
        With an optimizer that has made no step.

    Notes
    -----
    Cross-entropy is policy gradient with every target taken and an advantage of 1, its mean over
    the batch: no gate, no draw, so that the uniforms of the run stay what they are without it.
    """
    if steps == 0:
        return state
    learner, everything = backend.learner(state), Gate.named("pg")
    for _, (x, labels) in zip(range(steps), batches, strict=False):
        learner.update(
            learner.forward(backend.array(x)),
            backend.array(wrong_digits(labels)),
            backend.array(np.ones(len(labels), x.dtype)),
            everything,
        )
        report(1)
    assert isinstance(state.optimizer, Adam)
    fresh = Adam(state.optimizer.learning_rate)
    return TrainingState(state.model, learner.state().parameters, fresh)


def reached(log_probabilities: FloatArray, labels: IntArray) -> dict[str, float]:
    """Return how deep in the corner a policy is.

    Parameters
    ----------
    log_probabilities : (N, K) float
    labels : (N,) int

    Returns
    -------
    dict
        ``corner_probability``: the mean probability of the wrong digit. ``corner_surprisal``: the
        mean surprisal of the label, in nats.
    """
    rows = np.arange(len(labels))
    wrong = np.exp(log_probabilities[rows, wrong_digits(labels)])
    return {
        "corner_probability": float(np.mean(wrong, dtype=np.float64)),
        "corner_surprisal": float(-np.mean(log_probabilities[rows, labels], dtype=np.float64)),
    }
