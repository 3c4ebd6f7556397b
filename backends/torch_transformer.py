"""The transformer in torch modules, on packed rows.

Which rows an update needs is decided by `kondo_ref.models.packing`, on the host; the arithmetic is
torch's. The prefixes of the kept tokens are gathered and go through the network once more, now with
a graph: the last block runs its query, projection and feed-forward, and the head, on the kept rows
alone. What no kept token depends on never enters the graph.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from kondo_ref.backends import torch_checks as tensors
from kondo_ref.backends.torch_attention import Layout, attention
from kondo_ref.backends.torch_checks import Tensor
from kondo_ref.backends.torch_network import Entry, Network, Run, linear_entries
from kondo_ref.layers import NORM_EPSILON
from kondo_ref.models.packing import Packing, Spans
from kondo_ref.models.transformer import Transformer


@dataclass(frozen=True, eq=False)
class Rows:
    """A packed batch on the device.

    Parameters
    ----------
    packing : Packing
        On the host.
    tokens, positions : (R,) int64 tensor
    layout : Layout
        In which all rows ask.
    """

    packing: Packing
    tokens: Tensor
    positions: Tensor
    layout: Layout

    @classmethod
    def of(cls, packing: Packing, device: torch.device) -> "Rows":
        """Return the rows of a packing."""
        tokens, positions = (
            tensors.tensor_of(array, device) for array in (packing.tokens, packing.positions)
        )
        return cls(packing, tokens, positions, Layout.of(Spans(packing.offsets), device))


class Block(nn.Module):
    """One pre-LN block: attention and feed-forward on a residual."""

    def __init__(self, model: Transformer) -> None:
        super().__init__()
        width, inner, bias = model.width, model.feed_forward, model.biases
        self.heads = model.heads
        self.norm1 = nn.LayerNorm(width, eps=NORM_EPSILON, bias=bias)
        self.query_key_value = nn.Linear(width, 3 * width, bias=bias)
        self.projection = nn.Linear(width, width, bias=bias)
        self.norm2 = nn.LayerNorm(width, eps=NORM_EPSILON, bias=bias)
        self.expand = nn.Linear(width, inner, bias=bias)
        self.activation = nn.ReLU() if model.activation == "relu" else nn.GELU()
        self.contract = nn.Linear(inner, width, bias=bias)

    def forward(self, x: Tensor, layout: Layout) -> Tensor:
        """Return what the block makes of rows (R, D): (Q, D), those that ask."""
        normed, width = self.norm1(x), x.shape[1]
        if layout.queries is None:
            query, key, value = torch.split(self.query_key_value(normed), width, 1)
        else:
            x = x.index_select(0, layout.queries)
            query = self._part(normed.index_select(0, layout.queries), slice(width))
            key, value = torch.split(self._part(normed, slice(width, None)), width, 1)
        return self.finish(x, attention(query, key, value, layout, self.heads))

    def finish(self, x: Tensor, context: Tensor) -> Tensor:
        """Return the block's output from its input and what the attention gave, (..., D)."""
        middle = x + self.projection(context)
        out: Tensor = middle + self.contract(self.activation(self.expand(self.norm2(middle))))
        return out

    def entries(self, prefix: str) -> Iterator[Entry]:
        """Yield the parameters by the reference's names."""
        for name in ("norm1", "query_key_value", "projection", "norm2", "expand", "contract"):
            layer = getattr(self, name)
            named = norm_entries if isinstance(layer, nn.LayerNorm) else product_entries
            yield from named(prefix + name, layer)

    def _part(self, normed: Tensor, outputs: slice) -> Tensor:
        bias = self.query_key_value.bias
        part = None if bias is None else bias[outputs]
        return F.linear(normed, self.query_key_value.weight[outputs], part)


class TransformerNetwork(Network):
    """Embeddings, blocks and a head; its batch is `Rows`."""

    model: Transformer

    def __init__(self, model: Transformer) -> None:
        super().__init__(model)
        self.token_embedding = nn.Embedding(model.vocabulary, model.width)
        self.position_embedding = nn.Embedding(model.length, model.width)
        self.blocks = nn.ModuleList(Block(model) for _ in range(model.layers))
        self.final_norm = (
            nn.LayerNorm(model.width, eps=NORM_EPSILON, bias=model.biases)
            if model.final_norm
            else None
        )
        self.head = nn.Linear(model.width, model.actions, bias=model.biases)

    def entries(self) -> Iterator[Entry]:
        """Yield token_embedding, position_embedding, block1_norm1_gain, ..., head."""
        for name in ("token_embedding", "position_embedding"):
            yield Entry(name, getattr(self, name).weight, transposed=False)
        for number, block in enumerate(self.blocks, start=1):
            assert isinstance(block, Block)
            yield from block.entries(f"block{number}_")
        if self.final_norm is not None:
            yield from norm_entries("final_norm", self.final_norm)
        yield from product_entries("head", self.head)

    def embed(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """Return the embeddings (..., D) of tokens at their positions."""
        embedded: Tensor = self.token_embedding(tokens) + self.position_embedding(positions)
        return embedded

    def below(self, rows: Rows) -> Tensor:
        """Return what the last block is given, (R, D)."""
        x = self.embed(rows.tokens, rows.positions)
        for block in self.blocks[:-1]:
            x = block(x, rows.layout)
        return x

    def above(self, x: Tensor, layout: Layout) -> Tensor:
        """Return the logits (Q, A) from what the last block is given."""
        return self.read_out(self.blocks[-1](x, layout))

    def read_out(self, x: Tensor) -> Tensor:
        """Return the logits (..., A) from what the last block made."""
        logits: Tensor = self.head(x if self.final_norm is None else self.final_norm(x))
        return logits

    def read(self, observations: Any) -> Rows:
        """Return the rows of tokens (B, T), -1 past the end of a shorter sequence."""
        grid = observations
        if isinstance(grid, Tensor):
            grid = tensors.host(grid)
        packing = Packing.of(grid, self.model.vocabulary)
        longest = int(packing.positions.max()) + 1
        if longest > self.model.length:
            raise ValueError(
                f"tokens: expected at most {self.model.length} a sequence, got {longest}"
            )
        return Rows.of(packing, self.device)

    def run(self, batch: Rows, *, graph: bool) -> Run:
        """Run all rows."""
        with torch.set_grad_enabled(graph):
            below = self.below(batch)
            return Run(batch, self.above(below, batch.layout), below)

    def decisions(self, run: Run) -> Tensor:
        """Return the logits (B, T, A), zeros past the end of a sequence."""
        packing, rows = run.batch.packing, run.logits.detach()
        if not packing.whole:
            cells = tensors.tensor_of(packing.cells, self.device)
            grid = rows.new_zeros(packing.shape[0] * packing.shape[1], rows.shape[1])
            rows = grid.index_copy_(0, cells, rows)
        return rows.view(*packing.shape, -1)

    def rerun(self, run: Run, kept: Tensor) -> tuple[Tensor, int]:
        """Return the logits of the kept tokens (flat in (B, T)), and the rows of their prefixes."""
        packing = run.batch.packing
        prefixes = packing.prefixes(packing.row_of(tensors.host(kept)))
        rows, asking = prefixes.rows.size, prefixes.queries.size
        if run.logits.requires_grad and asking == packing.rows:
            return run.logits, rows
        last = Spans(prefixes.offsets, prefixes.queries, prefixes.counts)
        if asking == rows:
            last = Spans(prefixes.offsets)
        with torch.enable_grad():
            below = run.below
            if below is None or not below.requires_grad or rows < packing.rows:
                below = self.below(Rows.of(packing.take(prefixes), self.device))
            return self.above(below, Layout.of(last, self.device)), rows

    def rows(self, run: Run) -> int:
        """Return the tokens of the batch."""
        rows: int = run.batch.packing.rows
        return rows

    def check_mask(self, run: Run, mask: Any) -> None:
        """Refuse a mask that calls a token past its sequence's end valid, or none where needed."""
        packing = run.batch.packing
        if packing.whole:
            return
        if isinstance(mask, Tensor):
            tensors.mask_tensor(mask, packing.shape, self.device)
            mask = tensors.host(mask)
        packing.check_mask(mask)

    def dense_rows(self, run: Run, mask: Tensor | None) -> int:
        """Return the rows of the prefixes that end with the last valid decision."""
        rows: int = run.batch.packing.dense_rows(None if mask is None else tensors.host(mask))
        return rows


def product_entries(name: str, linear: nn.Linear) -> Iterator[Entry]:
    """Yield the weight of a product, and its bias if it has one."""
    return linear_entries(name, linear, f"{name}_bias")


def norm_entries(name: str, norm: nn.LayerNorm) -> Iterator[Entry]:
    """Yield the gain of a normalization, and its offset if it has one."""
    yield Entry(f"{name}_gain", norm.weight, transposed=False)
    if norm.bias is not None:
        yield Entry(f"{name}_offset", norm.bias, transposed=False)
