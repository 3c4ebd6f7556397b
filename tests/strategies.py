"""Hypothesis strategies: batches with their awkward corners, every gate there is, transformers.

Logits, advantages and uniforms are dyadic numbers: they are exact in float32 too, a shift or a
scaling by a power of two rounds nothing, and no probability is a subnormal number. Surprisals and
whatever follows from them are generic. All arrays are read-only.
"""

import math
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Self

import numpy as np
from hypothesis import strategies as st

from kondo_ref.delight import SIGNALS
from kondo_ref.gate import DRAWS, Gate
from kondo_ref.gradient import NORMALIZERS, PolicyGradient, policy_gradient
from kondo_ref.models.transformer import Transformer
from kondo_ref.parameters import Parameters
from kondo_ref.price import Calibrated, Fixed, Price, Quantile, Rolling
from kondo_ref.randomness import Purpose, normals

FAMILIES = ("moderate", "equal", "nearly deterministic", "huge")
PRICES = ("fixed", "quantile", "calibrated", "rolling")
TEMPERATURES = (0.0, 2.0**-6, 0.25, 1.0, 8.0)
RATES = (0.01, 0.03, 0.1, 0.25, 0.375, 0.5, 0.75, 0.9, 1.0)
FIXED = st.sampled_from((0.0, -np.inf, np.inf)) | st.integers(-768, 768).map(lambda n: n / 256)
LARGEST_UNIFORM = 1.0 - 2.0**-53


@dataclass(frozen=True)
class Batch:
    """logits (N, K) or (B, T, K), the rest (N,) or (B, T); mask None if all are valid."""

    logits: np.ndarray
    actions: np.ndarray
    advantages: np.ndarray
    mask: np.ndarray | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.actions.shape

    @property
    def valid(self) -> np.ndarray:
        return np.ones(self.shape, dtype=bool) if self.mask is None else self.mask

    def take(self, rows: Any, *, mask: bool = True) -> Self:
        """Return the batch with the first axis indexed by `rows` (or flattened by a mask)."""
        kept = self.mask[rows] if mask and self.mask is not None else None
        return replace(
            self,
            logits=self.logits[rows],
            actions=self.actions[rows],
            advantages=self.advantages[rows],
            mask=kept,
        )


@dataclass(frozen=True)
class Case:
    """A batch, the gate it meets, one uniform for each unit of the gate, a normalizer."""

    batch: Batch
    gate: Gate
    uniforms: np.ndarray
    normalizer: str

    def run(self, history: np.ndarray | None = None, **other: Any) -> PolicyGradient:
        batch, gate = self.batch, other.pop("gate", self.gate)
        arguments = {
            "normalizer": self.normalizer,
            "uniforms": self.uniforms if gate.needs_uniforms else None,
            "mask": batch.mask,
            "history": history,
        }
        arguments |= other
        return policy_gradient(
            arguments.pop("logits", batch.logits),
            batch.actions,
            arguments.pop("advantages", batch.advantages),
            gate,
            **arguments,
        )


# A strategy made anew in every draw costs more than the draw.
choice = cache(st.sampled_from)


def frozen(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array


@cache
def whole_numbers(shape: tuple[int, ...], count: int) -> st.SearchStrategy[np.ndarray]:
    """Arrays of integers in 0..count-1, count < 2**16; cut from bytes, which is quick to draw."""
    size = 2 * math.prod(shape)
    return st.binary(min_size=size, max_size=size).map(
        lambda drawn: (np.frombuffer(drawn, dtype=">u2") % count).astype(np.int64).reshape(shape)
    )


@cache
def picks(shape: tuple[int, ...], options: tuple[float, ...]) -> st.SearchStrategy[np.ndarray]:
    """Arrays of some of the options, the first being the simplest."""
    return whole_numbers(shape, len(options)).map(lambda drawn: np.array(options)[drawn])


@cache
def dyadic(shape: tuple[int, ...], bound: int, steps: int = 256) -> st.SearchStrategy[np.ndarray]:
    """Arrays of multiples of 1/steps in [-bound, bound], 0 being the simplest."""
    both_signs = whole_numbers(shape, 2 * bound * steps + 1)
    return both_signs.map(lambda n: np.where(n % 2 == 0, n // 2, -(n + 1) // 2) / steps)


@st.composite
def batches(
    draw: st.DrawFn,
    *,
    sequences: bool | None = None,
    masked: bool | None = None,
    families: tuple[str, ...] = FAMILIES,
    most: int = 9,
    least: int = 1,
) -> Batch:
    if draw(st.booleans()) if sequences is None else sequences:
        shape: tuple[int, ...] = (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    else:
        shape = (draw(st.integers(least, most)),)
    k = draw(st.integers(1, 5))
    actions = draw(whole_numbers(shape, k))
    advantages = draw(dyadic(shape, 8) | picks(shape, (0.0, 1.0, -1.0, 0.5, -2.0)))
    mask = None
    if draw(st.booleans()) if masked is None else masked:
        mask = draw(whole_numbers(shape, 2)) == 1
        mask.flat[draw(st.integers(0, mask.size - 1))] = True
        mask = frozen(mask)
    logits = draw(_logits(draw(choice(families)), (*shape, k)))
    return Batch(frozen(logits), frozen(actions), frozen(advantages), mask)


@cache
def _logits(family: str, shape: tuple[int, ...]) -> st.SearchStrategy[np.ndarray]:
    if family == "moderate":
        return dyadic(shape, 6)
    if family == "equal":
        return dyadic((*shape[:-1], 1), 6).map(lambda level: np.repeat(level, shape[-1], axis=-1))
    one_hot = whole_numbers(shape[:-1], shape[-1]).map(lambda peak: np.eye(shape[-1])[peak])
    if family == "nearly deterministic":
        return st.builds(
            lambda low, peak, gap: low + gap * peak, dyadic(shape, 2), one_hot, st.integers(18, 42)
        )
    return st.builds(
        lambda peak, gap: gap * peak, one_hot, st.sampled_from((-1e3, -100.0, 100.0, 600.0, 1e3))
    )


@st.composite
def prices(draw: st.DrawFn, kinds: tuple[str, ...] = PRICES) -> Price:
    kind = draw(choice(kinds))
    if kind == "fixed":
        return Fixed(draw(FIXED))
    rate = draw(choice(RATES))
    if kind == "rolling":
        history = draw(st.integers(1, 6))
        return Rolling(rate, history, draw(st.integers(1, history)))
    return Quantile(rate) if kind == "quantile" else Calibrated(rate)


@st.composite
def gates(
    draw: st.DrawFn,
    *,
    signals: tuple[str, ...] = SIGNALS,
    draws: tuple[str, ...] = DRAWS,
    kinds: tuple[str, ...] = PRICES,
    temperatures: tuple[float, ...] = TEMPERATURES,
    units: tuple[str, ...] = ("token", "sequence"),
) -> Gate:
    signal, how = draw(choice(signals)), draw(choice(draws))
    common = {
        "signal": signal,
        "unit": draw(choice(units)),
        "alpha": draw(choice((0.0, 0.25, 1.0))) if signal == "additive" else None,
        "temperature": draw(choice(temperatures)),
    }
    if how == "top_k":
        return Gate(draw=how, price=None, rate=draw(choice(RATES)), **common)
    price = draw(prices(kinds))
    if isinstance(price, Calibrated) and common["temperature"] == 0.0:
        common["temperature"] = 1.0
    return Gate(draw=how, price=price, **common)


@st.composite
def cases(
    draw: st.DrawFn,
    *,
    gate: st.SearchStrategy[Gate] | None = None,
    normalizers: tuple[str, ...] = NORMALIZERS,
    **batch_options: Any,
) -> Case:
    """Return a case of any gate, or of the gates given; further options go to `batches`."""
    chosen = draw(gates() if gate is None else gate)
    if chosen.unit == "sequence":
        batch_options["sequences"] = True
    batch = draw(batches(**batch_options))
    units = batch.shape[:1] if chosen.unit == "sequence" else batch.shape
    fine = whole_numbers(units, 4096).map(lambda n: n / 4096)
    rough = picks(units, (0.0, 0.25, 0.5, LARGEST_UNIFORM))
    normalizer = draw(choice(normalizers))
    return Case(batch, chosen, frozen(draw(fine | rough)), normalizer)


@dataclass(frozen=True)
class Sequences:
    """A small transformer, its parameters, and tokens (B, T), -1 past the end of a sequence."""

    model: Transformer
    seed: int
    tokens: np.ndarray

    @property
    def parameters(self) -> Parameters:
        return generic_parameters(self.model, self.seed)

    @property
    def valid(self) -> np.ndarray:
        return self.tokens >= 0


@cache
def generic(seed: int, *shape: int) -> np.ndarray:
    """Normal numbers with nothing special about them."""
    return frozen(normals(seed, Purpose.ENVIRONMENT, 0, shape))


@cache
def generic_parameters(model: Transformer, seed: int) -> Parameters:
    """Parameters of which none is 0 or 1: biases, offsets and gains are drawn too."""
    parameters = model.initialize(seed)
    parameters.flat[:] += 0.3 * generic(seed, parameters.flat.size)
    frozen(parameters.flat)
    return Parameters.wrap(parameters.flat, model.shapes)


@st.composite
def transformers(draw: st.DrawFn, *, length: int = 5) -> Transformer:
    """Transformers of up to three blocks; a width of 4 leaves a normalized row three directions."""
    width = draw(choice((4, 6, 8)))
    return Transformer(
        vocabulary=draw(st.integers(1, 5)),
        actions=draw(st.integers(2, 4)),
        length=length,
        width=width,
        layers=draw(st.integers(1, 3)),
        heads=draw(choice((1, 2, width // 2))),
        feed_forward=draw(st.integers(2, 7)),
        activation=draw(choice(("relu", "gelu"))),
        biases=draw(st.booleans()),
        final_norm=draw(st.booleans()),
    )


@st.composite
def sequences(
    draw: st.DrawFn, *, most: int = 4, longest: int = 5, ragged: bool | None = None
) -> Sequences:
    model = draw(transformers(length=longest))
    shape = (draw(st.integers(1, most)), draw(st.integers(1, longest)))
    tokens = draw(whole_numbers(shape, model.vocabulary))
    if draw(st.booleans()) if ragged is None else ragged:
        lengths = 1 + draw(whole_numbers(shape[:1], shape[1]))
        tokens[np.arange(shape[1]) >= lengths[:, None]] = -1
    return Sequences(model, draw(st.integers(0, 3)), frozen(tokens))


@st.composite
def kept_tokens(draw: st.DrawFn, valid: np.ndarray) -> np.ndarray:
    """At least one flat index of a valid token, ascending."""
    chosen = (draw(whole_numbers(valid.shape, 3)) == 1) & valid
    if not chosen.any():
        cells = np.flatnonzero(valid)
        chosen.flat[cells[draw(st.integers(0, cells.size - 1))]] = True
    return np.flatnonzero(chosen)
