"""Backends that are wrong on sequences in one way each, and the check that sees it.

As `wrong_backends`, of which this is the part about transformers: stations of the reference to be
replaced while it runs.
"""

from typing import Any

import numpy as np

from kondo_ref import attention, layers, screening, step
from kondo_ref.models import block, decoding, transformer
from kondo_ref.step import Learner

Patch = tuple[Any, str, Any]


def sum_of_a_sequence(*arguments: Any) -> Any:
    gate, _, signal, mask = arguments
    means, units = real_unit_signal(*arguments)
    if gate.unit == "sequence":
        means = means * (signal.shape[1] if mask is None else np.maximum(mask.sum(axis=1), 1))
    return means, units


def mean_over_the_padding(gate: Any, advantages: Any, surprisals: Any, mask: Any) -> Any:
    _, units = real_unit_signal(gate, advantages, surprisals, mask)
    return real_unit_signal(gate, advantages, surprisals, None)[0], units


def later_keys_seen(scores: Any, width: int, allowed: Any) -> Any:
    return real_causal_softmax(scores, width, np.ones_like(allowed))


def scaled_by_the_whole_width(scores: Any, width: int, allowed: Any) -> Any:
    return real_causal_softmax(scores, width * scores.shape[1], allowed)


def prefix_without_its_first_token(*arguments: Any) -> Any:
    dx = real_block_backward(*arguments)
    dx[arguments[3].spans.offsets[:-1]] = 0
    return dx


def keys_of_kept_rows_alone(*arguments: Any) -> None:
    """Compact too far: what a kept token looked at gets no gradient, unless it was kept too."""
    real_attention_backward(*arguments)
    spans, out = arguments[5], arguments[7]
    if spans.queries is not None:
        dropped = np.ones(len(out[1]), dtype=np.bool_)
        dropped[spans.queries] = False
        out[1][dropped] = out[2][dropped] = 0


def gradients_of_the_neighbour(*arguments: Any) -> Any:
    """Send what one kept token learned through the sequence of the one before it."""
    return np.roll(real_kept_dlogits(*arguments), 1, axis=0)


def embeddings_assigned(dout: Any, indices: Any, dtable: Any) -> None:
    """Keep the last gradient of a token that occurs more than once."""
    dtable[...] = 0
    dtable[indices] = dout


def gelu_by_tanh(x: Any) -> Any:
    cdf = 0.5 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    return (x * cdf).astype(x.dtype), cdf.astype(x.dtype)


def one_place_early(*arguments: Any) -> Any:
    """Write a new key and value over those of the token before."""
    *others, place = arguments
    return real_decoding_block(*others, place - 1)


real_unit_signal = screening._unit_signal
real_causal_softmax = attention._causal_softmax
real_block_backward = transformer.block_backward
real_attention_backward = block.attention_backward
real_kept_dlogits = step.kept_dlogits
real_decoding_block = decoding._block


class MaskedTokens(Learner):
    """Multiplies the dropped tokens by zero and runs them all."""

    def update(self, policy: Any, actions: Any, advantages: Any, gate: Any, **options: Any) -> Any:
        found = self.screen(
            policy, actions, advantages, gate,
            **{k: v for k, v in options.items() if k != "normalizer"},
        )  # fmt: skip
        divisor = step.normalizer_count(found, options.get("normalizer", "decisions"))
        packing = policy.cache.packing
        dense = packing.dense_rows(found.mask)
        if found.kept.size == 0:
            return step.StepResult(0.0, found, 0, updated=False, dense_rows=dense)
        c = found.weight * found.advantages / divisor
        cells = packing.cells
        rows = policy.log_probabilities.reshape(-1, self.model.actions)[cells]
        drows = step.kept_dlogits(rows, np.ravel(actions)[cells], c.ravel()[cells])
        self.model.backward(self.parameters, policy.cache, drows, cells, out=self.gradient)
        self.optimizer.step(self.parameters, self.gradient)
        loss = float(c.ravel() @ found.surprisal.ravel())
        return step.StepResult(loss, found, packing.rows, updated=True, dense_rows=dense)


class Broadcasts(Learner):
    """Takes an advantage of a sequence for one of a token, as far as shapes allow."""

    def screen(self, policy: Any, actions: Any, advantages: Any, *rest: Any, **options: Any) -> Any:
        if np.ndim(advantages) == 1:
            advantages = np.broadcast_to(advantages, np.shape(actions))
        return super().screen(policy, actions, advantages, *rest, **options)


WRONG_SEQUENCES: dict[str, tuple[list[Patch], type[Learner], str]] = {
    "tokens masked, not skipped": (
        [],
        MaskedTokens,
        "transformer/rows-are-those-of-prefixes.float64",
    ),
    "prefix cut one short": (
        [(transformer, "block_backward", prefix_without_its_first_token)],
        Learner,
        "transformer/gradient.float64",
    ),
    "kept rows alone, not their prefixes": (
        [(block, "attention_backward", keys_of_kept_rows_alone)],
        Learner,
        "transformer/gradient.float64",
    ),
    "gradients through another sequence": (
        [(step, "kept_dlogits", gradients_of_the_neighbour)],
        Learner,
        "transformer/gradient.float64",
    ),
    "embedding gradients assigned, not added": (
        [(transformer, "embedding_backward", embeddings_assigned)],
        Learner,
        "transformer/gradient.float64",
    ),
    "signal of a sequence summed": (
        [(screening, "_unit_signal", sum_of_a_sequence)],
        Learner,
        "transformer/signal.float64",
    ),
    "mask ignored in the mean of a sequence": (
        [(screening, "_unit_signal", mean_over_the_padding)],
        Learner,
        "transformer/signal.float64",
    ),
    "later keys seen": (
        [(attention, "_causal_softmax", later_keys_seen)],
        Learner,
        "transformer/later-tokens-are-not-seen.float64",
    ),
    "scores scaled by the whole width": (
        [(attention, "_causal_softmax", scaled_by_the_whole_width)],
        Learner,
        "transformer/logits.float64",
    ),
    "epsilon 1e-5 in the normalization": (
        [(layers, "NORM_EPSILON", 1e-5)],
        Learner,
        "transformer/logits.float64",
    ),
    "GELU by tanh": (
        [(block, "gelu_forward", gelu_by_tanh)],
        Learner,
        "transformer/logits.float64",
    ),
    "key-value cache off by one": (
        [(decoding, "_block", one_place_early)],
        Learner,
        "transformer/generate-follows-the-policy.float64",
    ),
    "advantage of a sequence broadcast": (
        [],
        Broadcasts,
        "transformer/bad-input-is-refused.float64",
    ),
}
