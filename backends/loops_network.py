"""The multilayer perceptron, its backward, SGD and Adam in plain Python loops.

Part of the loops backend: one row, one unit, one parameter at a time.
"""

import math
from typing import Any

import numpy as np

from kondo_ref.optim import Adam
from kondo_ref.parameters import Parameters
from kondo_ref.step import TrainingState

Row = list[float]


class LoopsNetwork:
    """Parameters as nested lists, and what is done with them."""

    def __init__(self, state: TrainingState) -> None:
        self.start = state.copy()
        self.theta: Row = state.parameters.flat.tolist()
        self.steps = getattr(state.optimizer, "steps", 0)
        self.moments: dict[str, Row | None] = {}
        for name in ("first", "second"):
            moment = getattr(state.optimizer, name, None)
            self.moments[name] = None if moment is None else moment.tolist()
        self.gradient = state.parameters.zeros_like()

    def views(self, flat: Row) -> dict[str, Any]:
        """Return the parameters by name, as nested lists."""
        return {
            k: v.tolist() for k, v in Parameters.wrap(np.array(flat), self._shapes).views.items()
        }

    @property
    def _shapes(self) -> dict[str, tuple[int, ...]]:
        return self.start.model.shapes

    def forward(self, x: Row) -> list[Row]:
        """Return the activations of every layer for one row: x, hidden ones, logits."""
        named, activations = self.views(self.theta), [x]
        for layer in range(1, self.start.model.layers + 1):
            weight, bias = named[f"weight{layer}"], named[f"bias{layer}"]
            out = []
            for unit in range(len(bias)):
                terms = [value * weight[i][unit] for i, value in enumerate(activations[-1])]
                out.append(math.fsum([*terms, bias[unit]]))
            if layer < self.start.model.layers:
                out = [max(value, 0.0) for value in out]
            activations.append(out)
        return activations

    def step(self, rows: list[tuple[list[Row], Row]]) -> None:
        """Add up the backward of every row (activations, dlogits), and step the optimizer."""
        named = self.views(self.theta)
        blocks = {name: view.tolist() for name, view in self.gradient.zeros_like().views.items()}
        for activations, dlogits in rows:
            dout = dlogits
            for layer in range(self.start.model.layers, 0, -1):
                weight, source = named[f"weight{layer}"], activations[layer - 1]
                for unit, d in enumerate(dout):
                    blocks[f"bias{layer}"][unit] += d
                    for i, value in enumerate(source):
                        blocks[f"weight{layer}"][i][unit] += value * d
                dout = [
                    math.fsum(d * weight[i][unit] for unit, d in enumerate(dout))
                    if value > 0.0
                    else 0.0
                    for i, value in enumerate(source)
                ]
        flat = [value for name in self._shapes for value in np.ravel(blocks[name]).tolist()]
        self._descend(flat)
        dtype = self.start.parameters.dtype
        self.gradient = Parameters.wrap(np.array(flat, dtype=dtype), self._shapes)

    def _descend(self, gradient: Row) -> None:
        optimizer: Any = self.start.optimizer
        if not isinstance(optimizer, Adam):
            self.theta = [
                t - optimizer.learning_rate * g for t, g in zip(self.theta, gradient, strict=True)
            ]
            return
        self.steps += 1
        zeros = [0.0] * len(gradient)
        m, v = self.moments["first"] or zeros, self.moments["second"] or zeros
        b1, b2 = optimizer.beta1, optimizer.beta2
        m = [b1 * mi + (1 - b1) * g for mi, g in zip(m, gradient, strict=True)]
        v = [b2 * vi + (1 - b2) * g * g for vi, g in zip(v, gradient, strict=True)]
        self.moments = {"first": m, "second": v}
        for i, (mi, vi) in enumerate(zip(m, v, strict=True)):
            mean, square = mi / (1 - b1**self.steps), vi / (1 - b2**self.steps)
            self.theta[i] -= (
                optimizer.learning_rate * mean / (math.sqrt(square) + optimizer.epsilon)
            )

    def state(self) -> TrainingState:
        """Return the state, rounded to the dtype it came in."""
        dtype = self.start.parameters.dtype
        optimizer: Any = self.start.copy().optimizer
        if isinstance(optimizer, Adam):
            optimizer.steps = self.steps
            for name, moment in self.moments.items():
                array = None if moment is None else np.array(moment, dtype=dtype)
                setattr(optimizer, name, array)
        parameters = Parameters.wrap(np.array(self.theta, dtype=dtype), self._shapes)
        return TrainingState(self.start.model, parameters, optimizer)
