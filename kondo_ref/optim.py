"""Gradient -> update: SGD and Adam on one flat buffer.

`step` changes the parameters it is handed, in place; that, and the optimizer's own moments, is the
only state that changes in a training step. With an empty gate the caller makes no step at all:
Adam's momentum would move the weights although no sample was kept.
"""

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kondo_ref import checks
from kondo_ref.parameters import Parameters

Array = NDArray[Any]

BLOCK = 65536
FLUSH_EVERY = 64
FLUSH_BELOW = 2.0**10


class Optimizer(Protocol):
    """What a training step asks of an optimizer."""

    def step(self, parameters: Parameters, gradient: Parameters) -> None:
        """Update `parameters` in place with a gradient to descend."""


@dataclass(frozen=True)
class SGD:
    """Plain gradient descent: theta -= learning_rate * gradient."""

    learning_rate: float

    def __post_init__(self) -> None:
        _check_positive("learning_rate", self.learning_rate)

    def step(self, parameters: Parameters, gradient: Parameters) -> None:
        """Update `parameters` in place. Cost: mul and add, one an entry each."""
        _check_same(parameters, gradient)
        theta = parameters.flat
        theta -= self.learning_rate * gradient.flat


@dataclass
class Adam:
    """Adam (Kingma and Ba, arXiv 1412.6980, Algorithm 1), with bias correction.

    Parameters
    ----------
    learning_rate : float
    beta1, beta2 : float
        In [0, 1).
    epsilon : float
        Added to the root of the corrected second moment, > 0.

    Notes
    -----
    Moments of inputs that have died decay into denormal numbers, which are slow: every
    `FLUSH_EVERY` steps those below `FLUSH_BELOW` smallest normal numbers are set to 0. Work is done
    in blocks that stay in cache. Cost an entry: mul 6, add 4, sqrt 1, div 1; 2 cmp at a flush.
    """

    learning_rate: float
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    steps: int = field(default=0, init=False)
    first: Array | None = field(default=None, init=False, repr=False)
    second: Array | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        _check_positive("learning_rate", self.learning_rate)
        _check_positive("epsilon", self.epsilon)
        for name in ("beta1", "beta2"):
            if not 0.0 <= checks.number(name, getattr(self, name)) < 1.0:
                raise ValueError(f"{name}: expected a number in [0, 1), got {getattr(self, name)}")

    def step(self, parameters: Parameters, gradient: Parameters) -> None:
        """Update `parameters` in place.

        Raises
        ------
        ValueError
            Parameters and gradient, or the moments of earlier steps, differ in shape or dtype.
        """
        _check_same(parameters, gradient)
        if self.first is None or self.second is None:
            self.first = np.zeros_like(parameters.flat)
            self.second = np.zeros_like(parameters.flat)
        checks.require_shape("parameters", parameters.flat, self.first.shape)
        self.steps += 1
        root = (1.0 - self.beta2**self.steps) ** 0.5
        rate = self.learning_rate * root / (1.0 - self.beta1**self.steps)
        epsilon = self.epsilon * root
        scratch = np.empty(min(BLOCK, parameters.flat.size), dtype=parameters.dtype)
        for start in range(0, parameters.flat.size, BLOCK):
            block = slice(start, start + BLOCK)
            theta, g = parameters.flat[block], gradient.flat[block]
            m, v = self.first[block], self.second[block]
            s = scratch[: theta.size]
            np.multiply(g, 1.0 - self.beta1, out=s)
            m *= self.beta1
            m += s
            np.multiply(g, g, out=s)
            s *= 1.0 - self.beta2
            v *= self.beta2
            v += s
            np.sqrt(v, out=s)
            s += epsilon
            np.divide(m, s, out=s)
            s *= rate
            theta -= s
        if self.steps % FLUSH_EVERY == 0:
            below = FLUSH_BELOW * float(np.finfo(parameters.dtype).tiny)
            for moment in (self.first, self.second):
                moment[np.abs(moment) < below] = 0.0


def _check_positive(name: str, value: float) -> None:
    if not 0.0 < checks.number(name, value) < np.inf:
        raise ValueError(f"{name}: expected a finite number > 0, got {value}")


def _check_same(parameters: Parameters, gradient: Parameters) -> None:
    if parameters.flat.shape != gradient.flat.shape or parameters.dtype != gradient.dtype:
        raise ValueError(
            f"gradient: expected {parameters.flat.shape} {parameters.dtype} like the parameters, "
            f"got {gradient.flat.shape} {gradient.dtype}"
        )
