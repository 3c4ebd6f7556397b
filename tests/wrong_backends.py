"""Backends that are wrong in one way each, and the check of the conformance suite that sees it.

Each is the reference with one station replaced while it runs; every mistake has been met in public
code. ``python tests/wrong_backends.py`` prints which checks each one fails. Those that concern
sequences alone are in `wrong_sequence_backends`.
"""

import dataclasses
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from wrong_sequence_backends import WRONG_SEQUENCES

from kondo_ref import gradient, optim, screening, step
from kondo_ref.backends.numpy_backend import NumpyBackend
from kondo_ref.conformance import check_backend
from kondo_ref.models import mlp
from kondo_ref.step import Learner, TrainingState

Patch = tuple[Any, str, Any]


def gate_attached(found: Any, divisor: int) -> Any:
    """Differentiate through the soft gate: c = U (w + w' log pi)."""
    rows = found.kept
    w, u = found.weight[rows], found.advantages[rows]
    slope = w * (1 - w) * u * found.surprisal[rows] / max(found.gate.temperature, 1e-3)
    return (w + slope) * u / divisor


def sign_dropped(found: Any, divisor: int) -> Any:
    return found.weight[found.kept] * np.abs(found.advantages[found.kept]) / divisor


def double_gate(found: Any, divisor: int) -> Any:
    """Weigh the survivors by DG once more."""
    again = 1 / (1 + np.exp(-found.delight[found.kept]))
    return gradient.kept_coefficients(found, divisor) * again.astype(found.weight.dtype)


def mean_over_kept(found: Any, normalizer: str) -> int:
    return max(1, found.kept.size) if normalizer == "decisions" else 1


def off_by_one_bias(x: Any, weight: Any, bias: Any, out: Any = None) -> Any:
    result = np.matmul(x, weight, out=out)
    result += np.roll(bias, 1)
    return result


def last_row_dropped(
    dout: Any, x: Any, weight: Any, dweight: Any, dbias: Any, *, need_dx: bool
) -> Any:
    cut = dout.copy()
    cut[-1] = 0
    return real_linear_backward(cut, x, weight, dweight, dbias, need_dx=need_dx)


def bfloat16(x: Any, weight: Any, bias: Any, out: Any = None) -> Any:
    rounded = weight.real.astype(np.float32).view(np.uint32) & np.uint32(0xFFFF0000)
    return real_linear_forward(x, rounded.view(np.float32).astype(weight.dtype), bias, out)


def price_over_masked_rows(gate: Any, signal: Any, mask: Any, history: Any) -> Any:
    price, w, after = real_price_and_keep(gate, signal, None, history)
    if mask is not None:
        w = np.where(mask, w, 0)
    return price, w, after


def float32_price(gate: Any, signal: Any, mask: Any, history: Any) -> Any:
    price, _, after = real_price_and_keep(gate, signal, mask, history)
    if price is None:
        return real_price_and_keep(gate, signal, mask, history)
    price = np.asarray(price).astype(np.float32).astype(signal.dtype)
    w = screening.keep_probability(signal, price, gate.temperature)
    return (
        float(price) if price.ndim == 0 else price,
        w if mask is None else np.where(mask, w, 0),
        after,
    )


def ties_and_threshold_kept(signal: Any, price: Any, temperature: float) -> Any:
    if temperature == 0.0:
        return (signal >= price).astype(signal.dtype)
    return real_keep_probability(signal, price, temperature)


def temperature_multiplied(signal: Any, price: Any, temperature: float) -> Any:
    return real_keep_probability(signal, price, 1 / temperature if temperature else 0.0)


def one_more_kept(rate: float, valid: int) -> int:
    return min(valid, int(rate * valid) + 1)


def capped_surprisal(log_probabilities: Any, actions: Any) -> Any:
    return np.minimum(real_surprisal(log_probabilities, actions), 1.0)


def another_epsilon(self: Any, parameters: Any, gradient: Any) -> None:
    changed = optim.Adam(self.learning_rate, epsilon=2 * self.epsilon)
    changed.steps, changed.first, changed.second = self.steps, self.first, self.second
    real_adam_step(changed, parameters, gradient)
    self.steps, self.first, self.second = changed.steps, changed.first, changed.second


real_adam_step = optim.Adam.step
real_linear_backward = mlp.linear_backward
real_linear_forward = mlp.linear_forward
real_price_and_keep = screening._price_and_keep
real_keep_probability = screening.keep_probability
real_surprisal = step.surprisal


class EmptySteps(Learner):
    """Steps the optimizer with a zero gradient where nothing was kept."""

    def update(self, *arguments: Any, **options: Any) -> Any:
        result = super().update(*arguments, **options)
        if not result.updated:
            self.gradient.flat[...] = 0
            self.optimizer.step(self.parameters, self.gradient)
        return result


class Masked(Learner):
    """Multiplies the dropped rows by zero and runs them all."""

    def update(self, policy: Any, actions: Any, advantages: Any, gate: Any, **options: Any) -> Any:
        found = self.screen(
            policy, actions, advantages, gate,
            **{k: v for k, v in options.items() if k != "normalizer"},
        )  # fmt: skip
        divisor = step.normalizer_count(found, options.get("normalizer", "decisions"))
        if found.kept.size == 0:
            return step.StepResult(0.0, found, 0, updated=False)
        c = found.weight * found.advantages / divisor
        rows = step.kept_dlogits(policy.log_probabilities, np.asarray(actions), c)
        everything = np.arange(len(rows))
        self.model.backward(self.parameters, policy.cache, rows, everything, out=self.gradient)
        self.optimizer.step(self.parameters, self.gradient)
        return step.StepResult(float(c @ found.surprisal), found, len(rows), updated=True)


class Writes(Learner):
    """Scales the caller's advantages in place."""

    def screen(self, policy: Any, actions: Any, advantages: Any, *rest: Any, **options: Any) -> Any:
        advantages *= 1.0 + 1e-12
        advantages += 1e-6
        return super().screen(policy, actions, advantages, *rest, **options)


class Forgets(Learner):
    """Gives back a state without moments."""

    def state(self) -> TrainingState:
        found = super().state()
        return dataclasses.replace(found, optimizer=dataclasses.replace(found.optimizer))


class Draws(Learner):
    """Rounds every other forward another way, as a draw or a race of its own would."""

    turns = itertools.count()

    def forward(self, observations: Any) -> Any:
        policy = super().forward(observations)
        rows = policy.log_probabilities
        other = np.nextafter(rows, -np.inf) if next(self.turns) % 2 else rows
        return dataclasses.replace(policy, log_probabilities=other)


WRONG: dict[str, tuple[list[Patch], type[Learner], str]] = {
    "gate attached": ([(step, "kept_coefficients", gate_attached)], Learner, "gradient.float64"),
    "sign dropped": ([(step, "kept_coefficients", sign_dropped)], Learner, "loss.float64"),
    "double gate": ([(step, "kept_coefficients", double_gate)], Learner, "gradient.float32"),
    "mean over kept": ([(step, "normalizer_count", mean_over_kept)], Learner, "loss.float64"),
    "off-by-one bias row": ([(mlp, "linear_forward", off_by_one_bias)], Learner, "logits.float64"),
    "one dropped sample": (
        [(mlp, "linear_backward", last_row_dropped)],
        Learner,
        "gradient.float64",
    ),
    "bfloat16 weights": ([(mlp, "linear_forward", bfloat16)], Learner, "logits.float32"),
    "price over masked rows": (
        [(screening, "_price_and_keep", price_over_masked_rows)],
        Learner,
        "price.float64",
    ),
    "float32 price in float64": (
        [(screening, "_price_and_keep", float32_price)],
        Learner,
        "price.float64",
    ),
    "threshold kept": (
        [(screening, "keep_probability", ties_and_threshold_kept)],
        Learner,
        "vectors",
    ),
    "temperature multiplied": (
        [(screening, "keep_probability", temperature_multiplied)],
        Learner,
        "keep_probability.float64",
    ),
    "one more kept": ([(screening, "top_k_count", one_more_kept)], Learner, "gate.float64"),
    "surprisal capped": ([(step, "surprisal", capped_surprisal)], Learner, "surprisal.float64"),
    "another epsilon": (
        [(optim.Adam, "step", another_epsilon)],
        Learner,
        "parameters.float64",
    ),
    "step on an empty gate": ([], EmptySteps, "empty-gate-is-no-step.float64"),
    "masked, not skipped": ([], Masked, "rows-are-skipped.float64"),
    "moments forgotten": ([], Forgets, "state-goes-through.float64"),
    "randomness of its own": ([], Draws, "the-same-twice.float64"),
    "overflow learned from": (
        [(step, "require_finite", lambda _: None)],
        Learner,
        "overflow-is-refused.float64",
    ),
    "inputs written to": ([], Writes, "inputs-are-left-alone.float64"),
    **WRONG_SEQUENCES,
}


class WrongBackend(NumpyBackend):
    """The reference, patched while it runs and only then: the one it is held against is not."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.models = ("transformer",) if name in WRONG_SEQUENCES else ("mlp",)
        self.patches, self.kind, _ = WRONG[name]

    def policy_gradient(self, *arguments: Any, **options: Any) -> Any:
        with patched(self.patches):
            return super().policy_gradient(*arguments, **options)

    def learner(self, state: TrainingState) -> Any:
        return Patched(self.kind(state), self.patches)


class Patched:
    """A learner whose methods run patched."""

    def __init__(self, learner: Learner, patches: list[Patch]) -> None:
        self.learner, self.patches = learner, patches

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.learner, name)
        if not callable(found):
            return found

        def run(*arguments: Any, **options: Any) -> Any:
            with patched(self.patches):
                return found(*arguments, **options)

        return run


@contextmanager
def patched(patches: list[Patch]) -> Iterator[None]:
    """Replace stations of the reference for a while."""
    before = [(where, name, getattr(where, name)) for where, name, _ in patches]
    for where, name, new in patches:
        setattr(where, name, new)
    try:
        yield
    finally:
        for where, name, old in before:
            setattr(where, name, old)


def failing_checks(name: str, steps: int = 3) -> dict[str, dict[str, Any]]:
    """Return the checks that a wrong backend fails, by id."""
    report = check_backend(WrongBackend(name), steps=steps)
    return {check["id"]: check for check in report["checks"] if check["verdict"] == "fails"}


def matrix() -> str:
    """Return the kill matrix as a Markdown table."""
    lines = ["| mistake | seen by, among others | checks that fail |", "|---|---|---|"]
    for name, (_, _, by) in WRONG.items():
        failing = failing_checks(name)
        lines.append(f"| {name} | `{by}` | {len(failing)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(matrix())  # noqa: T201
