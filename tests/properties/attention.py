"""Laws of the attention alone: what it gives, and its derivative along any direction."""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from strategies import choice, generic, whole_numbers

from kondo_ref.attention import attention_backward, attention_forward
from kondo_ref.models.packing import Packing, Spans
from properties import plain
from properties.register import assert_near, holds

STEP = 2.0**-80


@dataclass(frozen=True)
class Asking:
    """Queries (Q, D), keys and values (R, D) of the sequences at `offsets`; `rows` ask."""

    spans: Spans
    rows: np.ndarray
    heads: int
    query: np.ndarray
    key: np.ndarray
    value: np.ndarray


@st.composite
def askings(draw: st.DrawFn) -> Asking:
    lengths = 1 + draw(whole_numbers((draw(st.integers(1, 4)),), 5))
    tokens = np.where(np.arange(lengths.max()) < lengths[:, None], 0, -1)
    packing = Packing.of(tokens, 1)
    rows, spans = np.arange(packing.rows), Spans(packing.offsets)
    if draw(st.booleans()):
        chosen = draw(whole_numbers((packing.rows,), 2)) == 1
        chosen[packing.offsets[:-1] + draw(whole_numbers(lengths.shape, 5)) % lengths] = True
        rows = np.flatnonzero(chosen)
        spans = packing.spans(rows)
    heads = draw(choice((1, 2, 3)))
    d = heads * draw(st.integers(1, 3))
    seed = draw(st.integers(0, 3))
    key, value = generic(seed, 2, packing.rows, d)
    return Asking(spans, rows, heads, generic(seed + 4, rows.size, d), key, value)


@holds(case=askings())
def attention_is_a_mean_over_earlier_keys(case: Asking) -> None:
    context, probabilities = attention_forward(
        case.query, case.key, case.value, case.spans, case.heads
    )
    keys, values = case.key.tolist(), case.value.tolist()
    expected = []
    for query, row in zip(case.query.tolist(), case.rows, strict=True):
        first = max(int(o) for o in case.spans.offsets if o <= row)
        upto = slice(first, row + 1)
        expected.append(plain.attention(query, keys[upto], values[upto], case.heads))
    # A mean of few values may cancel: what is rounded is as large as the values.
    assert_near(context, np.array(expected), scale=float(np.linalg.norm(case.value)))
    for group, p in zip(case.spans.groups, probabilities, strict=True):
        assert p.shape == (len(group.keys), case.heads, group.queries.shape[1], group.keys.shape[1])
        assert_near(p.sum(axis=3), np.ones(p.shape[:3]))
        assert (p > 0).sum() == np.broadcast_to(group.allowed, p.shape).sum()


@holds(case=askings(), seed=st.integers(8, 11))
def attention_backward_is_the_derivative_along_a_direction(case: Asking, seed: int) -> None:
    arrays = (case.query, case.key, case.value)
    along = [generic(seed + i, *array.shape) for i, array in enumerate(arrays)]
    dcontext = generic(seed + 3, *case.query.shape)
    moved = (array + 1j * STEP * way for array, way in zip(arrays, along, strict=True))
    context, _ = attention_forward(*moved, case.spans, case.heads)
    expected = (dcontext * context).sum().imag / STEP

    _, probabilities = attention_forward(*arrays, case.spans, case.heads)
    out = tuple(np.full_like(array, np.nan) for array in arrays)
    attention_backward(dcontext, *arrays, probabilities, case.spans, case.heads, out)
    found = [float(np.vdot(dx, way)) for dx, way in zip(out, along, strict=True)]
    size = sum(
        float(np.linalg.norm(dx) * np.linalg.norm(way)) for dx, way in zip(out, along, strict=True)
    )
    assert abs(sum(found) - expected) <= 1e-12 * size
