"""The model that a torch step is handed: its logits are free parameters, so its gradient is theirs.

Row i of a table is the logits of decision i; observations are the numbers of rows. What the table's
gradient holds when the optimizer reads it is dloss/dlogits, whatever the step did on the way; and
the rows that came back through the model's output are those whose backward was run.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

from kondo_ref.audit.guard import Unreadable
from kondo_ref.checks import FloatArray


@dataclass
class Record:
    """What is seen while a step runs."""

    rows: int = 0
    forward_rows: int = 0
    gradients: list[Any] = field(default_factory=list)
    stepped: list[Any] = field(default_factory=list)


class TorchTable:
    """A table of logits as a torch module, with an optimizer for it.

    Parameters
    ----------
    torch : module
    rows, columns : int
    dtype : str
    output : str
        The attribute of the model's output that holds the logits; empty for the logits alone.
    """

    def __init__(self, torch: Any, rows: int, columns: int, dtype: str, output: str) -> None:
        self._torch = torch
        self.record = Record()
        self.module = _module(torch, (rows, columns), dtype, output, self)
        self.optimizer = torch.optim.Adam([self.module.table], lr=1e-3)
        self.module.table.register_hook(self._seen)

    def _seen(self, gradient: Any) -> None:
        self.record.gradients.append(gradient)

    def fill(self, logits: FloatArray) -> None:
        """Put the logits of a batch, (N, K) float64, into the first rows."""
        torch = self._torch
        with torch.no_grad():
            self.module.table[: logits.shape[0]] = torch.tensor(logits).to(self.module.table.dtype)
        self._before = self.module.table.detach().clone()

    def run(self, step: Callable[[], Any], *, count: bool) -> tuple[Any, Record, bool, int | None]:
        """Run a step.

        Parameters
        ----------
        step : callable
        count : bool
            Whether its FLOP are counted, which takes ten times as long as the step.

        Returns
        -------
        returned : object
        record : Record
        moved : bool
            Whether a number of the table changed.
        flop : int or None
            Of the products in the backward.
        """
        from torch.optim.optimizer import register_optimizer_step_pre_hook

        from kondo_ref.flops.foreign_torch import counted

        torch = self._torch
        self.record = record = Record()
        table = self.module.table

        def before_step(optimizer: Any, *_: Any) -> None:
            held = (p for group in optimizer.param_groups for p in group["params"])
            if table.grad is not None and any(p is table for p in held):
                record.stepped.append(table.grad.detach().clone())

        handle = register_optimizer_step_pre_hook(before_step)
        flop = None
        try:
            if count:
                with counted() as tally:
                    returned = step()
                flop = sum(n for (stage, _), n in tally.flop.items() if stage == "backward")
            else:
                returned = step()
        finally:
            handle.remove()
        same = torch.equal(_bits(torch, table), _bits(torch, self._before))
        return returned, record, not same, flop

    def gradient(self, record: Record, rows: int, moved: bool) -> Any:
        """Return the gradient of the first rows: as the update read it, or as it came.

        Raises
        ------
        Unreadable
            The table moved without a gradient that could be seen.
        """
        left = self.module.table.grad
        if not record.stepped and moved and left is not None and bool((left != 0).any()):
            # No optimizer was seen: what is left in .grad, of earlier batches too, moved it.
            return left.detach()[:rows]
        seen = record.stepped or record.gradients
        if not seen:
            if moved:
                raise Unreadable("the model moved, and no gradient of it was seen")
            return self._torch.zeros_like(self.module.table)[:rows]
        total = seen[0]
        for gradient in seen[1:]:
            total = total + gradient
        return total.detach()[:rows]


def _bits(torch: Any, tensor: Any) -> Any:
    kind = {2: torch.int16, 4: torch.int32, 8: torch.int64}[tensor.element_size()]
    return tensor.detach().view(kind)


def _module(torch: Any, shape: tuple[int, int], dtype: str, output: str, owner: TorchTable) -> Any:
    """Return the module; its class is made here, since torch is loaded only now."""

    class Table(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            kind = getattr(torch, dtype)
            self.table = torch.nn.Parameter(torch.zeros(shape, dtype=kind))
            # A product with the identity, so that there are FLOP to count; it changes nothing.
            self.register_buffer("identity", torch.eye(shape[1], dtype=kind))

        def forward(self, observations: Any = None, **others: Any) -> Any:
            if observations is None:
                named = [others[name] for name in ("input_ids", "obs", "x") if name in others]
                if not named:
                    raise TypeError("model: no observations")
                observations = named[0]
            rows = torch.as_tensor(observations).long()
            looked_up = torch.nn.functional.embedding(rows, self.table)
            logits = torch.nn.functional.linear(looked_up, self.identity)
            owner.record.forward_rows += rows.numel()
            if logits.requires_grad:
                logits.register_hook(count)
            return SimpleNamespace(**{output: logits}) if output else logits

    def count(gradient: Any) -> None:
        owner.record.rows += gradient.numel() // shape[1]

    return Table()


def rows_of(shape: tuple[int, ...]) -> Any:
    """Return the observations of a batch: the number of each decision's row."""
    return np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape)
