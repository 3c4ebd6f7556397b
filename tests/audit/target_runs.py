"""Runs a target of `targets` on batches, without the auditor: what it returned, moved and ran.

Written for these targets alone; one function a surface. Coefficients are c_i, minus the derivative
of the loss in log pi(a_i).
"""

import inspect
import random
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import jax
import numpy as np
import torch
from targets.register import Target

from kondo_ref.audit.batch import Batch

OBSERVED = 5  # numbers in an observation of the surface step
NAMES = {"log_probs": "logp", "response_mask": "mask"}


@dataclass
class Seen:
    """What a call gave: c, G, the share of the gradient that is no policy gradient, and so on."""

    coefficients: np.ndarray | None = None
    weights: np.ndarray | None = None
    loss: float = 0.0
    residual: float = 0.0
    rows: int = 0
    moved: bool = False
    error: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    changed: bool = False
    seeded: bool = False
    logits: np.ndarray | None = None
    gradients: list[np.ndarray] = field(default_factory=list)
    expected_of: Callable[[np.ndarray], list[np.ndarray]] | None = None


def load(target: Target) -> Any:
    module, _, name = target.place.partition(":")
    return getattr(import_module(module), name)


def run(target: Target, batches: Sequence[Batch], seed: int = 0) -> list[Seen]:
    """Call the target on the batches in order, its state fresh and the generators seeded."""
    thing = load(target)
    call = thing() if inspect.isclass(thing) else thing
    torch.manual_seed(seed)
    random.seed(seed)
    generator = np.random.default_rng(seed)
    key = jax.random.key(seed)
    surface = SURFACES[target.surface]
    step_model = policy(0)
    seen = []
    with jax.enable_x64(True):
        for batch in batches:
            key, this = jax.random.split(key)
            dtype = target.options.get("dtype", batch.dtype)
            given = arguments(target.framework, batch, dtype, generator, this)
            before = {name: deepcopy(given[name]) for name in ("advantages", "mask")}
            state = torch.random.get_rng_state()
            try:
                found = surface(target, call, given, batch, step_model)
            except Exception as error:
                found = Seen(error=f"{type(error).__name__}: {error}")
            found.changed = any(
                before[name] is not None and not bool((before[name] == given[name]).all())
                for name in before
                if hasattr(given[name], "all")
            )
            found.seeded = torch.initial_seed() == 42
            torch.random.set_rng_state(state)
            torch.manual_seed(int(generator.integers(2**31)))
            seen.append(found)
    return seen


def arguments(
    framework: str, batch: Batch, dtype: str, generator: np.random.Generator, key: Any
) -> dict[str, Any]:
    """Return everything that a target can ask for, in its framework."""
    taken = np.take_along_axis(batch.log_probabilities, batch.actions[..., None], -1)[..., 0]
    arrays = {
        "logits": batch.logits.astype(dtype),
        "logp": taken.astype(dtype),
        "advantages": batch.advantages.astype(dtype),
        "rewards": batch.advantages.astype(dtype),
        "uniforms": generator.random(batch.shape),
        "actions": batch.actions,
        "mask": None if batch.mask is None else batch.mask.astype(batch.mask_dtype),
        "groups": batch.groups,
    }
    convert: Callable[[np.ndarray], Any] = {
        "torch": lambda x: torch.from_numpy(x.copy()),
        "jax": jax.numpy.asarray,
        "numpy": np.copy,
        "python": lambda x: x.tolist(),
    }[framework]
    given = {name: None if x is None else convert(x) for name, x in arrays.items()}
    return {**given, "generator": generator, "key": key}


def asked(function: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments that the function names."""
    function = getattr(function, "forward", function)  # of a module
    wanted = inspect.signature(function).parameters
    return {name: given[NAMES.get(name, name)] for name in wanted if NAMES.get(name, name) in given}


def split(out: Any) -> tuple[Any, dict[str, float]]:
    if isinstance(out, tuple) and isinstance(out[-1], dict):
        return out[0], {name: float(value) for name, value in out[-1].items()}
    return out, {}


def coefficients_of(dlogits: np.ndarray, batch: Batch) -> tuple[np.ndarray, float]:
    """Return c and the norm of what is left of the gradient, over the gradient's."""
    direction = np.eye(batch.logits.shape[-1])[batch.actions] - np.exp(batch.log_probabilities)
    square = np.maximum((direction**2).sum(-1), 1e-300)
    c = -(dlogits * direction).sum(-1) / square
    left = dlogits + c[..., None] * direction
    return c, float(np.linalg.norm(left) / max(np.linalg.norm(dlogits), 1e-300))


def differentiate(
    target: Target, call: Any, given: dict[str, Any], name: str
) -> tuple[float, np.ndarray, dict[str, float]]:
    """Return the loss, its gradient in one argument, and the metrics."""
    given = dict(given)
    if target.framework == "torch":
        leaf = given[name].requires_grad_()
        out, metrics = split(call(**asked(call, given)))
        loss = out.sum()
        if not loss.requires_grad:
            return loss.item(), np.zeros(leaf.shape), metrics
        (gradient,) = torch.autograd.grad(loss, leaf, allow_unused=True)
        if gradient is None:
            return loss.item(), np.zeros(leaf.shape), metrics
        return loss.item(), gradient.double().numpy(), metrics
    if target.framework == "jax":
        told: dict[str, float] = {}

        def loss_of(x: Any) -> Any:
            out, metrics = split_jax(call(**asked(call, {**given, name: x})))
            return out.sum(), metrics

        (value, told), gradient = jax.value_and_grad(loss_of, has_aux=True)(given[name])
        told = {key: float(x) for key, x in told.items()}
        return float(value), np.asarray(gradient, dtype=np.float64), told
    out = call(**asked(call, given))
    loss_value, gradient = out if isinstance(out, tuple) else (0.0, out)
    return float(loss_value), np.asarray(gradient, dtype=np.float64), {}


def split_jax(out: Any) -> tuple[Any, dict[str, Any]]:
    return out if isinstance(out, tuple) else (out, {})


def from_logits(target: Target, call: Any, given: dict[str, Any], batch: Batch, _: Any) -> Seen:
    loss, dlogits, metrics = differentiate(target, call, given, "logits")
    c, residual = coefficients_of(dlogits, batch)
    return Seen(coefficients=c, loss=loss, residual=residual, metrics=metrics)


def from_logprobs(target: Target, call: Any, given: dict[str, Any], _: Batch, __: Any) -> Seen:
    loss, dlogp, metrics = differentiate(target, call, given, "logp")
    return Seen(coefficients=-dlogp, loss=loss, metrics=metrics)


def from_gate(_: Target, call: Any, given: dict[str, Any], __: Batch, ___: Any) -> Seen:
    return Seen(weights=np.array(call(**asked(call, given)), dtype=np.float64))


def from_lists(target: Target, call: Any, given: dict[str, Any], _: Batch, __: Any) -> Seen:
    (kind,) = target.options["returns"]
    return Seen(**{kind: np.array(call(**asked(call, given)), dtype=np.float64)})


def from_stream(_: Target, call: Any, __: dict[str, Any], batch: Batch, ___: Any) -> Seen:
    delight = (batch.advantages * batch.surprisal).ravel().tolist()
    return Seen(weights=np.array([float(call.decide(chi)) for chi in delight]))


def from_subset(target: Target, call: Any, given: dict[str, Any], _: Batch, __: Any) -> Seen:
    chosen = call.screen(given["logp"], given["advantages"])
    kept = np.asarray(chosen)
    kept = np.flatnonzero(kept) if kept.dtype == bool else kept
    subset = {name: given[name][kept] for name in ("logp", "advantages")}
    loss, dlogp, _ = differentiate(target, call.loss, subset, "logp")
    c, weights = np.zeros(given["logp"].shape), np.zeros(given["logp"].shape)
    c[kept], weights[kept] = -dlogp, 1.0
    return Seen(coefficients=c, weights=weights, loss=loss)


def policy(seed: int) -> torch.nn.Module:
    """Return the small model that a step is handed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return torch.nn.Sequential(
            torch.nn.Linear(OBSERVED, 8), torch.nn.Tanh(), torch.nn.Linear(8, 6)
        ).double()


def from_table(call: Any, given: dict[str, Any], batch: Batch) -> Seen:
    """Run a step on a table of logits that returns the new table or the gradient."""
    table = given["logits"]
    known = {**given, "params": table, "observations": np.arange(batch.actions.size), "lr": 1.0}
    out = np.asarray(call(**asked(call, known)))
    # A gradient is small beside the logits.
    is_table = np.linalg.norm(out - np.asarray(table)) < np.linalg.norm(out)
    c, residual = coefficients_of(np.asarray(table) - out if is_table else out, batch)
    return Seen(coefficients=c, residual=residual)


def from_step(
    target: Target, call: Any, given: dict[str, Any], batch: Batch, model: torch.nn.Module
) -> Seen:
    if target.framework != "torch":
        return from_table(call, given, batch)
    observations = torch.from_numpy(np.random.default_rng(0).normal(size=(*batch.shape, OBSERVED)))
    seen = Seen()

    def count(module: Any, inputs: Any, output: torch.Tensor) -> None:
        del module, inputs
        if output.requires_grad:
            output.register_hook(lambda g: setattr(seen, "rows", seen.rows + g.shape[0]))

    before = deepcopy(model)
    seen.logits = before(observations).detach().numpy()

    def expected(coefficients: np.ndarray) -> list[np.ndarray]:
        logp = before(observations).log_softmax(-1).gather(-1, given["actions"][..., None])[..., 0]
        loss = -(torch.from_numpy(coefficients) * logp).sum()
        return [g.numpy() for g in torch.autograd.grad(loss, list(before.parameters()))]

    seen.expected_of = expected
    handle = model[0].register_forward_hook(count)
    try:
        call(
            model=model,
            observations=observations,
            actions=given["actions"],
            advantages=given["advantages"],
        )
    finally:
        handle.remove()
    seen.moved = any(
        not torch.equal(a, b) for a, b in zip(before.parameters(), model.parameters(), strict=True)
    )
    seen.gradients = [
        np.zeros(0) if p.grad is None else p.grad.numpy().copy() for p in model.parameters()
    ]
    return seen


SURFACES = {
    "logits": from_logits,
    "logprobs": from_logprobs,
    "gate": from_gate,
    "lists": from_lists,
    "stream": from_stream,
    "screen+loss": from_subset,
    "rewards": from_logits,
    "step": from_step,
}
