"""Time the gated step of the token-reversal transformer on backends.

Rollouts of a policy that was warmed up on the task are made once and handed to every variant in
turn: a step is forward, screening, backward and update, as a ratio to the forward alone, on the
same tokens. The optimizer does all its work at a learning rate that moves nothing, so that the
gate keeps the same kind of tokens from the first call to the last.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kondo_ref.backend import Backend, load_backend
from kondo_ref.bench.turns import Variant, take_turns
from kondo_ref.gate import Gate
from kondo_ref.optim import Adam
from kondo_ref.randomness import Purpose, uniforms
from kondo_ref.step import TrainingState

if TYPE_CHECKING:
    from kondo_ref.tasks.token_reversal.settings import Settings

WARM_UP_STEPS = 200
BATCHES = 4
SAMPLES = 10
LEARNING_RATE = 3e-4
STILL = 1e-12
UNITS = ("token", "sequence")

Array = np.ndarray[Any, Any]
Masked = Callable[[TrainingState, list["Rollout"], Gate], dict[str, Variant]]


@dataclass(frozen=True, eq=False)
class Rollout:
    """A batch that was sampled and rewarded.

    Parameters
    ----------
    questions : (B, P) int64
        Prompts, with the separator.
    uniforms : (B, H) float
        What the answers were drawn with.
    tokens, actions : (B, T) int64
    advantages : (B, T) float
    mask : (B, T) bool
        The decisions.
    """

    questions: Array
    uniforms: Array
    tokens: Array
    actions: Array
    advantages: Array
    mask: Array


def settings_of(batch: int, length: int, width: int, dtype: str) -> "Settings":
    """Return the task of sequences of `length` tokens, half of them decisions.

    Raises
    ------
    ValueError
        An odd length, or a batch that is not a multiple of the samples of a prompt.
    """
    from kondo_ref.tasks.token_reversal.settings import Settings

    if length < 2 or length % 2:
        raise ValueError(f"length: expected an even number of tokens, got {length}")
    if batch < SAMPLES or batch % SAMPLES:
        raise ValueError(f"batch: expected a multiple of {SAMPLES} samples a prompt, got {batch}")
    return Settings(
        prompts=batch // SAMPLES,
        samples=SAMPLES,
        length=length // 2,
        width=width,
        layers=2,
        heads=2,
        feed_forward=4 * width,
        learning_rate=LEARNING_RATE,
        dtype=dtype,
    )


def time_shape(
    names: list[str],
    settings: "Settings",
    rate: float,
    seconds: float,
    masked: Masked | None = None,
    progress: Callable[[float], None] | None = None,
) -> dict[str, Any]:
    """Time forward, rollout, gated steps of both units and the step at rate 1, at one shape.

    Parameters
    ----------
    names : list of str
        Backends; the first one warms the policy up.
    settings : Settings
        From `settings_of`.
    rate : float
        Rate of kondo-top-k.
    seconds : float
        About how long to measure each variant.
    masked : callable, optional
        From the warm state, the rollouts and a gate to further variants by name.
    progress : callable, optional
        As `take_turns` takes it.

    Returns
    -------
    dict
        ``batch``, ``length`` and ``width``; ``variants`` as `take_turns` gives them; ``bytes``: of
        the activations that each step held for its backward, by variant.
    """
    backends = [load_backend(name) for name in names]
    state, rollouts = warm(backends[0], settings, rate)
    gates = {unit: Gate.named("kondo-top-k", rate=rate, unit=unit) for unit in UNITS}
    gates["dense"] = Gate.named("kondo-top-k", rate=1.0)
    variants: dict[str, Variant] = {}
    held: dict[str, Any] = {}
    for backend in backends:
        found, learners = backend_variants(backend, state, rollouts, gates)
        variants |= found
        held |= learners
    if masked is not None:
        for unit in UNITS:
            variants |= masked(state, rollouts, gates[unit])
    return {
        "batch": settings.prompts * settings.samples,
        "length": 2 * settings.length,
        "width": settings.width,
        "variants": take_turns(variants, seconds, progress),
        "bytes": {
            name: getattr(learner, "activation_bytes", None) for name, learner in held.items()
        },
    }


def warm(
    backend: Backend, settings: "Settings", rate: float
) -> tuple[TrainingState, list[Rollout]]:
    """Return the state after `WARM_UP_STEPS` gated steps, and rollouts of its policy."""
    model = settings.model()
    state = TrainingState(model, model.initialize(0, settings.dtype), Adam(settings.learning_rate))
    learner = backend.learner(state)
    gate = Gate.named("kondo-top-k", rate=rate, unit="sequence")
    for step in range(1, WARM_UP_STEPS + 1):
        update(learner, backend, roll(learner, backend, settings, step), gate)
    rollouts = [roll(learner, backend, settings, WARM_UP_STEPS + i + 1) for i in range(BATCHES)]
    end = learner.state()
    assert isinstance(end.optimizer, Adam)
    end.optimizer.learning_rate = STILL
    return end, rollouts


def roll(learner: Any, backend: Backend, settings: "Settings", step: int) -> Rollout:
    """Sample and reward one batch."""
    from kondo_ref.tasks.token_reversal import environment

    separator, dtype = settings.vocabulary, settings.dtype
    asked = environment.prompts(settings, 0, step)
    questions = environment.questions(asked, separator)
    draws = uniforms(0, Purpose.ACTIONS, step, asked.shape, dtype)
    answers = backend.to_numpy(learner.generate(backend.array(questions), backend.array(draws)))
    reward = environment.rewards(environment.correct(asked, answers), settings.reward)
    gain = environment.advantages(settings, reward.astype(dtype))
    return Rollout(
        questions,
        draws,
        environment.observations(asked, answers, separator),
        np.asarray(environment.lay_out(answers)),
        np.asarray(environment.lay_out(np.repeat(gain[:, None], settings.length, axis=1))),
        np.asarray(environment.lay_out(np.ones(asked.shape, dtype=np.bool_))),
    )


def update(learner: Any, backend: Backend, rollout: Rollout, gate: Gate) -> int:
    """Make one step on a rollout; return the rows that its backward took."""
    policy = learner.forward(backend.array(rollout.tokens))
    result = learner.update(
        policy,
        backend.array(rollout.actions),
        backend.array(rollout.advantages),
        gate,
        mask=backend.array(rollout.mask),
    )
    rows: int = result.executed_rows
    return rows


def backend_variants(
    backend: Backend, state: TrainingState, rollouts: list[Rollout], gates: dict[str, Gate]
) -> tuple[dict[str, Variant], dict[str, Any]]:
    """Return the variants of one backend, and the learner of each that takes steps."""
    only = backend.learner(state)
    turn = iter(range(10**9))

    def next_rollout() -> Rollout:
        return rollouts[next(turn) % len(rollouts)]

    def forward() -> int:
        only.logits(backend.array(next_rollout().tokens))
        return 0

    def rollout() -> int:
        sample = next_rollout()
        only.generate(backend.array(sample.questions), backend.array(sample.uniforms))
        return 0

    def step(learner: Any, gate: Gate) -> Variant:
        return lambda: update(learner, backend, next_rollout(), gate)

    variants: dict[str, Variant] = {
        f"{backend.name} forward": forward,
        f"{backend.name} rollout": rollout,
    }
    learners = {f"{backend.name} {kind}": (backend.learner(state), gates[kind]) for kind in gates}
    again = recomputing(backend)
    if again is not None:
        learners |= {
            f"{backend.name} {unit} recompute": (again.learner(state), gates[unit])
            for unit in UNITS
        }
    variants |= {name: step(learner, gate) for name, (learner, gate) in learners.items()}
    return variants, {name: learner for name, (learner, _) in learners.items()}


def recomputing(backend: Backend) -> Backend | None:
    """Return the same backend with its other way to come by activations, if it has one."""
    try:
        return load_backend(backend.name, activations="recompute")
    except ValueError:
        return None
