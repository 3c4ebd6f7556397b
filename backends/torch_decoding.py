"""Sampling token by token in torch, with a key-value cache, as `kondo_ref.models.decoding`.

Every different prompt runs once, then each new token alone, against the keys and values of those
before it. B sequences, prompts of P tokens, S sampled ones; H heads of width W.
"""

from typing import Any

import numpy as np
import torch

from kondo_ref.backends import torch_checks as tensors
from kondo_ref.backends import torch_stations as stations
from kondo_ref.backends.torch_attention import attend, merge_heads, split_heads
from kondo_ref.backends.torch_checks import Tensor
from kondo_ref.backends.torch_network import Network
from kondo_ref.backends.torch_transformer import Block, TransformerNetwork
from kondo_ref.models.decoding import check_rollout

# Keys and values (B, H, P + S - 1, W) of one block.
KeyValues = tuple[Tensor, Tensor]


@torch.no_grad()
def generate(network: Network, prompts: Any, uniforms: Any) -> Tensor:
    """Return the sampled continuation (B, S) of prompts (B, P).

    Raises
    ------
    TypeError, ValueError
        As `kondo_ref.models.decoding.generate`.
    """
    if not isinstance(network, TransformerNetwork):
        raise TypeError(
            f"model: expected a Transformer to sample tokens from, got {network.model!r}"
        )
    on_host = [tensors.host(a) if isinstance(a, Tensor) else a for a in (prompts, uniforms)]
    asked, steps = check_rollout(network.model, *on_host)
    draws = tensors.uniform_tensor(uniforms, (len(asked), steps), network.device)
    different, which = np.unique(asked, axis=0, return_inverse=True)
    start, room = asked.shape[1], asked.shape[1] + steps - 1
    memory = _memory(network, len(different), room)
    tokens = tensors.tensor_of(different.astype(np.int64, copy=False), network.device)
    rows = tensors.tensor_of(which.ravel(), network.device)
    logits = _read(network, memory, tokens, 0)[rows]
    memory = [(keys[rows], values[rows]) for keys, values in memory]
    actions: list[Tensor] = []
    for place in range(start, start + steps):
        if actions:
            logits = _read(network, memory, actions[-1][:, None], place - 1)
        checked = tensors.logits_tensor(logits, network.device)
        probabilities = stations.log_softmax(checked).exp()
        actions.append(stations.sample_actions(probabilities, draws[:, place - start]))
    return torch.stack(actions, 1)


def _memory(network: TransformerNetwork, sequences: int, room: int) -> list[KeyValues]:
    """Return room for the keys and values of every block."""
    model = network.model
    shape = (sequences, model.heads, room, model.width // model.heads)

    def empty() -> Tensor:
        return torch.zeros(shape, dtype=network.dtype, device=network.device)

    return [(empty(), empty()) for _ in range(model.layers)]


def _read(
    network: TransformerNetwork, memory: list[KeyValues], tokens: Tensor, place: int
) -> Tensor:
    """Read more tokens (n, t), the first at `place`; return the logits (n, A) after the last.

    Notes
    -----
    Cost a token: the products of a row, and matmul 4 (place + t) D a block for the attention.
    """
    places = torch.arange(place, place + tokens.shape[1], device=network.device)
    later = torch.arange(place + tokens.shape[1], device=network.device) > places[:, None]
    x = network.embed(tokens, places)
    for block, remembered in zip(network.blocks, memory, strict=True):
        assert isinstance(block, Block)
        x = _extend(block, x, remembered, places, later)
    return network.read_out(x[:, -1])


def _extend(
    block: Block, x: Tensor, remembered: KeyValues, places: Tensor, later: Tensor
) -> Tensor:
    """Run one block on new rows (n, t, D), and remember their keys and values."""
    n, known = len(x), later.shape[1]
    parts = block.query_key_value(block.norm1(x)).flatten(0, 1).chunk(3, dim=1)
    query, *new = (split_heads(part, n, block.heads) for part in parts)
    for room, rows in zip(remembered, new, strict=True):
        room[:, :, places] = rows
    keys, values = (room[:, :, :known] for room in remembered)
    return block.finish(x, merge_heads(attend(query, keys, values, later)))
