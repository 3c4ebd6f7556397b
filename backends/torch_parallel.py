"""Data-parallel gating: each rank screens its own rows, and one price is set for all of them.

The batch is that of all ranks, in the order of the ranks. A rank runs the forward of its own rows;
the signals of all are gathered, a number a unit; every rank takes the price from them, keeps what
it has to keep of its own, and runs the backward of that alone. Gradients are added. So the step is
that of one process on the whole batch, to rounding, however the batch is cut.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from kondo_ref import checks, randomness
from kondo_ref.backends import torch_checks as tensors
from kondo_ref.backends.torch_checks import Tensor
from kondo_ref.backends.torch_collectives import Ranks
from kondo_ref.backends.torch_learner import TorchLearner, TorchPolicy
from kondo_ref.backends.torch_network import Run
from kondo_ref.backends.torch_part import empty_policy, read_part
from kondo_ref.backends.torch_screening import (
    TorchScreening,
    Units,
    price_and_keep,
    priced,
)
from kondo_ref.checks import FloatArray
from kondo_ref.gate import Gate
from kondo_ref.gradient import NORMALIZERS, require_finite
from kondo_ref.step import StepResult, TrainingState

PRICE_SCOPES = ("global", "rank")


@dataclass(frozen=True, eq=False)
class ParallelResult(StepResult):
    """What one update did: `loss` and `updated` are of all ranks, the rest is of this one.

    Parameters
    ----------
    all_valid, all_kept, all_executed_rows : int
        Over all ranks.
    """

    all_valid: int = 0
    all_kept: int = 0
    all_executed_rows: int = 0

    @property
    def executed_rate(self) -> float:
        """Executed rows of this rank over its dense ones; 0 where it has none."""
        return self.executed_rows / max(1, self.dense_rows or 0)


class ParallelLearner(TorchLearner):
    """A model in training on several processes, each with its own part of every batch.

    `update` and `screen` are collective: every rank calls them, with the same gate, normalizer and
    history, also the rank whose part is empty (0 rows) or has no valid decision. What one rank
    refuses, all refuse. `forward` is a rank's own.

    Parameters
    ----------
    state : TrainingState
        Where to start, the same on every rank; not changed.
    device : str or torch.device
    group : ProcessGroup, optional
        Of torch.distributed; the default group if it is not given.
    price_scope : str
        global: the price, k and the history are those of the whole batch. rank: of the rank's own
        part, which is another estimator; the normalizer is of the whole batch all the same.

    Raises
    ------
    TypeError, ValueError
        As `TorchLearner`; no group; ranks that start from different states.
    """

    def __init__(
        self,
        state: TrainingState,
        device: str | torch.device = "cpu",
        *,
        group: Any = None,
        price_scope: str = "global",
    ) -> None:
        checks.one_of("price_scope", price_scope, PRICE_SCOPES)
        place = torch.device(device)
        super().__init__(state, place, compile=False)
        self.price_scope = price_scope
        self.ranks = Ranks(group, place)
        self.ranks.same(price_scope=price_scope)
        self.check_states()

    def check_states(self) -> None:
        """Refuse, on every rank, models or optimizers that are not the same bit for bit.

        Raises
        ------
        ValueError
            They are not; the message says which part of the state.
        """
        state = self.state()
        optimizer = state.optimizer
        moments = [getattr(optimizer, name, None) for name in ("first", "second")]
        settings = {k: v for k, v in vars(optimizer).items() if not isinstance(v, np.ndarray)}
        parts = {
            "model": repr(state.model),
            "parameters": _digest(state.parameters.dtype, state.parameters.flat.tobytes()),
            "optimizer": _digest(
                type(optimizer).__name__,
                sorted(settings.items(), key=str),
                *(b"" if m is None else m.tobytes() for m in moments),
            ),
        }
        self.ranks.same(**{f"state ({name})": text for name, text in parts.items()})

    def part(self, n: int) -> slice:
        """Return this rank's rows of a batch of `n`: parts in order, even to one row."""
        checks.count("n", n, 0)
        rank, size = self.ranks.rank, self.ranks.size
        return slice(n * rank // size, n * (rank + 1) // size)

    def uniforms(
        self, seed: int, purpose: int, step: int, shape: tuple[int, ...], dtype: Any = np.float64
    ) -> FloatArray:
        """Return this rank's uniforms, each that of its index in the whole batch. Collective.

        They are those that one process draws for the whole batch (`kondo_ref.randomness.uniforms`),
        so that the draw is the same for any number of ranks.

        Parameters
        ----------
        seed, purpose, step : int
        shape : tuple of int
            Of this rank's part; C order, the parts in the order of the ranks.
        dtype : float32 or float64
        """
        own = int(np.prod(shape, dtype=np.int64))
        counts = [row[0] for row in self.ranks.numbers([own])]
        start = sum(counts[: self.ranks.rank])
        drawn = randomness.uniforms(seed, purpose, step, (start + own,), dtype)
        return drawn[start:].reshape(shape)

    def forward(self, observations: Any) -> TorchPolicy:
        """Return the policy of this rank's part; as `TorchLearner.forward`, but it may be empty."""
        if len(observations) > 0:
            return super().forward(observations)
        self._turn = object()
        return empty_policy(self._network, np.shape(observations), self._turn)

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
        """Return the screening of this rank's part. Collective; arguments as in `update`."""
        given = (uniforms, mask, history)
        return self._decide(policy, actions, advantages, gate, "decisions", given)[1]

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
    ) -> ParallelResult:
        """Screen the batch of all ranks, run the backward of what is kept here, step on all ranks.

        Parameters
        ----------
        policy, actions, advantages, gate, normalizer, uniforms, mask, history
            As in `TorchLearner.update`, of this rank's part. A history is that of the last
            screening; with the scope global the same on every rank. A baseline over the batch is
            the caller's: advantages are inputs here.

        Returns
        -------
        ParallelResult
            With nothing kept on any rank there is no optimizer step.

        Raises
        ------
        TypeError, ValueError
            As `TorchLearner.update`, on every rank; arguments that are not the same on every rank;
            no valid decision on any rank.
        """
        given = (uniforms, mask, history)
        taken, screening, all_valid, all_kept = self._decide(
            policy, actions, advantages, gate, normalizer, given
        )
        self._turn = None
        run, valid = policy.run, screening.valid
        mask_here: Any = screening.mask
        dense = valid
        if valid:
            counted = self._network.dense_rows(run, mask_here)
            dense = valid if counted is None else counted
        if all_kept == 0:
            return ParallelResult(0.0, screening, 0, False, dense, all_valid=all_valid)
        divisor = {"decisions": all_valid, "kept": all_kept, "none": 1}[normalizer]
        (own, rows), told = self.ranks.together(
            lambda: _with_rows(self._backward(run, taken, screening, divisor)), 1
        )
        total = self.ranks.add(own)
        number = total[-1].item()
        require_finite(number)
        sizes = [parameter.numel() for parameter in self._parameters]
        for parameter, flat in zip(self._parameters, torch.split(total[:-1], sizes), strict=True):
            parameter.grad = flat.view_as(parameter).clone()
        self._optimizer.step()
        self._expect_everything = valid > 0 and rows == self._network.rows(run)
        self._after_step()
        executed = sum(row[0] for row in told)
        return ParallelResult(number, screening, rows, True, dense, all_valid, all_kept, executed)

    def _backward(
        self, run: Run, taken: Tensor, screening: TorchScreening, divisor: int
    ) -> tuple[Tensor, int]:
        """Return this rank's part of gradient and loss in one vector, and the rows that it took."""
        for parameter in self._parameters:
            parameter.grad = None
        rows, loss = 0, torch.zeros((), dtype=self._network.dtype, device=self._device)
        if len(screening.kept):
            loss, rows = self._kept_loss(run, taken, screening, divisor)
            loss.backward()  # type: ignore[no-untyped-call]
        parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in self._parameters]
        return torch.cat([part.detach().reshape(-1) for part in (*parts, loss)]), rows

    def _decide(
        self,
        policy: TorchPolicy,
        actions: Any,
        advantages: Any,
        gate: Gate,
        normalizer: str,
        given: tuple[Any, Any, Any],
    ) -> tuple[Tensor, TorchScreening, int, int]:
        """Return actions and screening of this rank, and what is valid and kept on all ranks."""

        def read() -> tuple[tuple[Tensor, Units], list[int]]:
            checks.one_of("normalizer", normalizer, NORMALIZERS)
            if policy.turn is not self._turn:
                raise ValueError("policy: expected that of this learner's last forward")
            taken, units = read_part(self._network, policy, actions, advantages, gate, *given)
            shared = units.history if self.price_scope == "global" else None
            past = b"" if shared is None else tensors.host(shared).tobytes()
            call = int(_digest(repr(gate), normalizer, self._steps, past)[:15], 16)
            decisions = units.surprisal.numel() if units.mask is None else int(units.mask.sum())
            return (taken, units), [units.known.numel(), decisions, call]

        (taken, units), told = self.ranks.together(read, 3)
        counts, valid, calls = (list(column) for column in zip(*told, strict=True))
        if len(set(calls)) > 1:
            raise ValueError("gate, normalizer, history: expected the same on every rank")
        if not sum(valid):
            raise ValueError("mask: no valid decision on any rank")
        known = None
        if self.price_scope == "global":
            known = self.ranks.concatenated(units.known, counts)

        def decide() -> tuple[TorchScreening, list[int]]:
            screening = self._priced(units, known, sum(counts[: self.ranks.rank]))
            return screening, [len(screening.kept)]

        screening, kept = self.ranks.together(decide, 1)
        return taken, screening, sum(valid), sum(row[0] for row in kept)

    def _priced(self, units: Units, known: Tensor | None, start: int) -> TorchScreening:
        """Return the screening of this rank at the price of all signals, or of its own."""
        own = units.known.numel()
        if known is None:
            if own:
                return units.gated(*priced(units))
            return units.gated(None, units.spread(units.known, 0.0), units.history)
        # A keep probability for every unit of the batch, of which this rank's are kept: a few
        # operations a unit, and top-k needs the others to tell its ties apart.
        price, keep, after = price_and_keep(units.gate, known, units.history)
        here = slice(start, start + own)
        if isinstance(price, Tensor):
            price = units.spread(price[here], -torch.inf)
        return units.gated(price, units.spread(keep[here], 0.0), after)


def _with_rows(found: tuple[Tensor, int]) -> tuple[tuple[Tensor, int], list[int]]:
    return found, [found[1]]


def _digest(*parts: object) -> str:
    """Return the sha256 of some values; of bytes their own, of anything else its text."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part if isinstance(part, bytes) else str(part).encode())
        digest.update(b"\0")
    return digest.hexdigest()
