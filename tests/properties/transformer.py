"""Laws of the transformer: its forward, and a backward that equals the dense one while skipping."""

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st
from strategies import (
    Sequences,
    choice,
    dyadic,
    frozen,
    gates,
    generic,
    kept_tokens,
    sequences,
    whole_numbers,
)

from kondo_ref.gate import Gate
from kondo_ref.gradient import NORMALIZERS, policy_gradient
from kondo_ref.models.transformer import Cache
from kondo_ref.optim import SGD
from kondo_ref.parameters import Parameters
from kondo_ref.ratio import error_ratio
from kondo_ref.step import Learner, StepResult, TrainingState
from properties import plain
from properties.register import EPS, assert_same, holds

STEP = 2.0**-80
# Of the depth of a transformer, where a single product has 32.
LIMIT = 64.0
# Between two forwards: of four nearly equal numbers, a normalization magnifies the roundings, and
# there are up to seven of them one after the other.
FORWARD_LIMIT = 1e-10 / EPS


def assert_close(
    found: np.ndarray, expected: np.ndarray, what: str, limit: float = FORWARD_LIMIT
) -> None:
    ratio = error_ratio(found, expected)
    assert ratio <= limit, f"{what}: test ratio {ratio:.3g}"


def assert_close_blocks(found: Parameters, expected: Parameters, limit: float = LIMIT) -> None:
    """Assert a test ratio within the limit, block by block.

    A small block is a difference of larger numbers: its roundings are relative to these, for which
    a part of the whole gradient stands in. A block of zeros is met exactly.
    """
    assert_close(found.flat, expected.flat, "gradient", limit)
    floor = float(np.linalg.norm(expected.flat)) / LIMIT
    for name, block in expected.views.items():
        norm = float(np.linalg.norm(block))
        ratio = error_ratio(found[name], block) * (norm / max(norm, floor) if norm else 1.0)
        assert ratio <= limit, f"{name}: test ratio {ratio:.3g}"


def forward(case: Sequences) -> tuple[np.ndarray, Cache]:
    return case.model.forward(case.parameters, case.tokens)


def cut(case: Sequences, b: int) -> Sequences:
    """Return the case of one sequence alone, without what is past its end."""
    return replace(case, tokens=case.tokens[b : b + 1, : np.count_nonzero(case.valid[b])])


@holds(case=sequences(most=2, longest=4))
def the_forward_is_that_of_plain_loops(case: Sequences) -> None:
    logits, cache = forward(case)
    assert logits.shape == (np.count_nonzero(case.valid), case.model.actions)
    expected = [
        plain.logits(case.model, case.parameters, row[row >= 0].tolist()) for row in case.tokens
    ]
    assert_close(logits, np.concatenate(expected), "logits")
    assert_same(cache.packing.grid(logits)[case.valid], logits)


@holds(case=sequences(), data=st.data())
def later_tokens_change_nothing(case: Sequences, data: st.DataObject) -> None:
    now = data.draw(st.integers(0, case.tokens.shape[1] - 1), label="now")
    tokens = case.tokens.copy()
    later = case.valid & (np.arange(tokens.shape[1]) > now)
    others = data.draw(whole_numbers(tokens.shape, case.model.vocabulary), label="later tokens")
    tokens[later] = others[later]
    until = ~later[case.valid]
    assert_same(forward(replace(case, tokens=tokens))[0][until], forward(case)[0][until])


@holds(case=sequences(ragged=True))
def padding_changes_nothing(case: Sequences) -> None:
    logits, cache = forward(case)
    for b in range(len(case.tokens)):
        rows = slice(cache.packing.offsets[b], cache.packing.offsets[b + 1])
        assert_close(logits[rows], forward(cut(case, b))[0], f"sequence {b}")


@holds(case=sequences(), recompute=st.booleans(), seed=st.integers(4, 7), data=st.data())
def backward_is_the_derivative_along_a_direction(
    case: Sequences, recompute: bool, seed: int, data: st.DataObject
) -> None:
    model, parameters = case.model, case.parameters
    _, cache = forward(case)
    kept = data.draw(kept_tokens(case.valid), label="kept")
    dlogits = generic(seed, kept.size, model.actions)
    along = generic(seed, parameters.flat.size)
    moved = Parameters.wrap(parameters.flat + 1j * STEP * along, parameters.shapes)
    complex_logits = model.forward(moved, case.tokens)[0][cache.packing.row_of(kept)]
    expected = (dlogits * complex_logits).sum().imag / STEP
    if recompute:
        cache = model.recompute(parameters, cache.packing, kept)
    found = model.backward(parameters, cache, dlogits, kept).flat
    size = float(np.linalg.norm(found) * np.linalg.norm(along))
    assert abs(found @ along - expected) <= 1e-12 * size


@holds(case=sequences(), seed=st.integers(4, 7), data=st.data())
def skipping_is_the_dense_backward_with_dropped_tokens_zeroed(
    case: Sequences, seed: int, data: st.DataObject
) -> None:
    model, parameters = case.model, case.parameters
    _, cache = forward(case)
    kept = data.draw(kept_tokens(case.valid), label="kept")
    everything = cache.packing.cells
    dlogits = generic(seed, everything.size, model.actions)
    rows = cache.packing.row_of(kept)
    masked = np.zeros_like(dlogits)
    masked[rows] = dlogits[rows]
    dense = model.backward(parameters, cache, masked, everything)
    again = model.recompute(parameters, cache.packing, kept)
    for left, limit in ((cache, LIMIT), (again, FORWARD_LIMIT)):
        found = model.backward(parameters, left, dlogits[rows], kept)
        assert_close_blocks(found, dense, limit)


@st.composite
def updates(draw: st.DrawFn) -> tuple[Sequences, Gate, dict[str, np.ndarray], str]:
    case = draw(sequences())
    # Colder gates have keep probabilities so small that their products are not normal numbers.
    gate = draw(gates(temperatures=(0.0, 0.25, 1.0, 8.0)))
    shape = case.tokens.shape
    mask = case.valid.copy()
    if draw(st.booleans()):
        mask.flat[:] = False
        mask.flat[draw(kept_tokens(case.valid))] = True
    units = shape[:1] if gate.unit == "sequence" else shape
    arrays = {
        "actions": draw(whole_numbers(shape, case.model.actions)),
        "advantages": draw(dyadic(shape, 8)),
        "uniforms": draw(whole_numbers(units, 4096)) / 4096,
        "mask": mask,
    }
    normalizer = draw(choice(NORMALIZERS))
    return case, gate, {name: frozen(array) for name, array in arrays.items()}, normalizer


def update(
    case: Sequences, gate: Gate, arrays: dict[str, np.ndarray], normalizer: str, activations: str
) -> tuple[Learner, StepResult]:
    state = TrainingState(case.model, case.parameters, SGD(2.0**-10))
    learner = Learner(state, activations=activations)
    given = dict(arrays)
    if not gate.needs_uniforms:
        del given["uniforms"]
    policy = learner.forward(case.tokens)
    actions, advantages = given.pop("actions"), given.pop("advantages")
    return learner, learner.update(
        policy, actions, advantages, gate, normalizer=normalizer, **given
    )


@holds(drawn=updates(), activations=choice(("cache", "recompute")))
def an_update_is_policy_gradient_through_the_dense_backward(
    drawn: tuple[Sequences, Gate, dict[str, np.ndarray], str], activations: str
) -> None:
    case, gate, arrays, normalizer = drawn
    logits, cache = forward(case)
    whole = policy_gradient(
        cache.packing.grid(logits),
        arrays["actions"],
        arrays["advantages"],
        gate,
        normalizer=normalizer,
        uniforms=arrays["uniforms"] if gate.needs_uniforms else None,
        mask=arrays["mask"],
    )
    learner, result = update(case, gate, arrays, normalizer, activations)
    assert_same(result.screening.kept, whole.screening.kept)
    assert result.updated == (whole.screening.kept.size > 0)
    assert abs(result.loss - whole.loss) <= 1e-12 * abs(whole.loss)
    if not result.updated:
        assert_same(learner.parameters.flat, case.parameters.flat)
        return
    dense = case.model.backward(
        case.parameters, cache, whole.dlogits[case.valid], cache.packing.cells
    )
    assert_close_blocks(learner.gradient, dense, LIMIT if activations == "cache" else FORWARD_LIMIT)
    assert_same(learner.parameters.flat, case.parameters.flat - 2.0**-10 * learner.gradient.flat)
