"""The multilayer perceptron in torch modules.

The kept observations are gathered and go through the network once more, now with a graph: what is
dropped never enters it.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from kondo_ref.backends import torch_checks as tensors
from kondo_ref.backends.torch_checks import Tensor
from kondo_ref.backends.torch_network import Entry, Network, Run, linear_entries
from kondo_ref.models.mlp import MLP


class MLPNetwork(Network):
    """Linear layers with ReLU between them; its batch is the observations (N, D[0])."""

    model: MLP

    def __init__(self, model: MLP) -> None:
        super().__init__(model)
        layers: list[nn.Module] = []
        for layer in range(model.layers):
            layers += [nn.Linear(model.sizes[layer], model.sizes[layer + 1]), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits (n, K), and what the first layer gave, (n, D[1]), before its ReLU."""
        entrance, *others = self.layers
        first: Tensor = entrance(x)
        logits = first
        for layer in others:
            logits = layer(logits)
        return logits, first

    def entries(self) -> Iterator[Entry]:
        """Yield weight1, bias1, weight2, ..."""
        linears = [layer for layer in self.layers if isinstance(layer, nn.Linear)]
        for layer, linear in enumerate(linears, start=1):
            yield from linear_entries(f"weight{layer}", linear, f"bias{layer}")

    def read(self, observations: Any) -> Tensor:
        """Return observations (N, D[0]) of the network's dtype; not a copy where it has them."""
        x, inputs = observations, self.model.sizes[0]
        if not isinstance(x, Tensor):
            x = tensors.real_tensor("x", observations, self.device)
        if x.ndim != 2 or x.shape[1] != inputs or x.shape[0] == 0:
            raise ValueError(f"x: expected shape (N, {inputs}), N >= 1, got {tuple(x.shape)}")
        if x.dtype != self.dtype:
            wanted = str(self.dtype).removeprefix("torch.")
            raise TypeError(f"x: expected dtype {wanted}, got {tensors.dtype_name(x)}")
        return x.detach().to(self.device)

    def run(self, batch: Tensor, *, graph: bool) -> Run:
        """Run all rows; refuse observations that are not finite."""
        with torch.set_grad_enabled(graph):
            logits, first = self(batch)
        if not math.isfinite(first.sum().item()):
            tensors.real_tensor("x", batch, self.device)
        return Run(batch, logits)

    def decisions(self, run: Run) -> Tensor:
        """Return the logits (N, K)."""
        return run.logits.detach()

    def rerun(self, run: Run, kept: Tensor) -> tuple[Tensor, int]:
        """Return the logits of the kept rows; with everything kept, nothing is gathered."""
        everything = len(kept) == len(run.batch)
        if everything and run.logits.requires_grad:
            return run.logits, len(kept)
        with torch.enable_grad():
            logits, _ = self(run.batch if everything else run.batch.index_select(0, kept))
        return logits, len(kept)

    def rows(self, run: Run) -> int:
        """Return N."""
        return len(run.batch)
