"""What a target did with a batch: the coefficient of every decision, what it ran, what it said.

Every surface and framework is reduced to this one form, so that the probes and the checks behind
it know neither. For any loss on log pi, dloss/dlogits_i = -c_i (onehot(a_i) - pi_i): the
coefficient c_i is recovered from the gradient, and is G_i U_i / Z for the reference.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from kondo_ref.audit.batch import Batch
from kondo_ref.checks import FloatArray

SURFACES = (
    "logits",  # A  f(logits, actions, advantages[, mask]) -> loss
    "logprobs",  # B  f(logp, advantages[, mask]) -> loss, or one for each decision
    "gate",  # C  f(logp, advantages[, mask]) -> G of every decision
    "stream",  # D  stateful: decide(delight) -> keep?
    "screen+loss",  # E  screen(logp, advantages) -> indices or mask; loss on the subset
    "rewards",  # F  f(logits, actions, rewards[, groups][, mask]) -> loss; the baseline is inside
    "step",  # H  owns backward and optimizer: step(batch), on a model of ours or its own
    "lists",  # I  a transform of plain lists: f(logp, advantages) -> weights
)
FRAMEWORKS = ("torch", "jax", "numpy", "python", "subprocess")
OUTCOMES = ("returned", "raised", "timed out", "crashed")


@dataclass(frozen=True, eq=False)
class Observation:
    """One call of a target.

    Parameters
    ----------
    outcome : str
        returned, raised, timed out or crashed.
    coefficients : decisions float64 or None
        c_i, the negative derivative of the loss in log pi of the action taken; None where the
        surface has no gradient (gate, stream: see `weights`) or nothing was returned. NaN and
        infinities are kept as they came.
    residual : float
        Norm of what the gradient in the logits has beside -c_i (onehot(a_i) - pi_i), over the norm
        of the gradient; 0 for surfaces without logits. Above rounding: not a function of log pi of
        the action alone.
    weights : decisions float64 or None
        G, where it is what the target returns (gate, stream, screen+loss, lists).
    loss : float or None
    executed_rows, dense_rows : int or None
        Rows that entered the backward, and those of the whole batch, counted where they ran.
    forward_rows : int or None
        Rows that the model was run on, a row that was run twice counted twice (surface step in
        torch).
    stepped : bool or None
        Whether parameters moved (surface step).
    message : str
        What was raised, in one line; or what cannot be read of what was returned.
    printed : str
        What it wrote to standard output or standard error.
    mutated : tuple of str
        Arguments that it changed in place.
    seeded : bool
        Whether it set a global seed.
    seconds : float
    metrics : dict
        What it says of itself (second return value), numbers only.
    warned : tuple of str
        The warnings that it gave, each in one line.
    attached : bool or None
        Whether returned weights would still be differentiated (surfaces gate and lists in torch).
    backward_flop : int or None
        What its backward multiplied and added, counted where it ran (surface step in torch, the
        first batch of a sequence: counting takes longer than the step).
    """

    outcome: str = "returned"
    coefficients: FloatArray | None = None
    residual: float = 0.0
    weights: FloatArray | None = None
    loss: float | None = None
    executed_rows: int | None = None
    dense_rows: int | None = None
    forward_rows: int | None = None
    stepped: bool | None = None
    message: str = ""
    printed: str = ""
    mutated: tuple[str, ...] = ()
    seeded: bool = False
    seconds: float = 0.0
    metrics: dict[str, float] = field(default_factory=dict)
    warned: tuple[str, ...] = ()
    attached: bool | None = None
    backward_flop: int | None = None


class Subject(Protocol):
    """A target behind its surface and framework: batches in, observations out, never an exception.

    A target that remembers (a rolling price, a warm-up, an optimizer) starts anew at every call of
    `observe`; within one call it sees the batches in order.
    """

    @property
    def name(self) -> str:
        """The target as the user named it."""

    @property
    def surface(self) -> str:
        """One of `SURFACES`."""

    @property
    def framework(self) -> str:
        """One of `FRAMEWORKS`."""

    @property
    def has(self) -> frozenset[str]:
        """What can be seen and given.

        Of coefficients, weights, rows, step, mask, sequences, groups, loss.
        """

    def observe(self, batches: Sequence[Batch], *, seed: int = 0) -> list[Observation]:
        """Call the target on the batches in order, its state fresh before the first.

        Parameters
        ----------
        batches : sequence of Batch
        seed : int
            Global generators (and a JAX key) are seeded with it before the first call, and put
            back after the last.
        """

    def environment(self) -> dict[str, Any]:
        """Versions of what ran."""
