"""A model in training on torch modules: autograd for the gradient, torch.optim for the update.

The forward for screening runs without a graph. The kept observations are gathered and go through
the network once more, now with a graph, and `backward` runs on those rows alone: what is dropped
never enters it. Where the last update kept everything, the next forward builds the graph at once,
so that a dense step has one forward; if the gate then drops rows, the graph goes unused.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from kondo_ref import checks
from kondo_ref.backends import torch_checks as tensors
from kondo_ref.backends import torch_stations as stations
from kondo_ref.backends.torch_checks import Tensor
from kondo_ref.backends.torch_screening import (
    TorchScreening,
    kept_coefficients,
    normalizer_count,
    screen_surprisal,
)
from kondo_ref.backends.torch_state import MOMENTS, Network, our_optimizer, torch_optimizer
from kondo_ref.gate import Gate
from kondo_ref.gradient import NORMALIZERS
from kondo_ref.optim import FLUSH_BELOW, FLUSH_EVERY, SGD
from kondo_ref.parameters import Parameters
from kondo_ref.step import StepResult, TrainingState


@dataclass(frozen=True, eq=False)
class TorchPolicy:
    """The policy of a batch.

    Parameters
    ----------
    log_probabilities : (N, K) tensor
    observations : (N, D[0]) tensor
        Not copied: they are read again by the update.
    turn : object
        Stands for the forward that it is from.
    """

    log_probabilities: Tensor
    observations: Tensor
    turn: object

    @cached_property
    def probabilities(self) -> Tensor:
        """Action probabilities, (N, K)."""
        return self.log_probabilities.exp()


class TorchLearner:
    """A model in training; `kondo_ref.step.Learner` defines what each method does.

    Parameters
    ----------
    state : TrainingState
        Where to start; not changed.
    device : torch.device
    compile : bool
        Whether the network runs through torch.compile.
    """

    def __init__(self, state: TrainingState, device: torch.device, *, compile: bool) -> None:
        self.model = state.model
        self._start = state.copy().optimizer
        self._steps: int = getattr(state.optimizer, "steps", 0)
        self._dtype = tensors.tensor_of(state.parameters.flat[:0], device).dtype
        self._device = device
        self._network = Network(state.parameters, device)
        self._optimizer = torch_optimizer(self._network, self.model, self._start)
        self._parameters = list(self._network.parameters())
        self._run: Any = torch.compile(self._network, dynamic=True) if compile else self._network
        self._turn: object = None
        self._graph: Tensor | None = None
        self._expect_everything = False

    @property
    def gradient(self) -> Parameters:
        """The gradient of the last update, as a NumPy copy; zeros before the first."""
        return self._network.gather(self.model, lambda parameter: parameter.grad)

    def state(self) -> TrainingState:
        """Return a NumPy copy of parameters and optimizer, every number as it is."""
        parameters = self._network.gather(self.model, lambda parameter: parameter)
        optimizer = our_optimizer(
            self._network, self.model, self._start, self._optimizer, self._steps
        )
        return TrainingState(self.model, parameters, optimizer)

    def logits(self, observations: Any) -> Tensor:
        """Return the logits of a batch (N, D[0]), (N, K); no policy."""
        return self._forward(observations, graph=False)[0].detach()

    def forward(self, observations: Any) -> TorchPolicy:
        """Return the policy of a batch of observations (N, D[0]).

        Raises
        ------
        TypeError, ValueError
            As `kondo_ref.step.Learner.forward`.
        """
        logits, x = self._forward(observations, graph=self._expect_everything)
        if logits.requires_grad:
            self._graph = logits
        checked = tensors.logits_tensor(logits, self._device)
        return TorchPolicy(stations.log_softmax(checked), x, self._turn)

    def _forward(self, observations: Any, *, graph: bool) -> tuple[Tensor, Tensor]:
        x = self._observations(observations)
        self._turn = object()
        self._graph = None
        with torch.set_grad_enabled(graph):
            logits, first = self._run(x)
        if not math.isfinite(first.sum().item()):
            tensors.real_tensor("x", x, self._device)
        return logits, x

    def sample(self, policy: TorchPolicy, uniforms: Any) -> Tensor:
        """Return an action for each decision, by the inverse CDF of `uniforms` (N,)."""
        if not isinstance(uniforms, Tensor):
            uniforms = tensors.real_tensor("uniforms", uniforms, self._device)
        return stations.sample_actions(policy.probabilities, uniforms.detach().to(self._device))

    def confidence(self, policy: TorchPolicy) -> Tensor:
        """Return the baseline sum over a of pi(a)^2, (N,)."""
        p = policy.probabilities
        return torch.linalg.vecdot(p, p)  # type: ignore[no-any-return]

    def screen(
        self,
        policy: TorchPolicy,
        actions: Any,
        advantages: Any,
        gate: Gate,
        *,
        uniforms: Any = None,
        mask: Any = None,
        history: Any = None,
    ) -> TorchScreening:
        """Return the screening of a batch; arguments and errors as in `update`."""
        taken = self._actions(policy, actions)
        return screen_surprisal(
            stations.surprisal(policy.log_probabilities, taken),
            advantages,
            gate,
            uniforms=uniforms,
            mask=mask,
            history=history,
        )

    def update(
        self,
        policy: TorchPolicy,
        actions: Any,
        advantages: Any,
        gate: Gate,
        *,
        normalizer: str = "decisions",
        uniforms: Any = None,
        mask: Any = None,
        history: Any = None,
    ) -> StepResult:
        """Screen a batch, run autograd on its kept rows, and step the optimizer.

        The gradient is that of -(1/Z) sum stop(G U) log pi(a) over the kept rows.

        Returns
        -------
        StepResult
            The executed rows are those of the graph that `backward` ran through. With nothing kept
            there is no backward and no optimizer step.

        Raises
        ------
        TypeError, ValueError
            As `kondo_ref.step.Learner.update`.
        """
        checks.one_of("normalizer", normalizer, NORMALIZERS)
        taken = self._actions(policy, actions)
        screening = screen_surprisal(
            stations.surprisal(policy.log_probabilities, taken),
            advantages,
            gate,
            uniforms=uniforms,
            mask=mask,
            history=history,
        )
        self._turn = None
        kept = screening.kept
        rows = len(kept)
        everything = rows == len(policy.observations)
        if rows == 0:
            return StepResult(0.0, screening, 0, updated=False)
        if not everything:
            taken = taken[kept]
        if everything and self._graph is not None:
            logits = self._graph
        else:
            x = policy.observations
            with torch.enable_grad():
                logits, _ = self._run(x if everything else x.index_select(0, kept))
        coefficients = kept_coefficients(screening, normalizer_count(screening, normalizer))
        with torch.enable_grad():
            loss = torch.dot(coefficients, stations.differentiable_surprisal(logits, taken))
        for parameter in self._parameters:
            parameter.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self._after_step(everything=everything)
        return StepResult(loss.item(), screening, rows, updated=True)

    def _after_step(self, *, everything: bool) -> None:
        self._graph = None
        self._expect_everything = everything
        self._steps += 1
        if isinstance(self._start, SGD) or self._steps % FLUSH_EVERY:
            return
        below = FLUSH_BELOW * torch.finfo(self._dtype).tiny
        for state in self._optimizer.state.values():
            for name in MOMENTS.values():
                state[name].masked_fill_(state[name].abs() < below, 0.0)

    def _actions(self, policy: TorchPolicy, actions: Any) -> Tensor:
        if policy.turn is not self._turn:
            raise ValueError("policy: expected that of this learner's last forward, got another")
        shape = tuple(policy.log_probabilities.shape[:-1])
        return tensors.action_tensor(actions, shape, self.model.sizes[-1], self._device)

    def _observations(self, observations: Any) -> Tensor:
        x = observations
        if not isinstance(x, Tensor):
            x = tensors.real_tensor("x", observations, self._device)
        if x.ndim != 2 or x.shape[1] != self.model.sizes[0] or x.shape[0] == 0:
            raise ValueError(
                f"x: expected shape (N, {self.model.sizes[0]}), N >= 1, got {tuple(x.shape)}"
            )
        if x.dtype != self._dtype:
            wanted = str(self._dtype).removeprefix("torch.")
            raise TypeError(f"x: expected dtype {wanted}, got {tensors.dtype_name(x)}")
        return x.detach().to(self._device)
