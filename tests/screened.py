"""Small batches for speculative screening: a network, a gate, a screener, numbers from a seed.

Shapes, gates and screeners are drawn; the numbers are generic, from a seed that is drawn.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from strategies import choice, gates, generic

from kondo_ref import MLP, SGD, Adam, Gate
from kondo_ref.gradient import NORMALIZERS
from kondo_ref.parameters import Parameters
from kondo_ref.screeners.cached import CachedPolicy, CachedSignal
from kondo_ref.screeners.draft import Draft
from kondo_ref.screeners.exact import Exact, Noisy
from kondo_ref.screeners.quantised import Quantised
from kondo_ref.screeners.screener import Screener
from kondo_ref.screeners.stale import Stale
from kondo_ref.step import Learner, TrainingState

SIZES = (6, 5, 4)
SAMPLES = 30
TOP_K = st.sampled_from((0.1, 0.3, 0.6)).map(lambda rate: Gate.named("kondo-top-k", rate=rate))
KINDS = (
    "exact", "additive", "multiplicative", "stale", "int8", "bfloat16", "cached", "cached-signal",
    "draft",
)  # fmt: skip


@dataclass(frozen=True)
class Screened:
    """A batch and the gate it meets; `value` is of the screener."""

    seed: int
    rows: int
    gate: Gate
    normalizer: str
    masked: bool
    dtype: str
    kind: str
    value: int

    @property
    def model(self) -> MLP:
        return MLP(SIZES)

    def parameters(self, shift: int = 0) -> Parameters:
        """Return parameters of which none is 0: biases are drawn too."""
        found = self.model.initialize(self.seed)
        found.flat[...] += 0.3 * generic(self.seed + 10 + shift, found.flat.size)
        return found.astype(self.dtype)

    def learner(self, optimizer: Any = None) -> Learner:
        return Learner(TrainingState(self.model, self.parameters(), optimizer or Adam(0.05)))

    def screener(self) -> Screener:
        makers = {
            "exact": Exact,
            "additive": lambda: Noisy("additive", 0.5 * self.value),
            "multiplicative": lambda: Noisy("multiplicative", 0.5 * self.value),
            "stale": lambda: Stale(self.value),
            "int8": lambda: Quantised("int8"),
            "bfloat16": lambda: Quantised("bfloat16"),
            "cached": lambda: CachedPolicy(SAMPLES, self.value, SIZES[-1], self.dtype),
            "cached-signal": lambda: CachedSignal(SAMPLES, self.value, self.dtype),
            "draft": lambda: Draft(self.draft(), self.value - 1),
        }
        made: Screener = makers[self.kind]()
        return made

    def draft(self) -> TrainingState:
        model = MLP((SIZES[0], 3, SIZES[-1]))
        return TrainingState(model, model.initialize(self.seed + 5, self.dtype), SGD(0.25))

    def x(self, step: int = 0) -> np.ndarray:
        return generic(self.seed + 20 + step, self.rows, SIZES[0]).astype(self.dtype)

    def index(self, step: int = 0) -> np.ndarray:
        return np.argsort(generic(self.seed + 40 + step % 2, SAMPLES))[: self.rows]

    def batch(self, step: int = 0) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
        """Return actions, advantages and the options of an update."""
        numbers = generic(self.seed + 60 + step, 4, self.rows)
        actions = np.floor(4 * (numbers[0] % 1.0)).astype(np.int64)
        mask = None
        if self.masked:
            mask = numbers[2] > -0.5
            mask[0] = True
        draws = numbers[3] % 1.0 if self.gate.needs_uniforms else None
        options = {"normalizer": self.normalizer, "mask": mask, "uniforms": draws}
        return actions, numbers[1].astype(self.dtype), options

    def normals(self, step: int = 0) -> np.ndarray:
        return generic(self.seed + 90 + step, self.rows)


@st.composite
def screened(
    draw: st.DrawFn,
    *,
    kinds: tuple[str, ...] = KINDS,
    gate: st.SearchStrategy[Gate] | None = None,
    dtypes: tuple[str, ...] = ("float64", "float32"),
) -> Screened:
    any_gate = gates(units=("token",), kinds=("fixed", "quantile", "calibrated"))
    return Screened(
        seed=draw(st.integers(0, 3)),
        rows=draw(st.integers(1, 9)),
        gate=draw(any_gate if gate is None else gate),
        normalizer=draw(choice(NORMALIZERS)),
        masked=draw(st.booleans()),
        dtype=draw(choice(dtypes)),
        kind=draw(choice(kinds)),
        value=draw(st.integers(1, 3)),
    )
