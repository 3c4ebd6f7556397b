"""Laws of speculative screening: the estimate chooses, the exact parameters do all the rest."""

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from screened import SIZES, TOP_K, Screened, screened
from strategies import generic

from kondo_ref import MLP, SGD, Fixed, Gate, Learner, Parameters, screen_surprisal
from kondo_ref.delight import log_softmax, priority_signal, surprisal
from kondo_ref.screeners.cached import CachedPolicy, CachedSignal
from kondo_ref.screeners.draft import Draft
from kondo_ref.screeners.exact import Exact, Noisy
from kondo_ref.screeners.fidelity import fidelity
from kondo_ref.screeners.quantised import bfloat16, int8_product, quantised_logits
from kondo_ref.screeners.screener import Estimate, Look, Screener
from kondo_ref.screeners.speculation import Speculation, SpeculativeResult
from kondo_ref.screeners.stale import Stale
from properties.register import assert_near, assert_same, holds

LOOKING = ("stale", "int8", "bfloat16", "cached", "cached-signal", "draft")


def step(
    speculation: Speculation, case: Screened, number: int = 0
) -> tuple[Look, SpeculativeResult]:
    actions, advantages, options = case.batch(number)
    look = speculation.look(case.x(number), case.index(number))
    normals = case.normals(number)
    return look, speculation.update(
        look, actions, advantages, case.gate, normals=normals, **options
    )


def exact_log_probabilities(learner: Learner, x: np.ndarray) -> np.ndarray:
    return log_softmax(learner.model.forward(learner.parameters, x)[0])


@holds(case=screened(kinds=("exact",)))
def an_exact_screener_changes_nothing(case: Screened) -> None:
    """Bit for bit: parameters, gradient, moments, loss, and everything that the screening says."""
    plain, speculation = case.learner(), Speculation(case.learner(), Exact())
    for number in range(3):
        actions, advantages, options = case.batch(number)
        expected = plain.update(
            plain.forward(case.x(number)), actions, advantages, case.gate, **options
        )
        _, result = step(speculation, case, number)
        learner = speculation.learner
        assert (result.loss, result.updated) == (expected.loss, expected.updated)
        assert (result.forward_rows, result.executed_rows) == (0, expected.executed_rows)
        for name in ("surprisal", "signal", "price", "keep_probability", "weight", "mask"):
            assert_same(getattr(result.screening, name), getattr(expected.screening, name))
        assert_same(result.surprisal, expected.screening.surprisal[expected.screening.kept])
        assert_same(learner.gradient.flat, plain.gradient.flat)
        assert_same(learner.parameters.flat, plain.parameters.flat)
        for moment in ("first", "second"):
            assert_same(getattr(learner.optimizer, moment), getattr(plain.optimizer, moment))


@holds(case=screened())
def what_was_kept_is_learned_exactly(case: Screened) -> None:
    """The gradient is that of exact parameters, with the estimate's G, the batch's U, and its Z."""
    speculation = Speculation(case.learner(SGD(0.25)), case.screener())
    for number in range(3):
        actions, advantages, _ = case.batch(number)
        learner, x = speculation.learner, case.x(number)
        before = learner.parameters.astype(case.dtype)
        _, result = step(speculation, case, number)
        kept = result.screening.kept
        assert result.updated == (kept.size > 0)
        assert result.executed_rows == kept.size
        if not result.updated:
            assert_same(learner.parameters.flat, before.flat)
            continue
        logits, cache = case.model.forward(before, x)
        log_pi = log_softmax(logits)
        size = {
            "decisions": int(np.count_nonzero(case.batch(number)[2]["mask"]))
            if case.batch(number)[2]["mask"] is not None
            else case.rows,
            "kept": kept.size,
            "none": 1,
        }[case.normalizer]
        coefficients = result.screening.weight * advantages / size
        dlogits = coefficients[:, None] * (np.exp(log_pi) - np.eye(SIZES[-1])[actions])
        dlogits = dlogits.astype(case.dtype)
        gradient, terms = summed(case.model, before, cache, dlogits)
        for name, block in gradient.views.items():
            assert_near(learner.gradient[name], block, scale=terms[name])
        moved = before.flat - np.asarray(0.25, case.dtype) * learner.gradient.flat
        assert_near(learner.parameters.flat, moved)
        exact = surprisal(log_pi, actions)[kept]
        assert_near(result.surprisal, exact, scale=1.0 + float(np.linalg.norm(exact)))
        loss = coefficients[kept] * exact
        assert_near(result.loss, float(loss.sum()), scale=size_of(loss, coefficients, case))


def size_of(loss: np.ndarray, coefficients: np.ndarray, case: Screened) -> float:
    """Return the size of the terms of a loss, in units in which float64 eps is the dtype's."""
    eps = float(np.finfo(case.dtype).eps) / float(np.finfo(np.float64).eps)
    return eps * float(np.abs(loss).sum() + np.abs(coefficients).sum())


def summed(
    model: MLP, parameters: Parameters, cache: Any, dlogits: np.ndarray
) -> tuple[Parameters, dict[str, float]]:
    """Return the gradient, row by row, and the sum of the rows' norms by tensor."""
    total = parameters.astype(np.float64).zeros_like()
    norms = dict.fromkeys(parameters.views, 0.0)
    for row in range(len(dlogits)):
        part = model.backward(parameters, cache, dlogits[row : row + 1], np.array([row]))
        total.flat[...] += part.flat
        for name, block in part.views.items():
            norms[name] += float(np.linalg.norm(block))
    return total.astype(parameters.dtype), norms


class Told(Screener):
    """A screener that says what it is told."""

    def __init__(self, estimate: Estimate) -> None:
        self.told = estimate

    def look(self, learner: Learner, x: np.ndarray, index: Any) -> Look:
        del learner, index
        return Look(x, None)

    def estimate(self, *_: Any) -> Estimate:
        return self.told


@holds(case=screened(kinds=("exact",)))
def the_gate_sees_the_estimate_alone(case: Screened) -> None:
    level = np.abs(generic(case.seed + 70, case.rows)).astype(case.dtype)
    signal = generic(case.seed + 71, case.rows).astype(case.dtype)
    speculation = Speculation(case.learner(), Told(Estimate(level, signal)))
    _, result = step(speculation, case)
    _, advantages, options = case.batch()
    of_signal = replace(case.gate, signal="advantage", alpha=None)
    expected = screen_surprisal(
        level, signal, of_signal, uniforms=options["uniforms"], mask=options["mask"]
    )
    for name in ("signal", "price", "keep_probability", "weight"):
        assert_same(getattr(result.screening, name), getattr(expected, name))
    assert_same(result.screening.surprisal, level)
    assert_same(result.screening.advantages, advantages)


@holds(case=screened(kinds=("exact",)), kind=st.sampled_from(("additive", "multiplicative")))
def noise_is_relative_to_the_signal(case: Screened, kind: str) -> None:
    actions, advantages, _ = case.batch()
    learner, e = case.learner(), case.normals().astype(case.dtype)
    screener = Noisy(kind, 0.5)
    look = screener.look(learner, case.x(), None)
    found = screener.estimate(look, actions, advantages, case.gate, e)
    level = surprisal(exact_log_probabilities(learner, case.x()), actions)
    signal = priority_signal(case.gate.signal, advantages, level, case.gate.alpha)
    spread = float(np.std(signal)) if kind == "additive" else np.abs(signal)
    expected = signal + 0.5 * np.asarray(spread * e if kind == "additive" else signal * e)
    scale = float(np.linalg.norm(signal) * (1.0 + np.linalg.norm(e)))
    assert_near(found.signal, expected.astype(case.dtype), scale=scale)
    assert_same(found.surprisal, level)
    quiet = Noisy(kind, 0.0).estimate(look, actions, advantages, case.gate, e)
    assert_same(quiet.signal, signal)


@holds(case=screened(kinds=("stale",)))
def stale_parameters_are_those_of_the_last_copy(case: Screened) -> None:
    learner = case.learner(SGD(0.5))
    speculation = Speculation(learner, Stale(case.value))
    past = []
    for number in range(5):
        past.append(learner.parameters.astype(case.dtype))
        look, _ = step(speculation, case, number)
        then = past[number - number % case.value]
        assert_same(
            look.log_probabilities, log_softmax(case.model.forward(then, case.x(number))[0])
        )


@holds(case=screened(kinds=("exact",)), size=st.integers(1, 40))
def int8_products_are_those_of_integers(case: Screened, size: int) -> None:
    x = generic(case.seed, case.rows, size).astype(case.dtype)
    weight = generic(case.seed + 1, size, 4).astype(case.dtype)
    weight[:, 1] = 0.0
    found = int8_product(x, weight)
    rows, columns = np.abs(x).max(axis=1) / 127, np.abs(weight).max(axis=0) / 127
    columns[1] = 1.0
    whole = np.rint(x / rows[:, None]).astype(np.int64) @ np.rint(weight / columns).astype(np.int64)
    assert np.abs(whole).max() < 2**24
    expected = whole.astype(case.dtype) * rows[:, None] * columns
    assert_near(found, expected)
    # A rounded number is at most half a scale away, so a product of two is off by at most this.
    bound = 0.5 * (
        rows[:, None] * np.abs(weight).sum(axis=0)
        + columns * np.abs(x).sum(axis=1)[:, None]
        + 0.5 * size * rows[:, None] * columns
    )
    slack = 1.0 + 64 * size * float(np.finfo(case.dtype).eps)
    assert (np.abs(found - x @ weight) <= slack * bound + 1e-30).all()


@holds(case=screened(kinds=("exact",), dtypes=("float32",)))
def bfloat16_is_the_nearest_of_eight_bits(case: Screened) -> None:
    x = generic(case.seed, 50).astype(np.float32)
    ties = np.array([1.00390625, 1.01171875, -1.00390625, 3.015625, 0.0, -2.0], np.float32)
    for values in (x, x * 2.0**40, x * 2.0**-40, ties):
        mantissa, exponent = np.frexp(values)
        assert_same(bfloat16(values), np.ldexp(np.rint(mantissa * 256) / 256, exponent))


@holds(case=screened(kinds=("exact",)), number_format=st.sampled_from(("int8", "bfloat16")))
def a_quantised_network_is_near_the_exact_one(case: Screened, number_format: str) -> None:
    """And exactly it where the numbers need no more bits: one layer, small integers."""
    exact = case.model.forward(case.parameters(), case.x())[0]
    near = quantised_logits(case.model, case.parameters(), case.x(), number_format)
    share = 0.05 if number_format == "int8" else 0.02
    assert 0.0 < np.linalg.norm(near - exact) <= share * np.linalg.norm(exact)
    model = MLP((6, 4))
    parameters = Parameters.zeros(model.shapes, case.dtype)
    parameters["weight1"][...] = np.rint(4 * generic(case.seed, 6, 4))
    parameters["weight1"][0] = 127.0
    parameters["bias1"][...] = [1.0, 2.0, 3.0, 4.0]
    x = np.rint(4 * case.x()).astype(case.dtype)
    x[:, 0] = 127.0
    whole = quantised_logits(model, parameters, x, number_format)
    assert_near(whole, model.forward(parameters, x)[0])


@holds(case=screened(kinds=("cached", "cached-signal")))
def a_memory_is_of_the_last_exact_sight(case: Screened) -> None:
    learner = case.learner(SGD(0.5))
    screener = case.screener()
    assert isinstance(screener, CachedPolicy | CachedSignal)
    speculation = Speculation(learner, screener)
    visits: dict[int, int] = {}
    known: dict[int, tuple[np.ndarray, float, float]] = {}
    for number in range(6):
        actions, advantages, _ = case.batch(number)
        index, now = case.index(number), exact_log_probabilities(learner, case.x(number))
        level = surprisal(now, actions)
        due = [visits.get(int(i), 0) % case.value == 0 for i in index]
        look, result = step(speculation, case, number)
        assert look.seen.tolist() == np.flatnonzero(due).tolist()
        for row, i in enumerate(map(int, index)):
            visits[i] = visits.get(i, 0) + 1
            if due[row]:
                known[i] = (now[row], level[row], advantages[row])
            if isinstance(screener, CachedPolicy):
                assert look.log_probabilities is not None
                assert_near(look.log_probabilities[row], known[i][0])
            else:
                signal = priority_signal(
                    case.gate.signal,
                    np.array([known[i][2]]),
                    np.array([known[i][1]]),
                    case.gate.alpha,
                )
                size = 8.0 * (1.0 + abs(float(signal[0])))
                assert_near(result.proposal.signal[row : row + 1], signal, scale=size)
        for row in result.screening.kept:
            known[int(index[row])] = (now[row], level[row], advantages[row])


@holds(case=screened(kinds=("draft",), dtypes=("float64",)))
def a_draft_descends_its_distance_to_the_exact_policy(case: Screened) -> None:
    """By complex step: the mean of KL(pi, q) over what the exact network evaluated."""
    speculation = Speculation(case.learner(), case.screener())
    draft = speculation.screener
    assert isinstance(draft, Draft)
    for number in range(2):
        before = draft.parameters.astype(np.float64)
        log_pi = exact_log_probabilities(speculation.learner, case.x(number))
        look, result = step(speculation, case, number)
        rows = sorted({*result.proposal.kept.tolist(), *range(min(draft.teach, case.rows))})
        assert result.forward_rows == len(rows)
        if not rows:
            assert_same(draft.parameters.flat, before.flat)
            continue
        pi = np.exp(log_pi[rows])
        moved = draft.parameters.flat - before.flat
        for i in range(3):
            direction = generic(i, before.flat.size)
            shifted = before.astype(np.complex128)
            shifted.flat[...] += 2.0**-80 * 1j * direction
            q = draft.model.forward(shifted, case.x(number)[rows])[0]
            log_q = q - np.log(np.exp(q).sum(axis=1, keepdims=True))
            slope = -(pi * log_q).sum().imag * 2.0**80 / len(rows)
            scale = float(np.linalg.norm(direction) * (1.0 + np.linalg.norm(case.x(number))))
            assert_near(direction @ moved, -0.25 * slope, scale=scale)
        assert look.also.tolist() == list(range(min(draft.teach, case.rows)))


@holds(case=screened(kinds=LOOKING))
def with_nothing_kept_only_the_screener_learns(case: Screened) -> None:
    case = replace(case, gate=Gate(price=Fixed(np.inf)))
    speculation = Speculation(case.learner(), case.screener())
    before = speculation.learner.parameters.flat.copy()
    for number in range(3):
        look, result = step(speculation, case, number)
        assert (result.loss, result.executed_rows, result.updated) == (0.0, 0, False)
        assert result.forward_rows == look.also.size
        assert result.surprisal.shape == (0,)
    assert_same(speculation.learner.parameters.flat, before)
    assert getattr(speculation.learner.optimizer, "steps", None) == 0


@holds(case=screened(kinds=LOOKING, gate=TOP_K), propose=st.sampled_from((0.6, 0.8, 1.0)))
def a_checked_choice_is_the_best_of_what_was_proposed(case: Screened, propose: float) -> None:
    speculation = Speculation(case.learner(SGD(0.1)), case.screener(), propose)
    for number in range(2):
        actions, advantages, options = case.batch(number)
        level = surprisal(exact_log_probabilities(speculation.learner, case.x(number)), actions)
        look, result = step(speculation, case, number)
        valid = np.arange(case.rows) if options["mask"] is None else np.flatnonzero(options["mask"])
        k = max(1, round((case.gate.rate or 0.0) * valid.size))
        signal = (advantages * level).astype(case.dtype)
        ranked = valid if look.policy is not None else result.proposal.kept
        if look.policy is None:
            assert ranked.size == max(1, round(propose * valid.size))
        best = sorted(ranked, key=lambda i: (-signal[i], i))[:k]
        assert sorted(result.screening.kept.tolist()) == sorted(int(i) for i in best)
        assert result.executed_rows == k
        if propose == 1.0:
            assert fidelity(result.screening, signal).recall == 1.0


@holds(case=screened(kinds=("exact",)))
def fidelity_is_counted_right(case: Screened) -> None:
    signal = generic(case.seed + 71, case.rows).astype(case.dtype)
    exact = generic(case.seed + 72, case.rows).astype(case.dtype)
    _, advantages, options = case.batch()
    found = screen_surprisal(
        np.abs(signal), advantages, case.gate,
        uniforms=options["uniforms"], mask=options["mask"], signal=signal,
    )  # fmt: skip
    valid = [i for i in range(case.rows) if options["mask"] is None or options["mask"][i]]
    kept = {i for i in valid if found.weight[i] > 0}
    rate = case.gate.target_rate
    k = len(kept) if rate is None else max(1, round(rate * len(valid)))
    top = sorted(valid, key=lambda i: (-exact[i], i))[:k]
    told = fidelity(found, exact)
    assert told.recall == (len(kept & set(top)) / k if k else 1.0)
    wide = exact[valid].astype(np.float64)
    if len(valid) == 1:
        assert told.error is None
        return
    error = np.sqrt(np.mean((signal[valid].astype(np.float64) - wide) ** 2)) / wide.std()
    assert told.error is not None
    assert_near(told.error, float(error))


@holds(case=screened(kinds=(*LOOKING, "additive")))
def screeners_leave_inputs_and_parameters_alone(case: Screened) -> None:
    """A look and an estimate change nothing that the learner or the caller owns."""
    learner, x = case.learner(), case.x()
    actions, advantages, _ = case.batch()
    owned = (x, actions, advantages, learner.parameters.flat)
    copies = [array.copy() for array in owned]
    screener = case.screener()
    look = screener.look(learner, x, case.index())
    screener.estimate(look, actions, advantages, case.gate, case.normals())
    for now, then in zip(owned, copies, strict=True):
        assert_same(now, then)
