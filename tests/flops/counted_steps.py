"""Training steps of any kind, small: run on counted arrays, and written down in closed form.

Shapes, gates and kept sets are drawn; numbers come from a seed that is drawn. They matter to a
count only through what a gate keeps, and through how long a calibrated price is searched for.
"""

from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import numpy as np
from hypothesis import strategies as st
from strategies import choice, gates

import kondo_ref.price
from kondo_ref import MLP, SGD, Adam, Gate
from kondo_ref.backends.counting_backend import CountingLearner
from kondo_ref.flops.counts import STAGES, Counts, Step
from kondo_ref.flops.mlp import mlp_step
from kondo_ref.flops.transformer import transformer_step
from kondo_ref.gradient import NORMALIZERS
from kondo_ref.models.transformer import ACTIVATIONS as FUNCTIONS
from kondo_ref.models.transformer import Transformer
from kondo_ref.optim import FLUSH_EVERY
from kondo_ref.price import Calibrated, Quantile, Rolling
from kondo_ref.step import ACTIVATIONS, Learner, StepResult, TrainingState

DTYPES = ("float32", "float64")


@dataclass(frozen=True)
class Setting:
    """A step but for its numbers: what a closed form may depend on, and what it may not."""

    model: MLP | Transformer
    lengths: tuple[int, ...]  # of sequences; for an MLP one 1 a row
    cells: tuple[int, ...]  # shape of the batch, (N,) or (B, T)
    gate: Gate
    masked: bool
    uniforms: bool
    history: int | None
    normalizer: str
    optimizer: str
    steps: int  # made before
    activations: str
    dtype: str
    seed: int


@dataclass(frozen=True)
class Run:
    """What a step did and counted."""

    setting: Setting
    result: StepResult
    counts: Step
    checks: Counts
    evaluations: int
    valid: int
    learner: Any

    @property
    def kept(self) -> tuple[tuple[int, ...], ...]:
        """The places of the kept decisions, by sequence; of an MLP, one (0,) a kept row."""
        grid = np.asarray(self.result.screening.weight).reshape(len(self.setting.lengths), -1)
        return tuple(tuple(np.flatnonzero(row).tolist()) for row in grid)


def state(setting: Setting) -> TrainingState:
    """Return where the step starts: random parameters, and moments if there were steps."""
    parameters = setting.model.initialize(setting.seed, setting.dtype)
    rng = np.random.default_rng(setting.seed)
    parameters.flat[...] += rng.normal(0, 0.3, parameters.flat.shape).astype(setting.dtype)
    if setting.optimizer == "sgd":
        return TrainingState(setting.model, parameters, SGD(0.1))
    adam = Adam(1e-3)
    adam.steps = setting.steps
    if setting.steps:
        adam.first = rng.normal(size=parameters.flat.shape).astype(setting.dtype)
        adam.second = rng.random(parameters.flat.shape).astype(setting.dtype)
    return TrainingState(setting.model, parameters, adam)


def batch(setting: Setting) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
    """Return observations, actions, advantages and the options of an update."""
    rng = np.random.default_rng(setting.seed + 1)
    model, shape = setting.model, setting.cells
    mask = None
    if isinstance(model, MLP):
        observations = rng.normal(size=(*shape, model.sizes[0])).astype(setting.dtype)
        actions = rng.integers(0, model.sizes[-1], shape)
        there = np.ones(shape, bool)
    else:
        there = np.arange(shape[1]) < np.array(setting.lengths)[:, None]
        observations = np.where(there, rng.integers(0, model.vocabulary, shape), -1)
        actions = rng.integers(0, model.actions, shape)
    if setting.masked or not there.all():
        mask = there & ((rng.random(shape) < 0.7) if setting.masked else True)
        mask.flat[0] = True
    units = shape[:1] if setting.gate.unit == "sequence" else shape
    options = {
        "mask": mask,
        "normalizer": setting.normalizer,
        "uniforms": rng.random(units) if setting.uniforms else None,
        "history": None if setting.history is None else rng.normal(size=setting.history),
    }
    return observations, actions, rng.normal(size=shape), options


def run(setting: Setting, make: Any = CountingLearner) -> Run:
    """Make the step on counted arrays, or on another learner."""
    learner = make(state(setting), activations=setting.activations)
    observations, actions, advantages, options = batch(setting)
    calls = 0

    def spy(x: Any) -> Any:
        nonlocal calls
        calls += 1
        return expit(x)

    expit = kondo_ref.price.expit
    with patch.object(kondo_ref.price, "expit", spy):
        policy = learner.forward(observations)
        result = learner.update(policy, actions, advantages, setting.gate, **options)
    mask = options["mask"]
    valid = np.ones(setting.cells, bool) if mask is None else mask
    if setting.gate.unit == "sequence":
        valid = valid.any(axis=1)
    counts, checks = (Step.of(), Counts()) if make is Learner else (learner.counts, learner.checks)
    return Run(setting, result, counts, checks, calls // 2, int(valid.sum()), learner)


def closed_form(done: Run, **other: Any) -> Step:
    """Return the closed form of a step that ran; `other` arguments replace its own."""
    setting = done.setting
    arguments = {
        "optimizer": setting.optimizer,
        "flush": setting.optimizer == "adam" and (setting.steps + 1) % FLUSH_EVERY == 0,
        "valid": done.valid,
        "uniforms": setting.uniforms,
        "history": setting.history or 0,
        "evaluations": done.evaluations,
    }
    if isinstance(setting.model, MLP):
        rows, kept = setting.cells[0], sum(map(len, done.kept))
        return mlp_step(setting.model, rows, kept, setting.gate, **arguments | other)
    arguments |= {"cells": int(np.prod(setting.cells)), "activations": setting.activations}
    return transformer_step(
        setting.model, setting.lengths, done.kept, setting.gate, **arguments | other
    )


def differing(done: Run, **other: Any) -> list[str]:
    """Return the stages in which what ran and the closed form differ."""
    expected = closed_form(done, **other)
    return [stage for stage in STAGES if done.counts[stage] != expected[stage]]


MINIMAL = Transformer(4, 3, 6, width=6, layers=2, heads=2, feed_forward=8)
FULL = Transformer(4, 3, 6, 6, 3, 3, 5, activation="gelu", biases=True, final_norm=True)

# A few steps in which everything occurs, for what has to be seen and not only held.
EXAMPLES = tuple(
    Setting(**{"masked": False, "history": None, "steps": 0, "seed": 1} | values)
    for values in (
        {
            "model": MLP((7, 6, 5, 4)),
            "lengths": (1,) * 12,
            "cells": (12,),
            "gate": Gate.named("kondo-top-k", rate=0.2),
            "uniforms": False,
            "normalizer": "decisions",
            "optimizer": "adam",
            "steps": FLUSH_EVERY - 1,
            "activations": "cache",
            "dtype": "float64",
        },
        {
            "model": MLP((7, 6, 4)),
            "lengths": (1,) * 12,
            "cells": (12,),
            "gate": Gate.named("kondo", price=Calibrated(0.3), temperature=0.5),
            "masked": True,
            "uniforms": True,
            "normalizer": "kept",
            "optimizer": "sgd",
            "activations": "cache",
            "dtype": "float32",
        },
        {
            "model": MINIMAL,
            "lengths": (5, 3, 6),
            "cells": (3, 7),
            "gate": Gate.named("kondo-top-k", rate=0.2),
            "uniforms": False,
            "normalizer": "decisions",
            "optimizer": "adam",
            "activations": "cache",
            "dtype": "float32",
        },
        {
            "model": FULL,
            "lengths": (4, 6, 6, 2),
            "cells": (4, 6),
            "gate": Gate("additive", Quantile(0.4), 0.5, "bernoulli", alpha=0.5, unit="sequence"),
            "masked": True,
            "uniforms": True,
            "normalizer": "none",
            "optimizer": "sgd",
            "activations": "recompute",
            "dtype": "float64",
        },
    )
)


@st.composite
def settings(draw: st.DrawFn, kind: str) -> Setting:
    """Return any step of an MLP or of a transformer."""
    if kind == "mlp":
        model: Any = MLP(tuple(draw(st.lists(st.integers(1, 6), min_size=2, max_size=5))))
        lengths = (1,) * draw(st.integers(1, 9))
        cells: tuple[int, ...] = (len(lengths),)
        activations = "cache"
    else:
        model = draw(transformers())
        lengths = tuple(draw(st.lists(st.integers(1, model.length), min_size=1, max_size=4)))
        cells = (len(lengths), max(lengths) + draw(st.integers(0, 2)))
        activations = draw(choice(ACTIVATIONS))
    gate = draw(gates(units=("token",) if kind == "mlp" else ("token", "sequence")))
    rolling = isinstance(gate.price, Rolling)
    return Setting(
        model=model,
        lengths=lengths,
        cells=cells,
        gate=gate,
        masked=draw(st.booleans()),
        uniforms=gate.needs_uniforms or draw(st.booleans()),
        history=draw(st.integers(0, 8)) if rolling and draw(st.booleans()) else None,
        normalizer=draw(choice(NORMALIZERS)),
        optimizer=draw(choice(("sgd", "adam"))),
        steps=draw(choice((0, 1, FLUSH_EVERY - 1))),
        activations=activations,
        dtype=draw(choice(DTYPES)),
        seed=draw(st.integers(0, 2**16)),
    )


@st.composite
def transformers(draw: st.DrawFn) -> Transformer:
    """Return a transformer of any shape and with any options."""
    heads = draw(st.integers(1, 3))
    return Transformer(
        vocabulary=draw(st.integers(1, 4)),
        actions=draw(st.integers(1, 4)),
        length=draw(st.integers(1, 5)),
        width=heads * draw(st.integers(1, 3)),
        layers=draw(st.integers(1, 3)),
        heads=heads,
        feed_forward=draw(st.integers(1, 6)),
        activation=draw(choice(FUNCTIONS)),
        biases=draw(st.booleans()),
        final_norm=draw(st.booleans()),
    )
