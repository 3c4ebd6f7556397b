"""Train one method with one seed: sample answers, be rewarded, learn; keep what is reported."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kondo_ref.backend import Backend, Learner, load_backend
from kondo_ref.checks import BoolArray, FloatArray, IntArray
from kondo_ref.flops.transformer import Rows, backward_flop, network
from kondo_ref.models.packing import Packing
from kondo_ref.optim import Adam
from kondo_ref.randomness import Purpose, uniforms
from kondo_ref.screening import Screening
from kondo_ref.step import StepResult, TrainingState
from kondo_ref.tasks.flop import FlopTally
from kondo_ref.tasks.tally import PROBE_EVERY, Tally, run_steps
from kondo_ref.tasks.token_reversal import environment, objectives
from kondo_ref.tasks.token_reversal.precision import Precision
from kondo_ref.tasks.token_reversal.settings import Settings


def train(
    values: dict[str, Any],
    places: dict[str, Any],
    backend_name: str,
    method: str,
    seed: int,
    report: Callable[[int], None],
) -> dict[str, Any]:
    """Train one method with one seed.

    Parameters
    ----------
    values : dict
        `Settings.to_dict`.
    places : dict
        Nothing is in it.
    backend_name : str
        As `load_backend` takes it.
    method : str
    seed : int
    report : callable
        Called with the steps done since its last call.

    Returns
    -------
    dict
        ``curve``: one row a log point; counts are from the first step on, the error and the
        precision of the selection since the log point before. ``totals``: counts, mean rates and
        precision over all updates; selectivity and times over every `PROBE_EVERY`-th step.
    """
    del places
    settings = Settings.from_dict(values)
    model = settings.model()
    state = TrainingState(
        model, model.initialize(seed, settings.dtype), Adam(settings.learning_rate)
    )
    backend = load_backend(backend_name)
    trial = _Trial(settings, method, seed, backend, backend.learner(state))
    curve = run_steps(
        settings.steps,
        trial.step,
        lambda step: {"method": method, "seed": seed, **trial.log(step)},
        report,
    )
    return {"curve": curve, "totals": trial.totals()}


class _Trial:
    """The running sums of one training."""

    def __init__(
        self, settings: Settings, method: str, seed: int, backend: Backend, learner: Learner
    ) -> None:
        self.settings, self.method, self.seed = settings, method, seed
        self.backend, self.learner = backend, learner
        self.gate = settings.gate(method)
        self.epochs = settings.epochs if method == "ppo" else 1
        shape = (settings.batch, settings.length)
        self.mask = environment.lay_out(np.ones(shape, dtype=np.bool_))
        self.work = _Work(settings, self.mask)
        self.history: Any = None
        self.reward = 0.0
        self.since = 0
        self.tally = Tally()
        self.window, self.precision = Precision(), Precision()

    def step(self, step: int) -> None:
        settings, backend = self.settings, self.backend
        separator, dtype = settings.vocabulary, settings.dtype
        probe = step % PROBE_EVERY == 0
        asked = environment.prompts(settings, self.seed, step)
        draws = uniforms(self.seed, Purpose.ACTIONS, step, asked.shape, dtype)
        questions = backend.array(environment.questions(asked, separator))
        with self.tally.timed("generate", probe=probe):
            answers = backend.to_numpy(self.learner.generate(questions, backend.array(draws)))
        right = environment.correct(asked, answers)
        reward = environment.rewards(right, settings.reward, settings.kappa)
        self.reward += float(reward.sum())
        self.since += reward.size
        reward = reward + environment.noise(settings, self.seed, step, asked, answers)
        gain = environment.advantages(settings, reward.astype(dtype))
        tokens = backend.array(environment.observations(asked, answers, separator))
        self._learn(step, tokens, answers, gain, right, probe=probe)
        if probe:
            with self.tally.timed("forward", probe=True):
                self.learner.logits(tokens)

    def _learn(
        self,
        step: int,
        tokens: Any,
        answers: IntArray,
        gain: FloatArray,
        right: BoolArray,
        *,
        probe: bool,
    ) -> None:
        """Make the updates with one batch."""
        advantages = np.repeat(gain[:, None], self.settings.length, axis=1)
        old: FloatArray | None = None
        for _ in range(self.epochs):
            with self.tally.timed("step", probe=probe):
                policy = self.learner.forward(tokens)
                numbers = advantages
                if self.method == "ppo":
                    chosen = self._chosen(policy, answers)
                    old = chosen if old is None else old
                    numbers = objectives.ppo(chosen, old, advantages, self.settings.clip)
                elif self.method == "pmpo":
                    numbers = objectives.pmpo(advantages, self.settings.alpha)
                result = self._update(step, policy, answers, numbers)
                screening = result.screening.convert(self.backend.to_numpy)
            self.history = result.screening.history
            self.tally.add(screening, updated=result.updated, probe=probe)
            self.work.add(screening, result)
            for precision in (self.window, self.precision):
                precision.add(screening, right)

    def _chosen(self, policy: Any, answers: IntArray) -> FloatArray:
        """Return log pi of the answers' tokens, (B, H) float."""
        rows = self.backend.to_numpy(policy.log_probabilities)[:, self.settings.length :]
        chosen: FloatArray = np.take_along_axis(rows, answers[..., None], axis=2)[..., 0]
        return chosen

    def _update(self, step: int, policy: Any, answers: IntArray, numbers: FloatArray) -> StepResult:
        array = self.backend.array
        draws = None
        if self.gate.needs_uniforms:
            batch, length = answers.shape
            shape = (batch,) if self.gate.unit == "sequence" else (batch, 2 * length)
            draws = array(uniforms(self.seed, Purpose.GATE, step, shape, self.settings.dtype))
        own = self.method in ("ppo", "pmpo")
        return self.learner.update(
            policy,
            array(environment.lay_out(answers)),
            array(environment.lay_out(numbers)),
            self.gate,
            normalizer="decisions" if own else self.settings.normalizer,
            uniforms=draws,
            mask=array(self.mask),
            history=self.history,
        )

    def log(self, step: int) -> dict[str, Any]:
        """Return a row of the curve, and begin the next window."""
        row = {
            "step": step,
            **self.work.counts(),
            "error": 1.0 - self.reward / self.since,
            **self.window.shares(),
        }
        self.reward, self.since, self.window = 0.0, 0, Precision()
        return row

    def totals(self) -> dict[str, Any]:
        return {
            **self.work.counts(),
            "optimizer_steps": self.tally.updates,
            **self.tally.rates(),
            **self.work.shares(),
            **self.tally.shares(),
            **self.precision.shares(),
            **{
                f"{name}_seconds": self.tally.seconds(name)
                for name in ("step", "forward", "generate")
            },
        }


class _Work:
    """What the updates looked at, kept, and executed."""

    def __init__(self, settings: Settings, mask: BoolArray) -> None:
        self.shape = (settings.batch, settings.length)
        self.model = settings.model()
        self.packing = Packing.of(np.zeros(mask.shape, np.int64), self.model.vocabulary)
        forward = network(self.model, Rows.whole([mask.shape[1]] * settings.batch)).forward.matmul
        self.dense = self._flop(np.flatnonzero(mask))
        self.flop = FlopTally(forward, *self.dense)
        self.updates = self.sequences = self.tokens = 0
        self.rows = self.dense_rows = 0

    def _flop(self, kept: IntArray) -> tuple[int, int]:
        """Return the FLOP of a backward, executed and structural."""
        if kept.size == 0:
            return 0, 0
        prefixes = self.packing.prefixes(kept)
        executed = backward_flop(self.model, prefixes)
        return executed, backward_flop(self.model, prefixes, "causal")

    def add(self, screening: Screening, result: StepResult) -> None:
        self.updates += 1
        self.sequences += int(np.count_nonzero(screening.weight.any(axis=1)))
        self.tokens += screening.kept.size
        self.rows += result.executed_rows
        whole = result.dense_rows
        self.dense_rows += screening.valid if whole is None else whole
        every = screening.kept.size == screening.valid
        executed, structural = self.dense if every else self._flop(screening.kept)
        self.flop.add(
            screening.kept.size, screening.valid, structural=structural, executed=executed
        )

    def counts(self) -> dict[str, int]:
        batch, length = self.shape
        return {
            "forward_sequences": self.updates * batch,
            "forward_tokens": self.updates * batch * length,
            "backward_sequences": self.sequences,
            "backward_tokens": self.tokens,
            "backward_rows": self.rows,
            **self.flop.counts(),
        }

    def shares(self) -> dict[str, float]:
        return {"executed_rate": self.rows / self.dense_rows, **self.flop.shares()}
