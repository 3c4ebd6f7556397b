"""What a training with a screener executed, summed: by part, with the actor and without.

The FLOP are those of matrix products, 2 m k n each, from the closed forms of
`kondo_ref.flops.speculation` at the rows that ran; `operations` are all operations of these forms.
"""

from functools import cache

from kondo_ref.flops.mlp import network
from kondo_ref.flops.speculation import SpeculationCounts, speculative_step, width
from kondo_ref.gate import Gate, top_k_count
from kondo_ref.models.mlp import MLP
from kondo_ref.optim import FLUSH_EVERY, Adam
from kondo_ref.screeners.draft import Draft
from kondo_ref.screeners.screener import Look
from kondo_ref.screeners.speculation import Speculation, SpeculativeResult

PARTS = ("look", "exact", "backward", "learn", "act")


class CostTally:
    """The executed counts of a training.

    Parameters
    ----------
    speculation : Speculation
    model : MLP
        The exact network.
    gate : Gate
    batch : int
        N.
    """

    def __init__(self, speculation: Speculation, model: MLP, gate: Gate, batch: int) -> None:
        self._speculation, self._batch = speculation, batch
        self._dense = network(model, batch).forward.matmul
        self._width = width(speculation.screener)
        self._flop = dict.fromkeys(PARTS, 0)
        self._operations = self._evaluated = self._kept = self._updates = 0
        screener = speculation.screener

        @cache
        def step(
            kept: int, evaluated: int, seen: int, proposed: int | None, flush: bool, draft: bool
        ) -> tuple[dict[str, int], int]:
            counts = speculative_step(
                screener, model, gate, batch, kept, evaluated=evaluated, seen=seen,
                proposed=proposed, flush=flush, draft_flush=draft,
            )  # fmt: skip
            return _parts(counts), counts.total.matmul + counts.total.scalar

        self._step = step

    def add(self, look: Look, result: SpeculativeResult, *, acted: bool) -> None:
        """Count a step.

        Parameters
        ----------
        look : Look
        result : SpeculativeResult
        acted : bool
            Whether the actor made a dense exact forward of its own.
        """
        propose, screener = self._speculation.propose, self._speculation.screener
        checked = propose is not None and look.policy is None
        drafted = screener.optimizer if isinstance(screener, Draft) else None
        parts, operations = self._step(
            result.screening.kept.size,
            result.forward_rows,
            look.seen.size,
            top_k_count(propose, self._batch) if checked and propose is not None else None,
            result.updated and _flushed(self._speculation.learner.optimizer),
            _flushed(drafted),
        )
        for name, flop in parts.items():
            self._flop[name] += flop
        self._flop["act"] += self._dense if acted else 0
        self._operations += operations
        self._evaluated += look.seen.size + result.forward_rows
        self._kept += result.executed_rows
        self._updates += 1

    def counts(self) -> dict[str, float]:
        """Return the sums so far.

        ``step_flop`` is the learner's: everything but acting. ``loop_flop`` has acting too.
        ``width_flop`` is the learner's with the look weighed by the width of its numbers.
        """
        flop = self._flop
        step = sum(flop.values()) - flop["act"]
        return {
            "exact_rows": self._evaluated,
            "backward_rows": self._kept,
            **{f"{name}_flop": flop[name] for name in PARTS},
            "step_flop": step,
            "loop_flop": step + flop["act"],
            "width_flop": float(step - (1 - self._width) * flop["look"]),
            "operations": self._operations,
        }

    def shares(self) -> dict[str, float]:
        """Return each count of FLOP in dense exact forwards of the batch, a step."""
        unit = self._dense * self._updates
        found = self.counts()
        return {
            name.replace("_flop", "_forwards"): value / unit
            for name, value in found.items()
            if name.endswith("_flop")
        }


def _parts(counts: SpeculationCounts) -> dict[str, int]:
    return {
        "look": counts.look.total.matmul,
        "exact": counts.exact["forward"].matmul,
        "backward": counts.exact.backward.matmul,
        "learn": counts.learn.total.matmul,
    }


def _flushed(optimizer: object) -> bool:
    return isinstance(optimizer, Adam) and optimizer.steps % FLUSH_EVERY == 0
