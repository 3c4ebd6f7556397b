"""A model in training on torch modules: autograd for the gradient, torch.optim for the update.

The forward for screening runs without a graph. What the kept decisions depend on goes through the
network once more, now with a graph, and `backward` runs on those rows alone: what is dropped never
enters it. Where the last update took every row, the next forward builds the graph at once, so that
a dense step has one forward; if the gate then drops rows, the graph goes unused.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from kondo_ref import checks
from kondo_ref.backends import torch_checks as tensors
from kondo_ref.backends import torch_decoding as decoding
from kondo_ref.backends import torch_stations as stations
from kondo_ref.backends.torch_checks import Tensor
from kondo_ref.backends.torch_mlp import MLPNetwork
from kondo_ref.backends.torch_network import Network, Run
from kondo_ref.backends.torch_screening import (
    TorchScreening,
    kept_coefficients,
    normalizer_count,
    screen_surprisal,
)
from kondo_ref.backends.torch_state import MOMENTS, our_optimizer, torch_optimizer
from kondo_ref.backends.torch_transformer import TransformerNetwork
from kondo_ref.gate import Gate
from kondo_ref.gradient import NORMALIZERS, require_finite
from kondo_ref.models.mlp import MLP
from kondo_ref.models.transformer import Transformer
from kondo_ref.optim import FLUSH_BELOW, FLUSH_EVERY, SGD
from kondo_ref.parameters import Parameters
from kondo_ref.step import StepResult, TrainingState

NETWORKS: dict[type[Any], type[Network]] = {MLP: MLPNetwork, Transformer: TransformerNetwork}


@dataclass(frozen=True, eq=False)
class TorchPolicy:
    """The policy of a batch.

    Parameters
    ----------
    log_probabilities : (N, K) or (B, T, K) tensor
    run : Run
        The forward that it is from; observations are not copied, the update reads them again.
    turn : object
        Stands for that forward.
    """

    log_probabilities: Tensor
    run: Run
    turn: object

    @cached_property
    def probabilities(self) -> Tensor:
        """Action probabilities, of the same shape."""
        return self.log_probabilities.exp()


class TorchLearner:
    """A model in training; `kondo_ref.step.Learner` defines what each method does.

    Parameters
    ----------
    state : TrainingState
        Where to start; not changed.
    device : torch.device
    compile : bool
        Whether the network runs through torch.compile; an MLP only.

    Raises
    ------
    TypeError, ValueError
        A model or an optimizer that is not known here; a transformer to compile.
    """

    def __init__(self, state: TrainingState, device: torch.device, *, compile: bool) -> None:
        self.model = state.model
        if type(state.model) not in NETWORKS:
            raise TypeError(f"state: expected an MLP or a Transformer, got {state.model!r}")
        if compile and not isinstance(state.model, MLP):
            # The lengths of a batch differ from step to step, and so would what is compiled.
            raise ValueError("compile: expected an MLP to compile, got a transformer")
        self._start = state.copy().optimizer
        self._steps: int = getattr(state.optimizer, "steps", 0)
        self._device = device
        self._network = NETWORKS[type(state.model)].start(state.model, state.parameters, device)
        self._optimizer = torch_optimizer(self._network, self._start)
        self._parameters = list(self._network.parameters())
        if compile:
            self._network.compile(dynamic=True)
        self._turn: object = None
        self._expect_everything = False

    @property
    def gradient(self) -> Parameters:
        """The gradient of the last update, as a NumPy copy; zeros before the first."""
        return self._network.gather(lambda parameter: parameter.grad)

    def state(self) -> TrainingState:
        """Return a NumPy copy of parameters and optimizer, every number as it is."""
        parameters = self._network.gather(lambda parameter: parameter)
        optimizer = our_optimizer(self._network, self._start, self._optimizer, self._steps)
        return TrainingState(self.model, parameters, optimizer)

    def logits(self, observations: Any) -> Tensor:
        """Return the logits of a batch, (N, K) or (B, T, K); no policy."""
        return self._network.decisions(self._forward(observations, graph=False))

    def forward(self, observations: Any) -> TorchPolicy:
        """Return the policy of a batch of observations (N, D[0]) or tokens (B, T).

        Raises
        ------
        TypeError, ValueError
            As `kondo_ref.step.Learner.forward`.
        """
        run = self._forward(observations, graph=self._expect_everything)
        logits = tensors.logits_tensor(self._network.decisions(run), self._device)
        return TorchPolicy(stations.log_softmax(logits), run, self._turn)

    def generate(self, prompts: Any, uniforms: Any) -> Tensor:
        """Return the sampled continuation (B, S) of prompts (B, P)."""
        return decoding.generate(self._network, prompts, uniforms)

    def _forward(self, observations: Any, *, graph: bool) -> Run:
        batch = self._network.read(observations)
        self._turn = object()
        return self._network.run(batch, graph=graph)

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
        return self._screen(policy, actions, advantages, gate, uniforms, mask, history)[1]

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
        taken, screening = self._screen(policy, actions, advantages, gate, uniforms, mask, history)
        self._turn = None
        kept, run = screening.kept, policy.run
        given: Any = screening.mask
        dense = self._network.dense_rows(run, given)
        if len(kept) == 0:
            return StepResult(0.0, screening, 0, updated=False, dense_rows=dense)
        divisor = normalizer_count(screening, normalizer)
        loss, rows = self._kept_loss(run, taken, screening, divisor)
        number = loss.item()
        require_finite(number)
        for parameter in self._parameters:
            parameter.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self._expect_everything = rows == self._network.rows(run)
        self._after_step()
        return StepResult(number, screening, rows, updated=True, dense_rows=dense)

    def _kept_loss(
        self, run: Run, taken: Tensor, screening: TorchScreening, divisor: int
    ) -> tuple[Tensor, int]:
        """Return the loss of the kept decisions, with its graph, and the rows in the graph."""
        logits, rows = self._network.rerun(run, screening.kept)
        coefficients = kept_coefficients(screening, divisor)
        with torch.enable_grad():
            chosen = stations.differentiable_surprisal(logits, taken.reshape(-1)[screening.kept])
            return torch.dot(coefficients, chosen), rows

    def _after_step(self) -> None:
        self._steps += 1
        if isinstance(self._start, SGD) or self._steps % FLUSH_EVERY:
            return
        below = FLUSH_BELOW * torch.finfo(self._network.dtype).tiny
        for state in self._optimizer.state.values():
            for name in MOMENTS.values():
                state[name].masked_fill_(state[name].abs() < below, 0.0)

    def _screen(
        self,
        policy: TorchPolicy,
        actions: Any,
        advantages: Any,
        gate: Gate,
        uniforms: Any,
        mask: Any,
        history: Any,
    ) -> tuple[Tensor, TorchScreening]:
        """Return the actions as a tensor, and the screening."""
        if policy.turn is not self._turn:
            raise ValueError("policy: expected that of this learner's last forward, got another")
        self._network.check_mask(policy.run, mask)
        *shape, k = policy.log_probabilities.shape
        taken = tensors.action_tensor(actions, tuple(shape), k, self._device)
        screening = screen_surprisal(
            stations.surprisal(policy.log_probabilities, taken),
            advantages,
            gate,
            uniforms=uniforms,
            mask=mask,
            history=history,
        )
        return taken, screening
