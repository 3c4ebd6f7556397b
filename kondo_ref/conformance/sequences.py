"""The cases and checks of a transformer: for the backends that train one.

The same traces and the same comparison as for the multilayer perceptron, on tokens; and what only
sequences have: prefixes, later tokens, sampling token by token, masks of ragged batches.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from kondo_ref.backend import Backend
from kondo_ref.conformance.behaviour import (
    Behaviour,
    empty_gate_is_no_step,
    inputs_are_left_alone,
    require,
    start,
    state_goes_through,
    the_same_twice,
)
from kondo_ref.conformance.cases import SEQUENCES, TOKENS, Case, trace_step
from kondo_ref.conformance.compare import near_boundary
from kondo_ref.gate import Gate
from kondo_ref.models.transformer import Transformer
from kondo_ref.price import Fixed
from kondo_ref.randomness import Purpose, sample_actions, uniforms
from kondo_ref.ratio import LIMIT, error_ratio
from kondo_ref.step import Learner

# Roundings pass through every block and back.
DEPTH_LIMIT = 2 * LIMIT

PLAIN = Transformer(5, 4, TOKENS, width=16, layers=2, heads=2, feed_forward=24)
FULL = Transformer(
    *(5, 4, TOKENS + 1, 16, 2, 4, 24), activation="gelu", biases=True, final_norm=True
)
SHALLOW = Transformer(5, 4, TOKENS, width=16, layers=1, heads=2, feed_forward=24)


def _case(name: str, gate: Gate, model: Transformer = PLAIN, **how: Any) -> Case:
    return Case(name, gate, model=model, **how)


def _top_k(rate: float, unit: str) -> Gate:
    return Gate.named("kondo-top-k", rate=rate, unit=unit)


DG = _case("dg-tokens-masked", Gate.named("dg"), masked=True)
TOP_K = _case("top-k-tokens", _top_k(0.05, "token"))
TOP_K_RAGGED = _case(
    "top-k-tokens-ragged-kept", _top_k(0.15, "token"), FULL, ragged=True, normalizer="kept"
)
SEQUENCE_CASES = (
    _case("pg-tokens", Gate.named("pg"), optimizer="sgd"),
    DG,
    _case("dg-tokens-ragged", Gate.named("dg"), FULL, ragged=True),
    _case("kondo-tokens", Gate.named("kondo", price=Fixed(0.1), temperature=0.3), FULL),
    _case(
        "kondo-sequences-masked",
        Gate.named("kondo", rate=0.4, temperature=0.2, unit="sequence"),
        masked=True,
    ),
    _case("zero-price-tokens-ragged", Gate.named("zero-price"), ragged=True),
    _case("zero-price-sequences", Gate.named("zero-price", unit="sequence"), FULL, masked=True),
    TOP_K,
    TOP_K_RAGGED,
    _case("top-k-sequences", _top_k(0.3, "sequence")),
    _case(
        "top-k-sequences-ragged", _top_k(0.3, "sequence"), FULL, ragged=True, masked=True,
    ),
    _case("top-k-one-token", _top_k(0.01, "token"), SHALLOW, optimizer="sgd", normalizer="none"),
    _case("top-k-everything", _top_k(1.0, "token"), SHALLOW),
)  # fmt: skip
LONG_SEQUENCE_CASES = (DG.id, TOP_K_RAGGED.id)


def rows_are_those_of_prefixes(backend: Backend, dtype: str, seed: int) -> None:
    """Run the rows of the prefixes that end with a kept token, and no others.

    Up to twice as many pass, for a buffer of fixed capacity. The rows of a dense step are those of
    the prefixes that end with a valid token.
    """
    for case in SEQUENCE_CASES:
        state, batch = start(case, dtype, seed)
        trace = trace_step(backend, state, case, batch)
        valid = np.ones(batch.rewards.shape, np.bool_) if batch.mask is None else batch.mask
        needed, dense = prefix_rows(trace["weight"] > 0), prefix_rows(valid)
        ran, said = trace["executed_rows"], trace["dense_rows"]
        require(
            needed <= ran <= 2 * needed,
            f"{case.id}: {ran} rows executed, the prefixes of the kept tokens have {needed}",
        )
        require(said == dense, f"{case.id}: {said} dense rows, the valid prefixes have {dense}")


def prefix_rows(ending: np.ndarray[Any, np.dtype[np.bool_]]) -> int:
    """Return the tokens of the prefixes that end with the last marked one of each sequence."""
    return sum(int(np.flatnonzero(row)[-1]) + 1 for row in ending if row.any())


def later_tokens_are_not_seen(backend: Backend, dtype: str, seed: int) -> None:
    """Other tokens after a place change no logits before it."""
    state, batch = start(DG, dtype, seed)
    learner = backend.learner(state)
    tokens = batch.observations.copy()
    before = np.array(backend.to_numpy(learner.logits(backend.array(tokens))))
    place = TOKENS // 2
    tokens[:, place:] = (tokens[:, place:] + 1) % PLAIN.vocabulary
    after = np.array(backend.to_numpy(learner.logits(backend.array(tokens))))
    eps = float(np.finfo(dtype).eps)
    ratio = error_ratio(after[:, :place], before[:, :place].astype(np.float64), eps)
    require(ratio <= DEPTH_LIMIT, f"logits before place {place} change, ratio {ratio:.3g}")
    require(not np.array_equal(after, before), "the tokens change nothing at all")


def generate_follows_the_policy(backend: Backend, dtype: str, seed: int) -> None:
    """Every sampled token is the one that the policy after those before it gives for its uniform.

    The policy is the reference's, in float64; uniforms in the guard band of a boundary are left
    out.
    """
    for case in (DG, TOP_K_RAGGED):
        state, _ = start(case, dtype, seed)
        model, exact = state.model, start(case, "float64", seed)[0]
        assert isinstance(model, Transformer)
        asked, steps = 3, TOKENS - 2
        draws = uniforms(seed, Purpose.ACTIONS, 70, (64, steps), np.float32).astype(dtype)
        prompts = np.floor(uniforms(seed, 71, 0, (32, asked)) * model.vocabulary).astype(np.int64)
        prompts = np.concatenate([prompts, prompts[::-1]])
        learner = backend.learner(state)
        sampled = backend.to_numpy(learner.generate(backend.array(prompts), backend.array(draws)))
        require(
            sampled.shape == draws.shape and sampled.dtype.kind in "iu",
            f"{sampled.dtype} {sampled.shape} for uniforms {draws.shape}",
        )
        inside = (sampled >= 0) & (sampled < model.actions)
        require(bool(inside.all()), "a token that is no action")
        tokens = np.concatenate([prompts, sampled[:, :-1]], axis=1)
        policy = Learner(exact).forward(tokens)
        log_pi, u = policy.log_probabilities[:, asked - 1 :], draws.astype(np.float64)
        differs = (sampled != sample_actions(np.exp(log_pi), u)) & ~near_boundary(log_pi, u)
        where = np.argwhere(differs)
        require(
            not differs.any(),
            f"{case.id}: {len(where)} of {differs.size} sampled tokens differ, the first is "
            f"{where[:1].tolist()}",
        )


def bad_input_is_refused(backend: Backend, dtype: str, seed: int) -> None:
    """ValueError or TypeError for tokens, masks and rollouts that are none."""
    state, batch = start(TOP_K_RAGGED, dtype, seed)
    model = state.model
    assert isinstance(model, Transformer)
    assert batch.mask is not None
    tokens, whole = batch.observations, np.zeros((SEQUENCES, TOKENS), np.int64)
    actions = np.zeros(tokens.shape, np.int64)
    learner = backend.learner(state)
    into = backend.array

    def update(batch_tokens: Any, advantages: Any, mask: Any, taken: Any = actions) -> None:
        policy = learner.forward(into(batch_tokens))
        given = None if mask is None else into(mask)
        learner.update(policy, into(taken), into(advantages), TOP_K_RAGGED.gate, mask=given)

    def generate(prompts: Any, shape: tuple[int, ...]) -> None:
        learner.generate(into(prompts), into(np.zeros(shape, dtype)))

    def changed(row: int, column: int, token: int) -> Any:
        other = whole.copy()
        other[row, column] = token
        return other

    gain, valid = batch.rewards, batch.mask
    nan = gain.copy()
    nan[np.nonzero(valid)[0][0], 0] = np.nan
    bad: dict[str, Callable[[], Any]] = {
        "a token beyond the vocabulary": lambda: learner.forward(
            into(changed(0, 0, model.vocabulary))
        ),
        "a token -2": lambda: learner.forward(into(changed(0, 1, -2))),
        "a gap in a sequence": lambda: learner.forward(into(changed(0, 1, -1))),
        "an empty sequence": lambda: learner.forward(into(np.full((2, 1), -1))),
        "tokens that are no integers": lambda: learner.forward(into(whole.astype(dtype))),
        "one sequence without a batch": lambda: learner.forward(into(whole[0])),
        "more tokens than positions": lambda: learner.forward(
            into(np.zeros((2, model.length + 1), np.int64))
        ),
        "a ragged batch without a mask": lambda: update(tokens, gain, None),
        "a mask that is valid past an end": lambda: update(tokens, gain, np.ones_like(valid)),
        "a mask of the sequences": lambda: update(tokens, gain, valid[:, 0]),
        "an int mask": lambda: update(tokens, gain, valid.astype(np.int64)),
        "advantages of the sequences": lambda: update(whole, gain[:, 0], None),
        "advantages with a NaN": lambda: update(tokens, nan, valid),
        "actions out of range": lambda: update(whole, gain, None, actions + model.actions),
        "prompts of two lengths": lambda: generate(changed(0, TOKENS - 1, -1), (SEQUENCES, 1)),
        "uniforms of other sequences": lambda: generate(whole, (SEQUENCES + 1, 1)),
        "no uniforms": lambda: generate(whole, (SEQUENCES, 0)),
        "more sampled tokens than positions": lambda: generate(whole, (SEQUENCES, TOKENS)),
    }
    for what, call in bad.items():
        try:
            call()
        except (ValueError, TypeError):
            continue
        raise AssertionError(f"{what}: not refused")


SEQUENCE_BEHAVIOUR: dict[str, Behaviour] = {
    "rows-are-those-of-prefixes": rows_are_those_of_prefixes,
    "later-tokens-are-not-seen": later_tokens_are_not_seen,
    "generate-follows-the-policy": generate_follows_the_policy,
    "empty-gate-is-no-step": partial(empty_gate_is_no_step, case=DG),
    "state-goes-through": partial(state_goes_through, case=TOP_K_RAGGED),
    "the-same-twice": partial(the_same_twice, cases=(DG, TOP_K_RAGGED)),
    "inputs-are-left-alone": partial(inputs_are_left_alone, cases=SEQUENCE_CASES),
    "bad-input-is-refused": bad_input_is_refused,
}
